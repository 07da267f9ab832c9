/* SPDX-License-Identifier: MIT
 *
 * The map of fragmentation: how full each part of memory is, over the rounds; one figure per row of frag. */
#include "../rep_figure.h"

#include <string.h>

enum { CELLS_SHOWN = 48, ROUNDS_SHOWN = 11, HEIGHT = 300, FRAMES_PER_HUGE = 512 };

/* Shares of free frames, from (or above) each; a wholly free part could be handed out as huge frames. */
static const struct {
	const char *title;
	double from;
	unsigned colour;
	const char *fill;
} levels[] = { { "taken", 0, 7, "0.35" },
	       { "under a third free", 0.001, 0, "0.25" },
	       { "up to two thirds", 0.333, 0, "0.5" },
	       { "over two thirds", 0.667, 0, "0.85" },
	       { "all free", 1, 2, "0.95" } };
enum { N_LEVELS = sizeof(levels) / sizeof(levels[0]) };

typedef struct map {
	const rep_file *file;
	const cJSON *entry;
	size_t entry_idx;
} map;

static bool map_find(const rep_set *set, size_t wanted, map *found)
{
	for (size_t at = 0; at < set->n_files; at++) {
		const cJSON *list = cJSON_GetObjectItemCaseSensitive(set->files[at].root, "frag_maps");
		size_t n_entries = (size_t)cJSON_GetArraySize(list);
		if (wanted < n_entries) {
			*found = (map){ &set->files[at], cJSON_GetArrayItem(list, (int)wanted), wanted };
			return true;
		}
		wanted -= n_entries;
	}
	return false;
}

/* The mean of neighbouring cells, as a share of all frames. */
static rep_value share_of(const map *of, const cJSON *free_frames, size_t round_idx, size_t from, size_t to)
{
	rep_text source = { 0 };
	double sum = 0;
	for (size_t at = from; at < to; at++) {
		sum += cJSON_GetNumberValue(cJSON_GetArrayItem(free_frames, (int)at));
		rep_text_add(&source, "%s#/frag_maps/%zu/rounds/%zu/free_frames/%zu ", of->file->label, of->entry_idx,
			     round_idx, at);
	}
	rep_text_add(&source, "mean:%zu", to - from);
	rep_value mean = { sum / (double)(to - from), rep_format("%s", source.bytes) };
	rep_text_clear(&source);
	return rep_value_scaled(mean, 1.0 / FRAMES_PER_HUGE);
}

/* One line for each cell and round that is shown; rounds are written downwards. @return how many rounds */
static size_t data_write(const map *of, rep_figure *figure, rep_text *tics, size_t *n_shown)
{
	const cJSON *rounds = cJSON_GetObjectItemCaseSensitive(of->entry, "rounds");
	size_t n_rounds = (size_t)cJSON_GetArraySize(rounds), step = (n_rounds + ROUNDS_SHOWN - 1) / ROUNDS_SHOWN,
	       n_lines = 0;
	rep_data_block(figure, "part of memory, line, share of free frames");
	*n_shown = 0;
	for (size_t at = 0; at < n_rounds; at += step) {
		const cJSON *round = cJSON_GetArrayItem(rounds, (int)at);
		const cJSON *free_frames = cJSON_GetObjectItemCaseSensitive(round, "free_frames");
		size_t n_cells = (size_t)cJSON_GetArraySize(free_frames);
		size_t group = (n_cells + CELLS_SHOWN - 1) / CELLS_SHOWN;
		rep_text_add(tics, "%s\"%.0f\" %zu", n_lines > 0 ? ", " : "",
			     cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(round, "round")), n_lines);
		*n_shown = 0;
		for (size_t cell = 0; cell < n_cells; cell += group) {
			size_t to = cell + group < n_cells ? cell + group : n_cells;
			rep_value share = share_of(of, free_frames, at, cell, to);
			rep_text_add(&figure->data, "%zu %zu ", (*n_shown)++, n_lines);
			rep_data_line(figure, NULL, &share, 1);
		}
		n_lines++;
	}
	return n_lines;
}

