/* SPDX-License-Identifier: MIT
 *
 * Operations of the sequential model. See model.h. */
#include "model.h"

#include <llfree/handle.h>
#include <llfree/host.h>
#include <llfree/llfree.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/t_rand.h"

enum {
	MAX_TREES = 4,
	MAX_FRAMES = MAX_TREES * LLFREE_TREE_FRAMES,
	MAX_HUGE = MAX_TREES * LLFREE_TREE_HUGE,
	CHECK_EVERY = 97
};

typedef enum { FREE, OURS, HOSTS } taken;

typedef struct {
	uint32_t frame;
	uint8_t order;
} run;

static struct {
	llfree_t a;
	llfree_config config;
	uint8_t *region;
	size_t region_bytes;
	llfree_handle handle;
	/* the model */
	uint8_t frames[MAX_FRAMES]; /* taken; frames in the handle are looked up there */
	run runs[MAX_FRAMES];
	uint32_t n_runs;
	bool evicted[MAX_HUGE], hard[MAX_HUGE], offline[MAX_TREES];
	bool install_fails;
	/* where the operations come from */
	const uint8_t *bytes;
	size_t n_bytes, at;
	t_rand rand;
	uint64_t seed, op;
	const char *op_name;
} model;

#define CHECK(condition, ...)                                                                                          \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "model: seed %llu, operation %llu (%s): %s: ", (unsigned long long)model.seed, \
				(unsigned long long)model.op, model.op_name, #condition);                              \
			fprintf(stderr, __VA_ARGS__);                                                                  \
			fprintf(stderr, "\n");                                                                         \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

/* --- input ------------------------------------------------------------------------------------------------------ */

static uint64_t draw(uint64_t below)
{
	if (!model.bytes)
		return t_rand_below(&model.rand, below);
	uint64_t value = 0;
	for (uint64_t range = 1; range < below && model.at < model.n_bytes; range <<= 8)
		value = value << 8 | model.bytes[model.at++];
	return value % below;
}

static bool more(uint64_t max_ops)
{
	return model.op < max_ops && (!model.bytes || model.at < model.n_bytes);
}

static llfree_request draw_request(void)
{
	static const uint8_t orders[] = { 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 10, 11, 12, 13, 14 };
	unsigned order = orders[draw(sizeof(orders))];
	return (llfree_request){ (uint32_t)draw(model.config.cpus + 1),
				 (uint8_t)(order > LLFREE_MAX_ORDER ? LLFREE_HUGE_ORDER : order),
				 (uint8_t)draw(model.a.classes) };
}

/* --- the model -------------------------------------------------------------------------------------------------- */

static bool in_handle(uint64_t frame)
{
	return model.handle.mask && model.handle.row == frame / 64 && (model.handle.mask >> (frame % 64) & 1);
}

static bool is_free(uint64_t frame)
{
	return model.frames[frame] == FREE && !in_handle(frame);
}

static bool run_free(uint64_t first, unsigned order)
{
	uint64_t end = first + (UINT64_C(1) << order);
	while (first < end && is_free(first))
		first++;
	return first == end;
}

static void take(uint64_t first, unsigned order)
{
	uint64_t end = first + (UINT64_C(1) << order);
	CHECK(end <= model.config.frames && first % (UINT64_C(1) << order) == 0, "frame %llu order %u",
	      (unsigned long long)first, order);
	for (uint64_t frame = first; frame < end; frame++) {
		CHECK(is_free(frame), "A1: frame %llu has an owner", (unsigned long long)frame);
		model.frames[frame] = OURS;
		CHECK(!model.evicted[frame / 512], "H1: frame %llu is not installed", (unsigned long long)frame);
	}
	model.runs[model.n_runs++] = (run){ (uint32_t)first, (uint8_t)order };
}

static void release(uint64_t first, unsigned order)
{
	memset(model.frames + first, FREE, UINT64_C(1) << order);
}

