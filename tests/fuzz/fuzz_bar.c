/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: the bytes are what a guest writes into BAR 2 of its ivshmem device, anywhere, and which bells it rings,
 * while the monitor's halves work over it: installs and reclaims with LLFree's frames, the channel with the balloon.
 * There is no QEMU: the target holds QEMU's end of the socket. The services answer to the end, no huge frame stays
 * busy, the balloon's ledger never holds more than there is, and the first MiB of the RAM file is never touched. */
#define _GNU_SOURCE
#include "fuzz_sim.h"
#include "scenario/qvm_scenario.h"
#include "tests/qemu/t_link.h"

#include <stdatomic.h>

#define WAIT_NS UINT64_C(300000)

enum { MIB = 1 << 20, RING_SIZE = 128, RINGS_AT = 4096, BUFFER = 2 * RINGS_AT, PATTERN = 0x5a };

bool hv_interrupted(void)
{
	return false;
}

/* Anywhere in the part of the BAR that comes before the frames; each structure as likely as the others. */
static uint64_t place(const t_link *self, uint64_t dice, uint64_t where)
{
	const qvm_header *header = &self->header;
	uint64_t part[][2] = { { 0, header->frames_offset },
			       { 0, sizeof(*header) },
			       { header->region_offset, header->region_bytes },
			       { header->ports_offset, header->n_ports * sizeof(qvm_port) },
			       { header->channel_offset, self->frames ? 0 : sizeof(qvm_channel) },
			       { header->rings_offset, header->rings_bytes / 4 } };
	uint64_t *chosen = part[dice % (sizeof(part) / sizeof(part[0]))];
	return chosen[0] + (chosen[1] != 0 ? where % chosen[1] / 4 * 4 : 0);
}

/* As the driver does when it begins; the numbers may be no driver's. */
static void rings_tell(const t_link *self, uint64_t address, uint32_t size)
{
	qvm_channel *channel = (qvm_channel *)(void *)(self->bar + self->header.channel_offset);
	for (unsigned idx = 0; idx < QVM_RINGS; idx++) {
		fuzz_store32(&channel->rings[idx].address, idx == 0 ? 0 : address);
		fuzz_store32(&channel->rings[idx].size, size);
	}
	fuzz_store32(&channel->ready, 1);
	hv_bell_ring(self->monitors[QVM_VECTOR_CHANNEL]);
}

/* One page as a driver would hand it over, in a descriptor and a buffer of its own; odd: in none that a driver has. */
static void element_send(const t_link *self, unsigned ring_idx, uint64_t frame, const uint64_t *odd)
{
	uint8_t *rings = self->bar + self->header.rings_offset, *ring = rings + ring_idx * (uint64_t)RINGS_AT;
	uint16_t *available = (uint16_t *)(void *)(ring + RING_SIZE * 16);
	uint16_t idx = __atomic_load_n(&available[1], __ATOMIC_RELAXED), slot = idx % RING_SIZE;
	uint64_t buffer = BUFFER + (ring_idx * RING_SIZE + slot) * UINT64_C(4);
	uint64_t words[2] = { odd != NULL ? odd[0] : buffer, odd != NULL ? odd[1] : 4 };
	fuzz_store32(rings + buffer, frame);
	for (unsigned at = 0; at < 4; at++)
		fuzz_store32(ring + slot * 16 + at * 4, words[at / 2] >> 32 * (at % 2));
	__atomic_store_n(&available[2 + slot], slot, __ATOMIC_RELAXED);
	__atomic_store_n(&available[1], (uint16_t)(idx + 1), __ATOMIC_RELEASE);
	hv_bell_ring(self->monitors[QVM_VECTOR_RING0 + ring_idx]);
}

static void host_step(t_link *self, uint64_t op, uint64_t value)
{
	hv_host *host = &self->rig.host;
	uint64_t idx = value % (host->memory.huge_count + 1), moved_bytes;
	bool done;
	if (!self->frames) {
		if (op % 32 != 3)
			return; /* each may wait for its guest */
		const hv_host_half *half = qvm_technique_find("huge-manual")->technique->host;
		uint64_t limit_bytes = idx << HV_HUGE_SHIFT;
		(void)!(value % 2 == 0 ? half->shrink(host, limit_bytes, &moved_bytes)
				       : half->grow(host, limit_bytes, &moved_bytes));
		return;
	}
	switch (op % 5) {
	case 0:
		(void)!hv_host_soft(host, idx, &done);
		break;
	case 1:
		(void)!hv_host_hard(host, idx, &done);
		break;
	case 2:
		(void)!hv_host_return(host, idx, &done);
		break;
	case 3:
		llfree_drain_all(&host->view);
		break;
	default:
		(void)!hv_host_issue(host);
	}
}

