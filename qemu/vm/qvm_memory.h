/* SPDX-License-Identifier: MIT
 *
 * A file of memory that QEMU uses for a VM and that we own: unnamed, so it goes with the last process that has it open.
 * On a private tmpfs in 2 MiB pages where that is allowed, else a memfd, which is sealed: QEMU can't shrink it. (A file
 * on a tmpfs knows no seals: who maps it has it guarded, hv_host_guard().) What it holds is what its file system
 * counts. */
#ifndef QVM_MEMORY_H
#define QVM_MEMORY_H

#include "base/hv_base.h"

typedef struct qvm_memory {
	int fd;
	uint64_t bytes;
	const char *backing; /**< "tmpfs-huge" or "memfd" */
	char why[160];       /**< why it is not in huge pages; empty when it is */
} qvm_memory;

/** @param backing  a name as above; NULL = the best that is allowed
 *  @return HV_OK; HV_ERR_SYSTEM; HV_ERR_UNAVAILABLE the named one is not to be had: self->why */
HV_MUST_CHECK hv_err qvm_memory_open(qvm_memory *self, uint64_t bytes, const char *backing);
void qvm_memory_close(qvm_memory *self);
/** What is resident, by st_blocks. */
uint64_t qvm_file_resident(int fd);
/** Give a part back to the host: FALLOC_FL_PUNCH_HOLE. @return HV_OK; HV_ERR_DISCARD (errno) */
HV_MUST_CHECK hv_err qvm_memory_punch(const qvm_memory *self, uint64_t offset, uint64_t bytes);

#endif
