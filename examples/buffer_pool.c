/* SPDX-License-Identifier: MIT
 *
 * A pool of I/O buffers, 64 KiB each, for many threads: get and put are the pool, there is no lock and no list. Two
 * threads fill buffers and hand them to a third one, which checks and frees them: a buffer may be put by any thread. */
#define _POSIX_C_SOURCE 200809L
#include <llfree/arena.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER_ORDER = 4, BUFFER_BYTES = LLFREE_FRAME_BYTES << BUFFER_ORDER, BUFFERS = 20000, FILLERS = 2 };

typedef struct buffer_pool {
	llfree_arena arena;
	int queue[2]; /* a pipe of addresses */
} buffer_pool;

static llfree_request buffer_request(void)
{
	return (llfree_request){ .cpu = llfree_current_cpu(),
				 .order = BUFFER_ORDER,
				 .class_idx = LLFREE_CLASS_MOVABLE };
}

/* NULL when all buffers are out: the caller waits, or asks for less. */
static void *buffer_get(buffer_pool *pool)
{
	uint64_t frame;

	if (llfree_get(&pool->arena.allocator, buffer_request(), &frame) != LLFREE_OK)
		return NULL;
	return llfree_arena_address(&pool->arena, frame);
}

static llfree_err buffer_put(buffer_pool *pool, void *buffer)
{
	return llfree_put(&pool->arena.allocator, buffer_request(), llfree_arena_frame(&pool->arena, buffer));
}

static void *fill(void *context)
{
	buffer_pool *pool = context;

	for (int at = 0; at < BUFFERS / FILLERS;) {
		unsigned char *buffer = buffer_get(pool);

		if (!buffer)
			continue; /* the other side is slow */
		memset(buffer, at % 251, BUFFER_BYTES);
		if (write(pool->queue[1], &buffer, sizeof(buffer)) != (ssize_t)sizeof(buffer))
			abort();
		at++;
	}
	return NULL;
}

int main(void)
{
	static buffer_pool pool;
	llfree_arena_config config = { .memory_bytes = UINT64_C(16) << 20 };
	pthread_t fillers[FILLERS];
	llfree_err err = llfree_arena_create(&pool.arena, &config);

	if (err != LLFREE_OK)
		return fprintf(stderr, "buffer_pool: %s\n", llfree_err_text(err)), 1;
	if (pipe(pool.queue) != 0)
		return perror("buffer_pool: pipe"), 1;
	for (int at = 0; at < FILLERS; at++)
		if (pthread_create(&fillers[at], NULL, fill, &pool) != 0)
			return fprintf(stderr, "buffer_pool: no thread\n"), 1;
	int wrong = 0;

	for (int at = 0; at < BUFFERS; at++) {
		unsigned char *buffer;

		if (read(pool.queue[0], &buffer, sizeof(buffer)) != (ssize_t)sizeof(buffer))
			return perror("buffer_pool: read"), 1;
		wrong += buffer[0] != buffer[BUFFER_BYTES - 1];
		wrong += buffer_put(&pool, buffer) != LLFREE_OK;
	}
	for (int at = 0; at < FILLERS; at++)
		pthread_join(fillers[at], NULL);
	llfree_stats stats;

	llfree_stats_exact(&pool.arena.allocator, &stats);
	printf("%d buffers of %d KiB passed through a pool of %llu, %d wrong, %llu frames free of %llu\n", BUFFERS,
	       BUFFER_BYTES / 1024, (unsigned long long)(pool.arena.memory_bytes / BUFFER_BYTES), wrong,
	       (unsigned long long)stats.free_frames, (unsigned long long)stats.frames);
	llfree_arena_destroy(&pool.arena);
	return wrong != 0 || stats.free_frames != stats.frames;
}
