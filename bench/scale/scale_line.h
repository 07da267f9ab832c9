/* SPDX-License-Identifier: MIT
 *
 * What a cache line's way from one core of this machine to another costs. */
#ifndef SCALE_LINE_H
#define SCALE_LINE_H

/** ns of a compare-exchange on a line that another core has just written, beyond an uncontended one: two threads
 *  take turns on one line, the fastest of several bursts. 100 where there is one CPU only. */
double scale_line_ns(void);

#endif
