/* SPDX-License-Identifier: MIT
 *
 * Nodes of a VM; see qvm_nodes.h. */
#include "scenario/shared/qvm_nodes.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { DISTANCE_REMOTE = 20 /* 10 is the own node, by ACPI */ };

static void node_args(qvm_args *args, const qvm_memory *memory, uint32_t node, uint64_t first_cpu, uint64_t n_cpus)
{
	qvm_args_add(args, "-object");
	qvm_args_add(args,
		     "memory-backend-file,id=node%" PRIu32 ",size=%" PRIu64
		     "M,mem-path=/proc/self/fd/%d,share=on,align=2M",
		     node, memory->bytes >> 20, qvm_args_fd(args, memory->fd));
	qvm_args_add(args, "-numa");
	qvm_args_add(args, "node,nodeid=%" PRIu32 ",cpus=%" PRIu64 "-%" PRIu64 ",memdev=node%" PRIu32, node, first_cpu,
		     first_cpu + n_cpus - 1, node);
}

hv_err qvm_nodes_prepare(qvm_nodes *self, qvm_rig *rig)
{
	qvm_args *args = &rig->vm.args;
	uint64_t n_cpus = rig->options->cpus / self->n_nodes;
	uint64_t bytes = rig->config.memory_bytes / self->n_nodes & ~(uint64_t)(HV_HUGE_BYTES - 1);
	qvm_args_add(args, "-smp");
	qvm_args_add(args, "%" PRIu64 ",sockets=%" PRIu32 ",cores=%" PRIu64 ",threads=1", n_cpus * self->n_nodes,
		     self->n_nodes, n_cpus);
	for (uint32_t node = 0; node < self->n_nodes; node++) {
		qvm_memory *memory = &self->memory[node];
		hv_err err = qvm_memory_open(memory, bytes, rig->options->backing);
		if (err != HV_OK) {
			snprintf(rig->why, sizeof(rig->why), "memory of node %" PRIu32 ": %s", node, memory->why);
			return err;
		}
		qvm_rig_file(rig, memory->fd);
		node_args(args, memory, node, node * n_cpus, n_cpus);
	}
	for (uint32_t from = 0; from < self->n_nodes; from++)
		for (uint32_t to = from + 1; to < self->n_nodes; to++) {
			qvm_args_add(args, "-numa");
			qvm_args_add(args, "dist,src=%" PRIu32 ",dst=%" PRIu32 ",val=%d", from, to, DISTANCE_REMOTE);
		}
	return HV_OK;
}

bool qvm_nodes_mapped(const qvm_nodes *self, const qvm_rig *rig)
{
	for (uint32_t node = 0; node < self->n_nodes; node++) {
		char name[16];
		uint64_t bytes = 0;
		snprintf(name, sizeof(name), "node%" PRIu32, node);
		for (size_t at = 0; at < rig->vm.gpa.n_ranges; at++) {
			const qvm_gpa_range *range = &rig->vm.gpa.ranges[at];
			bytes += strcmp(range->name, name) == 0 ? range->last - range->first + 1 : 0;
		}
		if (bytes + QVM_GPA_LOWEST < self->memory[node].bytes) /* the first MiB is not all RAM */
			return false;
	}
	return true;
}

uint64_t qvm_nodes_resident(const qvm_nodes *self, uint32_t node)
{
	return qvm_file_resident(self->memory[node].fd);
}

void qvm_nodes_close(qvm_nodes *self)
{
	for (uint32_t node = 0; node < self->n_nodes; node++)
		if (self->memory[node].bytes != 0)
			qvm_memory_close(&self->memory[node]);
}
