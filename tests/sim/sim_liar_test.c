/* SPDX-License-Identifier: MIT
 *
 * Drivers that lie, are silent or send noise: the host stops that VM or loses its patience, and discards nothing that
 * it was not given (H4). */
#define _GNU_SOURCE
#include "t_sim.h"
#include "techniques/virtio-mem/virtio_mem.h"

#include <fcntl.h>
#include <stdatomic.h>

enum { HUGE = 32 };
#define MIB_2 ((uint64_t)HV_HUGE_BYTES)

typedef struct liar {
	hv_channel channel;
	hv_channel_service service;
	t_pair pair;
	hv_ring_guest ring;
	uint64_t data; /* address of a frame for payload */
} liar;

/* A VM without a driver, whose rings the test fills by hand. */
static void liar_open(liar *self, const char *technique)
{
	const hv_technique *which = hv_technique_find(technique);
	t_pair_open(&self->pair, "anon-thp", HUGE, 8);
	assert_int_equal(hv_channel_create(&self->channel), HV_OK);
	assert_int_equal(
		hv_channel_service_start(&self->service, &self->pair.host, &self->channel, 1, which->host->element),
		HV_OK);
	self->service.block_bytes = MIB_2;
	hv_ring_memory memory = { self->pair.vm.memory.base, HUGE * MIB_2 };
	hv_ring_place place = { 0, HV_CHANNEL_RING_SIZE };
	assert_int_equal(hv_ring_guest_open(&self->ring, memory, place), HV_OK);
	self->data = 2 * HV_FRAME_BYTES;
	atomic_store(&self->channel.registers->rings[0].size, HV_CHANNEL_RING_SIZE);
	atomic_store(&self->channel.registers->ready, 1);
	hv_bell_ring(self->channel.changed_by_guest);
}

static void liar_close(liar *self)
{
	hv_channel_service_stop(&self->service);
	hv_channel_destroy(&self->channel);
	t_pair_close(&self->pair);
}

static void liar_send(liar *self, const uint32_t *words, uint32_t n_words, unsigned n_write)
{
	memcpy(self->pair.vm.memory.base + self->data, words, n_words * 4);
	hv_ring_segment segments[2] = { { self->data, n_words * 4 }, { self->data + 1024, 12 } };
	assert_true(hv_ring_guest_add(&self->ring, segments, 1, n_write));
	hv_bell_ring(self->channel.to_host[0]);
}

static void assert_stopped(liar *self)
{
	while (hv_host_fault(&self->pair.host) == NULL)
		hv_sleep_ns(100000);
	assert_int_equal(hv_channel_target(&self->service, 0), HV_ERR_GUEST);
	print_message("%s\n", hv_host_fault(&self->pair.host));
}

static void balloon_that_lies_stops_its_vm(void **state)
{
	(void)state;
	static liar self;
	static const uint32_t bad[][2] = {
		{ HUGE * HV_HUGE_FRAMES, 0 }, /* beyond the memory */
		{ UINT32_MAX, 0 },
		{ 5 * HV_HUGE_FRAMES, 5 * HV_HUGE_FRAMES }, /* twice */
		{ 5 * HV_HUGE_FRAMES + 1, 0 },              /* misaligned */
	};
	for (size_t at = 0; at < sizeof(bad) / sizeof(bad[0]); at++) {
		liar_open(&self, "huge-manual");
		liar_send(&self, bad[at], 2, 0);
		assert_stopped(&self);
		liar_close(&self);
	}
}

static void virtio_mem_that_lies_stops_its_vm(void **state)
{
	(void)state;
	static liar self;
	static const uint32_t bad[][HV_VIRTIO_MEM_REQUEST_WORDS] = {
		{ 7, 0, HV_HUGE_BYTES, 0, 1, 0 },                     /* no such request */
		{ HV_VIRTIO_MEM_UNPLUG, 0, 4096, 0, 1, 0 },           /* not a block */
		{ HV_VIRTIO_MEM_UNPLUG, 0, HV_HUGE_BYTES, 0, 0, 0 },  /* no blocks */
		{ HV_VIRTIO_MEM_UNPLUG, 0, HV_HUGE_BYTES, 0, 32, 0 }, /* beyond the memory */
		{ HV_VIRTIO_MEM_UNPLUG, 0, 0, 0x80000000, 1, 0 },
	};
	for (size_t at = 0; at < sizeof(bad) / sizeof(bad[0]); at++) {
		liar_open(&self, "virtio-mem");
		liar_send(&self, bad[at], HV_VIRTIO_MEM_REQUEST_WORDS, 1);
		assert_stopped(&self);
		liar_close(&self);
	}
}

