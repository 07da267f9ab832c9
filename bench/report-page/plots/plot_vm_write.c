/* SPDX-License-Identifier: MIT
 *
 * Write throughput inside real VMs: memory that was taken and given again, and memory that the guest has. */
#include "../rep_figure.h"

static const rep_mark marks[] = { { "given again, GiB/s", REP_BAR, false },
				  { "already there, GiB/s", REP_RING, false },
				  { "touch given again, us/MiB", REP_TICK, true },
				  { "touch what is there, us/MiB", REP_TICK, true } };

static rep_value value_of(const rep_set *set, rep_query query, const char *phase, const char *metric)
{
	query.phase = phase;
	query.metric = metric;
	const rep_row *row = rep_set_find(set, &query);
	return row != NULL ? row->median : (rep_value){ 0 };
}

static rep_made build(const rep_set *set, size_t idx, rep_figure *figure)
{
	static const struct {
		const char *name, *title, *grown, *installed;
	} kinds[] = {
		{ "vm-write-4k", "Writing in a VM by faults of 4 KiB", "grown, 4 KiB pages", "installed, 4 KiB pages" },
		{ "vm-write-2m", "Writing in a VM by faults of 2 MiB", "grown, 2 MiB pages", "installed, 2 MiB pages" }
	};
	if (idx >= sizeof(kinds) / sizeof(kinds[0]))
		return REP_LAST;
	rep_query query = { REP_ANY, .scenario = "write", .metric = "throughput", .phase = kinds[idx].installed };
	rep_bars bars = { .axis = "GiB/s", .row_head = "technique", .marks = marks, .n_marks = 4 };
	rep_names who = rep_set_who(set, &query);
	const rep_row *row = NULL;
	for (size_t at = 0; at < who.n_names; at++) {
		query.who = who.names[at];
		row = rep_set_find(set, &query);
		struct rep_bars_row *line = rep_bars_row(&bars, query.who);
		line->values[0] = value_of(set, query, kinds[idx].grown, "throughput");
		line->values[1] = value_of(set, query, kinds[idx].installed, "throughput");
		line->values[2] = value_of(set, query, kinds[idx].grown, "touch");
		line->values[3] = value_of(set, query, kinds[idx].installed, "touch");
	}
	if (row == NULL)
		return REP_NOTHING;
	figure->name = kinds[idx].name;
	figure->title = kinds[idx].title;
	rep_caption_conditions(&figure->caption, row);
	rep_text_add(&figure->caption,
		     "Map, write into every page and give back, on all vCPUs. Rings: the same once more. ");
	return rep_bars_draw(figure, &bars) ? REP_MADE : REP_NOTHING;
}

const rep_plot rep_plot_vm_write = {
	.rank = 75,
	.section = "Writing in real VMs",
	.question = "What does memory cost a guest's programs that was taken from it and given again?",
	.command = "llfree-qemu run --scenario write --json FILE",
	.build = build,
};
