/* SPDX-License-Identifier: MIT
 *
 * Resizing by a device of QEMU; see qvm_resize.h. */
#include "techniques/shared/qvm_resize.h"
#include "scenario/qvm_scenario.h"

#include <stdatomic.h>

#define LOOK_NS UINT64_C(10000000)

enum { LIVE_ON_BYTES = 64 << 20 };

uint64_t qvm_resize_bearable(qvm_rig *rig, uint64_t size_bytes, uint64_t limit_bytes)
{
	uint64_t available_bytes = qvm_rig_available(rig);
	uint64_t free_bytes = available_bytes > LIVE_ON_BYTES ? available_bytes - LIVE_ON_BYTES : 0;
	uint64_t least_bytes = size_bytes > free_bytes ? size_bytes - free_bytes : 0;
	uint64_t huge_mask = HV_HUGE_BYTES - 1;
	return limit_bytes >= least_bytes ? limit_bytes : (least_bytes + huge_mask) & ~huge_mask;
}

static uint64_t distance(uint64_t one, uint64_t other)
{
	return one > other ? one - other : other - one;
}

hv_err qvm_resize_to(qvm_rig *rig, const qvm_resize *how, uint64_t limit_bytes, uint64_t *moved_bytes)
{
	uint64_t begin_bytes = 0, now_bytes, last_bytes;
	*moved_bytes = 0;
	hv_err err = how->get(rig, &begin_bytes);
	if (err != HV_OK)
		return err;
	uint64_t goal_bytes =
		limit_bytes < begin_bytes ? qvm_resize_bearable(rig, begin_bytes, limit_bytes) : limit_bytes;
	if (goal_bytes > begin_bytes && limit_bytes < begin_bytes)
		goal_bytes = begin_bytes;
	err = how->set(rig, goal_bytes);
	atomic_fetch_add_explicit(&rig->host.counters.messages, 1, memory_order_relaxed);
	now_bytes = last_bytes = begin_bytes;
	for (uint64_t still_ns = hv_now_ns(); err == HV_OK && now_bytes != goal_bytes;) {
		hv_sleep_ns(LOOK_NS);
		err = how->get(rig, &now_bytes);
		if (err == HV_OK && now_bytes != last_bytes)
			still_ns = hv_now_ns();
		else if (err == HV_OK && hv_now_ns() - still_ns > how->idle_ns)
			err = HV_ERR_SHORT;
		if (hv_interrupted())
			err = HV_ERR_TIMEOUT;
		last_bytes = now_bytes;
	}
	*moved_bytes = distance(begin_bytes, now_bytes);
	return err == HV_OK && goal_bytes != limit_bytes ? HV_ERR_SHORT : err;
}
