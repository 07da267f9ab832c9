/* SPDX-License-Identifier: MIT
 *
 * Rings, channels and the ledger: what a driver offers arrives, what no driver would write is refused, and the host
 * never reads or writes beyond the memory it was given (address sanitizers watch). */
#define _GNU_SOURCE
#include "t_sim.h"

#include "host/ledger.h"
#include "transport/channel.h"
#include "transport/ring.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { SIZE = 8, RING = 0x1000, DATA = 0x4000, BYTES = 0x10000 };
/* offsets in a ring of 8 */
enum { AVAILABLE_IDX = RING + 8 * 16 + 2, AVAILABLE_RING = AVAILABLE_IDX + 2 };

typedef struct pair {
	hv_ring_memory memory;
	hv_ring_guest guest;
	hv_ring_host host;
} pair;

static void pair_open(pair *self)
{
	self->memory = (hv_ring_memory){ aligned_alloc(64, BYTES), BYTES };
	assert_non_null(self->memory.base);
	memset(self->memory.base, 0xab, BYTES);
	hv_ring_place place = { RING, SIZE };
	assert_int_equal(hv_ring_guest_open(&self->guest, self->memory, place), HV_OK);
	assert_int_equal(hv_ring_host_open(&self->host, self->memory, place), HV_OK);
}

static void pair_close(pair *self)
{
	free(self->memory.base);
}

static void store16(pair *self, uint64_t address, uint16_t value)
{
	memcpy(self->memory.base + address, &value, sizeof(value));
}

static void descriptor(pair *self, unsigned idx, uint64_t address, uint32_t bytes, unsigned flags, unsigned next)
{
	uint64_t words[2] = { address, bytes | (uint64_t)flags << 32 | (uint64_t)next << 48 };
	memcpy(self->memory.base + RING + idx * 16, words, sizeof(words));
}

static void elements_arrive_in_order_and_come_back(void **state)
{
	(void)state;
	static pair self;
	hv_ring_element element;
	uint32_t words[4], written;
	pair_open(&self);
	/* more rounds than a 16-bit index holds, so that it wraps */
	for (uint32_t round = 0; round < 70000; round++) {
		uint32_t sent[4] = { round, ~round, 7, 9 };
		memcpy(self.memory.base + DATA, sent, sizeof(sent));
		hv_ring_segment segments[3] = { { DATA, 8 }, { DATA + 8, 8 }, { DATA + 64, 8 } };
		assert_int_equal(hv_ring_host_pop(&self.host, &element), HV_RING_EMPTY);
		assert_true(hv_ring_guest_add(&self.guest, segments, 2, 1));
		assert_false(hv_ring_guest_used(&self.guest, &written));
		assert_int_equal(hv_ring_host_pop(&self.host, &element), HV_RING_ELEMENT);
		assert_int_equal(element.n_read, 2);
		assert_int_equal(element.n_write, 1);
		assert_int_equal(hv_ring_host_read(&self.host, &element.segments[0], words, 4), 2);
		assert_int_equal(words[0], round);
		assert_int_equal(words[1], ~round);
		words[0] = round + 1;
		assert_int_equal(hv_ring_host_write(&self.host, &element.segments[2], words, 1), 1);
		hv_ring_host_push(&self.host, &element, 4);
		assert_true(hv_ring_guest_used(&self.guest, &written));
		assert_int_equal(written, 4);
		memcpy(words, self.memory.base + DATA + 64, 4);
		assert_int_equal(words[0], round + 1);
	}
	pair_close(&self);
}

