/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: the bytes are words that a guest writes into its install ports, beside reclaims. The service answers to
 * the end, and no huge frame stays busy. */
#define _GNU_SOURCE
#include "fuzz_sim.h"
#include "host/install_service.h"

#include <stdatomic.h>

enum { PORTS = 3 };

/* Some request is answered: the one that the guest means, since it writes no other meanwhile. */
static void answer_wait(hv_ports *ports)
{
	uint64_t asked = atomic_load(&ports->ports[0].request);
	for (uint32_t wanted = 0, tried = 0; wanted == 0 || atomic_load(&ports->ports[0].answer) >> 2 != wanted;
	     tried++) {
		if (tried % 1000 == 0) { /* the number may be one that it has answered already */
			asked += UINT64_C(1) << HV_PORT_IDX_BITS;
			wanted = (uint32_t)(asked >> HV_PORT_IDX_BITS);
			atomic_store(&ports->ports[0].request, (uint64_t)wanted << HV_PORT_IDX_BITS);
			hv_ports_ring(ports);
		}
		hv_sleep_ns(1000);
	}
}

static void step(fuzz_input *input, hv_host *host, hv_ports *ports)
{
	uint64_t op = fuzz_take(input, 1), idx = fuzz_take(input, 1) % FUZZ_HUGE, value = fuzz_take(input, 8);
	bool done;
	switch (op % 8) {
	case 0:
		(void)!hv_host_soft(host, idx, &done);
		break;
	case 1:
		(void)!hv_host_hard(host, idx, &done);
		break;
	case 2:
		(void)!hv_host_issue(host);
		break;
	case 3:
		(void)!hv_host_return(host, idx, &done);
		break;
	case 4:
		fuzz_store32((uint8_t *)ports + value % (sizeof(*ports) + PORTS * sizeof(hv_port)) / 4 * 4,
			     value >> 32);
		break;
	case 5:
		atomic_store(&ports->ports[idx % PORTS].request, value);
		hv_ports_ring(ports);
		break;
	default:
		atomic_store(&ports->ports[idx % PORTS].request, value << HV_PORT_IDX_BITS | idx);
		hv_ports_ring(ports);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
	static fuzz_host self;
	static hv_install_service service;
	fuzz_input input = { bytes, n_bytes, 0 };
	hv_ports *ports;
	fuzz_host_open(&self);
	FUZZ_CHECK(hv_ports_create(&ports, PORTS) == HV_OK);
	FUZZ_CHECK(hv_install_service_start(&service, &self.host, ports, PORTS) == HV_OK);
	while (fuzz_more(&input))
		step(&input, &self.host, ports);
	(void)!hv_host_issue(&self.host);
	answer_wait(ports);
	hv_install_service_stop(&service);
	FUZZ_CHECK(hv_frames_count(&self.host.frames, HV_R_BUSY) == 0);
	hv_ports_destroy(ports, PORTS);
	fuzz_host_close(&self);
	return 0;
}
