/* SPDX-License-Identifier: MIT
 *
 * Program: a recorded process tree, sample by sample, its memory scaled so that the peak of anonymous memory and page
 * cache is three quarters of the guest's, and its time by as much, so that it allocates as fast as recorded. On each
 * vCPU every generation of processes is one process of the program: what went is taken from the oldest memory, which is
 * how short-lived processes free it. Pauses and "drop caches" follow, as in the other programs. */
#include "guest/program.h"

enum { PEAK_PERCENT = 75, CACHE_FILES = 256 };
#define REST_NS UINT64_C(10000000000)

typedef struct course {
	uint64_t anon, cache, peak;
} course;

static uint64_t peak_frames(hv_trace *trace)
{
	course now = { 0 };
	hv_trace_event event;
	hv_trace_rewind(trace);
	while (hv_trace_next(trace, &event)) {
		if (event.tag != HV_TRACE_SAMPLE)
			continue;
		now.anon += event.fields[1] - event.fields[2];
		now.cache = event.fields[3] + event.fields[4];
		now.peak = now.anon + now.cache > now.peak ? now.anon + now.cache : now.peak;
	}
	return now.peak;
}

static uint64_t scaled(const hv_program *self, uint64_t frames)
{
	return (uint64_t)((double)frames * (double)self->scale_ppm / 1e6);
}

/* What vCPU `cpu_idx` does of an amount that all do together. */
static uint64_t part_of(uint64_t frames, uint32_t cpu_idx, uint32_t n_vcpus)
{
	return frames * (cpu_idx + 1) / n_vcpus - frames * cpu_idx / n_vcpus;
}

/* The cache is one file after the other, each of a 256th of its peak. */
static void cache_follow(hv_program *self, uint64_t from, uint64_t to, uint64_t file_frames)
{
	for (uint64_t file = from / file_frames; file < to / file_frames && file < self->n_files; file++)
		hv_program_step(self, (uint32_t)(file % self->n_vcpus), HV_STEP_READ, (uint32_t)file, file_frames);
}

static void sample_follow(hv_program *self, const hv_trace_event *event)
{
	uint64_t grown = scaled(self, event->fields[1]), freed = scaled(self, event->fields[2]);
	for (uint32_t cpu_idx = 0; cpu_idx < self->n_vcpus; cpu_idx++) {
		hv_program_step(self, cpu_idx, HV_STEP_THINK, 0, scaled(self, event->fields[0] * 1000));
		if (freed > 0)
			hv_program_step(self, cpu_idx, HV_STEP_SHRINK, 0, part_of(freed, cpu_idx, self->n_vcpus));
		if (grown > 0)
			hv_program_step(self, cpu_idx, HV_STEP_GROW, 0, part_of(grown, cpu_idx, self->n_vcpus));
	}
}

static hv_err recorded_make(hv_program *self, const hv_program_config *config)
{
	uint64_t frames = config->memory_bytes / HV_FRAME_BYTES, peak = peak_frames(config->trace), cache = 0;
	hv_trace_event event;
	if (peak == 0)
		return HV_ERR_INVAL;
	self->scale_ppm = (uint64_t)((double)frames * PEAK_PERCENT / 100 / (double)peak * 1e6);
	self->n_files = CACHE_FILES;
	uint64_t file_frames = frames * PEAK_PERCENT / 100 / CACHE_FILES + 1;
	hv_trace_rewind(config->trace);
	while (hv_trace_next(config->trace, &event)) {
		if (event.tag != HV_TRACE_SAMPLE)
			continue;
		sample_follow(self, &event);
		uint64_t now = scaled(self, event.fields[3] + event.fields[4]);
		if (now > cache) {
			cache_follow(self, cache, now, file_frames);
			cache = now;
		}
	}
	hv_program_step_all(self, HV_STEP_EXIT, 0, 0);
	hv_program_sync(self);
	hv_program_step_all(self, HV_STEP_THINK, 0, REST_NS);
	hv_program_step_all(self, HV_STEP_DROP, 0, 0);
	hv_program_step_all(self, HV_STEP_THINK, 0, REST_NS);
	return HV_OK;
}

const hv_program_kind hv_program_kind_recorded = {
	.name = "recorded",
	.summary = "a process tree recorded by hvsim record, scaled to the guest",
	.needs_trace = true,
	.make = recorded_make,
};
