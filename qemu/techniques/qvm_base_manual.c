/* SPDX-License-Identifier: MIT
 *
 * base-manual: the virtio-balloon of QEMU. The monitor sets its size over QMP. QEMU punches each 4 KiB page that the
 * guest hands over by a call of its own, so pages are discards. A passed-through device is not told: QEMU inhibits the
 * balloon then. */
#include "techniques/qvm_technique.h"
#include "techniques/shared/qvm_resize.h"

#include <stdatomic.h>

#define COMMAND_NS UINT64_C(30000000000)

enum { ELEMENT_PAGES = 256 /* of virtio_balloon in Linux: what its driver names in one element of a ring */ };

static hv_err balloon_set(qvm_rig *rig, uint64_t bytes)
{
	cJSON *arguments = cJSON_CreateObject();
	cJSON_AddNumberToObject(arguments, "value", (double)bytes);
	return qvm_qmp_execute(&rig->vm.qmp, "balloon", arguments, NULL, COMMAND_NS);
}

static hv_err balloon_get(qvm_rig *rig, uint64_t *bytes)
{
	cJSON *answer = NULL;
	double actual = 0;
	hv_err err = qvm_qmp_execute(&rig->vm.qmp, "query-balloon", NULL, &answer, COMMAND_NS);
	if (err == HV_OK && (!qvm_json_number(answer, "actual", &actual) || actual < 0 || actual > 1e15))
		err = HV_ERR_INVAL;
	*bytes = (uint64_t)actual;
	cJSON_Delete(answer);
	return err;
}

static const qvm_resize balloon = { .set = balloon_set, .get = balloon_get, .idle_ns = UINT64_C(15000000000) };

/* Elements are calculated: QEMU could tell of each page only, at the price of a line. */
static hv_err balloon_move(hv_host *host, uint64_t limit_bytes, uint64_t *moved_bytes)
{
	hv_err err = qvm_resize_to(qvm_rig_of(host), &balloon, limit_bytes, moved_bytes);
	uint64_t n_pages = *moved_bytes / HV_FRAME_BYTES;
	atomic_fetch_add_explicit(&host->counters.messages, (n_pages + ELEMENT_PAGES - 1) / ELEMENT_PAGES,
				  memory_order_relaxed);
	return err;
}

static hv_err balloon_shrink(hv_host *host, uint64_t limit_bytes, uint64_t *moved_bytes)
{
	hv_err err = balloon_move(host, limit_bytes, moved_bytes);
	atomic_fetch_add_explicit(&host->counters.discard_calls, *moved_bytes / HV_FRAME_BYTES, memory_order_relaxed);
	return err;
}

static hv_err balloon_prepare(qvm_rig *rig)
{
	qvm_args_add(&rig->vm.args, "-device");
	qvm_args_add(&rig->vm.args, "virtio-balloon-pci,id=bal0");
	return HV_OK;
}

static hv_err balloon_attach(qvm_rig *rig)
{
	return qvm_rig_modprobe(rig, "virtio_balloon", NULL);
}

static const hv_host_half host_half = { .shrink = balloon_shrink, .grow = balloon_move };

static const hv_technique technique = {
	.name = "base-manual",
	.summary = "a balloon of 4 KiB frames (QEMU's virtio-balloon)",
	.allocator = "linux",
	.grain_bytes = HV_FRAME_BYTES,
	.discard = "punch, one call per 4 KiB",
	.host = &host_half,
};

const qvm_technique qvm_technique_base_manual = {
	.technique = &technique,
	.device = "virtio-balloon-pci",
	.vfio = true,
	.prepare = balloon_prepare,
	.attach = balloon_attach,
};
