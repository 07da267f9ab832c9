/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: the bytes are what a guest writes into rings, buffers and registers, and when it rings, while the
 * channel's service works for one of the techniques with a driver. The service answers to the end, and its ledger never
 * holds more than there is. */
#define _GNU_SOURCE
#include "fuzz_sim.h"
#include "techniques/hv_technique.h"

#include <stdatomic.h>

enum { RINGS_BYTES = 3 * HV_FRAME_BYTES }; /* two rings and a buffer, each a frame */

static const hv_technique *technique_choose(uint64_t number)
{
	const hv_technique *found[32];
	unsigned n_found = 0;
	for (const hv_technique *const *each = hv_techniques; *each != NULL && n_found < 32; each++)
		if ((*each)->host->element != NULL)
			found[n_found++] = *each;
	return found[number % n_found];
}

static void look_wait(hv_channel_service *service)
{
	uint64_t seen = atomic_load(&service->n_served);
	do {
		hv_bell_ring(service->channel->changed_by_guest);
		hv_sleep_ns(1000);
	} while (atomic_load(&service->n_served) == seen);
}

/* A request as a driver would make it, of numbers or blocks that the input names. */
static void post(hv_channel *channel, uint8_t *base, unsigned ring_idx, uint64_t address, uint64_t rest)
{
	uint8_t *ring = base + ring_idx * UINT64_C(4096), *available = ring + HV_CHANNEL_RING_SIZE * 16;
	uint16_t idx = (uint16_t)(__atomic_load_n((uint32_t *)(void *)available, __ATOMIC_RELAXED) >> 16);
	for (unsigned at = 0; at < 4; at++)
		fuzz_store32(ring + at * 4, (at < 2 ? address >> 32 * at : rest >> 32 * (at - 2)));
	fuzz_store32(available + 4 + idx % HV_CHANNEL_RING_SIZE / 2 * 4, 0);
	fuzz_store32(available, (uint32_t)(idx + 1u) << 16);
	hv_bell_ring(channel->to_host[ring_idx]);
}

static void guest_step(fuzz_input *input, hv_channel_service *service, uint8_t *base)
{
	hv_channel *channel = service->channel;
	uint64_t op = fuzz_take(input, 1), where = fuzz_take(input, 2), value = fuzz_take(input, 4);
	switch (op % 8) {
	case 0:
	case 1:
		fuzz_store32(base + where % RINGS_BYTES / 4 * 4, value);
		break;
	case 2:
		fuzz_store32((uint8_t *)channel->registers + where % sizeof(*channel->registers) / 4 * 4, value);
		break;
	case 3:
		hv_bell_ring(channel->to_host[where % 2]);
		break;
	case 4:
		look_wait(service);
		break;
	case 5: /* a block, for the host to take or give */
		post(channel, base, where % 2, value % (FUZZ_HUGE + 1) << HV_HUGE_SHIFT,
		     (value >> 8) % 3 * HV_HUGE_BYTES | (uint64_t)HV_RING_WRITE << 32);
		break;
	case 6: /* numbers */
		fuzz_store32(base + 2 * HV_FRAME_BYTES, value % (FUZZ_HUGE * HV_HUGE_FRAMES + 2));
		post(channel, base, where % 2, 2 * HV_FRAME_BYTES, 4 + (where >> 1) % 2048);
		break;
	default:
		post(channel, base, where % 2, value, where | (uint64_t)(op >> 3) << 32);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
	static fuzz_host self;
	static hv_channel_service service;
	fuzz_input input = { bytes, n_bytes, 0 };
	hv_channel channel;
	const hv_technique *technique = technique_choose(fuzz_take(&input, 1));
	fuzz_host_open(&self);
	FUZZ_CHECK(hv_channel_create(&channel) == HV_OK);
	for (unsigned idx = 0; idx < HV_CHANNEL_RINGS_MAX; idx++) {
		atomic_store(&channel.registers->rings[idx].address, idx * UINT64_C(4096));
		atomic_store(&channel.registers->rings[idx].size, HV_CHANNEL_RING_SIZE);
	}
	atomic_store(&channel.registers->ready, fuzz_take(&input, 1) % 8 != 0);
	FUZZ_CHECK(hv_channel_service_start(&service, &self.host, &channel, technique->guest->n_rings,
					    technique->host->element) == HV_OK);
	service.block_bytes = HV_HUGE_BYTES;
	look_wait(&service);
	while (fuzz_more(&input))
		guest_step(&input, &service, self.host.memory.base);
	look_wait(&service);
	FUZZ_CHECK(hv_ledger_out_bytes(&service.ledger) <= (uint64_t)FUZZ_HUGE << HV_HUGE_SHIFT);
	hv_channel_service_stop(&service);
	hv_channel_destroy(&channel);
	fuzz_host_close(&self);
	return 0;
}
