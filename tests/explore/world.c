/* SPDX-License-Identifier: MIT
 *
 * The world's beginning, its reset, and how two of its states are compared. */
#include "world_state.h"

#include <stdio.h>
#include <string.h>

_Alignas(64) t_world world;
static t_world initial;

/* --- setup and reset -------------------------------------------------------------------------------------------- */

static bool is_late(t_kind kind)
{
	return kind == T_DRAIN_ALL || kind == T_SOFT || kind == T_HARD || kind == T_RETURN || kind == T_OFFLINE;
}

static bool setup_ops(unsigned thread, const t_op *ops, unsigned n_ops, bool late)
{
	unsigned repeat = 1;
	for (unsigned i = 0; i < n_ops; i++) {
		if (is_late(ops[i].kind) != late)
			continue;
		if (ops[i].kind == T_REPEAT) {
			repeat = ops[i].at;
			continue;
		}
		for (; repeat; repeat--) {
			llfree_err err = t_world_op(thread, &ops[i]);
			if (err != LLFREE_OK) {
				char text[64];
				t_op_text(&ops[i], text, sizeof(text));
				t_fail("setup of %s: %s: %s", t_owner_name(thread), text, llfree_err_text(err));
			}
			if (t_run_failure())
				return false;
		}
		repeat = 1;
	}
	return true;
}

bool t_world_setup(const t_scenario *scenario)
{
	static const llfree_policy one_class = { .classes = 1, .rule = { { LLFREE_MATCH } } };
	t_clear_failure();
	memset(&world, 0, sizeof(world));
	world.scenario = scenario;
	llfree_config config = { .frames = scenario->trees * (uint64_t)LLFREE_TREE_FRAMES,
				 .cpus = 2,
				 .exact = scenario->exact,
				 .durable = scenario->durable,
				 .policy = scenario->policy ? scenario->policy : &one_class };
	size_t bytes = llfree_metadata_bytes(&config);
	if (bytes > sizeof(world.region)) {
		t_fail("the region needs %zu bytes", bytes);
		return false;
	}
	llfree_err err = llfree_init(&world.view, &config, world.region, sizeof(world.region), false);
	if (err != LLFREE_OK) {
		t_fail("init: %s", llfree_err_text(err));
		return false;
	}
	world.region_bytes = bytes;
	world.n_frames = config.frames;
	world.n_huge = config.frames / LLFREE_HUGE_FRAMES;
	world.n_trees = scenario->trees;
	llfree_set_install(&world.view, t_world_install, NULL);
	llfree_set_flush(&world.view, scenario->flush, NULL);
	memset(world.present, true, sizeof(world.present));
	for (unsigned i = 0; i < T_THREADS_MAX; i++) {
		err = llfree_handle_open(&world.handles[i], &world.view, scenario->cpu[i], 0);
		if (err != LLFREE_OK)
			t_fail("handle: %s", llfree_err_text(err));
	}
	for (unsigned late = 0; late < 2; late++) {
		for (unsigned i = 0; i < scenario->n_threads; i++) {
			if (!setup_ops(i, scenario->setup[i], scenario->n_setup[i], late))
				return false;
		}
		if (!setup_ops(T_BYSTANDER, scenario->bystander, scenario->n_bystander, late))
			return false;
	}
	world.results = 0;
	initial = world;
	return !t_run_failure();
}

void t_world_reset(void)
{
	world = initial;
}

/* --- recognising ------------------------------------------------------------------------------------------------ */

static uint64_t hash_bytes(const void *bytes, size_t n_bytes, uint64_t hash)
{
	const unsigned char *at = bytes;
	for (; n_bytes >= 8; n_bytes -= 8, at += 8) {
		uint64_t word;
		memcpy(&word, at, 8);
		hash = (hash ^ word) * UINT64_C(0x9fb21c651e98df25);
		hash ^= hash >> 29;
	}
	return hash;
}

uint64_t t_world_hash(void)
{
	return hash_bytes(&world, offsetof(t_world, sequence) & ~(size_t)7, 1);
}

uint64_t t_world_region_hash(void)
{
	return hash_bytes(world.region, sizeof(world.region), 1);
}

uint64_t t_world_results(void)
{
	return world.results;
}

static llfree_err result_of(uint64_t results, unsigned thread, unsigned op_idx)
{
	return (llfree_err)((int)(results >> ((thread * T_OPS_MAX + op_idx) * 4) & 15) - 1);
}

/* Which results may depend on what else runs: a get finds memory that another thread is just moving, or does not; a
 * reclaim finds a tree reserved, or just drained. The rest is what some serial order says. */
static bool may_differ(t_kind kind)
{
	switch (kind) {
	case T_GET:
	case T_GET_AT:
	case T_GET_BATCH:
	case T_HANDLE_GET:
	case T_SOFT:
	case T_HARD:
	case T_RETURN: /* and these were skipped, when there was nothing to return, install or put */
	case T_INSTALL:
	case T_PUT:
	case T_HANDLE_PUT:
		return true;
	default:
		return false;
	}
}

bool t_world_result_allowed(const uint64_t *serial, unsigned n_serial, bool strict)
{
	for (unsigned thread = 0; thread < world.scenario->n_threads; thread++) {
		const t_op *program = world.scenario->program[thread];
		for (unsigned i = 0; i < T_OPS_MAX && program[i].kind != T_END; i++) {
			llfree_err here = result_of(world.results, thread, i);
			bool always_ok = true, as_serial = false;
			for (unsigned s = 0; s < n_serial; s++) {
				always_ok &= result_of(serial[s], thread, i) == LLFREE_OK;
				as_serial |= result_of(serial[s], thread, i) == here;
			}
			bool get = program[i].kind == T_GET || program[i].kind == T_GET_BATCH ||
				   program[i].kind == T_HANDLE_GET;
			if (!as_serial && ((strict && get && always_ok) || !may_differ(program[i].kind)))
				return false;
		}
	}
	return true;
}