static void script_write(rep_figure *figure, const char *tics, size_t n_lines, size_t n_shown)
{
	rep_text *script = &figure->script;
	rep_text_add(script,
		     "unset grid\nset border 0\nset tmargin -1\nset key outside top left horizontal Left reverse "
		     "samplen 1 width (narrow ? 3 : 1)\n"
		     "set xrange [-0.5:%zu-0.5]\nset yrange [%zu-0.5:-0.5]\nunset xtics\nset ytics scale 0 (%s)\n"
		     "set xlabel \"memory, from the first frame to the last\"\nset ylabel \"round\"\n",
		     n_shown, n_lines, tics);
	for (size_t at = 0; at < N_LEVELS; at++) {
		const char *below = at + 1 < N_LEVELS ? rep_format(" && $3 < %g", levels[at + 1].from) : "";
		rep_text_add(script,
			     "%s \\\n  data using ($3 >= %g%s ? $1 : NaN):2:($1-0.46):($1+0.46):($2-0.44):($2+0.44) "
			     "with boxxyerror fs transparent "
			     "solid %s noborder lc rgb c%u notitle, \\\n  keyentry with boxes fs transparent solid %s "
			     "noborder lc rgb c%u title "
			     "\"%s\"",
			     at > 0 ? "," : "plot", levels[at].from, below, levels[at].fill, levels[at].colour,
			     levels[at].fill, levels[at].colour, levels[at].title);
	}
	rep_text_add(script, "\n");
}

/* The first and the last round: how many huge frames are wholly free. */
static void table_write(const map *of, rep_table *table)
{
	const cJSON *rounds = cJSON_GetObjectItemCaseSensitive(of->entry, "rounds");
	size_t n_rounds = (size_t)cJSON_GetArraySize(rounds);
	rep_table_head(table, "round");
	rep_table_head(table, "wholly free huge frames, % of all");
	for (size_t at = 0; at<n_rounds; at += n_rounds> 5 ? (n_rounds - 1) / 4 : 1) {
		const cJSON *round = cJSON_GetArrayItem(rounds, (int)at);
		const cJSON *list = cJSON_GetObjectItemCaseSensitive(round, "free_huge"), *each;
		rep_text source = { 0 };
		double sum = 0;
		size_t n_cells = 0;
		cJSON_ArrayForEach(each, list)
		{
			sum += each->valuedouble;
			rep_text_add(&source, "%s#/frag_maps/%zu/rounds/%zu/free_huge/%zu ", of->file->label,
				     of->entry_idx, at, n_cells++);
		}
		double n_huge = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(of->entry, "huge_frames"));
		rep_text_add(&source, "mean:%zu %zu * %s#/frag_maps/%zu/huge_frames / 100 *", n_cells, n_cells,
			     of->file->label, of->entry_idx);
		rep_table_text(table, rep_format("%.0f", cJSON_GetNumberValue(
								 cJSON_GetObjectItemCaseSensitive(round, "round"))));
		rep_table_value(table, n_cells > 0 && n_huge > 0
					       ? (rep_value){ 100 * sum / n_huge, rep_format("%s", source.bytes) }
					       : (rep_value){ 0 });
		rep_text_clear(&source);
	}
}

/* frag/llfree/order:0/threads:1/slots:8 -> llfree, 8 slots */
static const char *label_of(const char *row)
{
	const char *who = strchr(row, '/') != NULL ? strchr(row, '/') + 1 : row, *slots = strstr(row, "/slots:");
	const char *name = rep_format("%.*s", (int)strcspn(who, "/"), who);
	return slots != NULL ? rep_format("%s, slots: %s", name, slots + 7) : name;
}

static rep_made build(const rep_set *set, size_t idx, rep_figure *figure)
{
	map of;
	rep_text tics = { 0 };
	size_t n_shown;
	if (!map_find(set, idx, &of))
		return REP_LAST;
	const cJSON *row = cJSON_GetObjectItemCaseSensitive(of.entry, "name");
	if (!cJSON_IsString(row))
		return REP_NOTHING;
	size_t n_lines = data_write(&of, figure, &tics, &n_shown);
	if (n_lines < 2 || n_shown == 0) {
		rep_text_clear(&tics);
		rep_text_clear(&figure->data);
		return REP_NOTHING;
	}
	script_write(figure, tics.bytes, n_lines, n_shown);
	rep_text_clear(&tics);
	figure->name = rep_format("fragmentation-map-%zu", idx + 1);
	figure->title = rep_format("Map of memory over the rounds: %s", label_of(row->valuestring));
	figure->wide_height = HEIGHT;
	figure->narrow_height = HEIGHT + 40;
	table_write(&of, &figure->table);
	rep_text_add(
		&figure->caption,
		"Each square is one part of memory, each line a round; green could be handed out as huge frames. ");
	return REP_MADE;
}

const rep_plot rep_plot_fragmap = {
	.rank = 45,
	.section = "Map of fragmentation",
	.question = "Where in memory are the free frames, and do they gather?",
	.command = "llfree-bench --summary=frag --json FILE",
	.build = build,
};
