/* SPDX-License-Identifier: MIT
 *
 * Operations on the world, each with its check. Between two scheduling points a thread is alone, so plain code here is
 * atomic: the ownership record changes in the same instant in which an operation is seen to have ended. */
#include "world_state.h"

#include <stdio.h>
#include <string.h>

_Alignas(64) t_world world;
static t_world initial;

/* --- ownership -------------------------------------------------------------------------------------------------- */

static const char *owner_name(unsigned owner)
{
	static const char *const names[T_OWNERS] = { "a", "b", "c", "bystander", "host" };
	return names[owner];
}

static uint64_t run_bits(uint64_t frame, unsigned order)
{
	uint64_t frames = UINT64_C(1) << order;
	if (frames >= 64)
		return UINT64_MAX;
	return ((UINT64_C(1) << frames) - 1) << (frame % 64);
}

static void own(unsigned owner, uint64_t frame, unsigned order)
{
	uint64_t frames = UINT64_C(1) << order;
	if (frame % frames || frame + frames > world.n_frames) {
		t_fail("frame %llu is no run of order %u", (unsigned long long)frame, order);
		return;
	}
	for (uint64_t row = frame / 64; row <= (frame + frames - 1) / 64; row++) {
		uint64_t bits = run_bits(frame, order);
		for (unsigned other = 0; other < T_OWNERS; other++) {
			if (world.owned[row][other] & bits)
				t_fail("A1: a run of order %u at frame %llu went to %s, but %s owns frames of row %llu "
				       "of it",
				       order, (unsigned long long)frame, owner_name(owner), owner_name(other),
				       (unsigned long long)row);
		}
		world.owned[row][owner] |= bits;
	}
}

static void disown(unsigned owner, uint64_t frame, unsigned order)
{
	uint64_t frames = UINT64_C(1) << order;
	for (uint64_t row = frame / 64; row <= (frame + frames - 1) / 64; row++) {
		uint64_t bits = run_bits(frame, order);
		if ((world.owned[row][owner] & bits) != bits)
			t_fail("the scenario puts a frame of row %llu that %s does not own", (unsigned long long)row,
			       owner_name(owner));
		world.owned[row][owner] &= ~bits;
	}
}

static void hold(unsigned owner, uint64_t frame, unsigned order)
{
	if (world.n_held[owner] == T_HELD_MAX) {
		t_fail("the scenario holds too many runs");
		return;
	}
	world.held[owner][world.n_held[owner]++] = (t_held){ (uint16_t)frame, (uint8_t)order };
}

/* A run has been handed out: it is nobody else's, its memory is there, and its tree was not offline all the while. */
static void received(unsigned owner, uint64_t frame, unsigned order, uint32_t began)
{
	own(owner, frame, order);
	hold(owner, frame, order);
	uint64_t last = frame + (UINT64_C(1) << order) - 1;
	for (uint64_t huge = frame / LLFREE_HUGE_FRAMES; huge <= last / LLFREE_HUGE_FRAMES; huge++) {
		if (!world.present[huge])
			t_fail("H1: frame %llu handed out while huge frame %llu is not installed",
			       (unsigned long long)frame, (unsigned long long)huge);
	}
	uint32_t offline = world.offline_since[frame / LLFREE_TREE_FRAMES];
	if (offline && offline <= began)
		t_fail("A9: frame %llu handed out by a get that began when its tree was offline",
		       (unsigned long long)frame);
}

/* --- host ------------------------------------------------------------------------------------------------------- */

static bool not_busy(const void *record)
{
	return *(const uint8_t *)record != T_R_BUSY;
}

bool t_world_install(void *context, uint64_t huge)
{
	(void)context;
	if (world.scenario->install_fails && !world.install_anyway)
		return false;
	t_wait_until(not_busy, &world.r[huge]);
	world.r[huge] = T_R_BUSY; /* no reclaim between the memory and the mark */
	world.present[huge] = true;
	llfree_err err = llfree_install(&world.view, huge);
	if (err != LLFREE_OK && err != LLFREE_ERR_STATE)
		t_fail("install of huge frame %llu: %s", (unsigned long long)huge, llfree_err_text(err));
	world.r[huge] = T_R_INSTALLED;
	return true;
}

static void discard(uint64_t huge, unsigned allowed_owner)
{
	t_point(NULL, 0);
	for (unsigned row = 0; row < LLFREE_HUGE_ROWS; row++) {
		for (unsigned owner = 0; owner < T_OWNERS; owner++) {
			if (owner != allowed_owner && world.owned[huge * LLFREE_HUGE_ROWS + row][owner])
				t_fail("H1: huge frame %llu is discarded while %s owns frames of it",
				       (unsigned long long)huge, owner_name(owner));
		}
	}
	world.present[huge] = false;
}

static llfree_err do_soft(uint64_t huge)
{
	t_wait_until(not_busy, &world.r[huge]);
	uint8_t before = world.r[huge];
	world.r[huge] = T_R_BUSY;
	llfree_err err = llfree_reclaim_soft(&world.view, huge);
	if (err == LLFREE_OK) {
		if (before != T_R_INSTALLED)
			t_fail("A8: soft reclaim of huge frame %llu that was evicted", (unsigned long long)huge);
		discard(huge, T_OWNERS);
	}
	world.r[huge] = err == LLFREE_OK ? T_R_SOFT : before;
	return err;
}