/* A page that the guest has handed over comes back, another one goes: mostly. */
static void page_move(const t_link *self, uint64_t where, uint64_t value, uint32_t *out)
{
	unsigned huge_idx = (unsigned)(1 + value % (T_LINK_RAM_MIB / 2 - 1)), ring_idx = *out >> huge_idx & 1;
	uint64_t odd[] = { where % 2 == 0 ? value : BUFFER, where % 3 == 0 ? value : 4 };
	uint64_t frame = where % 64 == 60 ? value >> 8 : huge_idx * (uint64_t)HV_HUGE_FRAMES;
	element_send(self, ring_idx ^ (where % 64 == 61), frame, where % 64 >= 62 ? odd : NULL);
	*out ^= 1u << huge_idx;
}

static void step(fuzz_input *input, t_link *self, uint32_t *out)
{
	uint64_t op = fuzz_take(input, 1), where = fuzz_take(input, 2), value = fuzz_take(input, 4);
	const qvm_header *header = &self->header;
	switch (op % 8) {
	case 0:
		if (where % 16 == 15) /* noise stops most VMs, and what is stopped does nothing any more */
			fuzz_store32(self->bar + place(self, op >> 3, where), value);
		break;
	case 2:
		hv_bell_ring(self->monitors[where % QVM_VECTORS]);
		break;
	case 1:
	case 3:
		if (self->frames) { /* a request that is plausible */
			uint8_t *port = self->bar + header->ports_offset + where % header->n_ports * sizeof(qvm_port);
			__atomic_store_n((uint64_t *)(void *)port,
					 (value >> 8) << QVM_PORT_IDX_BITS | value % (self->rig.host.memory.huge_count),
					 __ATOMIC_RELEASE);
			hv_bell_ring(self->monitors[QVM_VECTOR_INSTALL]);
		} else {
			rings_tell(self, where % 64 != 60 ? RINGS_AT : value,
				   where % 64 != 61 ? RING_SIZE : (uint32_t)value);
		}
		break;
	case 4:
	case 5:
		if (!self->frames)
			page_move(self, where, value, out);
		break;
	default:
		host_step(self, op >> 3, value);
	}
	if (where % 4 == 0)
		hv_sleep_ns(20000); /* for the services to come to it */
}

/* The channel's service has come to look once more. */
static void look_wait(const t_link *self)
{
	hv_channel_service *service = self->rig.host.channel;
	uint64_t seen = atomic_load(&service->n_served);
	do {
		hv_bell_ring(self->monitors[QVM_VECTOR_CHANNEL]);
		hv_sleep_ns(1000);
	} while (atomic_load(&service->n_served) == seen);
}

static void ram_check(const t_link *self, const uint8_t *first_mib)
{
	static uint8_t now[MIB];
	FUZZ_CHECK(pread(self->rig.vm.ram.fd, now, MIB, 0) == MIB && memcmp(now, first_mib, MIB) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
	static t_link self;
	static uint8_t first_mib[MIB];
	fuzz_input input = { bytes, n_bytes, 0 };
	uint32_t out = 0; /* the pages that the guest has handed over, a bit each */
	bool frames = fuzz_take(&input, 1) % 2 == 0;
	FUZZ_CHECK(t_link_open(&self, frames, (uint64_t)FUZZ_HUGE << HV_HUGE_SHIFT, "memfd") == NULL);
	if (!frames) {
		memset(first_mib, PATTERN, sizeof(first_mib));
		FUZZ_CHECK(pwrite(self.rig.vm.ram.fd, first_mib, MIB, 0) == MIB);
		self.rig.host.channel->timeout_ns = WAIT_NS;
		if (fuzz_take(&input, 1) % 8 != 0)
			rings_tell(&self, RINGS_AT, RING_SIZE);
	}
	while (fuzz_more(&input))
		step(&input, &self, &out);
	if (frames) {
		(void)!hv_host_issue(&self.rig.host);
		qvm_link_hush(&self.rig);
		FUZZ_CHECK(hv_frames_count(&self.rig.host.frames, HV_R_BUSY) == 0);
	} else {
		look_wait(&self);
		FUZZ_CHECK(hv_ledger_out_bytes(&self.rig.host.channel->ledger) <= (uint64_t)T_LINK_RAM_MIB * MIB);
		ram_check(&self, first_mib);
	}
	t_link_close(&self);
	return 0;
}
