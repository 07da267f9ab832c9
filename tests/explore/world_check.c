/* SPDX-License-Identifier: MIT
 *
 * What must hold when a run is over: at rest (all threads done), or after a crash (all threads stopped somewhere, the
 * region recovered). These checks destroy the world; it is reset before the next run. */
#include "world_state.h"

#include <stdio.h>
#include <string.h>

static t_world saved;

/* Frames of a row that nobody owns and no handle has cached. */
static uint64_t expected_free(uint64_t row)
{
	uint64_t taken = 0;
	for (unsigned owner = 0; owner < T_OWNERS; owner++)
		taken |= world.owned[row][owner];
	for (unsigned i = 0; i < T_THREADS_MAX; i++)
		taken |= world.handles[i].row == row ? world.handles[i].mask : 0;
	return ~taken;
}

/* Frames of a row that the region shows as free, by its words; for the first of them the library is asked as well. */
uint64_t t_world_shown_free(uint64_t row)
{
	const llfree_t *view = &world.view;
	uint64_t shown = view->children[row / LLFREE_HUGE_ROWS].word_ & LLFREE_CHILD_HUGE ? 0 : ~view->rows[row].word_;
	for (unsigned i = 0; i < view->cpus * view->classes; i++) {
		uint64_t claim = view->slots[i].claim.word_;
		uint64_t half = claim >> LLFREE_CLAIM_HALF_SHIFT & LLFREE_CLAIM_NONE;
		if (half / 2 == row)
			shown |= (claim & UINT32_MAX) << (half % 2 * 32);
	}
	for (unsigned bit = 0; bit < 64; bit += 21) {
		if (llfree_is_free(view, row * 64 + bit) != (shown >> bit & 1))
			t_fail("A3: is_free of frame %llu contradicts the words", (unsigned long long)(row * 64 + bit));
	}
	return shown;
}

void t_world_audit(const char *when)
{
	llfree_audit_report report;
	if (!llfree_audit(&world.view, &report))
		t_fail("A2: audit %s: child_count %llu huge_rows %llu tree_count %llu reservation %llu claim %llu tail "
		       "%llu "
		       "invalid %llu durable %llu, first at %llu",
		       when, (unsigned long long)report.child_count_wrong, (unsigned long long)report.huge_rows_open,
		       (unsigned long long)report.tree_count_wrong, (unsigned long long)report.reservation_wrong,
		       (unsigned long long)report.claim_wrong, (unsigned long long)report.tail_open,
		       (unsigned long long)report.word_invalid, (unsigned long long)report.durable_wrong,
		       (unsigned long long)report.first_bad);
}

/* A3, A2: exactly what nobody owns is free. @return the free frames. */
static uint64_t check_frames(void)
{
	uint64_t n_free = 0;
	for (uint64_t row = 0; row < world.n_frames / 64 && !t_run_failure(); row++) {
		uint64_t expected = expected_free(row), shown = t_world_shown_free(row);
		n_free += (uint64_t)__builtin_popcountll(shown);
		if (shown & ~expected)
			t_fail("A1: frames %#llx of row %llu are owned, but free",
			       (unsigned long long)(shown & ~expected), (unsigned long long)row);
		if (expected & ~shown)
			t_fail("A3: frames %#llx of row %llu are owned by nobody, but not free",
			       (unsigned long long)(expected & ~shown), (unsigned long long)row);
	}
	return n_free;
}

static void check_marks(void)
{
	for (uint64_t huge = 0; huge < world.n_huge; huge++) {
		llfree_huge_state state = { 0 };
		if (llfree_huge_state_of(&world.view, huge, &state) != LLFREE_OK)
			t_fail("no state of huge frame %llu", (unsigned long long)huge);
		bool expected = world.r[huge] == T_R_SOFT || world.r[huge] == T_R_HARD;
		if (state.evicted != expected)
			t_fail("A8: huge frame %llu has E=%d, the host's record says %d", (unsigned long long)huge,
			       state.evicted, expected);
		if (!world.present[huge] && !state.evicted)
			t_fail("H1: huge frame %llu has no memory, but E=0", (unsigned long long)huge);
	}
	for (uint64_t tree = 0; tree < world.n_trees; tree++) {
		llfree_tree_stats stats = { 0 };
		if (llfree_stats_tree(&world.view, tree, &stats) != LLFREE_OK)
			t_fail("no stats of tree %llu", (unsigned long long)tree);
		if (stats.offline != world.offline_expected[tree] && !world.offline_unknown[tree])
			t_fail("A9: tree %llu has offline=%d, expected %d", (unsigned long long)tree, stats.offline,
			       world.offline_expected[tree]);
	}
}

