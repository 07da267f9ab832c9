/* SPDX-License-Identifier: MIT
 *
 * Program: a build, as many short-lived processes; then a pause, "clean" (what was built is deleted), a pause, "drop
 * caches", a pause. Each compiler reads its inputs, which all share and the first to read pays for, grows in steps to
 * its peak, writes an output into the page cache and ends; at last a linker reads all outputs.
 *
 * What it is made of comes from traces/build.llftrace (a build of this project's library and simulator, two compilers
 * at once): its 91 processes above 4 MiB live 105 ms in the median and 192 at 90 percent, and have 6.43 and 9.92 MiB of
 * anonymous memory at their peak, hence the two log-normal sigmas. At most the tree had 24 MiB of anonymous memory, 61
 * of mapped files, which two compilers share (31), and it left 4 MiB of files: 41, 52 and 7 percent. The guest's size
 * sets the scale: that sum is three quarters of its memory. A process allocates as fast as a recorded one, so larger
 * ones live longer, and the number of jobs follows from the length of the build. */
#include "guest/program.h"

#include <math.h>

enum { JOBS_MIN = 8, CHUNKS = 6, INPUT_FILES = 200, INPUTS_A_JOB = 20 };
enum { PEAK_PERCENT = 75, ANON_PERCENT = 41, INPUT_PERCENT = 52, OUTPUT_PERCENT = 7 };
#define TWO_PI     6.283185307179586
#define JOB_NS     105e6
#define JOB_BYTES  6.74e6
#define LIFE_SIGMA 0.47
#define SIZE_SIGMA 0.34
#define BUILD_NS   60e9
#define BEFORE_NS  UINT64_C(5000000000)
#define REST_NS    UINT64_C(20000000000)

typedef struct build {
	hv_program *program;
	uint64_t random;
	double life_ns;                                    /**< median */
	uint64_t anon_frames, input_frames, output_frames; /**< medians: of one job, one file, one output */
} build;

/* Log-normal with this median; at most five times as much. */
static double spread(uint64_t *random, double median, double sigma)
{
	double u = ((double)(hv_random(random) >> 11) + 1) / 9007199254740993.0;
	double v = (double)(hv_random(random) >> 11) / 9007199254740992.0;
	double value = median * exp(sigma * sqrt(-2 * log(u)) * cos(TWO_PI * v));
	return value < 5 * median ? value : 5 * median;
}

static void job(build *self, uint32_t cpu_idx, uint32_t output_file)
{
	hv_program *program = self->program;
	uint64_t life_ns = (uint64_t)spread(&self->random, self->life_ns, LIFE_SIGMA);
	uint64_t frames = (uint64_t)spread(&self->random, (double)self->anon_frames, SIZE_SIGMA);
	for (unsigned at = 0; at < INPUTS_A_JOB; at++)
		hv_program_step(program, cpu_idx, HV_STEP_READ, (uint32_t)(hv_random(&self->random) % INPUT_FILES),
				self->input_frames);
	for (unsigned chunk = 0; chunk < CHUNKS; chunk++) {
		hv_program_step(program, cpu_idx, HV_STEP_GROW, 0, frames / CHUNKS + 1);
		hv_program_step(program, cpu_idx, HV_STEP_THINK, 0, life_ns / CHUNKS);
	}
	hv_program_step(program, cpu_idx, HV_STEP_READ, output_file,
			(uint64_t)spread(&self->random, (double)self->output_frames, SIZE_SIGMA) + 1);
	hv_program_step(program, cpu_idx, HV_STEP_EXIT, 0, 0);
}

static void link_outputs(build *self, uint32_t n_outputs)
{
	for (uint32_t at = 0; at < n_outputs; at++)
		hv_program_step(self->program, 0, HV_STEP_READ, INPUT_FILES + at, self->output_frames);
	hv_program_step(self->program, 0, HV_STEP_GROW, 0, 2 * self->anon_frames);
	hv_program_step(self->program, 0, HV_STEP_THINK, 0, (uint64_t)self->life_ns);
	hv_program_step(self->program, 0, HV_STEP_EXIT, 0, 0);
}

static hv_err compile_make(hv_program *self, const hv_program_config *config)
{
	double bytes = (double)config->memory_bytes * PEAK_PERCENT / 100;
	double job_bytes = bytes * ANON_PERCENT / 100 / config->n_vcpus, scale = job_bytes / JOB_BYTES;
	double jobs = BUILD_NS / (JOB_NS * scale);
	uint32_t n_jobs = config->n_vcpus * (jobs > JOBS_MIN ? (uint32_t)jobs : JOBS_MIN);
	build state = { .program = self,
			.random = config->seed,
			.life_ns = JOB_NS * scale,
			.anon_frames = (uint64_t)(job_bytes / HV_FRAME_BYTES),
			.input_frames = (uint64_t)(bytes * INPUT_PERCENT / 100 / INPUT_FILES / HV_FRAME_BYTES),
			.output_frames = (uint64_t)(bytes * OUTPUT_PERCENT / 100 / n_jobs / HV_FRAME_BYTES) };
	self->scale_ppm = (uint64_t)(scale * 1e6);
	self->n_files = INPUT_FILES + n_jobs;
	hv_program_step_all(self, HV_STEP_THINK, 0, BEFORE_NS);
	for (uint32_t at = 0; at < n_jobs; at++)
		job(&state, at % config->n_vcpus, INPUT_FILES + at);
	hv_program_sync(self);
	link_outputs(&state, n_jobs);
	hv_program_sync(self);
	hv_program_step_all(self, HV_STEP_THINK, 0, REST_NS);
	for (uint32_t at = 0; at < n_jobs; at++) /* whoever holds it deletes it */
		hv_program_step_all(self, HV_STEP_DELETE, INPUT_FILES + at, 0);
	hv_program_sync(self);
	hv_program_step_all(self, HV_STEP_THINK, 0, REST_NS);
	hv_program_step_all(self, HV_STEP_DROP, 0, 0);
	hv_program_sync(self);
	hv_program_step_all(self, HV_STEP_THINK, 0, REST_NS);
	return HV_OK;
}

const hv_program_kind hv_program_kind_compile = {
	.name = "compile",
	.summary = "a build of many short processes, then clean, then drop caches",
	.make = compile_make,
};
