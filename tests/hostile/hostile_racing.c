/* SPDX-License-Identifier: MIT
 *
 * H4: a guest that changes the very word that the host is about to read or to compare, each time. The scheduling point
 * before each atomic operation of the core stands for the guest's other CPU. Every host operation must end after a
 * bounded number of steps, whatever it finds, inside the region. The drains of llfree.h are lock-free, not bounded:
 * there the guest stops after a while. usage: hostile_racing [ROUNDS [SEED]] */
#include <llfree/host.h>
#include <llfree/llfree.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/t_rand.h"

enum { STEPS_MAX = 100000, DRAIN_CHANGES = 1000 };

void llf_sched_point(const void *cell, int kind);

static struct {
	t_rand rand;
	bool active;
	unsigned how;
	uint64_t steps, seed, changes, max_changes;
	const char *operation;
	uint8_t *region;
	size_t bytes;
} guest;

/* What the guest writes there: noise, one more frame, one bit, or a plausible other state. */
static uint64_t changed(uint64_t word)
{
	switch (guest.how) {
	case 0:
		return word + 1;
	case 1:
		return word ^ UINT64_C(1) << t_rand_below(&guest.rand, 64);
	case 2:
		return t_rand_next(&guest.rand);
	default:
		return word - 1;
	}
}

void llf_sched_point(const void *cell, int kind)
{
	if (!guest.active)
		return;
	if (++guest.steps > STEPS_MAX) {
		fprintf(stderr,
			"hostile racing: seed %llu: %s does not end: the guest changes the word before every step\n",
			(unsigned long long)guest.seed, guest.operation);
		exit(1);
	}
	size_t at = (size_t)((const uint8_t *)cell - guest.region);
	if (at + 2 > guest.bytes) {
		fprintf(stderr, "hostile racing: seed %llu: %s leaves the region\n", (unsigned long long)guest.seed,
			guest.operation);
		exit(1);
	}
	/* Only before a compare-and-swap, in half of the rounds: then each load is believed and each swap fails. */
	if (kind != 2 && guest.seed % 2)
		return;
	if (++guest.changes > guest.max_changes)
		return;
	size_t width = guest.bytes - at < 8 ? 2 : 8;
	uint64_t word = 0;
	memcpy(&word, guest.region + at, width);
	word = changed(word);
	memcpy(guest.region + at, &word, width);
}

static bool wanted(llfree_err err)
{
	return err >= LLFREE_OK && err < LLFREE_ERR_COUNT;
}

static bool run(const llfree_t *a, unsigned which, uint64_t huge)
{
	static const char *const names[] = { "soft reclaim",     "hard reclaim", "return",
					     "install",          "find",         "fast statistics",
					     "exact statistics", "audit",        "drain of a slot",
					     "drain of all",     "state" };
	uint64_t found[8], cursor = 0;
	bool was_evicted;
	llfree_stats stats;
	llfree_audit_report report;
	llfree_huge_state state;
	guest.operation = names[which];
	guest.steps = guest.changes = 0;
	guest.max_changes = which == 8 || which == 9 ? DRAIN_CHANGES : UINT64_MAX;
	switch (which) {
	case 0:
		return wanted(llfree_reclaim_soft(a, huge));
	case 1:
		return wanted(llfree_reclaim_hard(a, huge, &was_evicted));
	case 2:
		return wanted(llfree_return(a, huge));
	case 3:
		return wanted(llfree_install(a, huge));
	case 4:
		return llfree_find_free_huge(a, false, false, &cursor, found, 8) <= 8;
	case 5:
		llfree_stats_fast(a, &stats);
		return true;
	case 6:
		llfree_stats_exact(a, &stats);
		return true;
	case 7:
		(void)llfree_audit(a, &report);
		return true;
	case 8:
		llfree_drain_slot(a, (uint32_t)huge, 0);
		return true;
	case 9:
		llfree_drain_all(a);
		return true;
	default:
		return wanted(llfree_huge_state_of(a, huge, &state));
	}
}

static bool one_round(uint64_t seed)
{
	llfree_config config = { .frames = 4 * LLFREE_TREE_FRAMES, .cpus = 2, .exact = seed / 2 % 2 };
	guest.seed = guest.rand.state = seed;
	guest.bytes = llfree_metadata_bytes(&config);
	guest.region = aligned_alloc(64, guest.bytes);
	llfree_t a;
	uint64_t frame;
	bool was_evicted, ok = guest.region && llfree_init(&a, &config, guest.region, guest.bytes, false) == LLFREE_OK;
	/* Something of everything: reserved, claimed, hard, soft. */
	ok = ok && llfree_get(&a, (llfree_request){ 0, 0, 0 }, &frame) == LLFREE_OK &&
	     llfree_reclaim_hard(&a, 6, &was_evicted) == LLFREE_OK && llfree_reclaim_soft(&a, 7) == LLFREE_OK;
	for (unsigned which = 0; ok && which <= 10; which++) {
		for (uint64_t huge = 0; ok && huge < 8; huge++) {
			guest.how = (unsigned)t_rand_below(&guest.rand, 4);
			guest.active = true;
			ok = run(&a, which, huge);
			guest.active = false;
		}
	}
	free(guest.region);
	return ok;
}

int main(int argc, char **argv)
{
	uint64_t rounds = argc > 1 ? strtoull(argv[1], NULL, 0) : 500;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : t_seed(1);
	printf("hostile racing: seeds %llu to %llu\n", (unsigned long long)seed,
	       (unsigned long long)(seed + rounds - 1));
	(void)fflush(stdout);
	for (uint64_t i = 0; i < rounds; i++) {
		if (!one_round(seed + i)) {
			fprintf(stderr, "hostile racing: seed %llu: %s\n", (unsigned long long)guest.seed,
				guest.operation);
			return 1;
		}
	}
	printf("every host operation ended\n");
	return 0;
}
