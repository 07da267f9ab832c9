/* SPDX-License-Identifier: MIT
 *
 * Trace events of a QEMU: lines are counted once, when they are whole, and by their whole name. */
#define _GNU_SOURCE
#include "tests/support/t_cmocka.h"
#include "vm/qvm_trace.h"

#include <string.h>
#include <unistd.h>

static const char *const events[] = { "ram_block_discard_range", "virtio_mem_plug_request", NULL };

static void append(const qvm_trace *self, const char *text)
{
	assert_true(lseek(self->fd, 0, SEEK_END) >= 0);
	assert_int_equal(write(self->fd, text, strlen(text)), strlen(text));
}

static void assert_counts(qvm_trace *self, uint64_t discards, uint64_t plugs)
{
	qvm_trace_look(self);
	assert_int_equal(self->counts[0], discards);
	assert_int_equal(self->counts[1], plugs);
}

static void lines_are_counted_once_by_their_whole_name(void **state)
{
	qvm_trace self;
	qvm_args args = { 0 };
	(void)state;
	assert_int_equal(qvm_trace_open(&self, &args, events), HV_OK);
	assert_int_equal(args.n_args, 6);
	assert_int_equal(args.n_fds, 1);
	assert_counts(&self, 0, 0);
	append(&self, "12@34.5:ram_block_discard_range ram0@0x7f: 0 2 1 1 0\n");
	assert_counts(&self, 1, 0);
	assert_counts(&self, 1, 0);
	append(&self, "virtio_mem_plug_request addr: 0x1 nb_blocks: 1\nram_block_discard_ranges x\n12@3:other "
		      "ram_block_discard_range\n12@34.6:ram_block_dis");
	assert_counts(&self, 1, 1);
	append(&self, "card_range\n\n");
	assert_counts(&self, 2, 1);
	qvm_trace_close(&self);
	qvm_trace_close(&self);
	assert_counts(&self, 0, 0);
	qvm_args_clear(&args);
}

static void many_lines_and_one_without_end_are_read(void **state)
{
	static char line[20000];
	qvm_trace self;
	qvm_args args = { 0 };
	(void)state;
	assert_int_equal(qvm_trace_open(&self, &args, events), HV_OK);
	for (unsigned at = 0; at < 1000; at++)
		append(&self, "1@2.3:ram_block_discard_range ram0@0x7f0000000000: 0x1000 + 0x1000, madvise 1\n");
	memset(line, 'x', sizeof(line) - 1);
	append(&self, line);
	append(&self, "\n1@2.4:virtio_mem_plug_request\n");
	assert_counts(&self, 1000, 1);
	qvm_trace_close(&self);
	qvm_args_clear(&args);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_counted_once_by_their_whole_name),
		cmocka_unit_test(many_lines_and_one_without_end_are_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
