/* SPDX-License-Identifier: MIT
 *
 * The live view as a drawing: maps, and screens of every size that never write beyond their edges. */
#include "t_sim.h"

#include "live/view.h"

#include <ctype.h>
#include <stdlib.h>

enum { HUGE = 64 };

static uint8_t states[HUGE];

static hv_view_vm vm_of(unsigned number, uint64_t huge_count)
{
	return (hv_view_vm){ .number = number,
			     .technique = "llfree-manual",
			     .states = states,
			     .huge_count = huge_count,
			     .resident_bytes = huge_count * HV_HUGE_BYTES / 2,
			     .limit_bytes = huge_count * HV_HUGE_BYTES * 3 / 4,
			     .reclaim_rate = 3 << 20,
			     .give_rate = 5 << 20,
			     .gives = true };
}

static void states_fill(hv_view_state state, unsigned begin, unsigned end)
{
	for (unsigned idx = begin; idx < end; idx++)
		states[idx] = (uint8_t)state;
}

/* A frame as a terminal would show it: sequences taken out. @return rows; longest: of the longest row */
static unsigned frame_rows(const char *frame, char *plain, unsigned *longest)
{
	unsigned rows = 1, columns = 0;
	*longest = 0;
	for (; *frame != '\0'; frame++) {
		if (frame[0] == '\033') {
			assert_int_equal(*++frame, '[');
			do
				frame++;
			while (!isalpha((unsigned char)*frame));
			continue;
		}
		*plain++ = *frame;
		if (frame[0] == '\r') {
			assert_int_equal(*++frame, '\n');
			rows++;
			columns = 0;
			continue;
		}
		assert_true(isprint((unsigned char)frame[0]));
		columns++;
		*longest = columns > *longest ? columns : *longest;
	}
	*plain = '\0';
	return rows;
}

static void cell_shows_the_state_that_most_of_its_frames_have(void **state)
{
	(void)state;
	char cells[HUGE + 1] = "";
	states_fill(HV_VIEW_USED, 0, 16);
	states_fill(HV_VIEW_RESERVED, 16, 24);
	states_fill(HV_VIEW_FREE, 24, 32);
	states_fill(HV_VIEW_SOFT, 32, 48);
	states_fill(HV_VIEW_HARD, 48, 64);
	hv_view_vm vm = vm_of(1, HUGE);
	hv_view_map(&vm, cells, 8);
	assert_memory_equal(cells, "##=.ssHH", 8);
	hv_view_map(&vm, cells, HUGE);
	assert_memory_equal(cells + 14, "##========....", 14);
	hv_view_map(&vm, cells, 1);
	assert_int_equal(cells[0], '#');
	states_fill(HV_VIEW_HARD, 0, 1);
	hv_view_map(&vm, cells, 4); /* 15 of 16 */
	assert_memory_equal(cells, "#=sH", 4);
	uint64_t counts[HV_VIEW_STATES];
	hv_view_count(&vm, counts);
	assert_int_equal(counts[HV_VIEW_USED], 15);
	assert_int_equal(counts[HV_VIEW_HARD], 17);
	assert_int_equal(counts[HV_VIEW_FREE], 8);
}

static void screen_of_any_size_stays_inside_of_its_edges(void **state)
{
	(void)state;
	static char plain[200000];
	hv_view_vm vms[5];
	hv_view_event events[7] = { { 0.5, 1, "limit 512 MiB: took 64 MiB in 1.0 ms" }, { 1, 0, "a remark" } };
	states_fill(HV_VIEW_SOFT, 0, HUGE);
	for (unsigned at = 0; at < 5; at++)
		vms[at] = vm_of(at + 1, HUGE - at * 13);
	for (size_t n_vms = 0; n_vms <= 5; n_vms++) {
		hv_view view = { "footprint", "a long text of what is going on, longer than narrow screens are",
				 12.5,        vms,
				 n_vms,       events,
				 7,           n_vms % 2 == 0 };
		for (unsigned columns = 1; columns <= 130; columns += 3) {
			for (unsigned rows = 1; rows <= 40; rows++) {
				unsigned longest;
				char *frame = hv_view_screen(&view, columns, rows);
				assert_non_null(frame);
				assert_int_equal(frame_rows(frame, plain, &longest), rows);
				assert_true(longest <= columns);
				free(frame);
			}
		}
	}
}

static void screen_shows_numbers_bar_map_legend_and_events(void **state)
{
	(void)state;
	static char plain[20000];
	unsigned longest;
	hv_view_event event = { 1.5, 1, "limit 96 MiB: took 32 MiB in 1.0 ms" };
	states_fill(HV_VIEW_USED, 0, 40);
	states_fill(HV_VIEW_HARD, 40, HUGE);
	hv_view_vm vm = vm_of(1, HUGE);
	hv_view view = { "footprint", "run 1", 2, &vm, 1, &event, 1, true };
	char *frame = hv_view_screen(&view, 80, 24);
	frame_rows(frame, plain, &longest);
	static const char *const shown[] = { "hvsim footprint  2.0 s  run 1",
					     "VM 1 llfree-manual: resident 64 MiB of 128 MiB, limit 96 MiB",
					     "MiB: in use 80, reserved 0, free 0, soft 0, hard 48",
					     "reclaim 3 MiB/s, give 5 MiB/s  [=====",
					     "########################################HHHHHHHHHHHHHHHHHHHHHHHH",
					     "s evicted soft  H evicted hard",
					     "1.5 s  VM 1: limit 96 MiB: took 32 MiB" };
	for (size_t at = 0; at < sizeof(shown) / sizeof(shown[0]); at++) {
		if (strstr(plain, shown[at]) == NULL)
			print_error("no '%s' in:\n%s\n", shown[at], plain);
		assert_non_null(strstr(plain, shown[at]));
	}
	assert_non_null(strstr(frame, "\033[31mH"));
	free(frame);
	view.colours = false;
	frame = hv_view_screen(&view, 80, 24);
	assert_null(strstr(frame, "\033[31m"));
	free(frame);
	vm.fault = "it wrote nonsense";
	vm.gives = false;
	char line[400];
	assert_string_equal(hv_view_line(&vm, 3, line, sizeof(line)),
			    "live 3.0 s: VM 1 llfree-manual: resident 64 MiB, limit 96 MiB; MiB in use 80, reserved 0, "
			    "free 0, soft 0, hard 48; reclaim 3 MiB/s, give at touch; STOPPED: it wrote nonsense");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(cell_shows_the_state_that_most_of_its_frames_have),
		cmocka_unit_test(screen_of_any_size_stays_inside_of_its_edges),
		cmocka_unit_test(screen_shows_numbers_bar_map_legend_and_events),
	};
	return T_RUN(tests);
}
