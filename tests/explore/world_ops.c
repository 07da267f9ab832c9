/* SPDX-License-Identifier: MIT
 *
 * Operations on the world, each with its check. Between two scheduling points a thread is alone, so plain code here is
 * atomic: the ownership record changes in the same instant in which an operation is seen to have ended. */
#include "world_state.h"

/* --- ownership -------------------------------------------------------------------------------------------------- */

const char *t_owner_name(unsigned owner)
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
				       order, (unsigned long long)frame, t_owner_name(owner), t_owner_name(other),
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
			       t_owner_name(owner));
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
				       (unsigned long long)huge, t_owner_name(owner));
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
		       t_owner_name(thread), llfree_err_text(err));
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

llfree_err t_world_op(unsigned thread, const t_op *op)
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
		llfree_err err = t_world_op(thread, &program[i]);
		world.in_flight[thread] = 0;
		world.results |= (uint64_t)(err + 1) << ((thread * T_OPS_MAX + i) * 4);
	}
}
