/* SPDX-License-Identifier: MIT
 *
 * Colours, data and captions of figures; see rep_figure.h. */
#include "rep_figure.h"

#include <math.h>
#include <string.h>

/* After Okabe and Ito: told apart by readers with any kind of colour vision; the last is for what is beside the point.
 * The page's style has the same in two brightnesses, by index. */
const char *const rep_colours[REP_COLOURS] = { "#0072b2", "#d55e00", "#009e73", "#b4568a",
					       "#3a9bdc", "#c98500", "#7a6fd0", "#7d8590" };

unsigned rep_colour_of(const char *who)
{
	static const struct {
		const char *who;
		unsigned colour;
	} known[] = { { "llfree", 0 },       { "llfree-manual", 0 }, { "llfree-auto", 4 }, { "llfree-handle", 4 },
		      { "llfree-exact", 6 }, { "buddy", 1 },         { "base-manual", 1 }, { "base-auto", 1 },
		      { "huge-manual", 5 },  { "huge-auto", 5 },     { "virtio-mem", 2 },  { "mimalloc", 2 },
		      { "jemalloc", 3 },     { "tcmalloc", 5 },      { "glibc", 7 },       { "none", 7 },
		      { "mmap", 7 },         { "mmap-thp", 7 },      { "oracle", 7 } };
	unsigned hash = 0;
	for (size_t at = 0; at < sizeof(known) / sizeof(known[0]); at++)
		if (strcmp(known[at].who, who) == 0)
			return known[at].colour;
	for (; *who != '\0'; who++)
		hash = hash * 31 + (unsigned char)*who;
	return hash % (REP_COLOURS - 1);
}

unsigned rep_data_block(rep_figure *figure, const char *title)
{
	if (figure->n_blocks > 0)
		rep_text_add(&figure->data, "\n\n");
	rep_text_add(&figure->data, "# %s\n", title);
	return figure->n_blocks++;
}

void rep_data_line(rep_figure *figure, const char *label, const rep_value *values, size_t n_values)
{
	if (label != NULL)
		rep_text_add(&figure->data, "\"%s\" ", label);
	for (size_t at = 0; at < n_values; at++) {
		if (rep_value_is(values[at]))
			rep_text_add(&figure->data, "%.6g ", values[at].number);
		else
			rep_text_add(&figure->data, "NaN ");
	}
	rep_text_add(&figure->data, "#");
	for (size_t at = 0; at < n_values; at++)
		rep_text_add(&figure->data, " %s;", rep_value_is(values[at]) ? values[at].source : "");
	rep_text_add(&figure->data, "\n");
}

/* 1, 2 or 5 times a power of ten. */
static double round_step(double least)
{
	double power = pow(10, floor(log10(least)));
	return least <= power ? power : least <= 2 * power ? 2 * power : least <= 5 * power ? 5 * power : 10 * power;
}

void rep_x_tics(rep_text *script, double high)
{
	rep_text_add(script, "set xtics %g\nif (narrow) { set xtics %g }\n", round_step(high / 7),
		     round_step(high / 4));
}

void rep_log_tics(rep_text *script, char axis, double low, double high)
{
	static const double usual[] = { 1, 2, 5 }, close[] = { 1, 1.5, 2, 3, 4, 5, 7 };
	double few = axis == 'x' ? 1.5 : 2.5; /* decades; below an axis there is less room for numbers than beside it */
	double decades = log10(high / low);
	const double *steps = decades < 0.7 ? close : usual;
	size_t n_steps = decades < 0.7 ? 7 : decades < few ? 3 : 1;
	bool any = false;
	rep_text_add(script, "set logscale %c\nset %ctics scale 0.5,0 (", axis, axis);
	for (double power = pow(10, floor(log10(low))); power <= high; power *= 10)
		for (size_t at = 0; at < n_steps; at++) {
			double tic = power * steps[at];
			if (tic < low || tic > high)
				continue;
			rep_text_add(script, "%s%g", any ? ", " : "", tic);
			any = true;
		}
	rep_text_add(script, ")\n");
}

static void text_of_file(rep_text *html, const rep_file *file, const char *before, const char *key)
{
	const char *text = rep_file_text(file, key);
	if (text == NULL)
		return;
	rep_text_add(html, "%s", before);
	rep_html_quote(html, text, file->label, rep_format("%s/%s", file->about_key, key));
}

void rep_caption_conditions(rep_text *html, const rep_row *row)
{
	const rep_file *file = row->file;
	text_of_file(html, file, "", "cpu");
	rep_value cpus =
		rep_file_number(file, file->is_bench ? "context" : "environment", file->is_bench ? "num_cpus" : "cpus");
	if (rep_value_is(cpus)) {
		rep_text_add(html, ", ");
		rep_html_quantity(html, cpus, cpus.number == 1 ? "CPU" : "CPUs");
	}
	text_of_file(html, file, ", Linux ", "kernel");
	const char *key = file->is_bench && strcmp(row->scenario, "write") == 0 ? "write_bytes" : "memory_bytes";
	rep_value memory = rep_file_number(file, file->is_bench ? "context" : "parameters", key);
	if (rep_value_is(memory)) {
		rep_text_add(html, file->is_bench ? "; over " : "; a guest of ");
		rep_html_bytes(html, memory);
	}
	rep_value target = rep_file_number(file, "parameters", "target_bytes");
	if (rep_value_is(target) && strcmp(row->scenario, "inflate") == 0) {
		rep_text_add(html, " down to ");
		rep_html_bytes(html, target);
	}
	if (row->backing != NULL)
		rep_text_add(html, ", <span data-static>backing %s</span>", row->backing);
	rep_text_add(html, ". ");
}
