/* SPDX-License-Identifier: MIT
 *
 * stress: all threads get, get exact runs, put and drain at random, orders 0 to the row's, and every result is checked:
 * each frame has a cell that is exchanged when it is got and put, so that two owners meet there; each frame's first
 * word is written and looked at before the put. At the end of a pass all is put, and must be whole again. The time is
 * that of operations and checks together. */
#include <stdlib.h>
#include "bench_clock.h"
#include "bench_team.h"

enum { HELD = 512, PASS_OPS = 8192, DRAIN_EVERY = 1024 };
#define MOST_FRAMES (UINT64_C(256) << 20 >> LLFREE_FRAME_SHIFT)

typedef struct stress_block {
	uint64_t block, stamp;
	uint32_t order;
} stress_block;

typedef struct stress_thread {
	stress_block held[HELD];
	uint32_t n_held;
	uint64_t held_frames, most_frames, stamps;
	uint64_t gets, refused, violations;
	const char *violation; /* the first */
	uint64_t where;
} stress_thread;

typedef struct stress_state {
	stress_thread *threads;
	uint32_t *owners; /* of each frame, thread + 1; NULL: blocks are no frame numbers */
	uint64_t frames;
} stress_state;

static uint64_t stress_frames(const bench_row *row)
{
	uint64_t frames = row->allocator->writes_blocks ? row->options->malloc_bytes >> LLFREE_FRAME_SHIFT
							: bench_options_frames(row->options);

	return frames > MOST_FRAMES ? MOST_FRAMES : frames;
}

/* Half of the memory, at least two of the largest blocks for each thread. */
static uint64_t stress_blocks(const bench_row *row)
{
	return stress_frames(row) / 2 / row->threads >> row->order >= 2;
}

static stress_thread *thread_of(const bench_worker *worker)
{
	return &((stress_state *)worker->row->extra)->threads[worker->idx];
}

static void violation(stress_thread *stress, const char *what, uint64_t where)
{
	if (!stress->violations++) {
		stress->violation = what;
		stress->where = where;
	}
}

/* The first word of the i-th frame of a block; NULL: there is no memory. */
static uint64_t *word_of(const bench_row *row, uint64_t block, uint64_t i)
{
	uint8_t *memory = row->allocator->table.address ? row->allocator->table.address(row->state, block) : NULL;

	return memory ? (uint64_t *)(void *)(memory + (i << LLFREE_FRAME_SHIFT)) : NULL;
}

static uint64_t stamp_of(const stress_block *held, uint64_t i)
{
	return held->stamp + i * UINT64_C(0x9e3779b97f4a7c15);
}

static void own(bench_worker *worker, uint64_t block, uint32_t order)
{
	const bench_row *row = worker->row;
	const stress_state *state = row->extra;
	stress_thread *stress = thread_of(worker);
	stress_block *held = &stress->held[stress->n_held];
	uint64_t n_frames = UINT64_C(1) << order;

	if (row->allocator->table.frames_known &&
	    (block % n_frames || block >= state->frames || n_frames > state->frames - block)) {
		violation(stress, "got a run that is not aligned, or out of range", block);
		return;
	}
	*held = (stress_block){ block, ((uint64_t)worker->idx + 1) << 48 | ++stress->stamps, order };
	stress->n_held++;
	stress->held_frames += n_frames;
	for (uint64_t i = 0; i < n_frames; i++) {
		uint64_t *word = word_of(row, block, i);

		if (state->owners &&
		    __atomic_exchange_n(&state->owners[block + i], worker->idx + 1, __ATOMIC_RELAXED) != 0)
			violation(stress, "two owners", block + i);
		if (word)
			*word = stamp_of(held, i);
	}
}

static void disown(bench_worker *worker, const stress_block *held)
{
	const bench_row *row = worker->row;
	const stress_state *state = row->extra;
	stress_thread *stress = thread_of(worker);

	for (uint64_t i = 0; i < UINT64_C(1) << held->order; i++) {
		const uint64_t *word = word_of(row, held->block, i);

		if (word && *word != stamp_of(held, i))
			violation(stress, "someone else wrote into an owned frame of block", held->block);
		if (state->owners &&
		    __atomic_exchange_n(&state->owners[held->block + i], 0, __ATOMIC_RELAXED) != worker->idx + 1)
			violation(stress, "an owned frame had another owner", held->block + i);
	}
}

static void put_one(bench_worker *worker, uint32_t place)
{
	const bench_peer_table *table = &worker->row->allocator->table;
	stress_thread *stress = thread_of(worker);
	stress_block held = stress->held[place];

	stress->held[place] = stress->held[--stress->n_held];
	stress->held_frames -= UINT64_C(1) << held.order;
	disown(worker, &held);
	if (!table->put(worker->self, bench_cpu_now(worker->cpu), held.order, held.block))
		violation(stress, "the put of an owned block was refused", held.block);
}

