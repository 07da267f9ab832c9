/* SPDX-License-Identifier: MIT
 *
 * Running gnuplot; see rep_gnuplot.h. */
#define _GNU_SOURCE
#include "rep_gnuplot.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* @return the exit code; negative: not started, or killed */
static int run(const char *folder, const char *const *arguments, bool quiet)
{
	posix_spawn_file_actions_t actions;
	pid_t child;
	int status = 0;
	posix_spawn_file_actions_init(&actions);
	if (folder != NULL)
		posix_spawn_file_actions_addchdir_np(&actions, folder);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", 0, 0);
	if (quiet) {
		posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", 1, 0);
		posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", 1, 0);
	}
	int err = posix_spawnp(&child, arguments[0], &actions, NULL, (char *const *)(uintptr_t)arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (err != 0)
		return -1;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool rep_gnuplot_present(void)
{
	const char *const arguments[] = { "gnuplot", "--version", NULL };
	return run(NULL, arguments, true) == 0;
}

static void head_add(rep_text *script, const rep_figure *figure)
{
	rep_text_add(script,
		     "# SPDX-License-Identifier: MIT\n"
		     "# %s\n"
		     "# gnuplot %s.gp                        makes %s.svg\n"
		     "# gnuplot -e 'format=\"pdf\"' %s.gp      makes %s.pdf\n"
		     "# gnuplot -e 'narrow=1' %s.gp          the SVG for phones, %s-narrow.svg\n"
		     "if (!exists(\"format\")) { format = \"svg\" }\n"
		     "if (!exists(\"narrow\")) { narrow = 0 }\n"
		     "data = \"%s.dat\"\n",
		     figure->title, figure->name, figure->name, figure->name, figure->name, figure->name, figure->name,
		     figure->name);
	rep_text_add(script, "ink = \"#5b6470\"; faint = \"#d9dde3\"\n");
	for (unsigned at = 0; at < REP_COLOURS; at++)
		rep_text_add(script, "c%u = \"%s\"%s", at, rep_colours[at], at + 1 < REP_COLOURS ? "; " : "\n");
	rep_text_add(script,
		     "width = narrow ? 380 : 760; height = narrow ? %u : %u\n"
		     "if (format eq \"pdf\") {\n"
		     "  set terminal pdfcairo size width/96.0,height/96.0 font \"sans-serif,10\"\n"
		     "} else {\n"
		     "  set terminal svg size width,height font \"sans-serif,\".(narrow ? 12 : 13)\n"
		     "}\n"
		     "set output \"%s\".(narrow ? \"-narrow\" : \"\").\".\".format\n"
		     "set border 1 lc rgb ink\n"
		     "set tics nomirror out scale 0.5\n"
		     "set grid lt 1 lw 0.7 lc rgb faint\n"
		     "set tmargin 1\n\n",
		     figure->narrow_height, figure->wide_height, figure->name);
}

static bool draw_one(const char *folder, const char *setting, const char *script)
{
	const char *const arguments[] = { "gnuplot", "-e", setting, script, NULL };
	if (run(folder, arguments, false) == 0)
		return true;
	rep_complain("gnuplot failed: cd %s && gnuplot -e '%s' %s", folder, setting, script);
	return false;
}

static bool inline_one(rep_text *html, const rep_figure *figure, const char *folder, const char *end, const char *class)
{
	size_t n_bytes;
	const char *path = rep_format("%s/%s%s.svg", folder, figure->name, end);
	const char *svg = rep_file_read(path, &n_bytes);
	if (svg == NULL) {
		rep_complain("%s: %s", path, strerror(errno));
		return false;
	}
	rep_svg_inline(html, svg, rep_format("%s-%s", figure->name, class), class, figure->title);
	return true;
}

bool rep_gnuplot_draw(rep_figure *figure, const char *folder, bool draw)
{
	rep_text script = { 0 };
	const char *script_name = rep_format("%s.gp", figure->name);
	head_add(&script, figure);
	rep_text_append(&script, figure->script.bytes, figure->script.n_bytes);
	bool ok = rep_file_write(rep_format("%s/%s", folder, script_name), script.bytes, script.n_bytes, false) &&
		  rep_file_write(rep_format("%s/%s.dat", folder, figure->name), figure->data.bytes,
				 figure->data.n_bytes, false);
	rep_text_clear(&script);
	if (!ok || !draw)
		return ok;
	ok = draw_one(folder, "format=\"svg\"", script_name) && draw_one(folder, "narrow=1", script_name) &&
	     draw_one(folder, "format=\"pdf\"", script_name);
	ok = ok && inline_one(&figure->svg_wide, figure, folder, "", "wide") &&
	     inline_one(&figure->svg_narrow, figure, folder, "-narrow", "narrow");
	unlink(rep_format("%s/%s-narrow.svg", folder, figure->name));
	return ok;
}
