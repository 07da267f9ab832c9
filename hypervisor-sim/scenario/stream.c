/* SPDX-License-Identifier: MIT
 *
 * hvsim stream: memory bandwidth of a guest while it is resized. Each vCPU runs the copy kernel of STREAM, a[i] = b[i],
 * over two arrays of guest memory that together are larger than its caches, and keeps the time of each iteration. */
#include "cli/impact_command.h"
#include "guest/impact_words.h"
#include "scenario/hv_scenario.h"

static uint64_t *run_words(const hv_impact_task *task, hv_run run)
{
	return (uint64_t *)(void *)(task->vcpu->vm->memory.base + run.frame * HV_FRAME_BYTES);
}

static void stream_fill(hv_impact_task *task)
{
	size_t half = task->n_runs / 2;
	for (size_t at = 0; at < 2 * half; at++) {
		hv_held *held = &task->vcpu->held[at];
		hv_run run = hv_held_lock(held);
		hv_stream_fill(run_words(task, run), task->vcpu->cpu_idx, at % half, at < half);
		hv_held_unlock(held, run);
	}
}

/* In pieces, so that a migration of the run waits for one at most. */
static void run_copy(hv_impact_task *task, hv_held *to, hv_held *from)
{
	for (size_t word = 0; word < HV_RUN_WORDS; word += HV_STREAM_PIECE_WORDS) {
		hv_run to_run = hv_held_lock(to), from_run = hv_held_lock(from);
		hv_stream_copy(run_words(task, to_run) + word, run_words(task, from_run) + word);
		hv_held_unlock(from, from_run);
		hv_held_unlock(to, to_run);
	}
}

static void stream_step(hv_impact_task *task)
{
	size_t half = task->n_runs / 2;
	hv_held *held = task->vcpu->held;
	uint64_t begin_ns = hv_now_ns();
	for (size_t at = 0; at < half; at++)
		run_copy(task, &held[at], &held[half + at]);
	task->n_done++;
	/* read and written, as STREAM counts */
	hv_tape_add(&task->tape, begin_ns, hv_now_ns(), 2.0 * (double)half * HV_HUGE_BYTES);
}

static uint64_t stream_check(hv_impact_task *task)
{
	size_t half = task->n_runs / 2;
	uint64_t wrong = 0;
	for (size_t at = 0; at < 2 * half; at++) {
		hv_held *held = &task->vcpu->held[at];
		hv_run run = hv_held_lock(held);
		wrong += hv_stream_check(run_words(task, run), task->vcpu->cpu_idx, at % half,
					 at < half && task->n_done == 0);
		hv_held_unlock(held, run);
	}
	return wrong;
}

static const hv_impact_kernel stream_kernel = { .fill = stream_fill, .step = stream_step, .check = stream_check };

static int stream_run(int argc, char **argv)
{
	static const hv_impact_spec spec = {
		.scenario = "stream",
		.doc = "Memory bandwidth of a guest (STREAM copy on every vCPU) while a VM is shrunk to --target and "
		       "grown again by each technique, beside the same without any resize. Defaults "
		       "here: " HV_IMPACT_DEFAULTS,
		.kernel = &stream_kernel,
		.measure = &hv_impact_bandwidth,
		.interrupted = hv_interrupted,
	};
	return hv_impact_command(&spec, argc, argv);
}

const hv_scenario hv_scenario_stream = {
	.name = "stream",
	.summary = "memory bandwidth of the guest's vCPUs while the VM is resized",
	.run = stream_run,
};
