/* SPDX-License-Identifier: MIT
 *
 * The terminal as one screen, and as it was before: left on return, exit, Ctrl-C, kill, Ctrl-Z, and when the program
 * dies of a signal that can be caught. Plain ANSI sequences that every terminal of today knows: there is one screen, it
 * is drawn as a whole, and nothing is read from it. While it is shown, what the program prints is kept, and printed
 * when it is left. There is one terminal, so the state is of the process. */
#ifndef HV_SCREEN_H
#define HV_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

/** Is stderr a terminal that can show a screen, and this program in its foreground? */
bool hv_screen_possible(void);
/** Show it. @return false: not possible */
bool hv_screen_open(void);
/** Leave it, and print what was kept. Idempotent. */
void hv_screen_close(void);
/** Columns and rows now. */
void hv_screen_size(unsigned *columns, unsigned *rows);
/** Draw a frame, a whole screen of text with its sequences. @return false: nobody sees it now, or any more */
bool hv_screen_draw(const char *frame, size_t bytes);

#endif
