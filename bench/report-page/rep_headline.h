/* SPDX-License-Identifier: MIT
 *
 * The answer: one sentence each for allocation, write throughput and reclaim, from the results: who, by how much, under
 * which conditions, and where somebody else is better. */
#ifndef REP_HEADLINE_H
#define REP_HEADLINE_H

#include "rep_set.h"

enum { REP_HEADLINES = 3 };

/** @param html  {0}; stays empty where the results have nothing to say */
void rep_headline(const rep_set *set, unsigned idx, rep_text *html);
/** The same as plain text: tags and entities gone. */
void rep_plain(rep_text *text, const char *html);

#endif
