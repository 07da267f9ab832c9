/* SPDX-License-Identifier: MIT
 *
 * Guest-physical addresses to offsets in memory files, from what QEMU reports (`info mtree -f`): never by assumption.
 */
#ifndef QVM_GPA_H
#define QVM_GPA_H

#include "base/hv_base.h"

enum { QVM_GPA_RANGES_MAX = 64, QVM_GPA_NAME_BYTES = 32, QVM_GPA_LOWEST = 1 << 20 /**< below: never touched */ };

typedef struct qvm_gpa_range {
	uint64_t first, last;          /**< guest-physical, both inclusive */
	uint64_t offset;               /**< of first, in the file */
	char name[QVM_GPA_NAME_BYTES]; /**< of the memory backend, such as ram0 */
} qvm_gpa_range;

typedef struct qvm_gpa_map {
	qvm_gpa_range ranges[QVM_GPA_RANGES_MAX];
	size_t n_ranges;
} qvm_gpa_map;

/** Read the RAM of the address space "memory". @return HV_OK; HV_ERR_INVAL the text is not as expected */
HV_MUST_CHECK hv_err qvm_gpa_parse(qvm_gpa_map *self, const char *mtree_text);
/** Where guest memory lies in the file of a backend. The guest may have written gpa and bytes: all is checked.
 *  @return false: not wholly RAM of this backend, or in the first MiB */
HV_MUST_CHECK bool qvm_gpa_offset(const qvm_gpa_map *self, const char *name, uint64_t gpa, uint64_t bytes,
				  uint64_t *offset);

#endif