static void get_one(bench_worker *worker, uint32_t order, bool exact)
{
	const bench_allocator *allocator = worker->row->allocator;
	const stress_state *state = worker->row->extra;
	stress_thread *stress = thread_of(worker);
	uint32_t cpu = bench_cpu_now(worker->cpu);
	uint64_t block = exact ? bench_rng_below(&worker->rng, state->frames) >> order << order : 0;
	bool got = exact ? block + (UINT64_C(1) << order) <= state->frames &&
				   allocator->get_at(worker->self, cpu, order, block)
			 : allocator->table.get(worker->self, cpu, order, &block);

	stress->gets++;
	stress->refused += !got;
	if (got)
		own(worker, block, order);
}

static void one_op(bench_worker *worker)
{
	const bench_allocator *allocator = worker->row->allocator;
	stress_thread *stress = thread_of(worker);
	uint32_t order = (uint32_t)bench_rng_below(&worker->rng, worker->row->order + 1);
	bool full = stress->n_held == HELD || stress->held_frames + (UINT64_C(1) << order) > stress->most_frames;
	uint64_t choice = bench_rng_below(&worker->rng, DRAIN_EVERY);

	if (choice == 0 && allocator->table.drain)
		allocator->table.drain(worker->self);
	else if (stress->n_held && (full || choice % 2))
		put_one(worker, (uint32_t)bench_rng_below(&worker->rng, stress->n_held));
	else if (!full)
		get_one(worker, order, allocator->get_at && choice % 8 == 0);
}

static void step_stress(bench_worker *worker)
{
	uint64_t start = bench_now_ns();

	for (uint64_t i = 0; i < worker->row->pass_ops; i++)
		one_op(worker);
	worker->step_ns = bench_now_ns() - start;
	worker->step_ops = worker->row->pass_ops;
}

static void step_put_all(bench_worker *worker)
{
	while (thread_of(worker)->n_held)
		put_one(worker, 0);
	if (worker->row->allocator->table.drain)
		worker->row->allocator->table.drain(worker->self);
}

/* All is put, and all caches are drained by their owners: every huge frame is whole. */
static bool whole_again(bench_row *row)
{
	const bench_peer_table *table = &row->allocator->table;
	uint64_t free_huge, n_huge = ((const stress_state *)row->extra)->frames / LLFREE_HUGE_FRAMES;

	if (!table->drain || !table->free_huge)
		return true;
	table->drain(bench_team_worker(row->team, 0)->self);
	free_huge = table->free_huge(row->state);
	return free_huge == n_huge || bench_row_fail(row, "all is put, but only %llu of %llu huge frames are free",
						     (unsigned long long)free_huge, (unsigned long long)n_huge);
}

static bool stress_pass(bench_row *row)
{
	const stress_state *state = row->extra;
	uint64_t gets = 0, refused = 0, violations = 0;
	const stress_thread *first = NULL;
	double mean_ns, max_ns;

	(void)bench_team_run(row->team, step_stress);
	mean_ns = bench_team_mean_ns(row->team);
	max_ns = bench_team_max_ns(row->team);
	(void)bench_team_run(row->team, step_put_all);
	for (uint32_t i = 0; i < row->threads; i++) {
		const stress_thread *stress = &state->threads[i];

		gets += stress->gets;
		refused += stress->refused;
		violations += stress->violations;
		first = stress->violations ? stress : first;
	}
	if (first)
		return bench_row_fail(row, "%llu violations; one: %s %llu", (unsigned long long)violations,
				      first->violation, (unsigned long long)first->where);
	bench_metric_add(row, "op_ns", mean_ns / (double)row->pass_ops);
	bench_metric_add(row, "ops_s", (double)(row->pass_ops * row->threads) / max_ns * 1e9);
	bench_metric_add(row, "refused_pct", gets ? 100.0 * (double)refused / (double)gets : 0);
	bench_metric_add(row, "errors", 0);
	row->pass_seconds = mean_ns * 1e-9;
	return whole_again(row);
}

static bool stress_setup(bench_row *row)
{
	stress_state *state = calloc(1, sizeof(*state));

	row->extra = state;
	row->pass_ops = PASS_OPS;
	if (!state)
		return bench_row_fail(row, "out of memory");
	state->frames = stress_frames(row);
	state->threads = bench_map(row->threads * sizeof(*state->threads));
	if (row->allocator->table.frames_known)
		state->owners = bench_map(state->frames * sizeof(*state->owners));
	if (!state->threads || (row->allocator->table.frames_known && !state->owners))
		return bench_row_fail(row, "out of memory");
	for (uint32_t i = 0; i < row->threads; i++)
		state->threads[i].most_frames = state->frames / 2 / row->threads;
	return stress_pass(row);
}

static void stress_teardown(bench_row *row)
{
	stress_state *state = row->extra;

	if (!state)
		return;
	bench_unmap(state->owners, state->frames * sizeof(*state->owners));
	bench_unmap(state->threads, row->threads * sizeof(*state->threads));
	free(state);
}

const bench_case bench_case_stress = {
	.name = "stress",
	.question = "gets, exact gets, puts and drains at random, orders 0 to the row's, each result checked; ops/s, "
		    "ns per op",
	.rank = 66,
	.backed_if_possible = true,
	.frames = stress_frames,
	.blocks = stress_blocks,
	.setup = stress_setup,
	.pass = stress_pass,
	.teardown = stress_teardown,
};