static llfree_err do_hard(uint64_t huge)
{
	t_wait_until(not_busy, &world.r[huge]);
	uint8_t before = world.r[huge];
	bool was_evicted = false;
	world.r[huge] = T_R_BUSY;
	llfree_err err = llfree_reclaim_hard(&world.view, huge, &was_evicted);
	if (err == LLFREE_OK) {
		own(T_HOST, huge * LLFREE_HUGE_FRAMES, LLFREE_HUGE_ORDER);
		if (was_evicted == world.present[huge])
			t_fail("A8: hard reclaim of huge frame %llu says evicted=%d, its memory says %d",
			       (unsigned long long)huge, was_evicted, !world.present[huge]);
		discard(huge, T_HOST);
	}
	world.r[huge] = err == LLFREE_OK ? T_R_HARD : before;
	return err;
}

static llfree_err do_return(uint64_t huge)
{
	t_wait_until(not_busy, &world.r[huge]);
	if (world.r[huge] != T_R_HARD)
		return LLFREE_ERR_STATE;
	world.r[huge] = T_R_BUSY;
	disown(T_HOST, huge * LLFREE_HUGE_FRAMES, LLFREE_HUGE_ORDER);
	llfree_err err = llfree_return(&world.view, huge);
	if (err != LLFREE_OK)
		t_fail("A4: return of hard-reclaimed huge frame %llu: %s", (unsigned long long)huge,
		       llfree_err_text(err));
	world.r[huge] = T_R_SOFT;
	return err;
}

static llfree_err do_install(uint64_t huge)
{
	t_wait_until(not_busy, &world.r[huge]);
	if (world.r[huge] != T_R_SOFT)
		return LLFREE_ERR_STATE;
	world.r[huge] = T_R_BUSY;
	world.present[huge] = true;
	llfree_err err = llfree_install(&world.view, huge);
	world.r[huge] = T_R_INSTALLED;
	return err == LLFREE_ERR_STATE ? LLFREE_OK : err;
}

/* --- guest ------------------------------------------------------------------------------------------------------ */

static llfree_err do_get(unsigned thread, const t_op *op, llfree_request request, uint32_t began)
{
	uint64_t frame = UINT64_MAX;
	llfree_err err;
	switch (op->kind) {
	case T_GET_AT:
		frame = op->at;
		err = llfree_get_at(&world.view, request, frame);
		break;
	case T_HANDLE_GET:
		err = llfree_handle_get(&world.handles[thread], &frame);
		break;
	default:
		err = llfree_get(&world.view, request, &frame);
	}
	if (err == LLFREE_OK)
		received(thread, frame, request.order, began);
	else if (op->kind != T_GET_AT && frame != UINT64_MAX)
		t_fail("A3: a failed get set its frame");
	return err;
}

static llfree_err do_put(unsigned thread, const t_op *op, llfree_request request)
{
	if (op->at >= world.n_held[thread])
		return LLFREE_ERR_STATE; /* the get before it was refused */
	const t_held *held = &world.held[thread][op->at];
	uint64_t frame = (uint64_t)held->frame + op->offset;
	disown(thread, frame, op->order);
	llfree_err err = op->kind == T_HANDLE_PUT ? llfree_handle_put(&world.handles[thread], frame)
						  : llfree_put(&world.view, request, frame);
	if (err != LLFREE_OK)
		t_fail("A4: put of order %u at frame %llu, owned by %s: %s", op->order, (unsigned long long)frame,
		       owner_name(thread), llfree_err_text(err));
	return err;
}

static llfree_err do_put_raced(const t_op *op, llfree_request request)
{
	const t_held *held = &world.held[T_BYSTANDER][op->at];
	uint64_t frame = (uint64_t)held->frame + op->offset;
	llfree_err err = llfree_put(&world.view, request, frame);
	if (err == LLFREE_OK) {
		world.raced_successes++;
		if (world.owned[frame / 64][T_BYSTANDER] >> (frame % 64) & 1)
			disown(T_BYSTANDER, frame, op->order);
	}
	return err;
}

static llfree_err do_get_batch(unsigned thread, llfree_request request, uint32_t began)
{
	uint64_t frames[T_BATCH];
	size_t n = llfree_get_batch(&world.view, request, frames, T_BATCH);
	for (size_t i = 0; i < n; i++)
		received(thread, frames[i], 0, began);
	return n == T_BATCH ? LLFREE_OK : LLFREE_ERR_NOMEM;
}

static llfree_err do_put_batch(unsigned thread, llfree_request request)
{
	uint64_t frames[T_HELD_MAX];
	size_t n = 0;
	for (unsigned i = 0; i < world.n_held[thread]; i++) {
		frames[n++] = world.held[thread][i].frame;
		disown(thread, world.held[thread][i].frame, 0);
	}
	world.n_held[thread] = 0;
	llfree_err err;
	size_t done = llfree_put_batch(&world.view, request, frames, n, &err);
	if (done != n)
		t_fail("A4: put of a batch stopped at frame %llu: %s", (unsigned long long)frames[done],
		       llfree_err_text(err));
	return err;
}

