/* SPDX-License-Identifier: MIT
 *
 * What the simulator's tests share: cmocka, a small VM, a rig. Seeds are fixed and printed when they matter. */
#ifndef T_SIM_H
#define T_SIM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "memory/base_page.h"
#include "rig/hv_rig.h"

#include <stdio.h>
#include <string.h>

#define T_THREAD_SANITIZER HV_THREAD_SANITIZER

/* Can it be given back in pieces of so many bytes here? Else says why not. */
static inline bool t_grain_fits(const char *what, uint64_t grain_bytes)
{
	bool fits = grain_bytes == 0 || grain_bytes >= hv_base_page_bytes();
	if (!fits)
		print_message("skipped: %s: base pages here have %u KiB\n", what,
			      (unsigned)(hv_base_page_bytes() >> 10));
	return fits;
}

static inline hv_vm_config t_vm_config(const char *backing, uint64_t huge, uint32_t n_vcpus)
{
	return (hv_vm_config){ .memory_bytes = huge << HV_HUGE_SHIFT,
			       .backing = hv_backing_find(backing),
			       .allocator = hv_guest_allocator_find("llfree"),
			       .n_vcpus = n_vcpus,
			       .install_timeout_ns = UINT64_C(10000000000),
			       .seed = 42 };
}

/* A VM whose vCPUs do not run, and its host, called directly. */
typedef struct t_pair {
	hv_vm vm;
	hv_host host;
} t_pair;

static inline void t_pair_open(t_pair *pair, const char *backing, uint64_t huge, uint32_t batch_huge)
{
	hv_vm_config config = t_vm_config(backing, huge, 1);
	assert_int_equal(hv_vm_create(&pair->vm, &config), HV_OK);
	hv_host_config host = { .view = pair->vm.arena.allocator,
				.memory = pair->vm.memory,
				.discard = HV_DISCARD_VECTORED,
				.batch_huge = batch_huge };
	assert_int_equal(hv_host_open(&pair->host, &host), HV_OK);
}

static inline void t_pair_close(t_pair *pair)
{
	hv_host_close(&pair->host);
	hv_vm_destroy(&pair->vm);
}

static inline void t_rig_open(hv_rig *rig, const char *technique, const char *backing, uint64_t huge, uint32_t n_vcpus)
{
	const char *failed_step;
	hv_rig_config config = { .vm = t_vm_config(backing, huge, n_vcpus),
				 .technique = hv_technique_find(technique),
				 .policy = hv_policy_find("period"),
				 .period_ns = 1000000,
				 .discard = HV_DISCARD_VECTORED,
				 .batch_huge = 16,
				 .one_mapping = T_THREAD_SANITIZER };
	config.vm.allocator = hv_guest_allocator_find(config.technique->allocator);
	config.vm.tuning = (hv_tuning){ .report_order = 9, .report_delay_ns = 1000000, .report_batch = 32 };
	hv_err err = hv_rig_create(rig, &config, &failed_step);
	if (err != HV_OK)
		print_error("%s: %s\n", failed_step, hv_err_text(err));
	assert_int_equal(err, HV_OK);
}

/* Frames of this huge frame that the kernel holds memory for. */
static inline unsigned t_resident(const hv_memory *memory, uint64_t huge_idx)
{
	hv_residency oracle;
	hv_residency_map map;
	assert_int_equal(hv_residency_open(&oracle, memory, false), HV_OK);
	assert_int_equal(hv_residency_map_create(&map, memory->huge_count), HV_OK);
	assert_int_equal(hv_residency_look(&oracle, memory, &map), HV_OK);
	unsigned n_frames = map.resident_frames[huge_idx];
	hv_residency_map_destroy(&map);
	hv_residency_close(&oracle);
	return n_frames;
}

static inline void t_touch(const hv_memory *memory, uint64_t huge_idx)
{
	for (size_t offset = 0; offset < HV_HUGE_BYTES; offset += HV_FRAME_BYTES)
		hv_memory_huge(memory, huge_idx)[offset] = 1;
}

/* At rest: audit and pattern. */
static inline void t_assert_sound(hv_rig *rig)
{
	char detail[200] = "";
	bool sound = hv_rig_sound(rig, detail, sizeof(detail));
	if (!sound)
		print_error("%s\n", detail);
	assert_true(sound);
}

static inline void t_rest(hv_rig *rig)
{
	hv_vm_begin(&rig->vm, HV_JOB_FREE, 0);
	hv_vm_wait(&rig->vm);
}

static inline uint64_t t_evicted_resident(hv_rig *rig)
{
	uint64_t n_resident = 0;
	assert_int_equal(hv_residency_look(&rig->residency, &rig->memory, &rig->after), HV_OK);
	for (uint64_t idx = 0; idx < rig->memory.huge_count; idx++) {
		hv_r now = hv_frames_state(&rig->host.frames, idx);
		n_resident += (now == HV_R_SOFT || now == HV_R_HARD) && rig->after.resident_frames[idx] != 0;
	}
	return n_resident;
}

#define T_RUN(tests) cmocka_run_group_tests(tests, NULL, NULL)

#endif
