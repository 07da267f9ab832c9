/* SPDX-License-Identifier: MIT
 *
 * Reclaim rates per technique, with and without a device, beside the published ones as hollow marks. */
#include "../rep_figure.h"

#include <string.h>

static const struct {
	const char *phase, *name, *title;
} phases[] = {
	{ "shrink-touched", "reclaim-touched", "Shrink: memory that the guest had used" },
	{ "shrink-untouched", "reclaim-untouched", "Shrink: memory that was not touched" },
	{ "grow", "reclaim-grow", "Grow: memory given back, not touched" },
	{ "grow-touch", "reclaim-grow-touch", "Grow, and the guest writes all of it" },
};

static const rep_mark marks[] = { { "measured, us", REP_DOT, false },
				  { "measured, device, us", REP_DIAMOND, false },
				  { "published (another machine), us", REP_RING, false },
				  { "the same, device, us", REP_DIAMOND_RING, false },
				  { "low, us", REP_TICK, true },
				  { "high, us", REP_TICK, true } };

static rep_value micros(const rep_row *row)
{
	return row != NULL ? rep_value_scaled(row->median, 1e-3) : (rep_value){ 0 };
}

static const rep_row *find(const rep_set *set, rep_query query, const char *device, bool published)
{
	query.device = device;
	query.published = published;
	return rep_set_find(set, &query);
}

static const char *backing_main(const rep_set *set, const rep_query *query)
{
	size_t at = 0;
	const rep_row *row = rep_set_next(set, query, &at);
	return row != NULL ? row->backing : NULL;
}

static rep_made build(const rep_set *set, size_t idx, rep_figure *figure)
{
	if (idx >= sizeof(phases) / sizeof(phases[0]))
		return REP_LAST;
	rep_query query = { REP_ANY, .scenario = "inflate", .metric = "time", .phase = phases[idx].phase };
	rep_bars bars = { .axis = "us per 2 MiB moved (log scale)",
			  .row_head = "technique",
			  .logarithmic = true,
			  .marks = marks,
			  .n_marks = 6 };
	const rep_row *any = NULL;
	const char *backing = backing_main(set, &query);
	rep_names who = rep_set_who(set, &query);
	for (size_t at = 0; at < who.n_names; at++) {
		query.who = who.names[at];
		const rep_row *published = find(set, query, "none", true),
			      *published_device = find(set, query, "dma", true);
		query.backing = backing;
		const rep_row *plain = find(set, query, "none", false), *device = find(set, query, "dma", false);
		query.backing = NULL;
		struct rep_bars_row *row = rep_bars_row(&bars, query.who);
		row->values[0] = micros(plain);
		row->values[1] = micros(device);
		row->values[2] = micros(published);
		row->values[3] = micros(published_device);
		if (plain != NULL) {
			row->values[4] = rep_value_scaled(plain->low, 1e-3);
			row->values[5] = rep_value_scaled(plain->high, 1e-3);
		}
		any = plain != NULL ? plain : device != NULL ? device : any;
	}
	if (any == NULL)
		return REP_NOTHING;
	figure->name = phases[idx].name;
	figure->title = phases[idx].title;
	rep_caption_conditions(&figure->caption, any);
	if (strcmp(phases[idx].phase, "grow-touch") != 0)
		rep_text_add(&figure->caption,
			     "<span data-static>Hollow: another machine, as published with HyperAlloc, "
			     "EuroSys&rsquo;25 (2x Xeon Gold 6252, KVM, "
			     "12 vCPUs, 20 GiB down to 2 GiB); compare ratios, not times.</span> ");
	return rep_bars_draw(figure, &bars) ? REP_MADE : REP_NOTHING;
}

const rep_plot rep_plot_reclaim = {
	.rank = 60,
	.section = "Reclaim",
	.question = "What does taking 2 MiB from a guest cost, and giving it back, with and without a DMA device?",
	.command = "hvsim inflate --json FILE; with --device dma once more",
	.build = build,
};
