/* SPDX-License-Identifier: MIT
 *
 * What must hold when the machine went down at some point: the region holds what the media showed, the ownership record
 * what every operation that had returned was told. A1, A2, A4, A8, A10 and that each run is taken as a whole or not. */
#include "world_state.h"

#include <string.h>

typedef uint64_t frame_set[T_ROWS];

/* What an operation under way may have taken for ever: one run (its place known or not), and single frames. */
typedef struct {
	bool has_run, known;
	unsigned order;
	uint64_t frame, singles;
} in_flight;

static in_flight in_flight_of(unsigned thread)
{
	const t_op *op = &world.scenario->program[thread][world.in_flight[thread] - 1];
	in_flight one = { .order = op->order, .singles = world.scenario->exact ? 0 : LLFREE_HALF_FRAMES };
	switch (op->kind) {
	case T_GET:
		one.has_run = true;
		break;
	case T_GET_AT:
		one.has_run = one.known = true;
		one.frame = op->at;
		break;
	case T_PUT:
	case T_PUT_RACED: {
		unsigned owner = op->kind == T_PUT ? thread : T_BYSTANDER;
		one.has_run = one.known = op->at < world.n_held[owner];
		if (one.known)
			one.frame = (uint64_t)world.held[owner][op->at].frame + op->offset;
		break;
	}
	case T_HARD:
	case T_RETURN:
		one.has_run = one.known = true;
		one.order = LLFREE_HUGE_ORDER;
		one.frame = (op->at == T_LAST ? world.n_huge - 1 : op->at) * LLFREE_HUGE_FRAMES;
		break;
	case T_GET_BATCH:
	case T_PUT_BATCH:
		one.singles += T_BATCH;
		break;
	case T_HANDLE_GET:
	case T_HANDLE_PUT:
	case T_HANDLE_DRAIN:
		one.singles += 2 * LLFREE_ROW_FRAMES;
		break;
	default:
		break;
	}
	return one;
}

/* Is the whole run in the set? Then take it out of it. */
static bool cut(uint64_t *set, uint64_t frame, unsigned order)
{
	uint64_t frames = UINT64_C(1) << order, last = frame + frames - 1;
	uint64_t mask = frames >= 64 ? UINT64_MAX : ((UINT64_C(1) << frames) - 1) << (frame % 64);
	for (uint64_t row = frame / 64; row <= last / 64; row++) {
		if ((set[row] & mask) != mask)
			return false;
	}
	for (uint64_t row = frame / 64; row <= last / 64; row++)
		set[row] &= ~mask;
	return true;
}

/* Can the lost frames be one whole run, or none, of each operation, and so many single ones? */
static bool explained(const uint64_t *lost, const in_flight *ops, unsigned n_ops, uint64_t singles)
{
	uint64_t n_lost = 0;
	for (uint64_t row = 0; row < world.n_frames / 64; row++)
		n_lost += (uint64_t)__builtin_popcountll(lost[row]);
	if (!n_ops || !n_lost)
		return n_lost <= singles;
	if (explained(lost, ops + 1, n_ops - 1, singles))
		return true;
	frame_set rest;
	uint64_t step = UINT64_C(1) << ops->order;
	for (uint64_t frame = ops->known ? ops->frame : 0; ops->has_run && frame < world.n_frames; frame += step) {
		memcpy(rest, lost, sizeof(rest));
		if (cut(rest, frame, ops->order) && explained(rest, ops + 1, n_ops - 1, singles))
			return true;
		if (ops->known)
			break;
	}
	return false;
}

/* Frames that nobody owns but somebody had in a handle or, unless claims go back, in a claim. */
static uint64_t held_back(uint64_t row, const llfree_slot *slots, bool keep_claims)
{
	uint64_t held = 0;
	for (unsigned i = 0; i < T_THREADS_MAX; i++)
		held |= world.handles[i].row == row ? world.handles[i].mask : 0;
	for (unsigned i = 0; keep_claims && i < world.view.cpus * world.view.classes; i++) {
		uint64_t claim = slots[i].claim.word_, half = claim >> LLFREE_CLAIM_HALF_SHIFT & LLFREE_CLAIM_NONE;
		if (half / 2 == row)
			held |= (claim & UINT32_MAX) << (half % 2 * 32);
	}
	return held;
}

