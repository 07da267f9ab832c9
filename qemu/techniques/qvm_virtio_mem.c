/* SPDX-License-Identifier: MIT
 *
 * virtio-mem: QEMU's device. The guest boots with a quarter of its memory; the rest is the device's, plugged before the
 * scenario begins and online as movable. Devices that are passed through follow it (coordinated discards of QEMU). */
#include "techniques/qvm_technique.h"
#include "techniques/shared/qvm_resize.h"
#include "vm/qvm_trace.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define COMMAND_NS UINT64_C(30000000000)

enum { BOOT_LEAST_MIB = 256, BOOT_MOST_MIB = 512, ALIGN_MIB = 128 /* a memory block of the guest */ };

typedef struct plug {
	qvm_memory memory;
	uint64_t boot_bytes;
	qvm_trace trace;
} plug;

enum { TRACE_DISCARD, TRACE_PLUG, TRACE_UNPLUG };
static const char *const trace_events[] = { "ram_block_discard_range", "virtio_mem_plug_request",
					    "virtio_mem_unplug_request", NULL };

/* In whole memory blocks, and never so little that a guest can't boot. */
static uint64_t boot_bytes(uint64_t memory_bytes)
{
	uint64_t mib = (memory_bytes >> 20) / 4 / ALIGN_MIB * ALIGN_MIB;
	mib = mib < BOOT_LEAST_MIB ? BOOT_LEAST_MIB : mib > BOOT_MOST_MIB ? BOOT_MOST_MIB : mib;
	return mib << 20;
}

static hv_err plug_set(qvm_rig *rig, uint64_t bytes)
{
	const plug *own = rig->own;
	cJSON *arguments = cJSON_CreateObject();
	cJSON_AddStringToObject(arguments, "path", "/machine/peripheral/vmem0");
	cJSON_AddStringToObject(arguments, "property", "requested-size");
	cJSON_AddNumberToObject(arguments, "value", (double)(bytes > own->boot_bytes ? bytes - own->boot_bytes : 0));
	return qvm_qmp_execute(&rig->vm.qmp, "qom-set", arguments, NULL, COMMAND_NS);
}

static hv_err plug_get(qvm_rig *rig, uint64_t *bytes)
{
	const plug *own = rig->own;
	cJSON *arguments = cJSON_CreateObject(), *answer = NULL;
	cJSON_AddStringToObject(arguments, "path", "/machine/peripheral/vmem0");
	cJSON_AddStringToObject(arguments, "property", "size");
	hv_err err = qvm_qmp_execute(&rig->vm.qmp, "qom-get", arguments, &answer, COMMAND_NS);
	if (err == HV_OK && (!cJSON_IsNumber(answer) || answer->valuedouble < 0 || answer->valuedouble > 1e15))
		err = HV_ERR_INVAL;
	*bytes = err == HV_OK ? own->boot_bytes + (uint64_t)answer->valuedouble : 0;
	cJSON_Delete(answer);
	return err;
}

/* The driver of the guest tries again after 50 s only. */
static const qvm_resize resize = { .set = plug_set, .get = plug_get, .idle_ns = UINT64_C(15000000000) };

/* What the device did, QEMU traces. */
static hv_err plug_move(hv_host *host, uint64_t limit_bytes, uint64_t *moved_bytes)
{
	qvm_rig *rig = qvm_rig_of(host);
	qvm_trace *trace = &((plug *)rig->own)->trace;
	qvm_trace_look(trace);
	const qvm_trace before = *trace;
	hv_err err = qvm_resize_to(rig, &resize, limit_bytes, moved_bytes);
	qvm_trace_look(trace);
	atomic_fetch_add_explicit(&host->counters.discard_calls,
				  trace->counts[TRACE_DISCARD] - before.counts[TRACE_DISCARD], memory_order_relaxed);
	atomic_fetch_add_explicit(&host->counters.messages,
				  trace->counts[TRACE_PLUG] - before.counts[TRACE_PLUG] + trace->counts[TRACE_UNPLUG] -
					  before.counts[TRACE_UNPLUG],
				  memory_order_relaxed);
	return err;
}

