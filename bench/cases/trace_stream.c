/* SPDX-License-Identifier: MIT
 *
 * What trace_stream.h declares. A process tree's sample: what went is put, oldest first, as the generations of
 * short-lived processes free it (so does hvsim's workload "recorded"); what came is got; page cache that came is got
 * and stays. A guest's events are taken as they are: an entry is put by its place among those that its vCPU holds, and
 * the last one moves there. */
#include "trace_stream.h"

#include <stdlib.h>
#include <string.h>
#include "trace/trace.h"

enum { TRACE_VCPUS = 256 };

/* What the samples of a tree add up to, in blocks that a thread has got and put. */
typedef struct course {
	uint64_t came, went, cached; /* frames of the tree */
	uint64_t got, put, kept;     /* blocks of this thread */
} course;

/* What a vCPU holds. */
typedef struct holder {
	bench_op *held;
	uint64_t n_held, capacity;
} holder;

static void frames_add(trace_info *info, uint64_t *now, uint64_t frames)
{
	*now += frames;
	info->peak_frames = *now > info->peak_frames ? *now : info->peak_frames;
}

/* Guests are looked at by making their stream: who holds what is known only then. */
static bool inspect_events(hv_trace *trace, trace_info *info)
{
	hv_trace_event event;
	uint64_t now = 0, anon = 0;

	while (hv_trace_next(trace, &event)) {
		if (event.tag == HV_TRACE_SAMPLE) {
			anon += event.fields[1] - event.fields[2];
			now = 0;
			frames_add(info, &now, anon + event.fields[4]);
		} else if (event.tag == HV_TRACE_GET && event.fields[2]) {
			info->max_order =
				event.fields[1] > info->max_order ? (uint32_t)event.fields[1] : info->max_order;
		}
	}
	return info->guest || info->peak_frames > 0;
}

bool trace_inspect(const char *path, trace_info *info, char *why, size_t why_bytes)
{
	static const char *known_path;
	static trace_info known;
	hv_trace trace;
	bool ok;

	if (known_path != path) {
		if (hv_trace_open(&trace, path, why, why_bytes) != HV_OK)
			return false;
		known = (trace_info){ .guest = trace.head.kind == HV_TRACE_GUEST,
				      .frames = trace.head.memory_bytes >> LLFREE_FRAME_SHIFT };
		ok = inspect_events(&trace, &known);
		hv_trace_close(&trace);
		if (!ok) {
			snprintf(why, why_bytes, "nothing is allocated in it");
			return false;
		}
		known_path = path; /* options live as long as the process */
	}
	*info = known;
	return true;
}

static bool add_op(trace_stream *stream, bench_op op)
{
	if (stream->n_ops + BENCH_AHEAD >= stream->capacity) {
		uint64_t capacity = stream->capacity ? 2 * stream->capacity : 4096;
		bench_op *grown = realloc(stream->ops, capacity * sizeof(*grown));

		if (!grown)
			return false;
		memset(grown + stream->capacity, 0, (capacity - stream->capacity) * sizeof(*grown));
		stream->ops = grown;
		stream->capacity = capacity;
	}
	stream->ops[stream->n_ops++] = op;
	return true;
}

/* --- process trees ------------------------------------------------------------------------------------------------ */

/* How many blocks this thread has done of so many frames of the tree. Counted from the start, so that no remainder is
 * lost. */
static uint64_t share_of(uint64_t frames, double scale, uint32_t n_threads, uint32_t order)
{
	return (uint64_t)((double)frames * scale / n_threads / (double)(UINT64_C(1) << order));
}

/* Blocks are put in the order in which they were got: a ring. The cache lies behind it. */
static bool sample_add(trace_stream *stream, course *now, const uint64_t *target, uint32_t ring, uint32_t order)
{
	bool ok = true;

	for (; now->put < target[1] && now->put < now->got && ok; now->put++)
		ok = add_op(stream, (bench_op){ (uint32_t)(now->put % ring), (uint8_t)order, true });
	for (; now->got < target[0] && ok; now->got++)
		ok = add_op(stream, (bench_op){ (uint32_t)(now->got % ring), (uint8_t)order, false });
	for (; now->kept < target[2] && ok; now->kept++)
		ok = add_op(stream, (bench_op){ (uint32_t)(ring + now->kept), (uint8_t)order, false });
	return ok;
}

