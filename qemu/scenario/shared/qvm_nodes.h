/* SPDX-License-Identifier: MIT
 *
 * A VM with several NUMA nodes: a memory file, vCPUs and a distance for each, so that the host sees by the files which
 * node's memory the guest touched. For scenarios with `bare_memory`. */
#ifndef QVM_NODES_H
#define QVM_NODES_H

#include "rig/qvm_rig.h"

enum { QVM_NODES_MAX = 8 };

typedef struct qvm_nodes {
	uint32_t n_nodes;
	qvm_memory memory[QVM_NODES_MAX]; /**< backends "node0", "node1", ... */
} qvm_nodes;

/** Call in rig->config.prepare: memory in equal parts, vCPUs likewise. @return HV_OK; else rig->why */
HV_MUST_CHECK hv_err qvm_nodes_prepare(qvm_nodes *self, qvm_rig *rig);
/** The VM is up: has QEMU mapped every file as RAM of the guest? */
HV_MUST_CHECK bool qvm_nodes_mapped(const qvm_nodes *self, const qvm_rig *rig);
/** What a node's file holds. */
uint64_t qvm_nodes_resident(const qvm_nodes *self, uint32_t node);
/** After the VM is gone. Idempotent; fine when zeroed. */
void qvm_nodes_close(qvm_nodes *self);

#endif
