/* SPDX-License-Identifier: MIT
 *
 * Can a siege fail? Techniques whose host half has one bug each that a guest could set off: a crash, a hang, a frame of
 * another VM discarded, a huge frame that stays busy. Each must be found, told, and belong to an input. */
#define _GNU_SOURCE
#include "t_sim.h"
#include "rig/siege_watch.h"
#include "techniques/none/none.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { INPUTS = 3 };
#define BOUND_NS UINT64_C(20000000000)

/* In the child, where the host is. */
static hv_memory alice;

static bool is_mallory(const hv_host *host)
{
	if (strcmp(host->name, "alice") == 0)
		alice = host->memory;
	return strcmp(host->name, "mallory") == 0;
}

static hv_err sound_pass(hv_host *host, uint64_t *moved_bytes)
{
	*moved_bytes = 0;
	(void)is_mallory(host);
	return HV_OK;
}

static hv_err crash_pass(hv_host *host, uint64_t *moved_bytes)
{
	if (is_mallory(host))
		abort();
	return sound_pass(host, moved_bytes);
}

static hv_err hang_pass(hv_host *host, uint64_t *moved_bytes)
{
	while (is_mallory(host))
		hv_sleep_ns(1000000);
	return sound_pass(host, moved_bytes);
}

static hv_err foreign_pass(hv_host *host, uint64_t *moved_bytes)
{
	if (is_mallory(host))
		(void)!madvise(alice.base, alice.huge_count << HV_HUGE_SHIFT, MADV_DONTNEED);
	return sound_pass(host, moved_bytes);
}

static hv_err busy_pass(hv_host *host, uint64_t *moved_bytes)
{
	if (is_mallory(host))
		(void)!hv_frames_begin(&host->frames, 5, HV_R_INSTALLED);
	return sound_pass(host, moved_bytes);
}

/* @return failures; text: the first */
static uint64_t siege_with(hv_err (*pass)(hv_host *host, uint64_t *moved_bytes), uint64_t bound_ns, char *text)
{
	hv_host_half half = { .pass = pass };
	hv_technique technique = {
		.name = "broken", .allocator = "buddy", .automatic = true, .guest = &hv_none_guest, .host = &half
	};
	hv_siege_config config = { .technique = &technique,
				   .backing = hv_backing_find("anon-thp"),
				   .seed = 42,
				   .n_inputs = INPUTS,
				   .one_mapping = T_THREAD_SANITIZER };
	hv_siege_guard guard = { .bound_ns = bound_ns };
	hv_siege_board *board;
	hv_siege_outcome outcome;
	assert_int_equal(hv_siege_watch(&config, &guard, &board, &outcome), HV_OK);
	print_message("%u inputs tried, %u failures: input %u, %s\n", (unsigned)board->tried,
		      (unsigned)outcome.host_failures, (unsigned)outcome.input, outcome.failure);
	assert_in_range(outcome.input, 0, INPUTS - 1);
	snprintf(text, sizeof(outcome.failure), "%s", outcome.failure);
	hv_siege_board_free(board);
	return outcome.host_failures;
}

static char text[320];

static void siege_of_a_sound_host_has_no_failures(void **state)
{
	(void)state;
	assert_int_equal(siege_with(sound_pass, BOUND_NS, text), 0);
}

static void crash_of_the_host_is_found(void **state)
{
	(void)state;
	assert_int_equal(siege_with(crash_pass, BOUND_NS, text), 1);
	assert_non_null(strstr(text, "resize of the hostile VM: the host crashed"));
}

static void hang_of_the_host_is_found(void **state)
{
	(void)state;
	assert_int_equal(siege_with(hang_pass, UINT64_C(2000000000), text), 1);
	assert_non_null(strstr(text, "the host hangs"));
}

static void foreign_discard_is_found(void **state)
{
	(void)state;
	assert_int_not_equal(siege_with(foreign_pass, BOUND_NS, text), 0);
	assert_non_null(strstr(text, "honest VM"));
}

static void frame_that_stays_busy_is_found(void **state)
{
	(void)state;
	assert_int_equal(siege_with(busy_pass, UINT64_C(2000000000), text), 1);
	assert_non_null(strstr(text, "the host hangs"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(siege_of_a_sound_host_has_no_failures),
		cmocka_unit_test(crash_of_the_host_is_found),
		cmocka_unit_test(hang_of_the_host_is_found),
		cmocka_unit_test(foreign_discard_is_found),
		cmocka_unit_test(frame_that_stays_busy_is_found),
	};
	return T_RUN(tests);
}
