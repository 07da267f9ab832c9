/* SPDX-License-Identifier: MIT
 *
 * A compile in a guest, from the disk of qemu/image/make-disk: mount it, run its /compile with the disk as root, look
 * now and then at what the guest's kernel says of anonymous memory and page cache. */
#ifndef QVM_COMPILE_H
#define QVM_COMPILE_H

#include "scenario/shared/qvm_course.h"
#include "scenario/shared/qvm_crowd.h"

#include <stdatomic.h>

typedef struct qvm_compile {
	qvm_member *member;
	uint64_t before_anon_bytes, before_cache_bytes; /**< of the guest before it began */
	_Atomic uint64_t anon_bytes, cache_bytes; /**< at the last look, what is more than before; any thread reads */
	qvm_course course;                        /**< all looks of the compile */
	char made[160];                           /**< what it said last: what was made */
	char why[400];                            /**< what went wrong first; empty = nothing */
} qvm_compile;

/** Mount the disk in a guest that was booted with one (qvm_rig_config.disk). @return false: self->why; in any case
 *  qvm_compile_clear() is to be called at the end */
HV_MUST_CHECK bool qvm_compile_begin(qvm_compile *self, qvm_member *member);
/** Compile with so many jobs at once, only the first objects when not 0, and wait for its end. @return false: it
 * failed, self->why with the end of what it wrote; or nobody is to go on, and self->why is empty */
HV_MUST_CHECK bool qvm_compile_run(qvm_compile *self, uint64_t jobs, uint64_t objects);
/** Look once. @return false: self->why */
HV_MUST_CHECK bool qvm_compile_look(qvm_compile *self);
/** Have the guest write back and drop its page cache. @return false: self->why */
HV_MUST_CHECK bool qvm_compile_drop(qvm_compile *self);
void qvm_compile_clear(qvm_compile *self);

#endif
