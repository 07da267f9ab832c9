/* SPDX-License-Identifier: MIT
 *
 * The install service; see install_service.h. The bell is a guest's word: a false one costs a look at the ports, a
 * missing one the sleep of at most SLEEP_NS. */
#include "host/install_service.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define SLEEP_NS UINT64_C(50000000)

/* @return requests that must be asked again */
static uint32_t serve_once(hv_install_service *self)
{
	uint32_t n_open = 0;
	for (uint32_t at = 0; at < self->n_ports; at++) {
		uint64_t huge_idx;
		uint32_t sequence = hv_port_request(&self->ports[at], &huge_idx);
		if (sequence == self->answered[at])
			continue;
		hv_install_result result = hv_host_install(self->host, huge_idx);
		if (result == HV_INSTALL_AGAIN) {
			n_open++;
			continue;
		}
		self->answered[at] = sequence;
		atomic_fetch_add_explicit(&self->host->counters.messages, 1, memory_order_relaxed);
		hv_port_answer(&self->ports[at], sequence, result == HV_INSTALL_DONE);
		if (self->answer_bell >= 0)
			hv_bell_ring(self->answer_bell);
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
		else if (self->shared != NULL)
			bell = hv_ports_wait(self->shared, bell, SLEEP_NS);
		else
			(void)!hv_ear_wait(self->ear, -1, self->stop_bell, SLEEP_NS);
	}
	return NULL;
}

static hv_err start(hv_install_service *self)
{
	uint32_t n_ports = self->n_ports;
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

hv_err hv_install_service_start(hv_install_service *self, hv_host *host, hv_ports *ports, uint32_t n_ports)
{
	*self = (hv_install_service){ .host = host,
				      .shared = ports,
				      .ports = ports->ports,
				      .n_ports = n_ports,
				      .ear = -1,
				      .answer_bell = -1,
				      .stop_bell = -1 };
	return start(self);
}

static void bells_close(const hv_install_service *self)
{
	if (self->stop_bell >= 0)
		close(self->stop_bell);
	if (self->ear >= 0)
		close(self->ear);
}

hv_err hv_install_service_start_bells(hv_install_service *self, hv_host *host, hv_port *ports, uint32_t n_ports,
				      int bell, int answer_bell)
{
	*self = (hv_install_service){ .host = host,
				      .ports = ports,
				      .n_ports = n_ports,
				      .ear = hv_ear_create(bell),
				      .answer_bell = answer_bell,
				      .stop_bell = hv_bell_create() };
	hv_err err = self->stop_bell >= 0 && self->ear >= 0 ? start(self) : HV_ERR_SYSTEM;
	if (err != HV_OK)
		bells_close(self);
	return err;
}

void hv_install_service_stop(hv_install_service *self)
{
	if (!self->running)
		return;
	atomic_store_explicit(&self->stop, true, memory_order_release);
	if (self->shared != NULL)
		hv_ports_ring(self->shared);
	else
		hv_bell_ring(self->stop_bell);
	pthread_join(self->thread, NULL);
	bells_close(self);
	free(self->answered);
	self->answered = NULL;
	self->running = false;
}
