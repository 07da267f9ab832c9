/* SPDX-License-Identifier: MIT
 *
 * The install call: how a vCPU asks the host to put memory behind a huge frame, and waits. One port per vCPU in memory
 * that both sides share, so each waiter sends its own request and none waits for another guest thread; a host that
 * does not answer costs the caller its timeout, never more (H4 for the guest's side). The host reads a request as
 * one word and keeps its own record of what it has answered. No pointers, process-shared futexes. */
#ifndef HV_INSTALL_PORT_H
#define HV_INSTALL_PORT_H

#include "base/hv_base.h"

enum { HV_PORT_IDX_BITS = 40, HV_PORT_ANSWER_DONE = 1, HV_PORT_ANSWER_REFUSED = 2 };

/** One cache line. request: [sequence:24][huge_idx:40], written by the guest; answer: [sequence:24][answer:2] by the
 * host. */
typedef struct hv_port {
	_Atomic uint64_t request;
	_Atomic uint32_t answer;
	uint32_t unused[13];
} hv_port;
_Static_assert(sizeof(hv_port) == 64, "a port is one cache line");

/** The shared memory of all ports. */
typedef struct hv_ports {
	_Atomic uint32_t bell; /**< raised by each request; the host sleeps on it */
	uint32_t unused[15];
	hv_port ports[];
} hv_ports;

HV_MUST_CHECK hv_err hv_ports_create(hv_ports **ports, uint32_t n_ports);
/** The same in two steps, for two processes: a file of ports, and a mapping of it. @return -1 with errno */
int hv_ports_file(uint32_t n_ports);
/** fd stays the caller's. @return HV_OK; HV_ERR_SYSTEM (errno; EINVAL: too small, or it could shrink) */
HV_MUST_CHECK hv_err hv_ports_map(hv_ports **ports, int fd, uint32_t n_ports);
void hv_ports_destroy(hv_ports *ports, uint32_t n_ports);

/** The guest's end; private to one vCPU. */
typedef struct hv_port_guest {
	hv_ports *ports;
	uint32_t port_idx, sequence;
	uint64_t timeout_ns;
	uint64_t calls, failures; /**< of this vCPU */
} hv_port_guest;

/** Ask and wait. An llfree_install_fn: context is the hv_port_guest of the calling thread.
 *  @return true when installed; false refused, or no answer in time */
bool hv_port_install(void *context, uint64_t huge_idx);

/** The host's end: sleep until the bell is not `seen` any more, at most for timeout_ns. @return the bell now */
uint32_t hv_ports_wait(hv_ports *ports, uint32_t seen, uint64_t timeout_ns);
/** Wake a host that sleeps. */
void hv_ports_ring(hv_ports *ports);
/** Read a request once. @return its sequence, 0 = there never was one */
uint32_t hv_port_request(const hv_port *port, uint64_t *huge_idx);
void hv_port_answer(hv_port *port, uint32_t sequence, bool done);

#endif
