/* SPDX-License-Identifier: MIT
 *
 * Program: three bursts, as of a renderer that makes three pictures: reads its scene, fills its memory with a few large
 * processes, computes, writes the picture, frees everything, and rests. What it writes it only writes: nothing is
 * read back, so each burst pays for all memory that a host took in the pause. */
#include "guest/program.h"

enum { BURSTS = 3, CHUNKS = 16, SCENE_FILE = 0, PICTURE_FILE = 1 };
/* shares of the guest's memory, in percent */
enum { BURST_PERCENT = 70, SCENE_PERCENT = 4, PICTURE_PERCENT = 1 };
#define SECOND_NS  UINT64_C(1000000000)
#define GROW_NS    (4 * SECOND_NS)
#define COMPUTE_NS (14 * SECOND_NS)
#define REST_NS    (20 * SECOND_NS)

/* One vCPU's part of a burst; bursts differ by up to a tenth. */
static void burst(hv_program *self, uint32_t cpu_idx, uint64_t n_frames, uint64_t *random)
{
	uint64_t frames = n_frames - n_frames / 10 * (hv_random(random) % 1000) / 1000;
	for (unsigned chunk = 0; chunk < CHUNKS; chunk++) {
		hv_program_step(self, cpu_idx, HV_STEP_GROW, 0, frames / CHUNKS);
		hv_program_step(self, cpu_idx, HV_STEP_THINK, 0, GROW_NS / CHUNKS);
	}
	hv_program_step(self, cpu_idx, HV_STEP_THINK, 0, COMPUTE_NS);
}

static hv_err bursts_make(hv_program *self, const hv_program_config *config)
{
	uint64_t frames = config->memory_bytes / HV_FRAME_BYTES / 100, random = config->seed;
	self->n_files = 1 + BURSTS;
	self->cycle_ns = SECOND_NS + GROW_NS + COMPUTE_NS + REST_NS;
	for (unsigned at = 0; at < BURSTS; at++) {
		hv_program_step_all(self, HV_STEP_THINK, 0, SECOND_NS);
		hv_program_step(self, 0, HV_STEP_READ, SCENE_FILE, frames * SCENE_PERCENT);
		for (uint32_t cpu_idx = 0; cpu_idx < config->n_vcpus; cpu_idx++)
			burst(self, cpu_idx, frames * BURST_PERCENT / config->n_vcpus, &random);
		hv_program_step(self, 0, HV_STEP_READ, PICTURE_FILE + at, frames * PICTURE_PERCENT);
		hv_program_step_all(self, HV_STEP_EXIT, 0, 0);
		hv_program_sync(self);
		hv_program_step_all(self, HV_STEP_THINK, 0, REST_NS);
	}
	return HV_OK;
}

const hv_program_kind hv_program_kind_bursts = {
	.name = "bursts",
	.summary = "three bursts of large processes, each written once and freed, with pauses",
	.make = bursts_make,
};
