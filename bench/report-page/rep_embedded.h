/* SPDX-License-Identifier: MIT
 *
 * Files of this folder that the build puts into the program. */
#ifndef REP_EMBEDDED_H
#define REP_EMBEDDED_H

#include <stddef.h>

/** What sources call the published figures; a copy lies beside the plots. */
#define REP_PUBLISHED_NAME "published.json"

extern const char rep_published[], rep_style[];
extern const size_t rep_published_bytes, rep_style_bytes;

#endif
