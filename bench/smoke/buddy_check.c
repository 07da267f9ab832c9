/* SPDX-License-Identifier: MIT
 *
 * The buddy allocator against a map of owners: random gets, puts, exact gets and drains of all orders; no frame may
 * have two owners, counts must agree, and at the end everything must have merged. Prints its seed; argument: another
 * seed. */
#include "buddy.h"

#include <stdio.h>
#include <stdlib.h>
#include "bench_rng.h"

enum { FRAMES = 4096 * 3 + 77, CPUS = 3, OPS = 400000, MAX_RUNS = 4096 };

typedef struct run {
	uint64_t frame;
	uint32_t order;
} run;

static buddy zone;
static uint8_t owned[FRAMES];
static run runs[MAX_RUNS];
static uint32_t n_runs;
static uint64_t n_owned;

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "failed: %s\n", what);
	exit(1);
}

static void mark(uint64_t frame, uint32_t order, bool taken)
{
	check(frame % (UINT64_C(1) << order) == 0 && frame + (UINT64_C(1) << order) <= FRAMES,
	      "a run lies in the memory");
	for (uint64_t i = 0; i < UINT64_C(1) << order; i++) {
		check(owned[frame + i] == !taken, taken ? "a frame has one owner" : "a put frame was owned");
		owned[frame + i] = taken;
	}
	n_owned += taken ? UINT64_C(1) << order : 0 - (UINT64_C(1) << order);
}

static void take(uint64_t frame, uint32_t order)
{
	mark(frame, order, true);
	runs[n_runs++] = (run){ frame, order };
}

/* Put a run, sometimes as two halves. */
static void drop(bench_rng *rng, uint32_t idx)
{
	run gone = runs[idx];
	uint32_t cpu = (uint32_t)bench_rng_below(rng, 2 * CPUS);

	runs[idx] = runs[--n_runs];
	mark(gone.frame, gone.order, false);
	if (gone.order > 0 && bench_rng_below(rng, 4) == 0) {
		gone.order--;
		check(buddy_put(&zone, cpu, gone.order, gone.frame + (UINT64_C(1) << gone.order)),
		      "put of an upper half");
	}
	check(buddy_put(&zone, cpu, gone.order, gone.frame), "put of an owned run");
}

static void operate(bench_rng *rng)
{
	uint32_t order = (uint32_t)bench_rng_below(rng, BUDDY_MAX_ORDER + 1);
	uint64_t frame = bench_rng_below(rng, FRAMES) >> order << order;

	switch (bench_rng_below(rng, 8)) {
	case 0:
	case 1:
	case 2:
		if (n_runs < MAX_RUNS && buddy_get(&zone, (uint32_t)bench_rng_below(rng, 2 * CPUS), order, &frame))
			take(frame, order);
		break;
	case 3:
		if (n_runs < MAX_RUNS && buddy_get_at(&zone, order, frame))
			take(frame, order);
		break;
	case 4:
		if (bench_rng_below(rng, 100) == 0)
			buddy_drain(&zone);
		check(buddy_is_free(&zone, frame) == !owned[frame], "is_free tells the truth");
		break;
	default:
		if (n_runs)
			drop(rng, (uint32_t)bench_rng_below(rng, n_runs));
	}
}

/* After a drain every free frame lies in one of the blocks that the iterator finds. */
static uint64_t frames_in_blocks(void)
{
	uint64_t cursor = 0, frame, total = 0;
	uint32_t order;

	while (buddy_next_free(&zone, 0, &cursor, &frame, &order)) {
		for (uint64_t i = 0; i < UINT64_C(1) << order; i++)
			check(!owned[frame + i], "a free block has no owner");
		total += UINT64_C(1) << order;
	}
	return total;
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	size_t metadata_bytes = buddy_metadata_bytes(FRAMES, CPUS);
	void *metadata = aligned_alloc(64, (metadata_bytes + 63) / 64 * 64);
	bench_rng rng = bench_rng_make(seed, 0);
	uint64_t frame;

	printf("seed %llu\n", (unsigned long long)seed);
	check(metadata && buddy_init(&zone, FRAMES, CPUS, metadata, metadata_bytes), "init");
	check(frames_in_blocks() == FRAMES, "all frames are free after init");
	check(!buddy_put(&zone, 0, 0, FRAMES) && !buddy_put(&zone, 0, 1, 1) && !buddy_put(&zone, 0, 11, 0),
	      "puts out of range, misaligned or of an unknown order are refused");
	check(buddy_get(&zone, 0, 0, &frame) && buddy_put(&zone, 0, 0, frame) && !buddy_put(&zone, 0, 0, frame),
	      "the second put of a frame in a per-CPU list is refused");
	for (uint32_t i = 0; i < OPS; i++) {
		operate(&rng);
		check(i % 64 || buddy_free_frames(&zone) == FRAMES - n_owned, "the free count is exact");
	}
	buddy_drain(&zone);
	check(frames_in_blocks() == FRAMES - n_owned, "the iterator finds every free frame");
	while (n_runs)
		drop(&rng, 0);
	buddy_drain(&zone);
	check(buddy_free_frames(&zone) == FRAMES && buddy_free_huge(&zone) == FRAMES / 512,
	      "all is whole again at the end");
	free(metadata);
	return 0;
}