static void check_stats(uint64_t n_free)
{
	llfree_stats exact, fast;
	llfree_stats_exact(&world.view, &exact);
	llfree_stats_fast(&world.view, &fast);
	if (exact.free_frames != n_free || fast.free_frames != n_free)
		t_fail("A2: %llu frames are free, exact statistics say %llu, fast %llu", (unsigned long long)n_free,
		       (unsigned long long)exact.free_frames, (unsigned long long)fast.free_frames);
}

/* Is there a free aligned run in a tree that class 0 may use? */
static bool run_exists(unsigned order, const uint64_t *shown)
{
	uint64_t frames = UINT64_C(1) << order, mask = frames >= 64 ? UINT64_MAX : (UINT64_C(1) << frames) - 1;
	for (uint64_t first = 0; first < world.n_frames; first += frames) {
		uint64_t tree = first / LLFREE_TREE_FRAMES;
		llfree_tree_stats stats = { 0 };
		if (llfree_stats_tree(&world.view, tree, &stats) != LLFREE_OK || stats.offline)
			continue;
		if (world.view.rule[0][stats.class_idx] == LLFREE_NEVER && stats.free_frames != LLFREE_TREE_FRAMES)
			continue;
		uint64_t i = 0;
		while (i < frames && (shown[(first + i) / 64] >> (first % 64) & mask) == mask)
			i += 64;
		if (i >= frames)
			return true;
	}
	return false;
}

/* A5: what others hold in slots is the business of the get; live handles are left out. */
static void check_progress(const char *when)
{
	world.install_anyway = true;
	uint64_t shown[T_ROWS];
	for (uint64_t row = 0; row < world.n_frames / 64; row++)
		shown[row] = t_world_shown_free(row);
	saved = world;
	for (unsigned i = 0; i < 2 * (LLFREE_MAX_ORDER + 1) && !t_run_failure(); i++) {
		world = saved;
		unsigned order = i / 2;
		bool exists = run_exists(order, shown);
		uint64_t frame;
		llfree_err err = llfree_get(&world.view, (llfree_request){ i % 2, (uint8_t)order, 0 }, &frame);
		if (exists != (err == LLFREE_OK))
			t_fail("A5: %s a get of order %u says \"%s\", a free run %s", when, order, llfree_err_text(err),
			       exists ? "exists" : "does not exist");
	}
	world = saved;
	world.install_anyway = false;
}

/* A4: all that is owned can be put back, and then all is free but what the host has. */
static void check_put_all(void)
{
	for (uint64_t row = 0; row < world.n_frames / 64; row++) {
		for (unsigned owner = 0; owner < T_HOST; owner++) {
			uint64_t bits = world.owned[row][owner];
			if (bits == UINT64_MAX) {
				if (llfree_put(&world.view, (llfree_request){ owner, 6, 0 }, row * 64) != LLFREE_OK)
					t_fail("A4: row %llu can't be put back", (unsigned long long)row);
				bits = 0;
			}
			for (unsigned i = 0; i < 64; i++) {
				if (bits >> i & 1 &&
				    llfree_put(&world.view, (llfree_request){ owner, 0, 0 }, row * 64 + i) != LLFREE_OK)
					t_fail("A4: frame %llu can't be put back", (unsigned long long)(row * 64 + i));
			}
			world.owned[row][owner] = 0;
		}
	}
	(void)check_frames();
	t_world_audit("after everything was put back");
}

static void drain_everything(void)
{
	for (unsigned i = 0; i < T_THREADS_MAX; i++)
		llfree_handle_drain(&world.handles[i]);
	llfree_drain_all(&world.view);
}

static void check_recovered_clean(void)
{
	saved = world;
	llfree_t view;
	llfree_err err = llfree_recover(&view, world.region, world.region_bytes, false);
	if (err != LLFREE_OK)
		t_fail("A10: recovery at rest: %s", llfree_err_text(err));
	t_world_audit("after recovery at rest");
	(void)check_frames();
	check_marks();
	world = saved;
}

