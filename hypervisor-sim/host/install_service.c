/* SPDX-License-Identifier: MIT
 *
 * The install service; see install_service.h. The bell is a guest's word: a false one costs a look at the ports, a
 * missing one the sleep of at most SLEEP_NS. */
#include "host/install_service.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SLEEP_NS UINT64_C(50000000)

/* @return requests that must be asked again */
static uint32_t serve_once(hv_install_service *self)
{
	uint32_t n_open = 0;
	for (uint32_t at = 0; at < self->n_ports; at++) {
		uint64_t huge_idx;
		uint32_t sequence = hv_port_request(&self->ports->ports[at], &huge_idx);
		if (sequence == self->answered[at])
			continue;
		hv_install_result result = hv_host_install(self->host, huge_idx);
		if (result == HV_INSTALL_AGAIN) {
			n_open++;
			continue;
		}
		self->answered[at] = sequence;
		atomic_fetch_add_explicit(&self->host->counters.messages, 1, memory_order_relaxed);
		hv_port_answer(&self->ports->ports[at], sequence, result == HV_INSTALL_DONE);
	}
	return n_open;
}

static void *serve(void *context)
{
	hv_install_service *self = context;
	uint32_t bell = 0;
	while (!atomic_load_explicit(&self->stop, memory_order_acquire)) {
		if (serve_once(self) > 0)
			sched_yield();
		else
			bell = hv_ports_wait(self->ports, bell, SLEEP_NS);
	}
	return NULL;
}

hv_err hv_install_service_start(hv_install_service *self, hv_host *host, hv_ports *ports, uint32_t n_ports)
{
	memset(self, 0, sizeof(*self));
	self->host = host;
	self->ports = ports;
	self->n_ports = n_ports;
	self->answered = calloc(n_ports, sizeof(*self->answered));
	if (self->answered == NULL)
		return HV_ERR_SYSTEM;
	if (pthread_create(&self->thread, NULL, serve, self) != 0) {
		free(self->answered);
		self->answered = NULL;
		return HV_ERR_SYSTEM;
	}
	self->running = true;
	return HV_OK;
}

void hv_install_service_stop(hv_install_service *self)
{
	if (!self->running)
		return;
	atomic_store_explicit(&self->stop, true, memory_order_release);
	hv_ports_ring(self->ports);
	pthread_join(self->thread, NULL);
	free(self->answered);
	self->answered = NULL;
	self->running = false;
}