static void full_ring_refuses_until_something_is_used(void **state)
{
	(void)state;
	static pair self;
	hv_ring_element element;
	uint32_t written;
	hv_ring_segment segments[3] = { { DATA, 8 }, { DATA + 8, 8 }, { DATA + 16, 8 } };
	pair_open(&self);
	assert_false(hv_ring_guest_add(&self.guest, segments, 0, 0));
	assert_true(hv_ring_guest_add(&self.guest, segments, 3, 0));
	assert_true(hv_ring_guest_add(&self.guest, segments, 1, 2));
	assert_false(hv_ring_guest_add(&self.guest, segments, 3, 0));
	assert_int_equal(hv_ring_host_pop(&self.host, &element), HV_RING_ELEMENT);
	hv_ring_host_push(&self.host, &element, 0);
	assert_true(hv_ring_guest_used(&self.guest, &written));
	assert_true(hv_ring_guest_add(&self.guest, segments, 3, 0));
	pair_close(&self);
}

static void place_of_a_ring_is_checked(void **state)
{
	(void)state;
	static pair self;
	pair_open(&self);
	static const hv_ring_place bad[] = {
		{ RING, 0 },     { RING, 3 },          { RING, 2048 },           { RING + 8, SIZE },
		{ BYTES, SIZE }, { BYTES - 64, SIZE }, { UINT64_MAX - 15, SIZE }
	};
	for (size_t at = 0; at < sizeof(bad) / sizeof(bad[0]); at++)
		assert_int_equal(hv_ring_host_open(&self.host, self.memory, bad[at]), HV_ERR_GUEST);
	pair_close(&self);
}

/* One available entry that leads to this chain must be nonsense. */
static void assert_nonsense(pair *self)
{
	hv_ring_element element;
	store16(self, AVAILABLE_IDX, (uint16_t)(self->host.available_idx + 1));
	assert_int_equal(hv_ring_host_pop(&self->host, &element), HV_RING_NONSENSE);
	assert_int_equal(hv_ring_host_pop(&self->host, &element), HV_RING_NONSENSE);
}

static void nonsense_in_a_ring_is_told(void **state)
{
	(void)state;
	static pair self;
	hv_ring_element element;
	pair_open(&self);
	store16(&self, AVAILABLE_IDX, SIZE + 1);
	assert_int_equal(hv_ring_host_pop(&self.host, &element), HV_RING_NONSENSE);
	store16(&self, AVAILABLE_RING, SIZE);
	assert_nonsense(&self);
	store16(&self, AVAILABLE_RING, 0);
	descriptor(&self, 0, BYTES, 1, 0, 0);
	assert_nonsense(&self);
	descriptor(&self, 0, BYTES - 8, 16, 0, 0);
	assert_nonsense(&self);
	descriptor(&self, 0, UINT64_MAX - 3, 8, 0, 0);
	assert_nonsense(&self);
	descriptor(&self, 0, DATA, UINT32_MAX, 0, 0);
	assert_nonsense(&self);
	descriptor(&self, 0, DATA, 0, 0, 0);
	assert_nonsense(&self);
	descriptor(&self, 0, DATA, 8, 4, 0); /* indirect: was not negotiated */
	assert_nonsense(&self);
	descriptor(&self, 0, DATA, 8, HV_RING_NEXT, SIZE);
	assert_nonsense(&self);
	descriptor(&self, 0, DATA, 8, HV_RING_NEXT, 0); /* a loop */
	assert_nonsense(&self);
	descriptor(&self, 0, DATA, 8, HV_RING_NEXT | HV_RING_WRITE, 1);
	descriptor(&self, 1, DATA, 8, 0, 0); /* to be read, after one to be written */
	assert_nonsense(&self);
	descriptor(&self, 0, DATA, 8, 0, 0);
	store16(&self, AVAILABLE_IDX, (uint16_t)(self.host.available_idx + 1));
	assert_int_equal(hv_ring_host_pop(&self.host, &element), HV_RING_ELEMENT);
	pair_close(&self);
}

static void misaligned_payload_is_empty(void **state)
{
	(void)state;
	static pair self;
	uint32_t words[4];
	pair_open(&self);
	hv_ring_segment segments[] = { { DATA + 2, 8 }, { DATA, 3 } };
	for (size_t at = 0; at < 2; at++) {
		assert_int_equal(hv_ring_host_read(&self.host, &segments[at], words, 4), 0);
		assert_int_equal(hv_ring_host_write(&self.host, &segments[at], words, 4), 0);
	}
	pair_close(&self);
}

