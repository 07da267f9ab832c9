/* SPDX-License-Identifier: MIT
 *
 * write: what a program sees: allocate memory, write into every 4 KiB of it, free it; all threads beside each other.
 * Twice: "first" on a fresh allocator (its init, such as the mapping of an arena, counts as map), "again" right after
 * on memory that the allocator may have kept. The subjects map one range per thread and unmap it. */
#include <string.h>
#include <sys/mman.h>
#include "bench_clock.h"
#include "bench_team.h"
#include "gbench.h"

typedef struct write_times {
	double map_ns, get_ns, touch_ns, put_ns;
} write_times;

/* What an allocator manages beyond what is touched, per thread: frames that another thread holds in its handle, list or
 * reserved tree are out of reach for a moment, and a get of the last frames may fail. */
enum { SPARE_FRAMES = LLFREE_TREE_FRAMES };

static uint64_t write_frames(const bench_row *row)
{
	return row->options->write_bytes >> LLFREE_FRAME_SHIFT;
}

static uint64_t managed_frames(const bench_row *row)
{
	return write_frames(row) + (uint64_t)row->threads * SPARE_FRAMES;
}

/* Of a subject: one entry, the address of its range. */
static uint64_t write_blocks(const bench_row *row)
{
	return row->allocator ? write_frames(row) / row->threads >> row->order : 1;
}

static size_t range_bytes(const bench_row *row)
{
	return (size_t)(write_frames(row) / row->threads) << LLFREE_FRAME_SHIFT;
}

static void touch(volatile uint8_t *bytes, size_t touch_bytes)
{
	for (size_t at = 0; at < touch_bytes; at += LLFREE_FRAME_BYTES)
		*(volatile uint64_t *)(bytes + at) = at;
}

static void step_touch_blocks(bench_worker *worker)
{
	const bench_row *row = worker->row;
	size_t block_bytes = (size_t)LLFREE_FRAME_BYTES << row->order;
	uint64_t start = bench_now_ns();

	for (uint64_t i = 0; i < worker->n_blocks; i++)
		touch(row->allocator->table.address(row->state, worker->blocks[i]), block_bytes);
	worker->step_ns = bench_now_ns() - start;
}

static void step_map(bench_worker *worker)
{
	const bench_row *row = worker->row;
	uint64_t start = bench_now_ns();
	void *map = mmap(NULL, range_bytes(row), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	worker->failed = map == MAP_FAILED;
	if (!worker->failed && !strcmp(row->subject, "mmap-thp"))
		(void)madvise(map, range_bytes(row), MADV_HUGEPAGE); /* refused: the row shows it */
	worker->step_ns = bench_now_ns() - start;
	worker->blocks[0] = (uintptr_t)map;
}

static void step_touch_map(bench_worker *worker)
{
	uint64_t start = bench_now_ns();

	touch((volatile uint8_t *)(uintptr_t)worker->blocks[0], range_bytes(worker->row));
	worker->step_ns = bench_now_ns() - start;
}

static void step_unmap(bench_worker *worker)
{
	uint64_t start = bench_now_ns();

	worker->failed = munmap((void *)(uintptr_t)worker->blocks[0], range_bytes(worker->row)) != 0;
	worker->step_ns = bench_now_ns() - start;
}

static bool write_step(bench_row *row, bench_step step, const char *what, double *wall_ns)
{
	bool ok = bench_team_run(row->team, step);

	*wall_ns = bench_team_max_ns(row->team);
	for (uint32_t i = 0; i < row->threads && !ok; i++) {
		const bench_worker *worker = bench_team_worker(row->team, i);

		if (worker->failed)
			return bench_row_fail(row, "%s: an operation failed (thread %u did %llu of %llu)", what, i,
					      (unsigned long long)worker->step_ops,
					      (unsigned long long)worker->n_blocks);
	}
	return ok;
}

static bool write_once(bench_row *row, write_times *times)
{
	bool has = row->allocator != NULL;

	return write_step(row, has ? bench_step_get : step_map, has ? "get" : "map",
			  has ? &times->get_ns : &times->map_ns) &&
	       write_step(row, has ? step_touch_blocks : step_touch_map, "touch", &times->touch_ns) &&
	       write_step(row, has ? bench_step_put : step_unmap, has ? "put" : "unmap", &times->put_ns);
}

static double total_ns(const write_times *times)
{
	return times->map_ns + times->get_ns + times->touch_ns + times->put_ns;
}

static bool write_pass(bench_row *row)
{
	double mib = (double)range_bytes(row) * row->threads / (1 << 20);
	write_times first = { .map_ns = row->init_seconds * 1e9 }, again = { 0 };

	if (!row->allocator)
		first.map_ns = 0;
	if (!write_once(row, &first) || !write_once(row, &again))
		return false;
	row->pass_ops = range_bytes(row) >> LLFREE_FRAME_SHIFT;
	row->pass_seconds = total_ns(&first) * 1e-9;
	bench_metric_add(row, "map_us_mib", first.map_ns / 1e3 / mib);
	bench_metric_add(row, "get_us_mib", first.get_ns / 1e3 / mib);
	bench_metric_add(row, "touch_us_mib", first.touch_ns / 1e3 / mib);
	bench_metric_add(row, "free_us_mib", first.put_ns / 1e3 / mib);
	bench_metric_add(row, "gib_s", mib / 1024 / (total_ns(&first) * 1e-9));
	bench_metric_add(row, "again_gib_s", mib / 1024 / (total_ns(&again) * 1e-9));
	return true;
}

/* Memory that the kernel has never handed out may be slow the first time, in a virtual machine above all: take as
 * much of it as the row needs, once. */
static void warm_machine(size_t warm_bytes)
{
	void *map = bench_map(warm_bytes);

	bench_unmap(map, warm_bytes); /* no such map: the row runs cold */
}

static bool write_setup(bench_row *row)
{
	warm_machine(range_bytes(row) * row->threads);
	row->pass_ops = range_bytes(row) >> LLFREE_FRAME_SHIFT;
	return true;
}

static const char *const write_subjects[] = { "mmap", "mmap-thp", NULL };

const bench_case bench_case_write = {
	.name = "write",
	.question = "allocate, touch every 4 KiB, free: us per MiB for each, GiB/s together, and again on kept memory",
	.rank = 70,
	.backed = true,
	.once = true,
	.fresh = true,
	.subjects = write_subjects,
	.frames = managed_frames,
	.blocks = write_blocks,
	.setup = write_setup,
	.pass = write_pass,
};