static void drop_run(uint32_t idx)
{
	model.runs[idx] = model.runs[--model.n_runs];
}

static bool install(void *context, uint64_t huge)
{
	(void)context;
	if (model.install_fails)
		return false;
	CHECK(model.evicted[huge] && !model.hard[huge], "install of huge frame %llu", (unsigned long long)huge);
	llfree_err err = llfree_install(&model.a, huge);
	CHECK(err == LLFREE_OK, "%s", llfree_err_text(err));
	model.evicted[huge] = false;
	return true;
}

/* May this class take a run from this tree? */
static bool permitted(uint64_t tree, unsigned class_idx)
{
	llfree_tree_stats stats;
	CHECK(llfree_stats_tree(&model.a, tree, &stats) == LLFREE_OK, "tree %llu", (unsigned long long)tree);
	uint64_t first = tree * LLFREE_TREE_FRAMES, end = first + LLFREE_TREE_FRAMES;
	uint64_t capacity = (end < model.config.frames ? end : model.config.frames) - first;
	return !model.offline[tree] &&
	       (model.a.rule[class_idx][stats.class_idx] != LLFREE_NEVER || stats.free_frames == capacity);
}

static bool run_exists(llfree_request request)
{
	uint64_t frames = UINT64_C(1) << request.order;
	for (uint64_t tree = 0; tree < model.a.n_trees; tree++) {
		if (!permitted(tree, request.class_idx))
			continue;
		uint64_t end = (tree + 1) * LLFREE_TREE_FRAMES;
		for (uint64_t first = tree * LLFREE_TREE_FRAMES;
		     first + frames <= end && first + frames <= model.config.frames; first += frames) {
			if (run_free(first, request.order))
				return true;
		}
	}
	return false;
}

static void compare(void)
{
	llfree_audit_report report;
	CHECK(llfree_audit(&model.a, &report), "A2: audit, first bad %llu", (unsigned long long)report.first_bad);
	uint64_t n_free = 0;
	for (uint64_t frame = 0; frame < model.config.frames; frame++) {
		n_free += is_free(frame);
		CHECK(llfree_is_free(&model.a, frame) == is_free(frame), "frame %llu", (unsigned long long)frame);
	}
	llfree_stats exact, fast;
	llfree_stats_exact(&model.a, &exact);
	llfree_stats_fast(&model.a, &fast);
	CHECK(exact.free_frames == n_free, "%llu, model %llu", (unsigned long long)exact.free_frames,
	      (unsigned long long)n_free);
	CHECK(fast.free_frames == n_free, "%llu, model %llu", (unsigned long long)fast.free_frames,
	      (unsigned long long)n_free);
	uint64_t evicted = 0;
	for (uint64_t huge = 0; huge < model.a.n_children; huge++) {
		llfree_huge_state state;
		CHECK(llfree_huge_state_of(&model.a, huge, &state) == LLFREE_OK, "huge frame %llu",
		      (unsigned long long)huge);
		CHECK(state.evicted == model.evicted[huge], "A8: huge frame %llu", (unsigned long long)huge);
		evicted += state.evicted;
	}
	CHECK(exact.evicted_huge == evicted, "%llu", (unsigned long long)exact.evicted_huge);
	for (uint64_t tree = 0; tree < model.a.n_trees; tree++) {
		llfree_tree_stats stats;
		CHECK(llfree_stats_tree(&model.a, tree, &stats) == LLFREE_OK, "tree %llu", (unsigned long long)tree);
		CHECK(stats.offline == model.offline[tree], "A9: tree %llu", (unsigned long long)tree);
	}
}

/* --- operations ------------------------------------------------------------------------------------------------- */

static void check_refused(llfree_err err, llfree_request request)
{
	if (err == LLFREE_ERR_INSTALL)
		CHECK(model.install_fails, "order %u", request.order);
	else
		CHECK(err == LLFREE_ERR_NOMEM && !run_exists(request), "A5: order %u: %s", request.order,
		      llfree_err_text(err));
}