static bool tree_make(trace_stream *stream, hv_trace *trace, uint32_t n_threads, uint32_t order, double scale)
{
	hv_trace_event event;
	course now = { 0 };
	uint64_t ring = 1;
	bool ok = true;

	for (int pass = 0; pass < 2 && ok; pass++) { /* first, how long the ring is */
		now = (course){ 0 };
		hv_trace_rewind(trace);
		while (ok && hv_trace_next(trace, &event)) {
			uint64_t target[3];

			if (event.tag != HV_TRACE_SAMPLE)
				continue;
			now.came += event.fields[1];
			now.went += event.fields[2];
			now.cached = event.fields[4] > now.cached ? event.fields[4] : now.cached;
			target[0] = share_of(now.came, scale, n_threads, order);
			target[1] = share_of(now.went, scale, n_threads, order);
			target[2] = share_of(now.cached, scale, n_threads, order);
			if (pass == 0 && target[0] > target[1] && target[0] - target[1] + 1 > ring)
				ring = target[0] - target[1] + 1;
			else if (pass == 1)
				ok = sample_add(stream, &now, target, (uint32_t)ring, order);
		}
	}
	stream->n_slots = (uint32_t)(ring + now.kept);
	return ok;
}

/* --- guests ------------------------------------------------------------------------------------------------------- */

static bool guest_get(trace_stream *stream, holder *vcpu, holder *unused, uint8_t order)
{
	bench_op op = { .order = order };

	op.slot = unused->n_held ? unused->held[--unused->n_held].slot : stream->n_slots++;
	if (vcpu->n_held == vcpu->capacity) {
		uint64_t capacity = vcpu->capacity ? 2 * vcpu->capacity : 1024;
		bench_op *grown = realloc(vcpu->held, capacity * sizeof(*grown));

		if (!grown)
			return false;
		vcpu->held = grown;
		vcpu->capacity = capacity;
	}
	vcpu->held[vcpu->n_held++] = op;
	return add_op(stream, op);
}

static bool guest_put(trace_stream *stream, holder *vcpu, holder *unused, uint64_t place)
{
	bench_op op = vcpu->held[place];

	vcpu->held[place] = vcpu->held[--vcpu->n_held];
	op.put = true;
	if (unused->n_held == unused->capacity) {
		uint64_t capacity = unused->capacity ? 2 * unused->capacity : 1024;
		bench_op *grown = realloc(unused->held, capacity * sizeof(*grown));

		if (!grown)
			return false;
		unused->held = grown;
		unused->capacity = capacity;
	}
	unused->held[unused->n_held++] = op;
	return add_op(stream, op);
}

/* The reader has checked that every vCPU is one of the head, and that it holds what it puts. */
static bool guest_make(trace_stream *stream, hv_trace *trace, uint32_t thread, uint32_t n_threads)
{
	holder *vcpus = calloc(TRACE_VCPUS + 1, sizeof(*vcpus)), *unused = vcpus + TRACE_VCPUS;
	hv_trace_event event;
	bool ok = vcpus != NULL;

	while (ok && hv_trace_next(trace, &event)) {
		uint64_t vcpu = event.fields[0];

		if ((event.tag != HV_TRACE_GET && event.tag != HV_TRACE_PUT) || vcpu % n_threads != thread)
			continue;
		if (event.tag == HV_TRACE_PUT)
			ok = guest_put(stream, &vcpus[vcpu], unused, event.fields[1]);
		else if (event.fields[2])
			ok = guest_get(stream, &vcpus[vcpu], unused, (uint8_t)event.fields[1]);
	}
	for (uint32_t i = 0; vcpus && i <= TRACE_VCPUS; i++)
		free(vcpus[i].held);
	free(vcpus);
	return ok;
}

bool trace_stream_make(trace_stream *stream, const char *path, uint32_t thread, uint32_t n_threads, uint32_t order,
		       double scale)
{
	char why[256];
	hv_trace trace;
	bool ok;

	*stream = (trace_stream){ 0 };
	if (hv_trace_open(&trace, path, why, sizeof(why)) != HV_OK)
		return false;
	if (trace.head.kind == HV_TRACE_GUEST)
		ok = guest_make(stream, &trace, thread, n_threads);
	else
		ok = tree_make(stream, &trace, n_threads, order, scale);
	hv_trace_close(&trace);
	return ok;
}

void trace_stream_free(trace_stream *stream)
{
	free(stream->ops);
	*stream = (trace_stream){ 0 };
}
