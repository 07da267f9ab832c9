/* SPDX-License-Identifier: MIT
 *
 * base-auto: free page reporting of QEMU's virtio-balloon. The guest reports free blocks two to four seconds after they
 * were freed, a part of them, and more after each two seconds, and QEMU punches each. The monitor has no part in it: a
 * pass waits until the memory file holds no less any more. */
#include "scenario/qvm_scenario.h"
#include "techniques/qvm_technique.h"
#include "techniques/shared/qvm_pass_clock.h"
#include "vm/qvm_trace.h"

#include <stdatomic.h>
#include <stdlib.h>

/* A round takes some milliseconds: looks must be close to each other. Those at CPU time are dearer, and in a pause the
 * guest uses next to none. */
#define LOOK_NS     UINT64_C(100000)
#define CPU_LOOK_NS UINT64_C(20000000)
#define STILL_NS    UINT64_C(7000000000)
#define LAST_NS     UINT64_C(120000000000)

typedef struct reporting {
	qvm_pass_clock clock; /**< of the last pass */
	qvm_trace trace;
	qvm_cpu_clock cpu_clock;
	qvm_cpu_time cpu;      /**< in rounds of the last pass */
	qvm_cpu_time cpu_then; /**< at the last look at it */
	uint64_t cpu_then_ns;
} reporting;

static const char *const trace_events[] = { "ram_block_discard_range", NULL };
enum { ELEMENT_BLOCKS = 32 /* of page_reporting in Linux: what one element of the ring names */ };

/* Blocks that were discarded, QEMU traces; elements are calculated from them. */
static void traffic_count(hv_host *host, qvm_trace *trace)
{
	uint64_t before = trace->counts[0];
	qvm_trace_look(trace);
	uint64_t n_blocks = trace->counts[0] - before;
	atomic_fetch_add_explicit(&host->counters.discard_calls, n_blocks, memory_order_relaxed);
	atomic_fetch_add_explicit(&host->counters.messages, (n_blocks + ELEMENT_BLOCKS - 1) / ELEMENT_BLOCKS,
				  memory_order_relaxed);
}

/* After a look at the files: CPU time counts up to where memory went, since the last such look or one in the pause
 * before. */
static void cpu_look(reporting *self, uint64_t now_ns)
{
	const qvm_pass_clock *clock = &self->clock;
	bool went = clock->last_ns == now_ns;
	bool pauses = clock->n_rounds == 0 || now_ns - clock->last_ns > QVM_PASS_PAUSE_NS;
	if (!went && !(pauses && now_ns - self->cpu_then_ns > CPU_LOOK_NS))
		return;
	qvm_cpu_time now = qvm_cpu_clock_look(&self->cpu_clock);
	if (went)
		qvm_cpu_time_add(&self->cpu, &self->cpu_then, &now);
	self->cpu_then = now;
	self->cpu_then_ns = now_ns;
}

static hv_err reporting_pass(hv_host *host, uint64_t *moved_bytes)
{
	qvm_rig *rig = qvm_rig_of(host);
	reporting *own = rig->own;
	const qvm_pass_clock *clock = &own->clock;
	uint64_t begin_ns = hv_now_ns(), now_ns = begin_ns;
	own->cpu = (qvm_cpu_time){ 0 };
	own->cpu_then = qvm_cpu_clock_look(&own->cpu_clock);
	own->cpu_then_ns = begin_ns;
	qvm_trace_look(&own->trace); /* what came before is not this pass's */
	qvm_pass_clock_begin(&own->clock, begin_ns, qvm_rig_resident(rig));
	while (now_ns - clock->last_ns < STILL_NS && now_ns - begin_ns < LAST_NS && !hv_interrupted() &&
	       hv_host_fault(host) == NULL) {
		hv_sleep_ns(LOOK_NS);
		now_ns = hv_now_ns();
		qvm_pass_clock_look(&own->clock, now_ns, qvm_rig_resident(rig));
		cpu_look(own, now_ns);
	}
	traffic_count(host, &own->trace);
	*moved_bytes = clock->begin_bytes - clock->least_bytes;
	return hv_host_verdict(host);
}

static uint64_t reporting_pass_ns(const hv_host *host, uint64_t *wait_ns)
{
	const qvm_rig *rig = (const qvm_rig *)(const void *)((const char *)host - offsetof(qvm_rig, host));
	const reporting *own = rig->own;
	*wait_ns = own->clock.wait_ns;
	return own->clock.work_ns;
}

static qvm_cpu_time reporting_pass_cpu(const qvm_rig *rig)
{
	const reporting *own = rig->own;
	return own->cpu;
}

static hv_err reporting_prepare(qvm_rig *rig)
{
	reporting *own = rig->own = calloc(1, sizeof(reporting));
	qvm_args_add(&rig->vm.args, "-device");
	qvm_args_add(&rig->vm.args, "virtio-balloon-pci,id=bal0,free-page-reporting=on");
	return own != NULL ? qvm_trace_open(&own->trace, &rig->vm.args, trace_events) : HV_ERR_SYSTEM;
}

static hv_err reporting_attach(qvm_rig *rig)
{
	reporting *own = rig->own;
	hv_err err = qvm_cpu_clock_open(&own->cpu_clock, &rig->vm);
	return err == HV_OK ? qvm_rig_modprobe(rig, "virtio_balloon", NULL) : err;
}

static void reporting_detach(qvm_rig *rig)
{
	if (rig->own != NULL)
		qvm_trace_close(&((reporting *)rig->own)->trace);
	free(rig->own);
	rig->own = NULL;
}

static const hv_host_half host_half = { .pass = reporting_pass, .pass_ns = reporting_pass_ns };

static const hv_technique technique = {
	.name = "base-auto",
	.summary = "free page reporting (QEMU's virtio-balloon)",
	.allocator = "linux",
	.grain_bytes = HV_HUGE_BYTES,
	.automatic = true,
	.discard = "punch, one call per block",
	.period_ns = UINT64_C(2000000000),
	.host = &host_half,
};

const qvm_technique qvm_technique_base_auto = {
	.technique = &technique,
	.device = "virtio-balloon-pci",
	.vfio = true,
	.prepare = reporting_prepare,
	.attach = reporting_attach,
	.pass_cpu = reporting_pass_cpu,
	.detach = reporting_detach,
};
