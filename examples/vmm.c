/* SPDX-License-Identifier: MIT
 *
 * The skeleton of a VMM that reclaims: a child process is the guest, which allocates, writes and frees; the parent is
 * the monitor, which shares nothing with it but the allocator's region and the memory, both by descriptor. It evicts
 * the guest's free huge frames and gives their memory back to the system without asking the guest; when the guest
 * allocates from one again, its install function calls, and the monitor makes the memory present first.
 *
 * What a real monitor has besides: its own record of each huge frame, a check of everything that the guest writes,
 * batches of discards, DMA mappings. hypervisor-sim/host is one. */
#define _GNU_SOURCE
#include <llfree/arena.h>
#include <llfree/host.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MEMORY_MIB = 256 };
#define AT_REST UINT64_MAX /* what the guest sends when it has freed everything */

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static bool send_word(int socket, uint64_t word)
{
	return write(socket, &word, sizeof(word)) == (ssize_t)sizeof(word);
}

static bool receive_word(int socket, uint64_t *word)
{
	return read(socket, word, sizeof(*word)) == (ssize_t)sizeof(*word);
}

/* --- the guest ---------------------------------------------------------------------------------------------------- */

/* Ask the monitor, and wait: when it has answered, the memory is there. False would make the get fail. */
static bool guest_install(void *context, uint64_t huge_idx)
{
	uint64_t answer;

	return send_word(*(int *)context, huge_idx) && receive_word(*(int *)context, &answer) && answer == huge_idx;
}

/* Get and write a share of the memory, check it, free it. */
static void guest_work(llfree_arena *arena, unsigned mib)
{
	static uint64_t frames[MEMORY_MIB * 256];
	uint64_t n_frames = mib * UINT64_C(256);
	llfree_request request = { .cpu = llfree_current_cpu(), .class_idx = LLFREE_CLASS_MOVABLE };

	for (uint64_t at = 0; at < n_frames; at++) {
		must(llfree_get(&arena->allocator, request, &frames[at]) == LLFREE_OK, "vmm: get");
		memset(llfree_arena_address(arena, frames[at]), (int)(at % 251), LLFREE_FRAME_BYTES);
	}
	for (uint64_t at = 0; at < n_frames; at++) {
		const unsigned char *bytes = llfree_arena_address(arena, frames[at]);

		must(bytes[0] == at % 251 && bytes[LLFREE_FRAME_BYTES - 1] == at % 251, "vmm: a frame changed");
		must(llfree_put(&arena->allocator, request, frames[at]) == LLFREE_OK, "vmm: put");
	}
	llfree_drain_all(&arena->allocator);
}

static int guest_main(int region_fd, int memory_fd, int socket)
{
	llfree_arena arena;
	uint64_t go_on;

	must(llfree_arena_attach(&arena, region_fd, memory_fd) == LLFREE_OK, "vmm: attach");
	llfree_set_install(&arena.allocator, guest_install, &socket);
	for (unsigned mib = MEMORY_MIB - 32; mib > 0; mib /= 4) {
		guest_work(&arena, mib);
		must(send_word(socket, AT_REST) && receive_word(socket, &go_on), "vmm: the monitor is gone");
	}
	llfree_arena_destroy(&arena);
	return 0;
}

/* --- the monitor -------------------------------------------------------------------------------------------------- */

static unsigned resident_mib(int memory_fd)
{
	struct stat status;

	must(fstat(memory_fd, &status) == 0, "vmm: fstat");
	return (unsigned)(status.st_blocks / 2048);
}

/* Evict what is free, then give its memory back: in this order, or a late discard would eat what the guest writes. */
static unsigned reclaim(const llfree_arena *arena)
{
	uint64_t cursor = 0, huge_idx[64];
	unsigned n_reclaimed = 0;
	size_t n_found;

	while ((n_found = llfree_find_free_huge(&arena->allocator, true, true, &cursor, huge_idx, 64)) > 0)
		for (size_t at = 0; at < n_found; at++) {
			if (llfree_reclaim_soft(&arena->allocator, huge_idx[at]) != LLFREE_OK)
				continue; /* the guest was faster */
			must(fallocate(arena->memory_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				       (off_t)(huge_idx[at] * LLFREE_HUGE_BYTES), LLFREE_HUGE_BYTES) == 0,
			     "vmm: punch");
			n_reclaimed++;
		}
	return n_reclaimed;
}

/* Memory first, the mark last. */
static void install(const llfree_arena *arena, uint64_t huge_idx)
{
	must(huge_idx < arena->memory_bytes / LLFREE_HUGE_BYTES, "vmm: the guest asks for nonsense");
	must(fallocate(arena->memory_fd, 0, (off_t)(huge_idx * LLFREE_HUGE_BYTES), LLFREE_HUGE_BYTES) == 0,
	     "vmm: populate");
	llfree_err err = llfree_install(&arena->allocator, huge_idx);

	must(err == LLFREE_OK || err == LLFREE_ERR_STATE, "vmm: install");
}

static unsigned monitor_main(const llfree_arena *arena, int socket)
{
	unsigned n_installs = 0, n_wrong = 0;
	uint64_t word;

	while (receive_word(socket, &word)) {
		if (word != AT_REST) {
			install(arena, word);
			n_installs++;
		} else {
			unsigned before = resident_mib(arena->memory_fd), n_reclaimed = reclaim(arena);
			unsigned after = resident_mib(arena->memory_fd);

			printf("guest at rest: %3u MiB resident, %3u huge frames reclaimed, %3u MiB resident, "
			       "%3u installs so far\n",
			       before, n_reclaimed, after, n_installs);
			n_wrong += n_reclaimed == 0 || after >= before;
		}
		if (!send_word(socket, word))
			break;
	}
	return n_wrong + (n_installs == 0);
}

int main(void)
{
	llfree_arena_config config = { .memory_bytes = (uint64_t)MEMORY_MIB << 20, .backing = LLFREE_BACKING_MEMFD };
	llfree_arena arena;
	int sockets[2], status;

	must(llfree_arena_create(&arena, &config) == LLFREE_OK, "vmm: create");
	must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets) == 0, "vmm: socketpair");
	pid_t guest = fork();

	must(guest >= 0, "vmm: fork");
	if (guest == 0) {
		close(sockets[0]);
		_exit(guest_main(arena.region_fd, arena.memory_fd, sockets[1]));
	}
	close(sockets[1]);
	unsigned n_wrong = monitor_main(&arena, sockets[0]);

	must(waitpid(guest, &status, 0) == guest, "vmm: waitpid");
	llfree_arena_destroy(&arena);
	return n_wrong != 0 || status != 0;
}
