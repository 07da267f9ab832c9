/* SPDX-License-Identifier: MIT
 *
 * A number and where it comes from. The source is an expression in postfix order over results: FILE#POINTER (a JSON
 * pointer), constants, + - * /, and median:N mean:N low:N high:N over the last N values (docs/report.md). Everything
 * that a page shows goes through here, so that each number can be checked against the files. */
#ifndef REP_VALUE_H
#define REP_VALUE_H

#include "rep_base.h"

typedef struct rep_value {
	double number;
	const char *source; /**< NULL: there is no such value */
} rep_value;

enum { REP_VALUE_TEXT_BYTES = 48 };

rep_value rep_value_at(double number, const char *file, const char *pointer);
/** @param factor  written into the source as a constant */
rep_value rep_value_scaled(rep_value value, double factor);
rep_value rep_value_ratio(rep_value over, rep_value under);
rep_value rep_value_sum(rep_value left, rep_value right);
static inline bool rep_value_is(rep_value value)
{
	return value.source != NULL;
}

/** Three significant digits or more: 0.123 1.23 12.3 1235; whole numbers as such. */
const char *rep_value_text(rep_value value, char text[REP_VALUE_TEXT_BYTES]);
const char *rep_number_text(double number, char text[REP_VALUE_TEXT_BYTES]);

#endif
