/* SPDX-License-Identifier: MIT
 *
 * hvsim ftq: compute time that a guest has while it is resized, by fixed time quanta. Each vCPU counts how many units
 * of work it gets done in each quantum; quanta of all vCPUs begin at the same moments. A unit touches each cache line
 * of one 4 KiB frame of guest memory. */
#include "cli/impact_command.h"
#include "guest/impact_words.h"
#include "scenario/hv_scenario.h"

#include <string.h>

static uint64_t *unit_words(const hv_impact_task *task, hv_run run, uint64_t frame_idx)
{
	return (uint64_t *)(void *)(task->vcpu->vm->memory.base + (run.frame + frame_idx) * HV_FRAME_BYTES);
}

static void ftq_fill(hv_impact_task *task)
{
	for (size_t at = 0; at < task->n_runs; at++) {
		hv_held *held = &task->vcpu->held[at];
		hv_run run = hv_held_lock(held);
		for (uint64_t frame = 0; frame < HV_HUGE_FRAMES; frame++)
			memset(unit_words(task, run, frame), 0, HV_FRAME_BYTES);
		hv_held_unlock(held, run);
	}
}

static void unit_do(hv_impact_task *task)
{
	hv_held *held = &task->vcpu->held[task->n_done / HV_HUGE_FRAMES % task->n_runs];
	hv_run run = hv_held_lock(held);
	hv_ftq_unit(unit_words(task, run, task->n_done % HV_HUGE_FRAMES));
	hv_held_unlock(held, run);
	task->n_done++;
}

static void ftq_step(hv_impact_task *task)
{
	uint64_t begin_ns = hv_now_ns() / task->quantum_ns * task->quantum_ns, end_ns = begin_ns + task->quantum_ns;
	uint64_t before = task->n_done;
	do
		unit_do(task);
	while (hv_now_ns() < end_ns);
	hv_tape_add(&task->tape, begin_ns, end_ns, (double)(task->n_done - before));
}

/* Every line of a frame counts the units that came by; together they are all units. */
static uint64_t ftq_check(hv_impact_task *task)
{
	uint64_t wrong = 0, sum = 0;
	for (size_t at = 0; at < task->n_runs; at++) {
		hv_held *held = &task->vcpu->held[at];
		hv_run run = hv_held_lock(held);
		for (uint64_t frame = 0; frame < HV_HUGE_FRAMES; frame++)
			wrong += hv_ftq_check(unit_words(task, run, frame), &sum);
		hv_held_unlock(held, run);
	}
	return wrong + (sum != task->n_done);
}

static const hv_impact_kernel ftq_kernel = { .fill = ftq_fill, .step = ftq_step, .check = ftq_check };

static int ftq_run(int argc, char **argv)
{
	static const hv_impact_spec spec = {
		.scenario = "ftq",
		.doc = "Compute time of a guest (fixed time quanta on every vCPU) while a VM is shrunk to --target and "
		       "grown again by each technique, beside the same without any resize. Defaults "
		       "here: " HV_IMPACT_DEFAULTS,
		.kernel = &ftq_kernel,
		.measure = &hv_impact_work,
		.interrupted = hv_interrupted,
	};
	return hv_impact_command(&spec, argc, argv);
}

const hv_scenario hv_scenario_ftq = {
	.name = "ftq",
	.summary = "work per fixed time quantum of the guest's vCPUs while the VM is resized",
	.run = ftq_run,
};
