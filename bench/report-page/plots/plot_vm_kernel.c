/* SPDX-License-Identifier: MIT
 *
 * Allocation inside a guest's kernel: LLFree beside alloc_pages, by order. */
#include "../rep_figure.h"

#include <string.h>

enum { ORDERS = 11 };

static const rep_mark marks[] = { { "LLFree, ns", REP_BAR, false }, { "the kernel's own, ns", REP_RING, false } };

static const struct {
	const char *name, *kind, *metric, *title;
} kinds[] = { { "vm-kernel-get", "bulk", "get", "Half of the memory, got in one go" },
	      { "vm-kernel-put", "bulk", "put", "Half of the memory, put back in one go" },
	      { "vm-kernel-repeat", "repeat", "pair", "A block got and put straight back" },
	      { "vm-kernel-rand", "rand", "pair", "A random block put and another got" } };

static const rep_row *row_find(const rep_set *set, rep_query query, const char *allocator)
{
	const rep_row *found = NULL, *row;
	for (size_t at = 0; (row = rep_set_next(set, &query, &at)) != NULL;)
		if (row->allocator != NULL && strcmp(row->allocator, allocator) == 0)
			found = row;
	return found;
}

static rep_made build(const rep_set *set, size_t idx, rep_figure *figure)
{
	if (idx >= sizeof(kinds) / sizeof(kinds[0]))
		return REP_LAST;
	rep_query query = { REP_ANY, .scenario = "kernel-bench", .metric = kinds[idx].metric };
	rep_bars bars = { .axis = "ns per operation (log scale)",
			  .row_head = "block",
			  .logarithmic = true,
			  .marks = marks,
			  .n_marks = 2 };
	const rep_row *any = NULL;
	for (int order = 0; order < ORDERS; order++) {
		query.phase = rep_format("%s, order %d, threads 1", kinds[idx].kind, order);
		const rep_row *const rows[] = { row_find(set, query, "llfree-kernel"),
						row_find(set, query, "alloc_pages") };
		if (rows[0] == NULL && rows[1] == NULL)
			continue;
		struct rep_bars_row *line = rep_bars_row(&bars, rep_format("order %d", order));
		line->colour = rep_colour_of("llfree");
		for (size_t at = 0; at < 2; at++) {
			line->values[at] = rows[at] != NULL ? rows[at]->median : (rep_value){ 0 };
			any = rows[at] != NULL ? rows[at] : any;
		}
	}
	if (any == NULL)
		return REP_NOTHING;
	figure->name = kinds[idx].name;
	figure->title = kinds[idx].title;
	rep_caption_conditions(&figure->caption, any);
	rep_text_add(&figure->caption,
		     "One kernel thread in a VM; blocks are two to the power of their order in pages. ");
	return rep_bars_draw(figure, &bars) ? REP_MADE : REP_NOTHING;
}

const rep_plot rep_plot_vm_kernel = {
	.rank = 77,
	.section = "Allocation inside a guest's kernel",
	.question = "How does LLFree do where the kernel's own allocator stands?",
	.command = "llfree-qemu run --scenario kernel-bench --json FILE",
	.build = build,
};
