/* SPDX-License-Identifier: MIT
 *
 * The server of an ivshmem-doorbell device, for one QEMU over a connected socket: all that it tells is known before
 * QEMU starts, so it is written into the socket and there is nothing left to serve. After QEMU's published protocol
 * (docs/specs/ivshmem-spec): 8-byte little-endian numbers, some with a descriptor. */
#ifndef QVM_IVSHMEM_H
#define QVM_IVSHMEM_H

#include "base/hv_base.h"
#include "protocol/qvm_protocol.h"

typedef struct qvm_ivshmem {
	int to_monitor[QVM_VECTORS]; /**< the guest rings */
	int to_guest[QVM_VECTORS];   /**< we ring */
	int server, client;          /**< the ends of the socket; client is QEMU's */
} qvm_ivshmem;

/** Make bells and socket, and say everything. @return HV_OK; HV_ERR_SYSTEM (errno; nothing stays behind) */
HV_MUST_CHECK hv_err qvm_ivshmem_open(qvm_ivshmem *self, int memory_fd);
/** Idempotent once opened; not for a zeroed one. */
void qvm_ivshmem_close(qvm_ivshmem *self);

#endif
