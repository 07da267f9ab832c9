/* SPDX-License-Identifier: MIT
 *
 * limit: what the machine allows. One uncontended compare-exchange, reading the CPU number, the first touch of a page.
 */
#include <string.h>
#include <sys/mman.h>
#include "bench_clock.h"
#include "bench_team.h"

enum { CAS_OPS = 10000, CPU_OPS = 500000, TOUCH_BYTES = 8 << 20 };

static void step_cas(bench_worker *worker)
{
	worker->step_ns = (uint64_t)(bench_cas_ns(CAS_OPS) * CAS_OPS);
	worker->step_ops = CAS_OPS;
}

static void step_cpu(bench_worker *worker)
{
	uint64_t start = bench_now_ns();

	for (uint32_t i = 0; i < CPU_OPS; i++) {
		uint32_t cpu = llfree_current_cpu();
		__asm__ volatile("" : : "r"(cpu));
	}
	worker->step_ns = bench_now_ns() - start;
	worker->step_ops = CPU_OPS;
}

static void step_touch(bench_worker *worker)
{
	void *map = mmap(NULL, TOUCH_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	volatile uint8_t *bytes = map;
	uint64_t start;

	worker->failed = map == MAP_FAILED;
	if (worker->failed)
		return;
	(void)madvise(map, TOUCH_BYTES, MADV_NOHUGEPAGE); /* fails only where there are no huge pages to avoid */
	start = bench_now_ns();
	for (size_t at = 0; at < TOUCH_BYTES; at += LLFREE_FRAME_BYTES)
		bytes[at] = 1;
	worker->step_ns = bench_now_ns() - start;
	worker->step_ops = TOUCH_BYTES / LLFREE_FRAME_BYTES;
	munmap(map, TOUCH_BYTES);
}

static bench_step limit_step(const bench_row *row)
{
	if (!strcmp(row->subject, "cas"))
		return step_cas;
	return strcmp(row->subject, "cpu") ? step_touch : step_cpu;
}

static bool limit_pass(bench_row *row)
{
	double op_ns;

	if (!bench_timed(row, limit_step(row), "op_ns", &op_ns))
		return false;
	row->pass_ops = bench_team_worker(row->team, 0)->step_ops;
	row->pass_seconds = op_ns * (double)row->pass_ops * 1e-9;
	return true;
}

static const char *const limit_subjects[] = { "cas", "cpu", "touch", NULL };

const bench_case bench_case_limit = {
	.name = "limit",
	.question = "what the machine allows: an uncontended compare-exchange, the CPU number, the first touch of a 4 "
		    "KiB page",
	.rank = 5,
	.subjects = limit_subjects,
	.subjects_only = true,
	.order0_only = true,
	.setup = limit_pass,
	.pass = limit_pass,
};
