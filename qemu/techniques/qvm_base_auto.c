/* SPDX-License-Identifier: MIT
 *
 * base-auto: free page reporting of QEMU's virtio-balloon. The guest reports free blocks two to four seconds after they
 * were freed, and QEMU punches each. The monitor has no part in it: a pass waits until the memory file holds no less
 * any more. */
#include "scenario/qvm_scenario.h"
#include "techniques/qvm_technique.h"

#include <stdlib.h>

/* Reports come in rounds of two seconds. */
#define LOOK_NS  UINT64_C(20000000)
#define STILL_NS UINT64_C(7000000000)
#define LAST_NS  UINT64_C(120000000000)

typedef struct reporting {
	uint64_t pass_ns; /**< from the begin of the last pass to the last memory that went */
} reporting;

static hv_err reporting_pass(hv_host *host, uint64_t *moved_bytes)
{
	qvm_rig *rig = qvm_rig_of(host);
	reporting *own = rig->own;
	uint64_t begin_ns = hv_now_ns(), change_ns = begin_ns;
	uint64_t begin_bytes = qvm_rig_resident(rig), least_bytes = begin_bytes;
	while (hv_now_ns() - change_ns < STILL_NS && hv_now_ns() - begin_ns < LAST_NS && !hv_interrupted() &&
	       hv_host_fault(host) == NULL) {
		hv_sleep_ns(LOOK_NS);
		uint64_t now_bytes = qvm_rig_resident(rig);
		if (now_bytes + HV_HUGE_BYTES > least_bytes)
			continue;
		least_bytes = now_bytes;
		change_ns = hv_now_ns();
	}
	own->pass_ns = change_ns - begin_ns;
	*moved_bytes = begin_bytes - least_bytes;
	return hv_host_verdict(host);
}

static uint64_t reporting_pass_ns(const hv_host *host)
{
	const qvm_rig *rig = (const qvm_rig *)(const void *)((const char *)host - offsetof(qvm_rig, host));
	const reporting *own = rig->own;
	return own->pass_ns;
}

static hv_err reporting_prepare(qvm_rig *rig)
{
	rig->own = calloc(1, sizeof(reporting));
	qvm_args_add(&rig->vm.args, "-device");
	qvm_args_add(&rig->vm.args, "virtio-balloon-pci,id=bal0,free-page-reporting=on");
	return rig->own != NULL ? HV_OK : HV_ERR_SYSTEM;
}

static hv_err reporting_attach(qvm_rig *rig)
{
	return qvm_rig_modprobe(rig, "virtio_balloon", NULL);
}

static void reporting_detach(qvm_rig *rig)
{
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
	.detach = reporting_detach,
};
