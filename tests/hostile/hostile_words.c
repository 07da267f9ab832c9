/* SPDX-License-Identifier: MIT
 *
 * H4: a region full of nonsense. The host's view was attached when the header was good; then random words are written
 * everywhere, and every operation that a host may do runs over it: none crashes, leaves the region (the memory is
 * exactly as large, for the address sanitizer) or hangs (ctest's timeout; every operation is counted). Afterwards a
 * recovery makes the region consistent. usage: hostile_words [ROUNDS [SEED]] */
#include <llfree/handle.h>
#include <llfree/host.h>
#include <llfree/llfree.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/t_rand.h"

static t_rand rand_state;

static uint64_t below(uint64_t n)
{
	return t_rand_below(&rand_state, n);
}

/* Words that mean something are worse than noise. */
static uint64_t nasty_word(void)
{
	static const uint64_t words[] = { 0,
					  UINT64_MAX,
					  UINT64_C(1) << 42,
					  UINT64_C(0x7fffffffffff),
					  0x4000400040004000,
					  0x8200820082008200,
					  0xc000c000c000c000,
					  0x0200020002000200,
					  0x2000100020001000,
					  0x60007fff60007fff,
					  0x00ffffffffffffff,
					  0x000007ffffffffff };
	uint64_t word = t_rand_next(&rand_state);
	switch (below(4)) {
	case 0:
		return words[below(sizeof(words) / sizeof(words[0]))];
	case 1:
		return words[below(sizeof(words) / sizeof(words[0]))] ^ UINT64_C(1) << (word % 64);
	default:
		return word;
	}
}

static void scribble(uint8_t *region, size_t from, size_t region_bytes, unsigned percent)
{
	for (size_t at = from; at + 8 <= region_bytes; at += 8) {
		uint64_t word = nasty_word();
		if (below(100) < percent)
			memcpy(region + at, &word, 8);
	}
}

static bool install(void *context, uint64_t huge)
{
	return below(2) && llfree_install(context, huge) == LLFREE_OK;
}

static uint64_t host_operations(llfree_t *a)
{
	uint64_t n_ok = 0, found[16], cursor = below(a->n_children + 2);
	bool was_evicted;
	llfree_stats stats;
	llfree_tree_stats tree_stats;
	llfree_huge_state state;
	llfree_audit_report report;
	for (unsigned i = 0; i < 40; i++) {
		uint64_t huge = below(a->n_children + 1), tree = below(a->n_trees + 1);
		switch (below(14)) {
		case 0:
			n_ok += llfree_reclaim_soft(a, huge) == LLFREE_OK;
			break;
		case 1:
			n_ok += llfree_reclaim_hard(a, huge, &was_evicted) == LLFREE_OK;
			break;
		case 2:
			n_ok += llfree_return(a, huge) == LLFREE_OK;
			break;
		case 3:
			n_ok += llfree_install(a, huge) == LLFREE_OK;
			break;
		case 4:
			n_ok += llfree_find_free_huge(a, below(2), below(2), &cursor, found, 16);
			break;
		case 5:
			llfree_stats_fast(a, &stats);
			break;
		case 6:
			llfree_stats_exact(a, &stats);
			break;
		case 7:
			n_ok += llfree_stats_tree(a, tree, &tree_stats) == LLFREE_OK;
			break;
		case 8:
			n_ok += llfree_huge_state_of(a, huge, &state) == LLFREE_OK;
			break;
		case 9:
			n_ok += llfree_audit(a, &report);
			break;
		case 10:
			llfree_drain_slot(a, (uint32_t)below(9), (uint32_t)below(9));
			break;
		case 11:
			llfree_drain_all(a);
			break;
		case 12:
			n_ok += llfree_is_free(a, below(a->frames + 10));
			break;
		default:
			n_ok += (below(2) ? llfree_tree_offline(a, tree) : llfree_tree_online(a, tree)) == LLFREE_OK;
		}
	}
	return n_ok;
}

/* A guest whose own region is damaged, by a bug of its own: it may get nonsense, but stays inside the region as well.
 */
static uint64_t guest_operations(llfree_t *a)
{
	uint64_t n_ok = 0, frames[100];
	llfree_handle handle;
	if (llfree_handle_open(&handle, a, 0, 0) != LLFREE_OK)
		abort();
	for (unsigned i = 0; i < 20; i++) {
		llfree_request request = { (uint32_t)below(4), (uint8_t)below(LLFREE_MAX_ORDER + 2),
					   (uint8_t)below(4) };
		uint64_t frame = below(a->frames + 10) >> request.order << request.order;
		switch (below(7)) {
		case 0:
			n_ok += llfree_get(a, request, &frame) == LLFREE_OK;
			break;
		case 1:
			n_ok += llfree_get_at(a, request, frame) == LLFREE_OK;
			break;
		case 2:
			n_ok += llfree_put(a, request, frame) == LLFREE_OK;
			break;
		case 3:
			n_ok += llfree_get_batch(a, request, frames, 100);
			break;
		case 4:
			for (unsigned j = 0; j < 100; j++)
				frames[j] = below(a->frames + 1);
			n_ok += llfree_put_batch(a, request, frames, 100, NULL);
			break;
		case 5:
			n_ok += llfree_handle_get(&handle, &frame) == LLFREE_OK;
			break;
		default:
			n_ok += llfree_handle_put(&handle, frame) == LLFREE_OK;
		}
	}
	llfree_handle_close(&handle);
	return n_ok;
}

static uint64_t one_round(void)
{
	llfree_config config = { .frames = 1 + below(5 * LLFREE_TREE_FRAMES),
				 .cpus = (uint32_t)(1 + below(4)),
				 .exact = below(2) };
	size_t bytes = llfree_metadata_bytes(&config);
	uint8_t *region = aligned_alloc(64, bytes);
	llfree_t a, other;
	llfree_audit_report report;
	if (!region || llfree_init(&a, &config, region, bytes, below(2)) != LLFREE_OK)
		abort();
	llfree_set_install(&a, install, &a);
	uint64_t n_ok = 0;
	for (unsigned i = 0; i < 6; i++) {
		/* The view is private: not even the header can change under it. */
		uint8_t header[sizeof(llfree_header)];
		memcpy(header, region, sizeof(header));
		scribble(region, below(4) ? sizeof(llfree_header) : 0, bytes, (unsigned)below(101));
		n_ok += host_operations(&a);
		if (llfree_attach(&other, region, bytes) == LLFREE_OK)
			n_ok += host_operations(&other);
		memcpy(region, header, sizeof(header));
		n_ok += guest_operations(&a);
		n_ok += host_operations(&a);
	}
	if (llfree_recover(&other, region, bytes, below(2)) != LLFREE_OK || !llfree_audit(&other, &report)) {
		fprintf(stderr, "a recovered region is not consistent: first bad %llu\n",
			(unsigned long long)report.first_bad);
		abort();
	}
	free(region);
	return n_ok;
}

int main(int argc, char **argv)
{
	uint64_t rounds = argc > 1 ? strtoull(argv[1], NULL, 0) : 400;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : t_seed(1), n_ok = 0;
	printf("hostile words: seeds %llu to %llu\n", (unsigned long long)seed,
	       (unsigned long long)(seed + rounds - 1));
	(void)fflush(stdout);
	for (uint64_t i = 0; i < rounds; i++) {
		rand_state.state = seed + i;
		n_ok += one_round();
	}
	printf("%llu operations found something to do in the nonsense\n", (unsigned long long)n_ok);
	/* Were it 0, the nonsense would never have got past the first check. */
	return n_ok ? 0 : 1;
}