static llfree_err do_tree(const t_op *op)
{
	world.offline_since[op->at] = 0;
	for (unsigned i = 0; i < world.scenario->n_threads; i++) {
		const t_op *other = world.in_flight[i] ? &world.scenario->program[i][world.in_flight[i] - 1] : op;
		if (other != op && (other->kind == T_OFFLINE || other->kind == T_ONLINE) && other->at == op->at)
			world.offline_unknown[op->at] = true; /* which one is the last is a matter of taste */
	}
	if (op->kind == T_ONLINE) {
		world.offline_expected[op->at] = false;
		return llfree_tree_online(&world.view, op->at);
	}
	world.offline_expected[op->at] = true;
	llfree_err err = llfree_tree_offline(&world.view, op->at);
	if (world.offline_expected[op->at] && !world.offline_unknown[op->at])
		world.offline_since[op->at] = ++world.sequence;
	return err;
}

static void do_give(unsigned thread, const t_op *op)
{
	uint64_t frame = (uint64_t)world.held[thread][op->at].frame + op->offset;
	disown(thread, frame, op->order);
	own(op->other, frame, op->order);
	hold(op->other, frame, op->order);
}

/* The bystander takes all that is free, the largest runs first, then gives back one run of that order. */
static llfree_err do_fill(const t_op *op)
{
	uint64_t give_back = UINT64_MAX;
	for (unsigned order = LLFREE_MAX_ORDER + 1; order-- > 0;) {
		llfree_request request = { 1, (uint8_t)order, 0 };
		uint64_t frame;
		while (llfree_get(&world.view, request, &frame) == LLFREE_OK) {
			own(T_BYSTANDER, frame, order);
			if (order >= op->order)
				give_back = frame;
		}
	}
	if (give_back == UINT64_MAX)
		return LLFREE_ERR_NOMEM;
	disown(T_BYSTANDER, give_back, op->order);
	return llfree_put(&world.view, (llfree_request){ 1, op->order, 0 }, give_back);
}

static llfree_err do_soft_each(void)
{
	for (uint64_t huge = 0; huge < world.n_huge; huge++) {
		llfree_err err = do_soft(huge);
		if (err != LLFREE_OK && err != LLFREE_ERR_STATE)
			return err;
	}
	return LLFREE_OK;
}

static llfree_err do_op(unsigned thread, const t_op *op)
{
	unsigned cpu = thread < T_THREADS_MAX ? world.scenario->cpu[thread] : 1;
	llfree_request request = { cpu + op->cpu, op->order, op->class_idx };
	uint32_t began = ++world.sequence;
	uint64_t huge = op->at == T_LAST ? world.n_huge - 1 : op->at;
	switch (op->kind) {
	case T_GET:
	case T_GET_AT:
	case T_HANDLE_GET:
		return do_get(thread, op, request, began);
	case T_PUT:
	case T_HANDLE_PUT:
		return do_put(thread, op, request);
	case T_PUT_RACED:
		return do_put_raced(op, request);
	case T_GET_BATCH:
		return do_get_batch(thread, request, began);
	case T_PUT_BATCH:
		return do_put_batch(thread, request);
	case T_DRAIN_SLOT:
		llfree_drain_slot(&world.view, request.cpu, op->class_idx);
		return LLFREE_OK;
	case T_DRAIN_ALL:
		llfree_drain_all(&world.view);
		return LLFREE_OK;
	case T_OFFLINE:
	case T_ONLINE:
		return do_tree(op);
	case T_SOFT:
		return op->at == T_EACH ? do_soft_each() : do_soft(huge);
	case T_HARD:
		return do_hard(huge);
	case T_RETURN:
		return do_return(huge);
	case T_INSTALL:
		return do_install(huge);
	case T_HANDLE_DRAIN:
		llfree_handle_drain(&world.handles[thread]);
		return LLFREE_OK;
	case T_GIVE:
		do_give(thread, op);
		return LLFREE_OK;
	case T_FILL:
		return do_fill(op);
	case T_END:
	case T_REPEAT:
	case T_KIND_COUNT:
		break;
	}
	t_fail("no such operation");
	return LLFREE_ERR_INVAL;
}

void t_world_thread(unsigned thread)
{
	const t_op *program = world.scenario->program[thread];
	for (unsigned i = 0; i < T_OPS_MAX && program[i].kind != T_END; i++) {
		t_operation_begins(&program[i]);
		world.in_flight[thread] = (uint8_t)(i + 1);
		llfree_err err = do_op(thread, &program[i]);
		world.in_flight[thread] = 0;
		world.results |= (uint64_t)(err + 1) << ((thread * T_OPS_MAX + i) * 4);
	}
}

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
			llfree_err err = do_op(thread, &ops[i]);
			if (err != LLFREE_OK) {
				char text[64];
				t_op_text(&ops[i], text, sizeof(text));
				t_fail("setup of %s: %s: %s", owner_name(thread), text, llfree_err_text(err));
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
