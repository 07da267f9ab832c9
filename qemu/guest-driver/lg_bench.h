/* SPDX-License-Identifier: GPL-2.0
 *
 * Allocation inside the kernel, LLFree beside the kernel's own alloc_pages: the same steps on the same CPUs. LLFree
 * works on a region of its own of twice the size that is taken (neither touches the memory that it hands out), or on
 * the region that is shared with the monitor. */
#ifndef LG_BENCH_H
#define LG_BENCH_H

#include <linux/cpumask.h>
#include <linux/types.h>

#include <llfree/llfree.h>

enum { LG_BENCH_ROUNDS_MAX = 32, LG_BENCH_ORDER_MAX = 10, LG_BENCH_PHASES_MAX = 2 };

struct lg_bench_run;

struct lg_bench_worker {
	struct lg_bench_run *run;
	struct task_struct *task;
	unsigned int cpu;
	u64 n_blocks, n_held; /* it may hold; it holds */
	u64 *blocks;
	u64 random;
	u64 ops, failed, elapsed_ns; /* of the last step */
};

/* Works on one block at a time; a block is a word that the allocator knows it by. */
struct lg_bench_allocator {
	const char *name;
	int (*open)(struct lg_bench_run *run);
	void (*close)(struct lg_bench_run *run);
	bool (*get)(struct lg_bench_worker *worker, u64 *block);
	void (*put)(struct lg_bench_worker *worker, u64 block);
};

struct lg_bench_case {
	const char *name;
	const char *phases[LG_BENCH_PHASES_MAX]; /* each a step that is timed */
	void (*steps[LG_BENCH_PHASES_MAX])(struct lg_bench_worker *worker);
	void (*prepare)(struct lg_bench_worker *worker); /* before the first round */
	unsigned int warm_rounds;
};

struct lg_bench_result {
	u32 n_rounds;
	u64 failed;
	u64 ps_per_op[LG_BENCH_PHASES_MAX][LG_BENCH_ROUNDS_MAX];
};

struct lg_bench_run {
	/* what was asked for */
	const struct lg_bench_case *kind;
	const struct lg_bench_allocator *allocator;
	unsigned int order, n_threads, rounds;
	int node;
	u64 mib, ops;
	bool shared_region;
	cpumask_var_t cpus;
	/* running */
	llfree_t view;
	void *region;
	struct lg_bench_worker *workers;
	void (*step)(struct lg_bench_worker *worker);
	atomic_t not_ready, not_done;
	struct completion *done;
};

extern const struct lg_bench_allocator lg_bench_llfree, lg_bench_alloc_pages;
extern const struct lg_bench_case lg_bench_cases[];
extern const unsigned int lg_bench_n_cases;

/* Run the case on the allocator. Returns 0 or a negative error; partial rounds don't count. */
int lg_bench_run(struct lg_bench_run *run, struct lg_bench_result *result);

/* The region that is shared with the monitor, held until it is put; false when there is none. */
bool lg_bench_region_get(llfree_t *view);
void lg_bench_region_put(void);

#endif
