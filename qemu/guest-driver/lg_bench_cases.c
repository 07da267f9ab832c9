// SPDX-License-Identifier: GPL-2.0
/*
 * The cases, with the meaning that they have in llfree-bench: bulk gets its share of half of the memory and puts it
 * back in the same order; repeat gets a block and puts it straight back; rand holds half of the memory, puts a random
 * block and gets another, in steady state. And the two allocators that they run on.
 */
#include "lg_bench.h"

#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/topology.h>
#include <linux/vmalloc.h>

enum { RESCHED_OPS = 1024 };

static void breathe(u64 op)
{
	if ((op & (RESCHED_OPS - 1)) == RESCHED_OPS - 1)
		cond_resched();
}

static void step_get(struct lg_bench_worker *worker)
{
	const struct lg_bench_allocator *allocator = worker->run->allocator;
	u64 block;

	for (worker->ops = 0; worker->ops < worker->n_blocks; worker->ops++) {
		breathe(worker->ops);
		if (allocator->get(worker, &block))
			worker->blocks[worker->n_held++] = block;
		else
			worker->failed++;
	}
}

static void step_put(struct lg_bench_worker *worker)
{
	const struct lg_bench_allocator *allocator = worker->run->allocator;

	for (worker->ops = 0; worker->ops < worker->n_held; worker->ops++) {
		breathe(worker->ops);
		allocator->put(worker, worker->blocks[worker->ops]);
	}
	worker->n_held = 0;
}

static void step_pair(struct lg_bench_worker *worker)
{
	const struct lg_bench_allocator *allocator = worker->run->allocator;
	u64 block;

	for (worker->ops = 0; worker->ops < worker->run->ops; worker->ops++) {
		breathe(worker->ops);
		if (allocator->get(worker, &block))
			allocator->put(worker, block);
		else
			worker->failed++;
	}
}

static u64 random_below(struct lg_bench_worker *worker, u64 bound)
{
	worker->random ^= worker->random << 13;
	worker->random ^= worker->random >> 7;
	worker->random ^= worker->random << 17;
	return mul_u64_u64_shr(worker->random, bound, 64);
}

static void step_swap(struct lg_bench_worker *worker)
{
	const struct lg_bench_allocator *allocator = worker->run->allocator;
	u64 idx, n_ops = worker->n_held;

	for (worker->ops = 0; worker->ops < n_ops && worker->n_held; worker->ops++) {
		breathe(worker->ops);
		idx = random_below(worker, worker->n_held);
		allocator->put(worker, worker->blocks[idx]);
		if (allocator->get(worker, &worker->blocks[idx]))
			continue;
		worker->failed++;
		worker->blocks[idx] = worker->blocks[--worker->n_held];
	}
}

const struct lg_bench_case lg_bench_cases[] = {
	{ .name = "bulk", .phases = { "get", "put" }, .steps = { step_get, step_put }, .warm_rounds = 1 },
	{ .name = "repeat", .phases = { "pair" }, .steps = { step_pair }, .warm_rounds = 1 },
	{ .name = "rand", .phases = { "pair" }, .steps = { step_swap }, .prepare = step_get, .warm_rounds = 4 },
};
const unsigned int lg_bench_n_cases = ARRAY_SIZE(lg_bench_cases);

static llfree_request request_of(const struct lg_bench_worker *worker)
{
	unsigned int order = worker->run->order;

	return (llfree_request){ .cpu = worker->cpu,
				 .order = order,
				 .class_idx = order >= LLFREE_HUGE_ORDER ? LLFREE_CLASS_HUGE : LLFREE_CLASS_MOVABLE };
}

static int open_llfree(struct lg_bench_run *run)
{
	llfree_config config = { .frames = run->mib << (20 - PAGE_SHIFT + 1), .cpus = nr_cpu_ids };
	size_t bytes = llfree_metadata_bytes(&config);
	llfree_stats stats;

	if (run->shared_region) {
		if (!lg_bench_region_get(&run->view))
			return -ENODEV;
		llfree_stats_fast(&run->view, &stats);
		if (stats.free_frames >> (20 - PAGE_SHIFT) >= run->mib)
			return 0;
		lg_bench_region_put();
		return -ENOMEM;
	}
	run->region = bytes ? vmalloc_node(bytes, run->node) : NULL;
	if (!run->region)
		return -ENOMEM;
	if (llfree_init(&run->view, &config, run->region, bytes, false) == LLFREE_OK)
		return 0;
	vfree(run->region);
	return -EINVAL;
}

static void close_llfree(struct lg_bench_run *run)
{
	if (run->shared_region)
		lg_bench_region_put();
	vfree(run->region);
	run->region = NULL;
}

static bool get_llfree(struct lg_bench_worker *worker, u64 *block)
{
	return llfree_get(&worker->run->view, request_of(worker), block) == LLFREE_OK;
}

static void put_llfree(struct lg_bench_worker *worker, u64 block)
{
	if (llfree_put(&worker->run->view, request_of(worker), block) != LLFREE_OK)
		worker->failed++;
}

const struct lg_bench_allocator lg_bench_llfree = { "llfree", open_llfree, close_llfree, get_llfree, put_llfree };

/* A guest that runs out of memory for a measurement is of no use: leave it an eighth. */
static int open_alloc_pages(struct lg_bench_run *run)
{
	long available = si_mem_available();

	return available > 0 && run->mib << (20 - PAGE_SHIFT) < (u64)available / 8 * 7 ? 0 : -ENOMEM;
}

static void close_alloc_pages(struct lg_bench_run *run)
{
}

static bool get_alloc_pages(struct lg_bench_worker *worker, u64 *block)
{
	struct page *page =
		alloc_pages_node(worker->run->node, GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY, worker->run->order);

	*block = (u64)(uintptr_t)page;
	return page != NULL;
}

static void put_alloc_pages(struct lg_bench_worker *worker, u64 block)
{
	__free_pages((struct page *)(uintptr_t)block, worker->run->order);
}

const struct lg_bench_allocator lg_bench_alloc_pages = { "alloc_pages", open_alloc_pages, close_alloc_pages,
							 get_alloc_pages, put_alloc_pages };
