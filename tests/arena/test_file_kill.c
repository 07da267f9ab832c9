/* SPDX-License-Identifier: MIT
 *
 * A process works on an arena in a file and is killed (SIGKILL) at a random moment, again and again. What it owned is
 * written in a diary that it shares with this test: after each kill the arena is opened, audited, every owned frame
 * must be taken and hold its pattern, and what is taken beyond that must fit the operations that were under way (A10).
 */
#define _GNU_SOURCE
#include "arena_support.h"

#include <llfree/file_arena.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../support/t_rand.h"

enum { THREADS = 2, RUNS = 48, KILLS = 60, MEMORY_BYTES = 32 << 20, FRAMES = MEMORY_BYTES >> LLFREE_FRAME_SHIFT };

/* One run of a thread. It moves free -> getting -> owned -> putting -> free; frame and order are written before. */
enum { RUN_FREE, RUN_GETTING, RUN_OWNED, RUN_PUTTING };
typedef struct {
	uint32_t state, order;
	uint64_t frame, stamp;
} diary_run;

typedef struct {
	diary_run runs[THREADS][RUNS];
	uint64_t operations;
	uint32_t started, refused;
} diary;

typedef struct {
	llfree_file *file;
	diary *diary;
	unsigned thread;
	uint64_t seed;
} worker;

static uint64_t *word_of(const llfree_file *file, uint64_t frame)
{
	return llfree_arena_address(&file->arena, frame);
}

static void set_state(diary_run *run, uint32_t state)
{
	__atomic_store_n(&run->state, state, __ATOMIC_SEQ_CST);
}

static void get(const worker *self, diary_run *run, t_rand *rand)
{
	static const uint8_t orders[] = { 0, 0, 0, 1, 3, 6, 7, 8, 9, 10 };
	unsigned order = orders[t_rand_below(rand, sizeof(orders))];
	llfree_request request = { self->thread, (uint8_t)(order > LLFREE_MAX_ORDER ? 0 : order), 1 };

	run->order = request.order;
	set_state(run, RUN_GETTING);
	uint64_t frame;

	if (llfree_get(&self->file->arena.allocator, request, &frame) != LLFREE_OK) {
		set_state(run, RUN_FREE);
		return;
	}
	run->frame = frame;
	run->stamp = t_rand_next(rand);
	for (uint64_t i = 0; i < UINT64_C(1) << run->order; i++)
		*word_of(self->file, frame + i) = run->stamp + i;
	set_state(run, RUN_OWNED);
}

static void put(const worker *self, diary_run *run)
{
	set_state(run, RUN_PUTTING);
	llfree_request request = { self->thread, (uint8_t)run->order, 1 };

	if (llfree_put(&self->file->arena.allocator, request, run->frame) != LLFREE_OK)
		__atomic_fetch_add(&self->diary->refused, 1, __ATOMIC_SEQ_CST);
	set_state(run, RUN_FREE);
}

static void *work(void *argument)
{
	const worker *self = argument;
	t_rand rand = { self->seed };

	for (;;) {
		diary_run *run = &self->diary->runs[self->thread][t_rand_below(&rand, RUNS)];

		if (run->state == RUN_FREE)
			get(self, run, &rand);
		else
			put(self, run);
		__atomic_fetch_add(&self->diary->operations, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* Never returns: works until it is killed. */
static void child_main(const llfree_file_config *config, diary *shared, uint64_t seed)
{
	llfree_file file;
	pthread_t threads[THREADS];
	worker workers[THREADS];

	if (llfree_file_open(&file, config) != LLFREE_OK)
		_exit(1);
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i] = (worker){ &file, shared, i, seed + i };
		if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0)
			_exit(2);
	}
	__atomic_store_n(&shared->started, 1, __ATOMIC_SEQ_CST);
	for (;;)
		pause();
}

static void sleep_us(uint64_t us)
{
	struct timespec time = { .tv_nsec = (long)us * 1000 };

	(void)nanosleep(&time, NULL);
}