static void plug_configure(const qvm_rig *rig, qvm_vm_config *config)
{
	config->ram_bytes = boot_bytes(rig->config.memory_bytes);
	config->max_bytes = config->ram_bytes + 2 * rig->config.memory_bytes; /* room for alignment */
}

static hv_err plug_prepare(qvm_rig *rig)
{
	plug *own = rig->own = calloc(1, sizeof(plug));
	if (own == NULL)
		return HV_ERR_SYSTEM;
	own->memory.fd = -1;
	own->boot_bytes = boot_bytes(rig->config.memory_bytes);
	if (rig->config.memory_bytes < own->boot_bytes + ((uint64_t)ALIGN_MIB << 20)) {
		snprintf(rig->why, sizeof(rig->why), "it needs a VM of at least %u MiB", BOOT_LEAST_MIB + ALIGN_MIB);
		return HV_ERR_UNAVAILABLE;
	}
	uint64_t bytes = rig->config.memory_bytes - own->boot_bytes;
	hv_err err = qvm_memory_open(&own->memory, bytes, rig->options->backing);
	if (err != HV_OK) {
		snprintf(rig->why, sizeof(rig->why), "memory of the device: %s", own->memory.why);
		return err;
	}
	qvm_rig_file(rig, own->memory.fd);
	if (qvm_trace_open(&own->trace, &rig->vm.args, trace_events) != HV_OK)
		return HV_ERR_SYSTEM;
	qvm_args_add(&rig->vm.args, "-object");
	qvm_args_add(&rig->vm.args,
		     "memory-backend-file,id=vm0,size=%" PRIu64
		     "M,mem-path=/proc/self/fd/%d,share=on,reserve=off,align=2M",
		     bytes >> 20, qvm_args_fd(&rig->vm.args, own->memory.fd));
	qvm_args_add(&rig->vm.args, "-device");
	qvm_args_add(&rig->vm.args, "virtio-mem-pci,id=vmem0,memdev=vm0,requested-size=0,node=0,block-size=2M");
	return HV_OK;
}

static hv_err plug_attach(qvm_rig *rig)
{
	uint64_t moved_bytes;
	cJSON *arguments = cJSON_CreateObject();
	cJSON_AddStringToObject(arguments, "path", "/sys/devices/system/memory/auto_online_blocks");
	cJSON_AddStringToObject(arguments, "text", "online_movable");
	hv_err err = qvm_rig_ask(rig, "write", arguments, COMMAND_NS, NULL);
	if (err == HV_OK)
		err = qvm_rig_modprobe(rig, "virtio_mem", NULL);
	if (err != HV_OK)
		return err;
	err = qvm_resize_to(rig, &resize, rig->config.memory_bytes, &moved_bytes);
	if (err != HV_OK)
		snprintf(rig->why, sizeof(rig->why), "plugging the memory: %s", hv_err_text(err));
	return err;
}

static void plug_detach(qvm_rig *rig)
{
	plug *own = rig->own;
	if (own != NULL) {
		qvm_memory_close(&own->memory);
		qvm_trace_close(&own->trace);
	}
	free(own);
	rig->own = NULL;
}

static const hv_host_half host_half = { .shrink = plug_move, .grow = plug_move };

static const hv_technique technique = {
	.name = "virtio-mem",
	.summary = "memory that is plugged and unplugged in blocks (QEMU's virtio-mem)",
	.allocator = "linux",
	.grain_bytes = HV_HUGE_BYTES,
	.dma_safe = true,
	.discard = "punch, one call per request",
	.host = &host_half,
};

const qvm_technique qvm_technique_virtio_mem = {
	.technique = &technique,
	.device = "virtio-mem-pci",
	.vfio = true,
	.configure = plug_configure,
	.prepare = plug_prepare,
	.attach = plug_attach,
	.detach = plug_detach,
};