static void op_get(void)
{
	llfree_request request = draw_request();
	uint64_t frame = UINT64_MAX;
	llfree_err err = llfree_get(&model.a, request, &frame);
	if (err == LLFREE_OK) {
		CHECK(frame < model.config.frames && !model.offline[frame / LLFREE_TREE_FRAMES], "A9: frame %llu",
		      (unsigned long long)frame);
		take(frame, request.order);
	} else {
		CHECK(frame == UINT64_MAX, "A3: %llu", (unsigned long long)frame);
		check_refused(err, request);
	}
}

static void op_get_at(void)
{
	llfree_request request = draw_request();
	uint64_t frames = UINT64_C(1) << request.order, frame = draw(model.config.frames) / frames * frames;
	llfree_err err = llfree_get_at(&model.a, request, frame);
	if (frame + frames > model.config.frames) {
		CHECK(err == LLFREE_ERR_INVAL, "%s", llfree_err_text(err));
	} else if (model.offline[frame / LLFREE_TREE_FRAMES]) {
		CHECK(err == LLFREE_ERR_OFFLINE, "%s", llfree_err_text(err));
	} else if (!run_free(frame, request.order)) {
		CHECK(err == LLFREE_ERR_STATE, "%s", llfree_err_text(err));
	} else if (err == LLFREE_ERR_INSTALL) {
		CHECK(model.install_fails, "frame %llu", (unsigned long long)frame);
	} else {
		CHECK(err == LLFREE_OK, "frame %llu order %u: %s", (unsigned long long)frame, request.order,
		      llfree_err_text(err));
		take(frame, request.order);
	}
}

static void put_run(uint64_t frame, unsigned order, bool through_handle)
{
	llfree_request request = { (uint32_t)draw(model.config.cpus + 1), (uint8_t)order,
				   (uint8_t)draw(model.a.classes) };
	release(frame, order); /* first: the handle may keep it */
	llfree_err err =
		through_handle ? llfree_handle_put(&model.handle, frame) : llfree_put(&model.a, request, frame);
	CHECK(err == LLFREE_OK, "A4: frame %llu order %u: %s", (unsigned long long)frame, order, llfree_err_text(err));
}

static void op_put(void)
{
	if (!model.n_runs)
		return;
	uint32_t idx = (uint32_t)draw(model.n_runs);
	run whole = model.runs[idx];
	drop_run(idx);
	put_run(whole.frame, whole.order, whole.order == 0 && draw(4) == 0);
}

static void op_put_part(void)
{
	if (!model.n_runs)
		return;
	uint32_t idx = (uint32_t)draw(model.n_runs);
	run rest = model.runs[idx];
	drop_run(idx);
	unsigned order = (unsigned)draw(rest.order + 1u);
	/* Halve down to the part; the other halves stay ours. */
	while (rest.order > order) {
		rest.order--;
		uint32_t half = UINT32_C(1) << rest.order;
		bool upper = draw(2);
		model.runs[model.n_runs++] = (run){ upper ? rest.frame : rest.frame + half, rest.order };
		rest.frame += upper ? half : 0;
	}
	put_run(rest.frame, rest.order, rest.order == 0 && draw(2));
}

static void op_get_batch(void)
{
	uint64_t frames[300];
	size_t n = draw(300) + 1;
	llfree_request request = draw_request();
	request.order = 0;
	size_t got = llfree_get_batch(&model.a, request, frames, n);
	CHECK(got <= n, "%zu", got);
	for (size_t i = 0; i < got; i++) {
		CHECK(frames[i] < model.config.frames && !model.offline[frames[i] / LLFREE_TREE_FRAMES],
		      "A9: frame %llu", (unsigned long long)frames[i]);
		take(frames[i], 0);
	}
	if (got < n && !model.install_fails)
		CHECK(!run_exists(request), "A5: %zu of %zu", got, n);
}