/* A descriptor that is often nearly right, and an index that is often possible. */
static void ring_disturb(pair *self, uint64_t *random)
{
	uint64_t address = hv_random(random) % 4 ? hv_random(random) % (BYTES + 64) : hv_random(random);
	uint32_t bytes = (uint32_t)(hv_random(random) % 4 ? hv_random(random) % 512 : hv_random(random));
	descriptor(self, (unsigned)(hv_random(random) % SIZE), address, bytes,
		   hv_random(random) % 16 ? (unsigned)(hv_random(random) % 4) : 4,
		   (unsigned)(hv_random(random) % (SIZE + 1)));
	store16(self, AVAILABLE_RING + 2 * (hv_random(random) % SIZE), (uint16_t)(hv_random(random) % (SIZE + 1)));
	store16(self, AVAILABLE_IDX, (uint16_t)(self->host.available_idx + hv_random(random) % (SIZE + 2)));
}

/* Nonsense all over the ring: whatever is called an element lies in the memory. */
static void random_rings_never_lead_out_of_memory(void **state)
{
	(void)state;
	static pair self;
	uint64_t random = 42, n_elements = 0;
	pair_open(&self);
	for (unsigned round = 0; round < 200000; round++) {
		hv_ring_element element;
		ring_disturb(&self, &random);
		if (hv_ring_host_pop(&self.host, &element) != HV_RING_ELEMENT)
			continue;
		n_elements++;
		assert_in_range(element.n_read + element.n_write, 1, HV_RING_SEGMENTS_MAX);
		for (unsigned segment = 0; segment < element.n_read + element.n_write; segment++) {
			const hv_ring_segment *one = &element.segments[segment];
			uint32_t words[64];
			assert_true(one->address < BYTES && one->bytes <= BYTES - one->address);
			hv_ring_host_read(&self.host, one, words, 64);
		}
		hv_ring_host_push(&self.host, &element, 0);
	}
	print_message("seed 42, %u elements\n", (unsigned)n_elements);
	assert_true(n_elements > 1000);
	pair_close(&self);
}

static void bells_wake_and_stop(void **state)
{
	(void)state;
	hv_channel channel;
	assert_int_equal(hv_channel_create(&channel), HV_OK);
	int stop = hv_bell_create();
	hv_bell_ring(channel.to_host[0]);
	hv_bell_ring(channel.to_host[0]);
	assert_true(hv_bell_wait(channel.to_host[0], stop, UINT64_C(10000000000)));
	assert_false(hv_bell_wait(channel.to_host[0], stop, 1000000));
	hv_bell_ring(stop);
	assert_false(hv_bell_wait(channel.to_host[0], stop, UINT64_C(10000000000)));
	hv_channel_destroy(&channel);
	hv_channel_destroy(&channel);
}

