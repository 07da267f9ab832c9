/* SPDX-License-Identifier: MIT
 *
 * The memory tree that QEMU prints; see qvm_gpa.h. One flat view holds the address space "memory"; in it lines like
 *   0000000100000000-000000017fffffff (prio 0, ram): ram0 @0000000080000000
 * where the offset is left out when it is zero. */
#include "vm/qvm_gpa.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* @return false: a line about something else than RAM */
static bool range_parse(const char *line, size_t chars, qvm_gpa_range *range)
{
	char text[200];
	int after_name = 0;
	if (chars >= sizeof(text))
		return false;
	memcpy(text, line, chars);
	text[chars] = '\0';
	*range = (qvm_gpa_range){ 0 };
	if (sscanf(text, " %16" SCNx64 "-%16" SCNx64 " (prio %*d, ram): %31s%n", &range->first, &range->last,
		   range->name, &after_name) != 3 ||
	    after_name == 0)
		return false;
	if (sscanf(text + after_name, " @%16" SCNx64, &range->offset) != 1)
		range->offset = 0;
	return range->last >= range->first && range->offset <= UINT64_MAX - (range->last - range->first);
}

hv_err qvm_gpa_parse(qvm_gpa_map *self, const char *mtree_text)
{
	bool inside = false;
	*self = (qvm_gpa_map){ 0 };
	for (const char *line = mtree_text; *line != '\0';) {
		size_t chars = strcspn(line, "\r\n");
		if (strncmp(line, "FlatView ", 9) == 0) {
			if (inside)
				break;
		} else if (strncmp(line, " AS \"memory\"", 12) == 0) {
			inside = true;
		} else if (inside) {
			qvm_gpa_range range;
			if (range_parse(line, chars, &range)) {
				if (self->n_ranges == QVM_GPA_RANGES_MAX)
					return HV_ERR_INVAL;
				self->ranges[self->n_ranges++] = range;
			}
		}
		line += chars + strspn(line + chars, "\r\n");
	}
	return self->n_ranges > 0 ? HV_OK : HV_ERR_INVAL;
}

bool qvm_gpa_offset(const qvm_gpa_map *self, const char *name, uint64_t gpa, uint64_t bytes, uint64_t *offset)
{
	if (gpa < QVM_GPA_LOWEST || bytes == 0 || bytes - 1 > UINT64_MAX - gpa)
		return false;
	for (size_t at = 0; at < self->n_ranges; at++) {
		const qvm_gpa_range *range = &self->ranges[at];
		if (gpa < range->first || gpa + (bytes - 1) > range->last || strcmp(range->name, name) != 0)
			continue;
		*offset = range->offset + (gpa - range->first);
		return true;
	}
	return false;
}
