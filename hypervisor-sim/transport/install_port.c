/* SPDX-License-Identifier: MIT
 *
 * The install call; see install_port.h. An answer carries the sequence of its request, so one that comes after the
 * caller gave up is not taken for the answer to the next. */
#define _GNU_SOURCE
#include "transport/install_port.h"
#include "base/hv_socket.h"

#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { SEQUENCE_MASK = 0xffffff, ANSWER_BITS = 2 };

static size_t ports_bytes(uint32_t n_ports)
{
	return sizeof(hv_ports) + n_ports * sizeof(hv_port);
}

static void futex_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t timeout_ns)
{
	struct timespec timeout = { (time_t)(timeout_ns / 1000000000u), (long)(timeout_ns % 1000000000u) };
	syscall(SYS_futex, word, FUTEX_WAIT, expected, &timeout, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

int hv_ports_file(uint32_t n_ports)
{
	return hv_shared_file("hv-ports", ports_bytes(n_ports));
}

hv_err hv_ports_map(hv_ports **ports, int fd, uint32_t n_ports)
{
	*ports = hv_shared_map(fd, ports_bytes(n_ports));
	return *ports != NULL ? HV_OK : HV_ERR_SYSTEM;
}

hv_err hv_ports_create(hv_ports **ports, uint32_t n_ports)
{
	int fd = hv_ports_file(n_ports);
	if (fd < 0)
		return HV_ERR_SYSTEM;
	hv_err err = hv_ports_map(ports, fd, n_ports);
	close(fd);
	return err;
}

void hv_ports_destroy(hv_ports *ports, uint32_t n_ports)
{
	if (ports != NULL)
		munmap(ports, ports_bytes(n_ports));
}

bool hv_port_install(void *context, uint64_t huge_idx)
{
	hv_port_guest *self = context;
	hv_port *port = &self->ports->ports[self->port_idx];
	self->calls++;
	self->sequence = (self->sequence + 1) & SEQUENCE_MASK;
	if (self->sequence == 0)
		self->sequence = 1;
	atomic_store_explicit(&port->request, (uint64_t)self->sequence << HV_PORT_IDX_BITS | huge_idx,
			      memory_order_release);
	hv_ports_ring(self->ports);
	uint64_t deadline_ns = hv_now_ns() + self->timeout_ns;
	for (;;) {
		uint32_t answer = atomic_load_explicit(&port->answer, memory_order_acquire);
		if (answer >> ANSWER_BITS == self->sequence) {
			bool done = (answer & ((1u << ANSWER_BITS) - 1)) == HV_PORT_ANSWER_DONE;
			self->failures += !done;
			return done;
		}
		uint64_t now_ns = hv_now_ns();
		if (now_ns >= deadline_ns)
			break;
		futex_wait(&port->answer, answer, deadline_ns - now_ns);
	}
	self->failures++;
	return false;
}

uint32_t hv_ports_wait(hv_ports *ports, uint32_t seen, uint64_t timeout_ns)
{
	if (atomic_load_explicit(&ports->bell, memory_order_acquire) == seen)
		futex_wait(&ports->bell, seen, timeout_ns);
	return atomic_load_explicit(&ports->bell, memory_order_acquire);
}

void hv_ports_ring(hv_ports *ports)
{
	atomic_fetch_add_explicit(&ports->bell, 1, memory_order_release);
	futex_wake(&ports->bell);
}

uint32_t hv_port_request(const hv_port *port, uint64_t *huge_idx)
{
	uint64_t word = atomic_load_explicit(&port->request, memory_order_acquire);
	*huge_idx = word & ((UINT64_C(1) << HV_PORT_IDX_BITS) - 1);
	return (uint32_t)(word >> HV_PORT_IDX_BITS);
}

void hv_port_answer(hv_port *port, uint32_t sequence, bool done)
{
	uint32_t answer = done ? HV_PORT_ANSWER_DONE : HV_PORT_ANSWER_REFUSED;
	/* pairs with the acquire of the waiter: it sees the populated memory and E = 0 */
	atomic_store_explicit(&port->answer, sequence << ANSWER_BITS | answer, memory_order_release);
	futex_wake(&port->answer);
}
