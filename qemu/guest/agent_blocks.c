/* SPDX-License-Identifier: MIT
 *
 * Blocks of patterned memory; see agent_blocks.h. The places are one stretch of addresses, so that neighbours become
 * one mapping again and the number of blocks is not bounded by the number of mappings. */
#define _GNU_SOURCE
#include "agent_blocks.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

enum { PAGE_WORDS = HV_FRAME_BYTES / 8 };

/* Set while a thread touches memory that may not come. */
static _Thread_local sigjmp_buf *guard;

static void bus_error(int signal_number)
{
	if (guard != NULL)
		siglongjmp(*guard, 1);
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

bool agent_blocks_open(agent_blocks *self, size_t n_places, const char *device)
{
	struct sigaction action = { .sa_handler = bus_error, .sa_flags = SA_NODEFER };
	size_t bytes = (n_places + 1) * HV_HUGE_BYTES;
	self->n_places = n_places;
	self->device_fd = device != NULL ? open(device, O_RDWR | O_CLOEXEC) : -1;
	if (device != NULL && self->device_fd < 0)
		return false;
	self->blocks = calloc(n_places, sizeof(*self->blocks));
	unsigned char *room = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (self->blocks == NULL || room == MAP_FAILED || sigaction(SIGBUS, &action, NULL) != 0)
		return false;
	self->base = room + (HV_HUGE_BYTES - (uintptr_t)room % HV_HUGE_BYTES) % HV_HUGE_BYTES;
	return true;
}

void agent_blocks_close(agent_blocks *self)
{
	if (self->base != NULL)
		munmap(self->base, self->n_places * HV_HUGE_BYTES);
	if (self->device_fd >= 0)
		close(self->device_fd);
	free(self->blocks);
	*self = (agent_blocks){ .device_fd = -1 };
}

static uint64_t *page_words(const agent_blocks *self, size_t at, size_t page_idx)
{
	return (uint64_t *)(void *)(self->base + at * HV_HUGE_BYTES + page_idx * HV_FRAME_BYTES);
}

static uint64_t page_key(const agent_blocks *self, size_t at, size_t page_idx)
{
	const agent_block *block = &self->blocks[at];
	uint64_t place = at * HV_HUGE_FRAMES + page_idx;
	uint64_t write_idx = (uint64_t)block->takes << 32 | block->versions[page_idx];
	return hv_mix(self->seed ^ hv_mix(place ^ hv_mix(write_idx)));
}

static void words_write(uint64_t *words, uint64_t key, unsigned step_words)
{
	for (unsigned word = 0; word < PAGE_WORDS; word += step_words)
		words[word] = key + word;
}

/* @return PAGE_WORDS: all of them are right */
static unsigned words_check(const uint64_t *words, uint64_t key, unsigned step_words)
{
	unsigned word = 0;
	while (word < PAGE_WORDS && words[word] == key + word)
		word += step_words;
	return word < PAGE_WORDS ? word : PAGE_WORDS;
}

static bool words_are_zero(const uint64_t *words, unsigned step_words)
{
	uint64_t sum = 0;
	for (unsigned word = 0; word < PAGE_WORDS; word += step_words)
		sum |= words[word];
	return sum == 0;
}

static void first_tell(agent_seen *seen, const char *what, size_t at, size_t page_idx, unsigned word, uint64_t value)
{
	if (seen->first[0] == '\0')
		snprintf(seen->first, sizeof(seen->first), "%s: block %zu, page %zu, word %u holds %016" PRIx64, what,
			 at, page_idx, word, value);
}

void agent_page_check(const agent_blocks *self, size_t at, size_t page_idx, agent_seen *seen)
{
	const uint64_t *words = page_words(self, at, page_idx);
	unsigned word = words_check(words, page_key(self, at, page_idx), self->step_words);
	seen->checked++;
	if (word == PAGE_WORDS)
		return;
	seen->wrong++;
	first_tell(seen, "not what was written", at, page_idx, word, words[word]);
}

void agent_page_write(agent_blocks *self, size_t at, size_t page_idx, agent_seen *seen)
{
	self->blocks[at].versions[page_idx]++;
	words_write(page_words(self, at, page_idx), page_key(self, at, page_idx), self->step_words);
	seen->written++;
}

void agent_block_check(const agent_blocks *self, size_t at, agent_seen *seen)
{
	for (size_t page_idx = 0; page_idx < HV_HUGE_FRAMES; page_idx++)
		agent_page_check(self, at, page_idx, seen);
}

static bool block_map(const agent_blocks *self, size_t at)
{
	unsigned char *address = self->base + at * HV_HUGE_BYTES;
	bool anonymous = self->device_fd < 0;
	int flags = MAP_FIXED | (anonymous ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED);
	if (mmap(address, HV_HUGE_BYTES, PROT_READ | PROT_WRITE, flags, self->device_fd,
		 anonymous ? 0 : (off_t)(at * HV_HUGE_BYTES)) == MAP_FAILED)
		return false;
	/* advice: where it is refused pages are what they are. A huge page comes by a write alone: whoever reads first
	 * has the page of zeros, and gets small ones for it. */
	if (self->huge == AGENT_HUGE_NEVER)
		(void)madvise(address, HV_HUGE_BYTES, MADV_NOHUGEPAGE);
	else if (self->huge == AGENT_HUGE_ALWAYS && madvise(address, HV_HUGE_BYTES, MADV_HUGEPAGE) == 0)
		(void)madvise(address, HV_HUGE_BYTES, MADV_POPULATE_WRITE);
	return true;
}

static void block_unmap(const agent_blocks *self, size_t at)
{
	if (mmap(self->base + at * HV_HUGE_BYTES, HV_HUGE_BYTES, PROT_NONE,
		 MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED)
		abort(); /* the address range is ours: only a process without any memory gets here */
}

static void block_fill(agent_blocks *self, size_t at, agent_seen *seen)
{
	for (size_t page_idx = 0; page_idx < HV_HUGE_FRAMES; page_idx++) {
		const uint64_t *words = page_words(self, at, page_idx);
		if (!words_are_zero(words, self->step_words)) {
			seen->unzeroed++;
			first_tell(seen, "a new page is not zero", at, page_idx, 0, words[0]);
		}
		agent_page_write(self, at, page_idx, seen);
	}
}

bool agent_block_take(agent_blocks *self, size_t at, agent_seen *seen)
{
	sigjmp_buf here;
	bool came = block_map(self, at);
	self->blocks[at].takes++;
	memset(self->blocks[at].versions, 0, sizeof(self->blocks[at].versions));
	if (came && sigsetjmp(here, 1) == 0) {
		guard = &here;
		block_fill(self, at, seen);
		self->blocks[at].held = true;
	}
	guard = NULL;
	seen->taken += self->blocks[at].held;
	seen->short_of += !self->blocks[at].held;
	if (!self->blocks[at].held)
		block_unmap(self, at);
	return self->blocks[at].held;
}

void agent_block_drop(agent_blocks *self, size_t at, agent_seen *seen)
{
	block_unmap(self, at);
	self->blocks[at].held = false;
	seen->dropped++;
}

void agent_seen_add(agent_seen *sum, const agent_seen *more)
{
	sum->checked += more->checked;
	sum->written += more->written;
	sum->taken += more->taken;
	sum->dropped += more->dropped;
	sum->short_of += more->short_of;
	sum->wrong += more->wrong;
	sum->unzeroed += more->unzeroed;
	if (sum->first[0] == '\0')
		memcpy(sum->first, more->first, sizeof(sum->first));
}