static void op_put_batch(void)
{
	uint64_t frames[300];
	size_t n = 0, wish = draw(300);
	for (uint32_t i = model.n_runs; i-- > 0 && n < wish;) {
		if (model.runs[i].order)
			continue;
		frames[n++] = model.runs[i].frame;
		release(model.runs[i].frame, 0);
		drop_run(i);
	}
	llfree_err err;
	size_t put = llfree_put_batch(&model.a, (llfree_request){ (uint32_t)draw(4), 0, 0 }, frames, n, &err);
	CHECK(put == n && err == LLFREE_OK, "A4: %zu of %zu: %s", put, n, llfree_err_text(err));
}

static void op_drain(void)
{
	switch (draw(4)) {
	case 0:
		llfree_drain_slot(&model.a, (uint32_t)draw(5), (uint32_t)draw(9));
		break;
	case 1:
		llfree_drain_cpu(&model.a, (uint32_t)draw(5));
		break;
	case 2:
		llfree_handle_drain(&model.handle);
		CHECK(!llfree_handle_cached(&model.handle), "drained");
		break;
	default:
		llfree_drain_all(&model.a);
	}
}

static void op_tree(void)
{
	uint64_t tree = draw(model.a.n_trees);
	bool offline = draw(3) == 0;
	llfree_err err = offline ? llfree_tree_offline(&model.a, tree) : llfree_tree_online(&model.a, tree);
	CHECK(err == LLFREE_OK, "%s", llfree_err_text(err));
	model.offline[tree] = offline;
}

/* Free in the model and in no cache: what a reclaim may take. */
static bool whole_in_counters(uint64_t huge)
{
	llfree_huge_state state;
	CHECK(llfree_huge_state_of(&model.a, huge, &state) == LLFREE_OK, "huge frame %llu", (unsigned long long)huge);
	CHECK(!state.free || run_free(huge * 512, 9), "huge frame %llu", (unsigned long long)huge);
	return state.free;
}

static void op_soft(void)
{
	uint64_t huge = draw(model.a.n_children);
	llfree_tree_stats tree;
	CHECK(llfree_stats_tree(&model.a, huge / LLFREE_TREE_HUGE, &tree) == LLFREE_OK, "huge frame %llu",
	      (unsigned long long)huge);
	bool expected = whole_in_counters(huge) && !model.evicted[huge] && !tree.reserved;
	llfree_err err = llfree_reclaim_soft(&model.a, huge);
	CHECK(err == (expected ? LLFREE_OK : LLFREE_ERR_STATE), "huge frame %llu: %s", (unsigned long long)huge,
	      llfree_err_text(err));
	model.evicted[huge] |= expected;
}

static void op_hard(void)
{
	uint64_t huge = draw(model.a.n_children);
	bool expected = whole_in_counters(huge), was_evicted = !model.evicted[huge];
	llfree_err err = llfree_reclaim_hard(&model.a, huge, &was_evicted);
	if (model.offline[huge / LLFREE_TREE_HUGE]) {
		CHECK(err == LLFREE_ERR_OFFLINE, "%s", llfree_err_text(err));
		return;
	}
	CHECK(err == (expected ? LLFREE_OK : LLFREE_ERR_STATE), "huge frame %llu: %s", (unsigned long long)huge,
	      llfree_err_text(err));
	if (!expected)
		return;
	CHECK(was_evicted == model.evicted[huge], "A8: huge frame %llu", (unsigned long long)huge);
	model.evicted[huge] = model.hard[huge] = true;
	memset(model.frames + huge * 512, HOSTS, 512);
}

static void op_return(void)
{
	uint64_t huge = draw(model.a.n_children);
	llfree_err err = llfree_return(&model.a, huge);
	CHECK(err == (model.hard[huge] ? LLFREE_OK : LLFREE_ERR_STATE), "huge frame %llu: %s", (unsigned long long)huge,
	      llfree_err_text(err));
	if (err == LLFREE_OK)
		release(huge * 512, 9);
	model.hard[huge] = false;
}

