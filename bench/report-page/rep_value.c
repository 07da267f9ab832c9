/* SPDX-License-Identifier: MIT
 *
 * Numbers with their sources; see rep_value.h. */
#include "rep_value.h"

#include <math.h>
#include <stdio.h>

rep_value rep_value_at(double number, const char *file, const char *pointer)
{
	return (rep_value){ number, rep_format("%s#%s", file, pointer) };
}

rep_value rep_value_scaled(rep_value value, double factor)
{
	if (!rep_value_is(value) || factor == 1)
		return value;
	return (rep_value){ value.number * factor, rep_format("%s %.17g *", value.source, factor) };
}

rep_value rep_value_ratio(rep_value over, rep_value under)
{
	if (!rep_value_is(over) || !rep_value_is(under) || under.number == 0)
		return (rep_value){ 0 };
	return (rep_value){ over.number / under.number, rep_format("%s %s /", over.source, under.source) };
}

rep_value rep_value_sum(rep_value left, rep_value right)
{
	if (!rep_value_is(left) || !rep_value_is(right))
		return (rep_value){ 0 };
	return (rep_value){ left.number + right.number, rep_format("%s %s +", left.source, right.source) };
}

const char *rep_number_text(double number, char text[REP_VALUE_TEXT_BYTES])
{
	double size = fabs(number);
	if (number == 0)
		snprintf(text, REP_VALUE_TEXT_BYTES, "0");
	else if (size < 1e6 && floor(size) == size)
		snprintf(text, REP_VALUE_TEXT_BYTES, "%.0f", number);
	else if (size >= 1e15 || size < 1e-6)
		snprintf(text, REP_VALUE_TEXT_BYTES, "%.3g", number);
	else if (size >= 99.95)
		snprintf(text, REP_VALUE_TEXT_BYTES, "%.0f", number);
	else
		snprintf(text, REP_VALUE_TEXT_BYTES, "%.*f", (int)fmax(0, 2 - floor(log10(size * 1.0005))), number);
	return text;
}

const char *rep_value_text(rep_value value, char text[REP_VALUE_TEXT_BYTES])
{
	if (rep_value_is(value))
		return rep_number_text(value.number, text);
	snprintf(text, REP_VALUE_TEXT_BYTES, "-");
	return text;
}
