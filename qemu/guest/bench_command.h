/* SPDX-License-Identifier: MIT
 *
 * llfree-guest bench: the driver's /dev/llfree-bench for people, point by point, as a table or as JSON lines. */
#ifndef BENCH_COMMAND_H
#define BENCH_COMMAND_H

/** argv[0] is "llfree-guest bench". @return the exit code: 0, 1 something failed, 2 usage */
int bench_command(int argc, char **argv);

#endif