static void op_install(void)
{
	uint64_t huge = draw(model.a.n_children);
	if (model.hard[huge])
		return; /* a monitor returns before it installs */
	llfree_err err = llfree_install(&model.a, huge);
	CHECK(err == (model.evicted[huge] ? LLFREE_OK : LLFREE_ERR_STATE), "huge frame %llu: %s",
	      (unsigned long long)huge, llfree_err_text(err));
	model.evicted[huge] = false;
}

static void op_handle_get(void)
{
	uint64_t frame = UINT64_MAX;
	llfree_err err = llfree_handle_get(&model.handle, &frame);
	if (err == LLFREE_OK)
		take(frame, 0);
	else
		check_refused(err, (llfree_request){ 0, 0, model.handle.class_idx });
}

/* A put of what is free, or of a run with a hole, is refused in exact mode. */
static void op_bad_put(void)
{
	llfree_request request = draw_request();
	uint64_t frames = UINT64_C(1) << request.order, first = draw(model.config.frames) / frames * frames;
	if (!model.config.exact || first + frames > model.config.frames)
		return;
	bool hole = false;
	for (uint64_t frame = first; frame < first + frames; frame++)
		hole |= is_free(frame);
	bool hosts = model.frames[first] == HOSTS;
	if (!hole && !hosts)
		return;
	llfree_err err = llfree_put(&model.a, request, first);
	CHECK(err == LLFREE_ERR_STATE, "A7: frame %llu order %u: %s", (unsigned long long)first, request.order,
	      llfree_err_text(err));
}

static void op_bad_arguments(void)
{
	uint64_t frame = UINT64_MAX, beyond = model.config.frames + draw(1000);
	CHECK(llfree_get(&model.a, (llfree_request){ 0, LLFREE_MAX_ORDER + 1, 0 }, &frame) == LLFREE_ERR_INVAL,
	      "order");
	CHECK(llfree_get(&model.a, (llfree_request){ 0, 0, (uint8_t)model.a.classes }, &frame) == LLFREE_ERR_INVAL,
	      "class");
	CHECK(llfree_put(&model.a, (llfree_request){ 0, 0, 0 }, beyond) == LLFREE_ERR_INVAL, "frame");
	CHECK(llfree_get_at(&model.a, (llfree_request){ 0, 0, 0 }, beyond) == LLFREE_ERR_INVAL, "frame");
	CHECK(llfree_put(&model.a, (llfree_request){ 0, 3, 0 }, 1) == LLFREE_ERR_INVAL, "alignment");
	CHECK(llfree_handle_put(&model.handle, beyond) == LLFREE_ERR_INVAL, "frame");
	CHECK(llfree_tree_offline(&model.a, model.a.n_trees) == LLFREE_ERR_INVAL, "tree");
	CHECK(llfree_install(&model.a, model.a.n_children) == LLFREE_ERR_INVAL, "huge frame");
	CHECK(frame == UINT64_MAX, "A3: set");
}

static void op_rejoin(void)
{
	llfree_handle_close(&model.handle);
	bool recover = draw(2);
	if (recover)
		CHECK(llfree_recover(&model.a, model.region, model.region_bytes, false) == LLFREE_OK, "recover");
	else
		CHECK(llfree_attach(&model.a, model.region, model.region_bytes) == LLFREE_OK, "attach");
	llfree_set_install(&model.a, install, NULL);
	CHECK(llfree_handle_open(&model.handle, &model.a, (uint32_t)draw(4), (uint8_t)draw(model.a.classes)) ==
		      LLFREE_OK,
	      "open");
	compare();
}

static void op_toggle_install(void)
{
	model.install_fails = draw(4) == 0;
}

