/* SPDX-License-Identifier: MIT
 *
 * metadata: bytes of metadata per GiB of memory managed. Not timed. */
#include "bench_team.h"
#include "gbench.h"

static bool metadata_applies(const bench_options *options, const bench_allocator *allocator, uint32_t order)
{
	(void)options, (void)order;
	return allocator->table.metadata_bytes != NULL;
}

static bool metadata_pass(bench_row *row)
{
	row->pass_ops = 1;
	row->pass_seconds = 1e-9;
	return true;
}

static void metadata_report(const bench_row *row, struct bench_gb_state *state)
{
	double gib = (double)bench_row_frames(row) * LLFREE_FRAME_BYTES / (1 << 30);
	double bytes = (double)row->allocator->table.metadata_bytes(row->state);

	bench_gb_counter(state, "metadata_bytes", bytes);
	bench_gb_counter(state, "bytes_per_gib", bytes / gib);
	bench_gb_counter(state, "kib_per_gib", bytes / gib / 1024);
}

const bench_case bench_case_metadata = {
	.name = "metadata",
	.question = "bytes of metadata per GiB managed, per-CPU structures included",
	.rank = 90,
	.one_thread = true,
	.order0_only = true,
	.once = true,
	.applies = metadata_applies,
	.setup = metadata_pass,
	.pass = metadata_pass,
	.report = metadata_report,
};