static void check_lost(const llfree_slot *slots, bool keep_claims)
{
	frame_set lost = { 0 };
	in_flight ops[T_THREADS_MAX];
	unsigned n_ops = 0;
	uint64_t singles = 0;
	for (unsigned i = 0; i < world.scenario->n_threads; i++) {
		if (!world.in_flight[i])
			continue;
		ops[n_ops] = in_flight_of(i);
		singles += ops[n_ops++].singles;
	}
	for (uint64_t row = 0; row < world.n_frames / 64 && !t_run_failure(); row++) {
		uint64_t owned = 0, shown = t_world_shown_free(row);
		for (unsigned owner = 0; owner < T_OWNERS; owner++)
			owned |= world.owned[row][owner];
		if (owned & shown)
			t_fail("A1: frames %#llx of row %llu are owned, but free after a power failure",
			       (unsigned long long)(owned & shown), (unsigned long long)row);
		lost[row] = ~owned & ~shown & ~held_back(row, slots, keep_claims);
	}
	if (!explained(lost, ops, n_ops, singles)) {
		uint64_t row = 0;
		while (!lost[row])
			row++;
		t_fail("A10: lost frames are not the whole run of an operation under way: %#llx of row %llu, ...",
		       (unsigned long long)lost[row], (unsigned long long)row);
	}
}

/* E of what has no memory, and offline trees, are as durable as frames. */
static void check_marks(void)
{
	for (uint64_t huge = 0; huge < world.n_huge; huge++) {
		if (!world.present[huge] && !(world.view.children[huge].word_ & LLFREE_CHILD_EVICTED))
			t_fail("H1: huge frame %llu has no memory, but E=0 after a power failure",
			       (unsigned long long)huge);
	}
	for (uint64_t tree = 0; tree < world.n_trees; tree++) {
		if (world.offline_since[tree] && !(world.view.trees[tree].word_ & LLFREE_TREE_OFFLINE))
			t_fail("A9: tree %llu is not offline after a power failure", (unsigned long long)tree);
	}
}

/* A4: in the largest runs that it can be put in. */
static void put_owned(void)
{
	for (uint64_t huge = 0; huge < world.n_huge && !t_run_failure(); huge++) {
		for (unsigned owner = 0; owner < T_HOST; owner++) {
			bool all = !(world.view.children[huge].word_ & LLFREE_CHILD_EVICTED);
			for (uint64_t row = huge * 8; row < huge * 8 + 8; row++)
				all &= world.owned[row][owner] == UINT64_MAX;
			llfree_request request = { 0, LLFREE_HUGE_ORDER, 0 };
			if (all && llfree_put(&world.view, request, huge * LLFREE_HUGE_FRAMES) != LLFREE_OK)
				t_fail("A4: huge frame %llu can't be put back", (unsigned long long)huge);
			for (uint64_t row = huge * 8; !all && row < huge * 8 + 8; row++) {
				uint64_t bits = world.owned[row][owner];
				for (; bits; bits &= bits - 1) {
					request.order = 0;
					uint64_t frame = row * 64 + (unsigned)__builtin_ctzll(bits);
					if (llfree_put(&world.view, request, frame) != LLFREE_OK)
						t_fail("A4: frame %llu can't be put back", (unsigned long long)frame);
				}
			}
		}
	}
}

/* Most images of one moment are recovered to the same region: one check does for all of them. */
static struct {
	uint64_t hashes[64];
	unsigned n;
} seen;

void t_world_media_begin(void)
{
	seen.n = 0;
}

static bool seen_before(void)
{
	uint64_t hash = t_world_region_hash();
	for (unsigned i = 0; i < seen.n; i++) {
		if (seen.hashes[i] == hash)
			return true;
	}
	if (seen.n < sizeof(seen.hashes) / sizeof(seen.hashes[0]))
		seen.hashes[seen.n++] = hash;
	return false;
}

void t_world_check_media(bool keep_claims, const llfree_slot *slots)
{
	llfree_t view;
	llfree_err err = llfree_recover(&view, world.region, world.region_bytes, keep_claims);
	if (err != LLFREE_OK)
		t_fail("A10: recovery: %s", llfree_err_text(err));
	if (seen_before())
		return;
	t_world_audit("after a power failure");
	check_lost(slots, keep_claims);
	check_marks();
	if (t_run_failure())
		return;
	put_owned();
	t_world_audit("after a power failure and puts");
}