static const struct {
	const char *name;
	void (*op)(void);
	unsigned weight;
} ops[] = {
	{ "get", op_get, 30 },
	{ "put", op_put, 24 },
	{ "put part", op_put_part, 8 },
	{ "get_at", op_get_at, 8 },
	{ "get_batch", op_get_batch, 2 },
	{ "put_batch", op_put_batch, 3 },
	{ "handle_get", op_handle_get, 8 },
	{ "drain", op_drain, 3 },
	{ "tree", op_tree, 1 },
	{ "soft", op_soft, 3 },
	{ "hard", op_hard, 3 },
	{ "return", op_return, 4 },
	{ "install", op_install, 2 },
	{ "bad put", op_bad_put, 3 },
	{ "bad arguments", op_bad_arguments, 1 },
	{ "rejoin", op_rejoin, 1 },
	{ "toggle install", op_toggle_install, 1 },
};

static void one_op(void)
{
	unsigned total = 0, i = 0;
	for (unsigned j = 0; j < sizeof(ops) / sizeof(ops[0]); j++)
		total += ops[j].weight;
	unsigned at = (unsigned)draw(total);
	while (at >= ops[i].weight)
		at -= ops[i++].weight;
	model.op_name = ops[i].name;
	ops[i].op();
	model.op++;
}

static void begin(void)
{
	static const llfree_policy policies[] = {
		{ .classes = 1, .rule = { { LLFREE_MATCH } } },
		{ .classes = 2, .rule = { { LLFREE_MATCH, LLFREE_NEVER }, { LLFREE_NEVER, LLFREE_MATCH } } },
		{ .classes = 4, .rule = { { 1, 2, 3, 0 }, { 3, 1, 2, 0 }, { 2, 3, 1, 3 }, { 0, 0, 2, 1 } } },
	};
	uint64_t policy = draw(4), tails[] = { 0, 1, 63, 65, 100, 511, 512, LLFREE_TREE_FRAMES - 1 };
	uint64_t frames = (1 + draw(3)) * (uint64_t)LLFREE_TREE_FRAMES + tails[draw(8)];
	model.config = (llfree_config){ .frames = frames < MAX_FRAMES ? frames : MAX_FRAMES,
					.cpus = (uint32_t)(1 + draw(4)),
					.exact = draw(2),
					.reserve_min_frames = draw(2) ? 0 : 1,
					.policy = policy < 3 ? &policies[policy] : NULL };
	model.region_bytes = llfree_metadata_bytes(&model.config);
	model.region = aligned_alloc(64, model.region_bytes);
	CHECK(model.region, "memory");
	bool all_taken = draw(4) == 0;
	llfree_err err = llfree_init(&model.a, &model.config, model.region, model.region_bytes, all_taken);
	CHECK(err == LLFREE_OK, "%s", llfree_err_text(err));
	llfree_set_install(&model.a, install, NULL);
	err = llfree_handle_open(&model.handle, &model.a, 0, 0);
	CHECK(err == LLFREE_OK, "%s", llfree_err_text(err));
	for (uint64_t frame = 0; all_taken && frame < model.config.frames;) {
		bool whole = frame + 512 <= model.config.frames;
		model.runs[model.n_runs++] = (run){ (uint32_t)frame, whole ? 9 : 0 };
		memset(model.frames + frame, OURS, whole ? 512 : 1);
		frame += whole ? 512 : 1;
	}
}

uint64_t t_model_run(const uint8_t *bytes, size_t n_bytes, uint64_t seed, uint64_t max_ops)
{
	memset(&model, 0, sizeof(model));
	model.bytes = bytes;
	model.n_bytes = n_bytes;
	model.seed = model.rand.state = seed;
	model.op_name = "begin";
	begin();
	compare();
	while (more(max_ops)) {
		one_op();
		if (model.op % CHECK_EVERY == 0)
			compare();
	}
	compare();
	llfree_handle_close(&model.handle);
	llfree_drain_all(&model.a);
	compare();
	free(model.region);
	return model.op;
}
