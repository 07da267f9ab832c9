/* SPDX-License-Identifier: MIT
 *
 * Traces: what is written is read, what is truncated, damaged or impossible is refused with a reason, a real process
 * tree leaves its memory in one, and a guest's trace gives the same decisions again. */
#define _GNU_SOURCE
#include "t_sim.h"

#include "rig/guest_trace.h"
#include "trace/process_tree.h"

#include <stdlib.h>
#include <unistd.h>

static char path[64];

static void path_new(void)
{
	strcpy(path, "/tmp/llfree-trace-XXXXXX");
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	unlink(path);
}

static bool never(void)
{
	return false;
}

static hv_trace_head guest_head(uint32_t n_vcpus)
{
	return (hv_trace_head){ .kind = HV_TRACE_GUEST,
				.seed = 7,
				.memory_bytes = 64u * (uint64_t)HV_HUGE_BYTES,
				.n_vcpus = n_vcpus,
				.technique = "llfree-auto",
				.allocator = "llfree",
				.origin = "test" };
}

static const hv_trace_event sample_events[] = {
	{ HV_TRACE_GET, { 0, 0, 1, 0 } },  { HV_TRACE_GET, { 0, 9, 513, 1 } },
	{ HV_TRACE_GET, { 0, 0, 0, 0 } },  { HV_TRACE_PUT, { 0, 1 } },
	{ HV_TRACE_PASS, { UINT64_MAX } }, { HV_TRACE_LIMIT, { 32u * (uint64_t)HV_HUGE_BYTES, 5 } },
};
enum { SAMPLES = sizeof(sample_events) / sizeof(sample_events[0]) };

static void samples_write(const hv_trace_head *head, const hv_trace_event *events, size_t n_events)
{
	hv_trace_writer writer;
	path_new();
	assert_int_equal(hv_trace_create(&writer, path, head), HV_OK);
	for (size_t at = 0; at < n_events; at++)
		hv_trace_add(&writer, &events[at]);
	assert_int_equal(hv_trace_finish(&writer), HV_OK);
}

static void what_is_written_is_read(void **state)
{
	(void)state;
	hv_trace trace;
	hv_trace_event event;
	char why[200];
	hv_trace_head head = guest_head(1);
	samples_write(&head, sample_events, SAMPLES);
	assert_int_equal(hv_trace_open(&trace, path, why, sizeof(why)), HV_OK);
	assert_int_equal(trace.n_events, SAMPLES);
	assert_string_equal(trace.head.technique, "llfree-auto");
	assert_int_equal(trace.head.memory_bytes, head.memory_bytes);
	for (unsigned round = 0; round < 2; round++) {
		for (size_t at = 0; at < SAMPLES; at++) {
			assert_true(hv_trace_next(&trace, &event));
			assert_int_equal(event.tag, sample_events[at].tag);
			assert_memory_equal(event.fields, sample_events[at].fields, sizeof(event.fields));
		}
		assert_false(hv_trace_next(&trace, &event));
		hv_trace_rewind(&trace);
	}
	hv_trace_close(&trace);
	hv_trace_writer writer;
	assert_int_equal(hv_trace_create(&writer, path, &head), HV_ERR_EXISTS);
	unlink(path);
}

static size_t file_read(uint8_t *bytes, size_t room)
{
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	size_t n_bytes = fread(bytes, 1, room, file);
	fclose(file);
	return n_bytes;
}

static void file_write(const uint8_t *bytes, size_t n_bytes)
{
	FILE *file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, n_bytes, file), n_bytes);
	assert_int_equal(fclose(file), 0);
}

static bool opens(void)
{
	hv_trace trace;
	char why[200] = "";
	hv_err err = hv_trace_open(&trace, path, why, sizeof(why));
	if (err == HV_OK)
		hv_trace_close(&trace);
	else
		assert_true(why[0] != '\0');
	return err == HV_OK;
}