static void run_and_kill(const llfree_file_config *config, diary *shared, t_rand *rand)
{
	shared->started = 0;
	uint64_t seed = t_rand_next(rand);
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
		child_main(config, shared, seed);
	int status;

	while (!__atomic_load_n(&shared->started, __ATOMIC_SEQ_CST)) {
		assert_int_equal(waitpid(child, &status, WNOHANG), 0); /* it did not end by itself */
		sleep_us(100);
	}
	sleep_us(t_rand_below(rand, 4000));
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* Owned runs are taken and hold what was written. @return the frames that operations under way may have. */
static uint64_t check_runs(const llfree_file *file, const diary *shared, uint8_t *owned)
{
	uint64_t under_way = 0;

	for (unsigned i = 0; i < THREADS * RUNS; i++) {
		const diary_run *run = &shared->runs[i / RUNS][i % RUNS];
		uint64_t frames = UINT64_C(1) << run->order;

		if (run->state == RUN_GETTING || run->state == RUN_PUTTING)
			under_way += frames;
		if (run->state != RUN_OWNED)
			continue;
		for (uint64_t frame = run->frame; frame < run->frame + frames; frame++) {
			assert_false(llfree_is_free(&file->arena.allocator, frame));
			assert_int_equal(owned[frame], 0);
			assert_int_equal(*word_of(file, frame), run->stamp + (frame - run->frame));
			owned[frame] = 1;
		}
	}
	return under_way;
}

/* Everything that is taken and nobody owns: lost. Put back, so that losses don't add up over the kills. */
static uint64_t put_lost(const llfree_file *file, const uint8_t *owned)
{
	uint64_t lost = 0;

	for (uint64_t frame = 0; frame < FRAMES; frame++) {
		if (owned[frame] || llfree_is_free(&file->arena.allocator, frame))
			continue;
		assert_int_equal(llfree_put(&file->arena.allocator, (llfree_request){ 0, 0, 1 }, frame), LLFREE_OK);
		lost++;
	}
	return lost;
}

/* In a durable arena each operation under way has its whole run, or nothing. */
static bool is_sum_of_runs(const diary *shared, uint64_t lost)
{
	uint64_t sums[1 << THREADS] = { 0 };
	unsigned n_sums = 1;

	for (unsigned i = 0; i < THREADS * RUNS; i++) {
		const diary_run *run = &shared->runs[i / RUNS][i % RUNS];

		if (run->state != RUN_GETTING && run->state != RUN_PUTTING)
			continue;
		assert_true(n_sums < 1 << THREADS);
		for (unsigned j = 0; j < n_sums; j++)
			sums[n_sums + j] = sums[j] + (UINT64_C(1) << run->order);
		n_sums *= 2;
	}
	for (unsigned i = 0; i < n_sums; i++) {
		if (sums[i] == lost)
			return true;
	}
	return false;
}

static void check_after_kill(const llfree_file_config *config, diary *shared, bool exact)
{
	llfree_file file;
	llfree_audit_report report;
	uint8_t owned[FRAMES] = { 0 };
	llfree_err err = llfree_file_open(&file, config);

	if (err)
		fail_msg("%s", llfree_err_text(err));
	assert_int_equal(file.found, LLFREE_FILE_KILLED);
	assert_true(llfree_audit(&file.arena.allocator, &report));
	assert_int_equal(report.cached_frames, 0);
	uint64_t under_way = check_runs(&file, shared, owned);
	uint64_t lost = put_lost(&file, owned);
	/* Fast mode: half a row that a refill, and one that a put or drain had in its hands, for each thread. */
	uint64_t allowed = under_way + (exact ? 0 : THREADS * 64);

	if (lost > allowed)
		fail_msg("%llu frames lost, %llu were under way", (unsigned long long)lost,
			 (unsigned long long)allowed);
	if (exact && config->allocator.durable && !is_sum_of_runs(shared, lost))
		fail_msg("%llu frames lost, which is a part of a run", (unsigned long long)lost);
	for (unsigned i = 0; i < THREADS * RUNS; i++) {
		if (shared->runs[i / RUNS][i % RUNS].state != RUN_OWNED)
			shared->runs[i / RUNS][i % RUNS].state = RUN_FREE;
	}
	assert_true(llfree_audit(&file.arena.allocator, &report));
	err = llfree_file_close(&file);
	assert_int_equal(err, LLFREE_OK);
}

static void kills(bool exact, bool durable)
{
	char path[128];
	llfree_file file;
	llfree_file_config config = { .path = t_new_path(path, sizeof(path)),
				      .memory_bytes = MEMORY_BYTES,
				      .allocator = { .cpus = THREADS, .exact = exact, .durable = durable } };
	t_rand rand = { t_seed(exact ? 11 : 12) };
	diary *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	print_message("seed %llu\n", (unsigned long long)rand.state);
	assert_true(shared != MAP_FAILED);
	assert_int_equal(llfree_file_create(&file, &config), LLFREE_OK);
	assert_int_equal(llfree_file_close(&file), LLFREE_OK);
	for (unsigned i = 0; i < KILLS; i++) {
		run_and_kill(&config, shared, &rand);
		check_after_kill(&config, shared, exact);
	}
	print_message("%u kills, %llu operations\n", (unsigned)KILLS, (unsigned long long)shared->operations);
	assert_true(shared->operations > 0);
	assert_int_equal(shared->refused, 0);
	munmap(shared, sizeof(*shared));
	unlink(path);
}

static void killed_at_any_moment_owned_frames_stay_owned_in_fast_mode(void **state)
{
	(void)state;
	kills(false, false);
}

static void killed_at_any_moment_only_what_was_under_way_is_lost_in_exact_mode(void **state)
{
	(void)state;
	kills(true, false);
}

static void killed_at_any_moment_a_durable_arena_has_whole_runs_or_none(void **state)
{
	(void)state;
	kills(true, true);
	kills(false, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_at_any_moment_owned_frames_stay_owned_in_fast_mode),
		cmocka_unit_test(killed_at_any_moment_only_what_was_under_way_is_lost_in_exact_mode),
		cmocka_unit_test(killed_at_any_moment_a_durable_arena_has_whole_runs_or_none),
	};
	return cmocka_run_group_tests_name("file_kill", tests, NULL, NULL);
}