/* All that a guest can do with its descriptors: fill a counter up, empty it under the host's hands, make it block. */
static void bells_in_the_hands_of_a_guest_never_block_the_host(void **state)
{
	(void)state;
	hv_channel channel;
	int fds[HV_CHANNEL_FDS], stop = hv_bell_create(), other = hv_bell_create();
	uint64_t most = UINT64_MAX - 1, rings;
	assert_int_equal(hv_channel_create(&channel), HV_OK);
	hv_channel_fds(&channel, fds);
	for (size_t at = 0; at < HV_CHANNEL_FDS; at++) {
		assert_int_not_equal(fds[at], channel.to_guest[0]);
		assert_int_not_equal(fds[at], channel.to_guest[1]);
		assert_int_not_equal(fds[at], channel.changed_by_host);
	}
	/* heard once for all rings until then, and again after the next */
	hv_bell_ring(channel.to_guest[0]);
	hv_bell_ring(channel.to_guest[0]);
	assert_true(hv_ear_wait(channel.from_host[0], other, stop, HV_EAR_FOREVER));
	hv_bell_ring(other);
	assert_true(hv_ear_wait(channel.from_host[0], other, stop, HV_EAR_FOREVER));
	hv_bell_ring(channel.to_guest[0]);
	assert_true(hv_ear_wait(channel.from_host[0], -1, stop, HV_EAR_FOREVER));
	assert_false(hv_ear_wait(channel.from_host[0], -1, stop, 1000000));
	assert_int_equal(write(channel.from_host[0], &most, sizeof(most)), -1);
	hv_bell_ring(stop);
	assert_false(hv_ear_wait(channel.from_host[0], -1, stop, HV_EAR_FOREVER));
	/* the flag belongs to the counter, not to who sets it */
	int ear = hv_ear_create(channel.to_host[0]);
	assert_int_equal(fcntl(channel.to_host[0], F_SETFL, 0), 0);
	hv_bell_ring(channel.to_host[0]);
	assert_true(hv_ear_wait(ear, -1, -1, HV_EAR_FOREVER));
	assert_false(hv_ear_wait(ear, -1, -1, 1000000));
	hv_bell_ring(channel.to_host[0]);
	assert_int_equal(read(channel.to_host[0], &rings, sizeof(rings)), sizeof(rings));
	assert_false(hv_ear_wait(ear, -1, -1, 1000000));
	hv_ear_clear(ear);
	hv_bell_empty(channel.to_host[0]);
	assert_int_equal(write(channel.to_host[0], &most, sizeof(most)), sizeof(most));
	assert_true(hv_ear_wait(ear, -1, -1, HV_EAR_FOREVER));
	hv_bell_empty(channel.to_host[0]);
	hv_bell_empty(channel.to_host[0]);
	close(ear);
	hv_channel_destroy(&channel);
	close(stop);
	close(other);
}

static void ledger_knows_every_frame(void **state)
{
	(void)state;
	hv_ledger ledger;
	enum { FRAMES = 1000 };
	static bool out[FRAMES];
	uint64_t random = 42, n_out = 0;
	assert_int_equal(hv_ledger_create(&ledger, FRAMES), HV_OK);
	assert_false(hv_ledger_is(&ledger, FRAMES, 1, false));
	assert_false(hv_ledger_is(&ledger, FRAMES - 1, 2, false));
	assert_false(hv_ledger_is(&ledger, 1, UINT64_MAX, false));
	assert_false(hv_ledger_is(&ledger, 1, 0, false));
	for (unsigned round = 0; round < 20000; round++) {
		uint64_t first = hv_random(&random) % FRAMES, n_frames = 1 + hv_random(&random) % (FRAMES - first);
		bool to = hv_random(&random) % 2, all = true, none = true;
		uint64_t n_changed = 0;
		for (uint64_t frame = first; frame < first + n_frames; frame++) {
			all = all && out[frame];
			none = none && !out[frame];
			n_changed += out[frame] != to;
			out[frame] = to;
		}
		assert_int_equal(hv_ledger_is(&ledger, first, n_frames, true), all);
		assert_int_equal(hv_ledger_is(&ledger, first, n_frames, false), none);
		assert_int_equal(hv_ledger_set(&ledger, first, n_frames, to), n_changed);
		n_out += to ? n_changed : 0 - n_changed;
		assert_int_equal(hv_ledger_out_bytes(&ledger), n_out * HV_FRAME_BYTES);
	}
	hv_ledger_destroy(&ledger);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(elements_arrive_in_order_and_come_back),
		cmocka_unit_test(full_ring_refuses_until_something_is_used),
		cmocka_unit_test(place_of_a_ring_is_checked),
		cmocka_unit_test(nonsense_in_a_ring_is_told),
		cmocka_unit_test(misaligned_payload_is_empty),
		cmocka_unit_test(random_rings_never_lead_out_of_memory),
		cmocka_unit_test(bells_wake_and_stop),
		cmocka_unit_test(bells_in_the_hands_of_a_guest_never_block_the_host),
		cmocka_unit_test(ledger_knows_every_frame),
	};
	return T_RUN(tests);
}
