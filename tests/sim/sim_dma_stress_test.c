/* SPDX-License-Identifier: MIT
 *
 * H2 under stress: resizes beside a device that reads and writes. No transfer goes stale with the techniques that call
 * themselves DMA-safe; with one that is made to keep quiet towards the device they do, so the test can see it. */
#include "t_sim.h"

#include <inttypes.h>
#include <stdatomic.h>

enum { HUGE = 64 };
#define STRESS_NS     UINT64_C(1500000000)
#define STRESS_MAX_NS UINT64_C(15000000000)

static bool device_here(void)
{
	char why[160];
	if (hv_dma_available(why, sizeof(why)))
		return true;
	print_message("skipped: %s\n", why);
	return false;
}

static void rig_open(hv_rig *rig, const hv_technique *technique, const char *backing, uint64_t window_huge)
{
	const char *failed_step;
	hv_rig_config config = { .vm = t_vm_config(backing, HUGE, 2),
				 .technique = technique,
				 .policy = hv_policy_find("period"),
				 .period_ns = 1000000,
				 .discard = HV_DISCARD_VECTORED,
				 .batch_huge = 16,
				 .one_mapping = T_THREAD_SANITIZER,
				 .dma = true,
				 .dma_window_huge = window_huge };
	hv_err err = hv_rig_create(rig, &config, &failed_step);
	if (err != HV_OK)
		print_error("%s: %s\n", failed_step, hv_err_text(err));
	assert_int_equal(err, HV_OK);
	hv_vm_fill_base(&rig->vm, 8u * (uint64_t)HV_HUGE_BYTES);
}

static void resize_beside_the_device(hv_rig *rig)
{
	uint64_t begin_ns = hv_now_ns(), seed = 42, memory_bytes = HUGE * (uint64_t)HV_HUGE_BYTES;
	bool automatic = rig->config.technique->automatic;
	hv_vm_begin(&rig->vm, HV_JOB_DEVICE, 0);
	hv_monitor_policy(&rig->monitor, automatic);
	for (;;) {
		uint64_t ran_ns = hv_now_ns() - begin_ns;
		bool moved = atomic_load(&rig->host.counters.installed) > 100;
		if (ran_ns > STRESS_MAX_NS || (ran_ns > STRESS_NS && moved))
			break;
		if (!automatic) {
			uint64_t limit_bytes = (16 + hv_random(&seed) % 40) << HV_HUGE_SHIFT;
			hv_err err = hv_monitor_do(&rig->monitor, HV_COMMAND_SHRINK, limit_bytes).err;
			assert_true(err == HV_OK || err == HV_ERR_SHORT);
			hv_sleep_ns(hv_random(&seed) % 2000000);
			err = hv_monitor_do(&rig->monitor, HV_COMMAND_GROW, memory_bytes).err;
			assert_int_equal(err, HV_OK);
		}
		hv_sleep_ns(hv_random(&seed) % 2000000);
	}
	hv_monitor_policy(&rig->monitor, false);
	t_rest(rig);
}

static hv_dma_outcome outcome_show(hv_rig *rig)
{
	hv_dma_outcome outcome = hv_dma_driver_result(rig->device.driver);
	const hv_dma_counters *counters = hv_dma_count(rig->device.dma);
	print_message("%s: %" PRIu64 " transfers, %" PRIu64 " stale, %" PRIu64 " unmaps, %" PRIu64 " beside I/O\n",
		      rig->config.technique->name, outcome.transfers, outcome.stale_writes + outcome.stale_reads,
		      counters->unmapped, counters->unmapped_in_flight);
	return outcome;
}

static void safe_technique_survives(const char *technique, const char *backing, uint64_t window_huge)
{
	static hv_rig rig;
	rig_open(&rig, hv_technique_find(technique), backing, window_huge);
	resize_beside_the_device(&rig);
	hv_dma_outcome outcome = outcome_show(&rig);
	assert_true(outcome.transfers > 0);
	assert_int_equal(outcome.stale_writes + outcome.stale_reads, 0);
	assert_int_equal(outcome.unmapped, 0);
	assert_int_equal(outcome.errors, 0);
	assert_true(hv_dma_count(rig.device.dma)->unmapped > 0);
	assert_int_equal(t_evicted_resident(&rig), 0);
	t_assert_sound(&rig); /* mapped and pinned is what R calls installed */
	hv_rig_destroy(&rig);
}

static void no_transfer_goes_stale_beside_hard_reclaims(void **state)
{
	(void)state;
	if (!device_here())
		skip();
	safe_technique_survives("llfree-manual", "anon-thp", 0);
	safe_technique_survives("llfree-manual", "memfd", 0);
}

static void no_transfer_goes_stale_beside_soft_reclaims(void **state)
{
	(void)state;
	if (!device_here())
		skip();
	safe_technique_survives("llfree-auto", "anon-thp", 0);
}

static void no_transfer_goes_stale_in_a_window_of_three(void **state)
{
	(void)state;
	if (!device_here())
		skip();
	safe_technique_survives("llfree-manual", "anon-thp", 3);
}

/* The count must be able to grow: the same technique, but nobody tells the device. */
static void technique_that_does_not_unmap_is_caught(void **state)
{
	(void)state;
	static hv_rig rig;
	if (!device_here())
		skip();
	hv_technique quiet = *hv_technique_find("llfree-manual");
	quiet.dma_safe = false;
	rig_open(&rig, &quiet, "anon-thp", 0);
	uint64_t pinned_bytes = hv_pinned_bytes();
	resize_beside_the_device(&rig);
	hv_dma_outcome outcome = outcome_show(&rig);
	assert_true(outcome.stale_writes > 0 && outcome.stale_reads > 0);
	assert_true(hv_pinned_becomes(pinned_bytes));
	assert_int_equal(hv_dma_count(rig.device.dma)->unmapped, 0);
	hv_rig_destroy(&rig);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_transfer_goes_stale_beside_hard_reclaims),
		cmocka_unit_test(no_transfer_goes_stale_beside_soft_reclaims),
		cmocka_unit_test(no_transfer_goes_stale_in_a_window_of_three),
		cmocka_unit_test(technique_that_does_not_unmap_is_caught),
	};
	return T_RUN(tests);
}