/* A block that is plugged can't be plugged: more than was asked for is refused, the VM goes on. */
static void plug_beyond_the_request_is_refused(void **state)
{
	(void)state;
	static liar self;
	uint32_t words[HV_VIRTIO_MEM_REQUEST_WORDS] = { HV_VIRTIO_MEM_PLUG, 0, HV_HUGE_BYTES, 0, 1, 0 }, written;
	liar_open(&self, "virtio-mem");
	liar_send(&self, words, HV_VIRTIO_MEM_REQUEST_WORDS, 1);
	while (!hv_ring_guest_used(&self.ring, &written))
		hv_sleep_ns(100000);
	assert_int_equal(written, 12);
	memcpy(words, self.pair.vm.memory.base + self.data + 1024, 4);
	assert_int_equal(words[0], HV_VIRTIO_MEM_NACK);
	assert_null(hv_host_fault(&self.pair.host));
	liar_close(&self);
}

static void ring_in_no_memory_stops_the_vm(void **state)
{
	(void)state;
	static liar self;
	static t_pair pair;
	t_pair_open(&pair, "anon-thp", 4, 8);
	assert_int_equal(hv_channel_create(&self.channel), HV_OK);
	atomic_store(&self.channel.registers->rings[0].address, UINT64_MAX - 15);
	atomic_store(&self.channel.registers->rings[0].size, 128);
	atomic_store(&self.channel.registers->ready, 1);
	assert_int_equal(hv_channel_service_start(&self.service, &pair.host, &self.channel, 1,
						  hv_technique_find("huge-manual")->host->element),
			 HV_OK);
	hv_bell_ring(self.channel.changed_by_guest);
	while (hv_host_fault(&pair.host) == NULL)
		hv_sleep_ns(100000);
	hv_channel_service_stop(&self.service);
	hv_channel_destroy(&self.channel);
	t_pair_close(&pair);
}

/* A driver that does not answer costs the host its patience, never more; and one that is gone costs nothing. */
static void silent_driver_is_a_timeout_and_no_hang(void **state)
{
	(void)state;
	static liar self;
	liar_open(&self, "huge-manual");
	self.service.timeout_ns = 200000000;
	assert_int_equal(hv_channel_target(&self.service, MIB_2), HV_ERR_TIMEOUT);
	uint64_t bytes;
	self.service.begin_timeout_ns = 10000000;
	assert_int_equal(hv_channel_pass(&self.service, &bytes), HV_OK);
	assert_int_equal(bytes, 0);
	atomic_store(&self.channel.registers->pass_number, 1); /* a pass that never ends */
	hv_bell_ring(self.channel.changed_by_guest);
	hv_sleep_ns(20000000);
	assert_int_equal(hv_channel_pass(&self.service, &bytes), HV_ERR_TIMEOUT);
	hv_channel_service_leave(&self.service);
	self.service.timeout_ns = UINT64_MAX / 2;
	assert_int_equal(hv_channel_target(&self.service, MIB_2), HV_OK);
	liar_close(&self);
}

/* It rings, sends the same frames to and fro and begins passes, for ever: that is noise, not progress. */
typedef struct noise {
	liar *self;
	_Atomic bool stop;
} noise;

static void *noise_make(void *context)
{
	noise *all = context;
	liar *self = all->self;
	uint32_t written, number = HV_HUGE_FRAMES;
	hv_ring_segment segment = { self->data, 4 };
	memcpy(self->pair.vm.memory.base + self->data, &number, 4);
	while (!atomic_load(&all->stop)) {
		atomic_fetch_add(&self->channel.registers->settled_number, 2);
		hv_bell_ring(self->channel.changed_by_guest);
		if (hv_ring_guest_add(&self->ring, &segment, 1, 0))
			hv_bell_ring(self->channel.to_host[0]);
		while (hv_ring_guest_used(&self->ring, &written))
			;
		hv_sleep_ns(200000);
	}
	return NULL;
}

static hv_err noise_element(hv_channel_service *self, unsigned ring_idx, const hv_ring_element *element,
			    uint32_t *written_bytes)
{
	uint32_t number;
	*written_bytes = 0;
	if (hv_ring_host_read(&self->rings[ring_idx], &element->segments[0], &number, 1) != 1)
		return HV_ERR_GUEST;
	bool out = hv_ledger_is(&self->ledger, number, 1, true);
	return out ? hv_channel_give(self, number, 1) : hv_channel_take(self, number, 1);
}