void t_world_check(void)
{
	const t_scenario *scenario = world.scenario;
	if (scenario->successes >= 0 && world.raced_successes != (uint32_t)scenario->successes)
		t_fail("A7: %u puts of one run succeeded, expected %d", world.raced_successes, scenario->successes);
	t_world_audit("at rest");
	uint64_t n_free = check_frames();
	check_stats(n_free);
	check_marks();
	if (t_run_failure())
		return;
	check_recovered_clean();
	check_progress("at rest");
	drain_everything();
	t_world_audit("after a drain");
	(void)check_frames();
	if (t_run_failure())
		return;
	check_progress("after a drain");
	if (!t_run_failure())
		check_put_all();
}

/* --- crash ------------------------------------------------------------------------------------------------------ */

/* A10: the frames that may stay taken because this operation never ended. In exact mode, those of the operation; in
 * fast mode also a refill (half a row) or the claim that a put or a drain was giving back. */
static unsigned loss_bound(const t_op *op)
{
	unsigned claim = world.scenario->exact ? 0 : 32;
	switch (op->kind) {
	case T_GET:
	case T_GET_AT:
	case T_PUT:
	case T_PUT_RACED:
		return (1u << op->order) + claim;
	case T_HANDLE_GET:
	case T_HANDLE_PUT:
	case T_HANDLE_DRAIN:
		return 64 + 64 + claim;
	case T_GET_BATCH:
	case T_PUT_BATCH:
		return T_BATCH + claim;
	case T_HARD:
	case T_RETURN:
		return 512 + claim;
	default:
		return claim;
	}
}

static uint64_t allowed_loss(void)
{
	uint64_t allowed = 0;
	for (unsigned i = 0; i < world.scenario->n_threads; i++) {
		if (world.in_flight[i])
			allowed += loss_bound(&world.scenario->program[i][world.in_flight[i] - 1]);
		if (world.handles[i].mask)
			allowed += 64; /* handles die with their owners */
	}
	return allowed;
}

void t_world_check_crash(void)
{
	uint64_t evicted_before = 0, evicted_after = 0;
	for (unsigned i = 0; i < world.n_huge; i++)
		evicted_before |= world.view.children[i].word_ & LLFREE_CHILD_EVICTED ? UINT64_C(1) << i : 0;
	llfree_t view;
	llfree_err err = llfree_recover(&view, world.region, world.region_bytes, false);
	if (err != LLFREE_OK)
		t_fail("A10: recovery: %s", llfree_err_text(err));
	t_world_audit("after recovery");
	uint64_t lost = 0;
	for (uint64_t row = 0; row < world.n_frames / 64 && !t_run_failure(); row++) {
		uint64_t owned = 0, shown = t_world_shown_free(row);
		for (unsigned owner = 0; owner < T_OWNERS; owner++)
			owned |= world.owned[row][owner];
		if (owned & shown)
			t_fail("A10: frames %#llx of row %llu are owned, but free after recovery",
			       (unsigned long long)(owned & shown), (unsigned long long)row);
		lost += (uint64_t)__builtin_popcountll(~owned & ~shown);
	}
	if (lost > allowed_loss())
		t_fail("A10: %llu frames lost, at most %llu may be", (unsigned long long)lost,
		       (unsigned long long)allowed_loss());
	for (unsigned i = 0; i < world.n_huge; i++)
		evicted_after |= world.view.children[i].word_ & LLFREE_CHILD_EVICTED ? UINT64_C(1) << i : 0;
	if (evicted_before != evicted_after)
		t_fail("A8: recovery changed E from %#llx to %#llx", (unsigned long long)evicted_before,
		       (unsigned long long)evicted_after);
}

/* --- text ------------------------------------------------------------------------------------------------------- */