static void every_truncation_and_every_flipped_bit_is_refused(void **state)
{
	(void)state;
	uint8_t bytes[512];
	hv_trace_head head = guest_head(1);
	samples_write(&head, sample_events, SAMPLES);
	size_t n_bytes = file_read(bytes, sizeof(bytes));
	assert_true(n_bytes > 40 && n_bytes < sizeof(bytes));
	for (size_t n_left = 0; n_left < n_bytes; n_left++) {
		file_write(bytes, n_left);
		assert_false(opens());
	}
	for (size_t bit = 0; bit < n_bytes * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		file_write(bytes, n_bytes);
		assert_false(opens());
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	bytes[n_bytes] = 0;
	file_write(bytes, n_bytes + 1);
	assert_false(opens());
	file_write(bytes, n_bytes);
	assert_true(opens());
	unlink(path);
}

static void crc_set(uint8_t *bytes, size_t n_bytes)
{
	uint32_t crc = UINT32_MAX;
	for (size_t at = 0; at < n_bytes; at++) {
		crc ^= bytes[at];
		for (unsigned bit = 0; bit < 8; bit++)
			crc = (crc & 1) != 0 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
	}
	crc = ~crc;
	for (unsigned at = 0; at < 4; at++)
		bytes[n_bytes + at] = (uint8_t)(crc >> 8 * at);
}

/* With a checksum that fits, whatever the rest says: it opens or is refused, and what opens can be walked. */
static void hostile_bytes_under_a_fitting_checksum_do_no_harm(void **state)
{
	(void)state;
	uint8_t bytes[512], copy[512];
	uint64_t random = 42;
	unsigned n_opened = 0;
	hv_trace_head head = guest_head(1);
	samples_write(&head, sample_events, SAMPLES);
	size_t n_bytes = file_read(bytes, sizeof(bytes));
	for (unsigned round = 0; round < 4000; round++) {
		memcpy(copy, bytes, sizeof(bytes));
		for (uint64_t n_changes = 1 + hv_random(&random) % 4; n_changes > 0; n_changes--)
			copy[10 + hv_random(&random) % (n_bytes - 14)] = (uint8_t)hv_random(&random);
		crc_set(copy, n_bytes - 4);
		file_write(copy, n_bytes);
		n_opened += opens();
	}
	print_message("seed 42: %u of 4000 opened\n", n_opened);
	assert_true(n_opened > 0 && n_opened < 4000);
	unlink(path);
}

static void events_that_cannot_be_are_refused(void **state)
{
	(void)state;
	static const hv_trace_event bad[] = {
		{ HV_TRACE_GET, { 1, 0, 1, 0 } },
		{ HV_TRACE_GET, { 0, 10, 1, 0 } },
		{ HV_TRACE_GET, { 0, 9, 2, 0 } },
		{ HV_TRACE_GET, { 0, 0, 64 * 512 + 1, 0 } },
		{ HV_TRACE_GET, { 0, 0, UINT64_MAX, 0 } },
		{ HV_TRACE_PUT, { 0, 0 } },
		{ HV_TRACE_PUT, { UINT64_MAX, 0 } },
		{ HV_TRACE_LIMIT, { UINT64_MAX, 0 } },
		{ HV_TRACE_SAMPLE, { 1, 1, 0, 0, 0, 1, 1 } },
		{ HV_TRACE_EXITED, { 1, 1 } },
	};
	static const hv_trace_event bad_samples[] = {
		{ HV_TRACE_SAMPLE, { 1, 1, 2, 0, 0, 1, 1 } },
		{ HV_TRACE_SAMPLE, { UINT64_MAX, 1, 0, 0, 0, 1, 1 } },
		{ HV_TRACE_SAMPLE, { 1, UINT64_MAX, 0, 0, 0, 1, 1 } },
		{ HV_TRACE_SAMPLE, { 1, 0, 0, UINT64_MAX, 0, 1, 1 } },
		{ HV_TRACE_SAMPLE, { 1, 0, 0, 0, UINT64_MAX, 1, 1 } },
		{ HV_TRACE_SAMPLE, { 1, 0, 0, 0, 0, UINT64_MAX, 1 } },
		{ HV_TRACE_EXITED, { UINT64_MAX, 1 } },
		{ HV_TRACE_GET, { 0, 0, 1, 0 } },
	};
	hv_trace_head head = guest_head(1);
	for (size_t at = 0; at < sizeof(bad) / sizeof(bad[0]); at++) {
		samples_write(&head, &bad[at], 1);
		assert_false(opens());
		unlink(path);
	}
	head.kind = HV_TRACE_PROCESSES;
	for (size_t at = 0; at < sizeof(bad_samples) / sizeof(bad_samples[0]); at++) {
		samples_write(&head, &bad_samples[at], 1);
		assert_false(opens());
		unlink(path);
	}
}

static void heads_that_cannot_be_are_refused(void **state)
{
	(void)state;
	for (unsigned at = 0; at < 7; at++) {
		hv_trace_head head = guest_head(1);
		head.kind = at == 0 ? (hv_trace_kind)3 : head.kind;
		head.n_vcpus = at == 1 ? 0 : at == 2 ? 257 : 1;
		head.memory_bytes = at == 3 ? 0 : at == 4 ? 4096 : at == 5 ? UINT64_MAX << 21 : head.memory_bytes;
		head.order = at == 6 ? 10 : 0;
		samples_write(&head, NULL, 0);
		assert_false(opens());
		unlink(path);
	}
}

/* A shell that starts another that starts a program which has a known amount of memory. */
static void process_tree_leaves_its_memory(void **state)
{
	(void)state;
	char *command[] = { "sh", "-c",
			    "(sh -c 'dd if=/dev/zero of=/dev/null bs=32M count=40 2>/dev/null'; :); sleep 0.1", NULL };
	char *missing[] = { "/nonexistent/program", NULL };
	hv_trace_head head = { .kind = HV_TRACE_PROCESSES };
	hv_trace_writer writer;
	hv_tree_summary summary;
	hv_trace trace;
	hv_trace_event event;
	char why[200];
	uint64_t grown = 0, freed = 0, n_begun = 0, n_exited = 0, peak = 0;
	path_new();
	assert_int_equal(hv_trace_create(&writer, path, &head), HV_OK);
	assert_int_equal(hv_tree_record(command, 2000000, never, &writer, &summary), HV_OK);
	assert_int_equal(hv_trace_finish(&writer), HV_OK);
	assert_int_equal(summary.status, 0);
	assert_int_equal(hv_trace_open(&trace, path, why, sizeof(why)), HV_OK);
	while (hv_trace_next(&trace, &event)) {
		bool exited = event.tag == HV_TRACE_EXITED;
		n_exited += exited;
		peak = exited && event.fields[1] > peak ? event.fields[1] : peak;
		grown += exited ? 0 : event.fields[1];
		freed += exited ? 0 : event.fields[2];
		n_begun += exited ? 0 : event.fields[6];
	}
	assert_int_equal(grown, freed); /* all of them have ended */
	assert_int_equal(n_begun, n_exited);
	assert_true(n_begun >= 2);
	print_message("%u processes, peak %u frames\n", (unsigned)n_begun, (unsigned)peak);
	assert_true(peak >= 7000); /* 32 MiB are 8192 frames; statm may be off by some */
	hv_trace_close(&trace);
	unlink(path);
	assert_int_equal(hv_trace_create(&writer, path, &head), HV_OK);
	assert_int_equal(hv_tree_record(missing, 2000000, never, &writer, &summary), HV_ERR_SYSTEM);
	hv_trace_abandon(&writer, path);
	assert_int_not_equal(access(path, F_OK), 0);
}

static void rig_make(hv_rig *rig, const char *technique, uint32_t n_vcpus)
{
	t_rig_open(rig, technique, "anon-thp", 64, n_vcpus);
}

static void guest_record(const char *technique, uint32_t n_vcpus, hv_guest_counts *counts)
{
	static hv_rig rig;
	hv_program program;
	hv_program_config config = { .seed = 7, .memory_bytes = 64u * (uint64_t)HV_HUGE_BYTES, .n_vcpus = n_vcpus };
	hv_guest_record how = { UINT64_C(20000000000), 8u * (uint64_t)HV_HUGE_BYTES, never };
	hv_trace_head head = guest_head(n_vcpus);
	hv_trace_writer writer;
	assert_int_equal(hv_program_make(&program, hv_program_kind_find("bursts"), &config), HV_OK);
	path_new();
	assert_int_equal(hv_trace_create(&writer, path, &head), HV_OK);
	rig_make(&rig, technique, n_vcpus);
	assert_int_equal(hv_guest_trace_record(&rig, &program, &how, &writer, counts), HV_OK);
	assert_int_equal(counts->move_err, HV_OK);
	assert_int_equal(hv_trace_finish(&writer), HV_OK);
	t_rest(&rig);
	t_assert_sound(&rig);
	hv_rig_destroy(&rig);
	hv_program_destroy(&program);
}

/* The same file, the same decisions: each frame, each install, each byte that was moved. */
static void a_guests_trace_gives_the_same_decisions(void **state)
{
	(void)state;
	static const char *const techniques[] = { "llfree-auto", "llfree-manual", "virtio-mem", "huge-manual" };
	static hv_rig rig;
	for (size_t at = 0; at < 2 * sizeof(techniques) / sizeof(techniques[0]); at++) {
		const char *technique = techniques[at / 2];
		uint32_t n_vcpus = at % 2 == 0 ? 1 : 3;
		hv_guest_counts then, now;
		hv_trace trace;
		char why[200];
		guest_record(technique, n_vcpus, &then);
		assert_true(then.gets > 10000 && then.puts > 10000 && then.puts <= then.gets - then.refused &&
			    then.moved_bytes > 0);
		assert_int_equal(hv_trace_open(&trace, path, why, sizeof(why)), HV_OK);
		for (unsigned round = 0; round < 2; round++) {
			rig_make(&rig, technique, n_vcpus);
			assert_int_equal(hv_guest_trace_replay(&rig, &trace, never, &now), HV_OK);
			if (now.differ > 0)
				print_error("%s: %s\n", technique, now.first_difference);
			assert_int_equal(now.differ, 0);
			assert_int_equal(now.gets, then.gets);
			assert_int_equal(now.moved_bytes, then.moved_bytes);
			assert_int_equal(now.installs, then.installs);
			t_rest(&rig);
			t_assert_sound(&rig);
			hv_rig_destroy(&rig);
		}
		hv_trace_close(&trace);
		unlink(path);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(every_truncation_and_every_flipped_bit_is_refused),
		cmocka_unit_test(hostile_bytes_under_a_fitting_checksum_do_no_harm),
		cmocka_unit_test(events_that_cannot_be_are_refused),
		cmocka_unit_test(heads_that_cannot_be_are_refused),
		cmocka_unit_test(process_tree_leaves_its_memory),
		cmocka_unit_test(a_guests_trace_gives_the_same_decisions),
	};
	return T_RUN(tests);
}