static void noisy_driver_is_a_timeout_and_no_hang(void **state)
{
	(void)state;
	static liar self;
	noise all = { .self = &self };
	pthread_t thread;
	uint64_t bytes;
	liar_open(&self, "huge-manual");
	self.service.element = noise_element;
	self.service.timeout_ns = 300000000;
	self.service.begin_timeout_ns = 10000000;
	assert_int_equal(pthread_create(&thread, NULL, noise_make, &all), 0);
	assert_int_equal(hv_channel_target(&self.service, MIB_2), HV_ERR_TIMEOUT);
	atomic_store(&self.channel.registers->pass_number, 1);
	hv_bell_ring(self.channel.changed_by_guest);
	while (atomic_load(&self.service.n_served) == 0)
		hv_sleep_ns(100000);
	hv_err err;
	do /* the service may not have seen the pass yet */
		err = hv_channel_pass(&self.service, &bytes);
	while (err == HV_OK);
	assert_int_equal(err, HV_ERR_TIMEOUT);
	assert_null(hv_host_fault(&self.pair.host));
	atomic_store(&all.stop, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	liar_close(&self);
}

/* The registers are the guest's to write, those of the host too: it is the host's own limit that counts. */
static void limit_raised_by_the_guest_counts_for_nothing(void **state)
{
	(void)state;
	static liar self;
	uint32_t words[HV_VIRTIO_MEM_REQUEST_WORDS] = { HV_VIRTIO_MEM_UNPLUG, 0, 2 * HV_HUGE_BYTES, 0, 1, 0 }, written;
	liar_open(&self, "virtio-mem");
	self.service.timeout_ns = 1000000;
	assert_int_equal(hv_channel_target(&self.service, (HUGE - 1) * MIB_2), HV_ERR_TIMEOUT);
	assert_int_equal(atomic_load(&self.channel.registers->target_number), 1);
	liar_send(&self, words, HV_VIRTIO_MEM_REQUEST_WORDS, 1);
	while (!hv_ring_guest_used(&self.ring, &written))
		hv_sleep_ns(100000);
	assert_int_equal(hv_ledger_out_bytes(&self.service.ledger), MIB_2);
	atomic_store(&self.channel.registers->target_bytes, HUGE * MIB_2);
	atomic_store(&self.channel.registers->target_number, UINT32_MAX);
	words[0] = HV_VIRTIO_MEM_PLUG;
	liar_send(&self, words, HV_VIRTIO_MEM_REQUEST_WORDS, 1);
	while (!hv_ring_guest_used(&self.ring, &written))
		hv_sleep_ns(100000);
	memcpy(words, self.pair.vm.memory.base + self.data + 1024, 4);
	assert_int_equal(words[0], HV_VIRTIO_MEM_NACK);
	assert_int_equal(hv_ledger_out_bytes(&self.service.ledger), MIB_2);
	/* nor does the next target have the number that the guest has settled in advance */
	atomic_store(&self.channel.registers->settled_number, 0);
	assert_int_equal(hv_channel_target(&self.service, (HUGE - 1) * MIB_2), HV_ERR_TIMEOUT);
	assert_int_equal(atomic_load(&self.channel.registers->target_number), 2);
	liar_close(&self);
}

/* An element may name all of the memory once; 64 times all of it would keep the host busy for ever. */
static void report_of_more_than_there_is_stops_the_vm(void **state)
{
	(void)state;
	static liar self;
	liar_open(&self, "base-auto");
	hv_ring_segment segments[2] = { { HUGE / 2 * MIB_2, HUGE / 2 * HV_HUGE_BYTES },
					{ HUGE / 4 * MIB_2, (HUGE / 2 + 1) * HV_HUGE_BYTES } };
	assert_true(hv_ring_guest_add(&self.ring, segments, 0, 2));
	hv_bell_ring(self.channel.to_host[0]);
	assert_stopped(&self);
	liar_close(&self);
}

static void *flood_make(void *context)
{
	noise *all = context;
	liar *self = all->self;
	uint32_t written;
	hv_ring_segment segment = { HV_HUGE_BYTES, HV_HUGE_BYTES };
	while (!atomic_load(&all->stop)) {
		while (hv_ring_guest_add(&self->ring, &segment, 0, 1))
			;
		hv_bell_ring(self->channel.to_host[0]);
		while (hv_ring_guest_used(&self->ring, &written))
			;
	}
	return NULL;
}

/* The ring is never empty: the service ends all the same, in the middle of it. */
static void service_ends_beside_a_guest_that_never_stops_sending(void **state)
{
	(void)state;
	static liar self;
	noise all = { .self = &self };
	pthread_t thread;
	liar_open(&self, "base-auto");
	assert_int_equal(pthread_create(&thread, NULL, flood_make, &all), 0);
	while (atomic_load(&self.service.n_served) < 3 * HV_CHANNEL_RING_SIZE)
		hv_sleep_ns(100000);
	hv_channel_service_stop(&self.service);
	assert_null(hv_host_fault(&self.pair.host));
	atomic_store(&all.stop, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	liar_close(&self);
}

/* One ring for as many elements as the service takes in a turn: it looks once more, at a bell that is empty by then and
 * that nobody could read without waiting for ever. */
static void service_never_waits_for_a_bell_that_the_guest_made_to_block(void **state)
{
	(void)state;
	static liar self;
	liar_open(&self, "base-auto");
	int bell = self.channel.to_host[0];
	assert_int_equal(fcntl(bell, F_SETFL, fcntl(bell, F_GETFL) & ~O_NONBLOCK), 0);
	for (unsigned round = 0; round < 10; round++) {
		hv_ring_segment segment = { HV_HUGE_BYTES, HV_HUGE_BYTES };
		uint64_t until_ns = hv_now_ns() + UINT64_C(60000000000);
		uint32_t written;
		for (unsigned at = 0; at < HV_CHANNEL_RING_SIZE; at++)
			assert_true(hv_ring_guest_add(&self.ring, &segment, 0, 1));
		hv_bell_ring(bell);
		for (unsigned at = 0; at < HV_CHANNEL_RING_SIZE;) {
			if (hv_ring_guest_used(&self.ring, &written))
				at++;
			else
				hv_sleep_ns(1000);
			assert_true(hv_now_ns() < until_ns);
		}
	}
	hv_channel_service_stop(&self.service);
	assert_null(hv_host_fault(&self.pair.host));
	liar_close(&self);
}

/* Random numbers in elements and registers, many VMs: the host never crashes, and the ledger never leaves the memory.
 */
static void random_elements_never_hurt_the_host(void **state)
{
	(void)state;
	static liar self;
	uint64_t random = 42, n_stopped = 0;
	static const char *const all[] = { "base-manual", "huge-manual", "virtio-mem", "base-auto" };
	for (unsigned vm = 0; vm < 40; vm++) {
		liar_open(&self, all[vm % 4]);
		for (unsigned round = 0; round < 50; round++) {
			uint32_t words[8], written;
			for (unsigned at = 0; at < 8; at++)
				words[at] = (uint32_t)(hv_random(&random) >> hv_random(&random) % 64);
			unsigned n_words = 1 + (unsigned)(hv_random(&random) % 8);
			memcpy(self.pair.vm.memory.base + self.data, words, sizeof(words));
			hv_ring_segment segments[2] = { { self.data + hv_random(&random) % 16 / 12, n_words * 4 },
							{ (hv_random(&random) % (HUGE / 2) + HUGE / 4) * MIB_2,
							  HV_FRAME_BYTES } };
			bool out = hv_random(&random) % 2;
			if (!hv_ring_guest_add(&self.ring, segments + !out, out, !out || hv_random(&random) % 2))
				break;
			hv_bell_ring(self.channel.to_host[0]);
			while (hv_host_fault(&self.pair.host) == NULL && !hv_ring_guest_used(&self.ring, &written))
				hv_sleep_ns(1000);
		}
		n_stopped += hv_host_fault(&self.pair.host) != NULL;
		assert_in_range(hv_ledger_out_bytes(&self.service.ledger), 0, HUGE * MIB_2);
		liar_close(&self);
	}
	print_message("seed 42, %u of 40 VMs stopped\n", (unsigned)n_stopped);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(balloon_that_lies_stops_its_vm),
		cmocka_unit_test(virtio_mem_that_lies_stops_its_vm),
		cmocka_unit_test(plug_beyond_the_request_is_refused),
		cmocka_unit_test(ring_in_no_memory_stops_the_vm),
		cmocka_unit_test(silent_driver_is_a_timeout_and_no_hang),
		cmocka_unit_test(noisy_driver_is_a_timeout_and_no_hang),
		cmocka_unit_test(limit_raised_by_the_guest_counts_for_nothing),
		cmocka_unit_test(report_of_more_than_there_is_stops_the_vm),
		cmocka_unit_test(service_ends_beside_a_guest_that_never_stops_sending),
		cmocka_unit_test(service_never_waits_for_a_bell_that_the_guest_made_to_block),
		cmocka_unit_test(random_elements_never_hurt_the_host),
	};
	return T_RUN(tests);
}
