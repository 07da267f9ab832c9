/* SPDX-License-Identifier: MIT
 *
 * Time to make the state whole again, by allocator, order and how its program ended; marks by how full it was. */
#include "../rep_figure.h"

static const rep_mark marks[] = { { "half full", REP_BAR, false },
				  { "empty", REP_RING, false },
				  { "full", REP_DIAMOND_RING, false },
				  { "half full, us", REP_TICK, true },
				  { "lost frames", REP_TICK, true } };
static const char *const ends[] = { "clean", "killed" };
static const char *const levels[] = { "50", "0", "100" }; /* as the marks */
enum { N_LEVELS = 3 };

static void row_fill(const rep_set *set, rep_query query, const char *end, rep_bars *bars)
{
	struct rep_bars_row *line = NULL;
	for (size_t level = 0; level < N_LEVELS; level++) {
		query.variant = rep_format("full:%s/end:%s", levels[level], end);
		rep_value found = rep_set_value(set, query, "us_per_gib");
		if (!rep_value_is(found))
			continue;
		if (line == NULL) {
			line = rep_bars_row(bars, rep_format("%s, order %d, %s", query.who, query.order, end));
			line->colour = rep_colour_of(query.who);
		}
		line->values[level] = found;
		if (level == 0)
			line->values[3] = rep_set_value(set, query, "recover_us");
		line->values[4] = rep_set_value(set, query, "lost_frames");
	}
}

static rep_made build(const rep_set *set, size_t idx, rep_figure *figure)
{
	if (idx >= 1)
		return REP_LAST;
	rep_query query = { REP_ANY, .scenario = "recovery", .metric = "us_per_gib" };
	rep_bars bars = { .axis = "us per GiB of managed memory (log scale)",
			  .row_head = "allocator, order, end",
			  .logarithmic = true,
			  .marks = marks,
			  .n_marks = sizeof(marks) / sizeof(marks[0]) };
	rep_names who = rep_set_who(set, &query);
	if (who.n_names == 0)
		return REP_NOTHING;
	size_t at = 0;
	rep_caption_conditions(&figure->caption, rep_set_next(set, &query, &at));
	for (size_t i = 0; i < who.n_names; i++) {
		query.who = who.names[i];
		for (query.order = 0; query.order <= 9; query.order += 9)
			for (size_t end = 0; end < sizeof(ends) / sizeof(ends[0]); end++)
				row_fill(set, query, ends[end], &bars);
	}
	figure->name = "recovery";
	figure->title = "Recovery after an orderly end and after a kill";
	rep_text_add(&figure->caption,
		     "Medians. &ldquo;Killed&rdquo;: a child process that puts and gets gets SIGKILL wherever it is. "
		     "The fixed part (header, slots) is in it: the larger the memory, the less it weighs. ");
	return rep_bars_draw(figure, &bars) ? REP_MADE : REP_NOTHING;
}

const rep_plot rep_plot_recovery = {
	.rank = 55,
	.section = "Recovery",
	.question = "How long until the allocator can go on after its program has died?",
	.command = "llfree-bench --cases recovery --json FILE",
	.build = build,
};
