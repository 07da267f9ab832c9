/* SPDX-License-Identifier: MIT
 *
 * hvsim stream: memory bandwidth of a guest while it is resized. Each vCPU runs the copy kernel of STREAM, a[i] = b[i],
 * over two arrays of guest memory that together are larger than its caches, and keeps the time of each iteration. */
#include "cli/impact_command.h"
#include "scenario/hv_scenario.h"

enum { RUN_WORDS = HV_HUGE_BYTES / 8, PIECE_WORDS = 256 * 1024 / 8 };

static uint64_t *run_words(const hv_impact_task *task, hv_run run)
{
	return (uint64_t *)(void *)(task->vcpu->vm->memory.base + run.frame * HV_FRAME_BYTES);
}

/* What b[] holds; a[] begins as its complement. */
static uint64_t word_of(const hv_impact_task *task, size_t run_idx, uint64_t word)
{
	return hv_mix((uint64_t)task->vcpu->cpu_idx << 32 | run_idx) + word;
}

static void stream_fill(hv_impact_task *task)
{
	size_t half = task->n_runs / 2;
	for (size_t at = 0; at < 2 * half; at++) {
		hv_held *held = &task->vcpu->held[at];
		hv_run run = hv_held_lock(held);
		uint64_t *words = run_words(task, run), flip = at < half ? UINT64_MAX : 0;
		for (uint64_t word = 0; word < RUN_WORDS; word++)
			words[word] = word_of(task, at % half, word) ^ flip;
		hv_held_unlock(held, run);
	}
}

static void words_copy(uint64_t *restrict to, const uint64_t *restrict from)
{
	for (size_t word = 0; word < PIECE_WORDS; word++)
		to[word] = from[word];
}

/* In pieces, so that a migration of the run waits for one at most. */
static void run_copy(hv_impact_task *task, hv_held *to, hv_held *from)
{
	for (size_t word = 0; word < RUN_WORDS; word += PIECE_WORDS) {
		hv_run to_run = hv_held_lock(to), from_run = hv_held_lock(from);
		words_copy(run_words(task, to_run) + word, run_words(task, from_run) + word);
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
		const uint64_t *words = run_words(task, run), flip = at < half && task->n_done == 0 ? UINT64_MAX : 0;
		for (uint64_t word = 0; word < RUN_WORDS; word++)
			wrong += words[word] != (word_of(task, at % half, word) ^ flip);
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
		.buffer_bytes = UINT64_C(64) << 20,
		.buffer_parts = 2,
		.metric = "bandwidth",
		.unit = "GiB/s",
		.scale = 1.0 / (1 << 30),
		.per_second = true,
		.interrupted = hv_interrupted,
	};
	return hv_impact_command(&spec, argc, argv);
}

const hv_scenario hv_scenario_stream = {
	.name = "stream",
	.summary = "memory bandwidth of the guest's vCPUs while the VM is resized",
	.run = stream_run,
};
