/* SPDX-License-Identifier: MIT
 *
 * From a figure to files: NAME.gp and NAME.dat, which stay for those who want to restyle them; NAME.svg and NAME.pdf by
 * gnuplot; and the SVG again in two widths as a part of the page, its colours left to the page's style. */
#ifndef REP_GNUPLOT_H
#define REP_GNUPLOT_H

#include "rep_figure.h"

/** Is gnuplot here? */
bool rep_gnuplot_present(void);
/** Write script and data into the folder and, with gnuplot, draw. @return false: a file could not be written, or
 * gnuplot refused the script (it was said on stderr) */
bool rep_gnuplot_draw(rep_figure *figure, const char *folder, bool draw);

/* svg.c */
/** gnuplot's SVG -> a part of an HTML page. @param name  unique on the page  @param class  of the svg element */
void rep_svg_inline(rep_text *html, const char *svg, const char *name, const char *class, const char *label);

#endif