void t_op_text(const t_op *op, char *text, size_t text_bytes)
{
	static const char *const names[T_KIND_COUNT] = {
		[T_END] = "end",
		[T_GET] = "get",
		[T_GET_AT] = "get_at",
		[T_PUT] = "put",
		[T_PUT_RACED] = "put_raced",
		[T_GET_BATCH] = "get_batch",
		[T_PUT_BATCH] = "put_batch",
		[T_DRAIN_SLOT] = "drain_slot",
		[T_DRAIN_ALL] = "drain_all",
		[T_OFFLINE] = "offline",
		[T_ONLINE] = "online",
		[T_SOFT] = "soft",
		[T_HARD] = "hard",
		[T_RETURN] = "return",
		[T_INSTALL] = "install",
		[T_HANDLE_GET] = "handle_get",
		[T_HANDLE_PUT] = "handle_put",
		[T_HANDLE_DRAIN] = "handle_drain",
		[T_GIVE] = "give",
		[T_FILL] = "fill",
		[T_REPEAT] = "repeat",
	};
	(void)snprintf(text, text_bytes, "%s order %u at %u+%u", names[op->kind], op->order, op->at, op->offset);
}

void t_world_results_text(char *text, size_t text_bytes)
{
	size_t at = 0;
	text[0] = 0;
	for (unsigned thread = 0; thread < world.scenario->n_threads; thread++) {
		const t_op *program = world.scenario->program[thread];
		for (unsigned i = 0; i < T_OPS_MAX && program[i].kind != T_END && at + 96 < text_bytes; i++) {
			char op[48];
			unsigned result = (unsigned)(world.results >> ((thread * T_OPS_MAX + i) * 4) & 15);
			t_op_text(&program[i], op, sizeof(op));
			at += (size_t)snprintf(text + at, text_bytes - at, "  %c: %s: %s\n", 'a' + (int)thread, op,
					       result ? llfree_err_text((llfree_err)(result - 1)) : "not ended");
		}
	}
}

void t_world_cell_text(const void *cell, int kind, char *text, size_t text_bytes)
{
	static const char *const kinds[] = { "load ", "store", "rmw  " };
	const llfree_t *view = &world.view;
	uintptr_t at = (uintptr_t)cell;
	const char *how = kind >= 0 && kind < 3 ? kinds[kind] : "?";
	if (at >= (uintptr_t)view->rows && at < (uintptr_t)(view->rows + view->n_rows)) {
		uint64_t idx = (at - (uintptr_t)view->rows) / sizeof(llfree_row_cell);
		(void)snprintf(text, text_bytes, "%s row[%llu] = %016llx", how, (unsigned long long)idx,
			       (unsigned long long)view->rows[idx].word_);
	} else if (at >= (uintptr_t)view->children && at < (uintptr_t)(view->children + view->n_children)) {
		uint64_t idx = (at - (uintptr_t)view->children) / sizeof(llfree_child_cell);
		(void)snprintf(text, text_bytes, "%s child[%llu] = %04x", how, (unsigned long long)idx,
			       view->children[idx].word_);
	} else if (at >= (uintptr_t)view->trees && at < (uintptr_t)(view->trees + view->n_trees)) {
		uint64_t idx = (at - (uintptr_t)view->trees) / sizeof(llfree_tree_cell);
		(void)snprintf(text, text_bytes, "%s tree[%llu] = %08x", how, (unsigned long long)idx,
			       view->trees[idx].word_);
	} else if (at >= (uintptr_t)view->slots && at < (uintptr_t)(view->slots + (size_t)view->cpus * view->classes)) {
		uint64_t idx = (at - (uintptr_t)view->slots) / sizeof(llfree_slot);
		const llfree_slot *slot = &view->slots[idx];
		if (cell == (const void *)&slot->reservation)
			(void)snprintf(text, text_bytes, "%s slot[%llu].reservation = %016llx (free %llu row %llu)",
				       how, (unsigned long long)idx, (unsigned long long)slot->reservation.word_,
				       (unsigned long long)(slot->reservation.word_ & 0xffff),
				       (unsigned long long)(slot->reservation.word_ >> 16 & 0x3ffffff));
		else if (cell == (const void *)&slot->claim)
			(void)snprintf(text, text_bytes, "%s slot[%llu].claim = %016llx", how, (unsigned long long)idx,
				       (unsigned long long)slot->claim.word_);
		else
			(void)snprintf(text, text_bytes, "%s slot[%llu].last_put = %u", how, (unsigned long long)idx,
				       slot->last_put.word_);
	} else {
		(void)snprintf(text, text_bytes, "%s %s", how, cell ? "header" : "discard");
	}
}
