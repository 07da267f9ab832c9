/* SPDX-License-Identifier: MIT
 *
 * The memory behind BAR 2 of a VM's ivshmem devices, as protocol/qvm_protocol.h lays it out: made and formatted here
 * before QEMU starts. What the header says stands in memory of our own too: the guest can write all of the file. */
#ifndef QVM_BAR_H
#define QVM_BAR_H

#include "memory/hv_memory.h"
#include "protocol/qvm_protocol.h"
#include "vm/qvm_memory.h"

#include <llfree/llfree.h>

typedef struct qvm_bar_config {
	uint64_t frames_bytes; /**< for LLFree; 0 = none */
	uint32_t cpus;         /**< vCPUs of the guest */
	bool channel;          /**< with a balloon */
	uint32_t install_timeout_ms;
	const char *backing; /**< as qvm_memory_open() */
} qvm_bar_config;

typedef struct qvm_bar {
	qvm_memory file;
	int page_fd;     /**< of the doorbell device: a page with a copy of the header */
	uint8_t *base;   /**< all of it mapped, 2 MiB aligned; NULL = it is not */
	uint64_t mapped; /**< bytes */
	qvm_header header;
	llfree_t view; /**< with frames: the host's view of the region */
} qvm_bar;

/** @return HV_OK; else self->file.why says why */
HV_MUST_CHECK hv_err qvm_bar_open(qvm_bar *self, const qvm_bar_config *config);
/** Idempotent; fine when zeroed. */
void qvm_bar_close(qvm_bar *self);
/** The frames, as the host's memory. */
hv_memory qvm_bar_frames(const qvm_bar *self);
/** A whole file of memory mapped at 2 MiB. @return NULL with errno */
uint8_t *qvm_map_aligned(int fd, uint64_t bytes);

#endif
