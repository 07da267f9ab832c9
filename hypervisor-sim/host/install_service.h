/* SPDX-License-Identifier: MIT
 *
 * The install service: a host thread that answers the install calls of one VM. A request for a frame that is just
 * being discarded stays open while the others are served; nothing here waits for a guest or for the monitor thread. */
#ifndef HV_INSTALL_SERVICE_H
#define HV_INSTALL_SERVICE_H

#include "host/hv_host.h"
#include "transport/channel.h"
#include "transport/install_port.h"

#include <pthread.h>

typedef struct hv_install_service {
	hv_host *host;
	hv_ports *shared; /**< with the bell; NULL: the bells below */
	hv_port *ports;
	uint32_t n_ports;
	int ear, answer_bell, stop_bell; /**< for a guest that rings by interrupts; -1 = none */
	uint32_t *answered;              /**< sequence last answered, per port */
	pthread_t thread;
	_Atomic bool stop;
	bool running;
} hv_install_service;

HV_MUST_CHECK hv_err hv_install_service_start(hv_install_service *self, hv_host *host, hv_ports *ports,
					      uint32_t n_ports);
/** The same for a guest in a real VM: it rings the bell, and hears the other one after each answer. Both stay the
 *  caller's. */
HV_MUST_CHECK hv_err hv_install_service_start_bells(hv_install_service *self, hv_host *host, hv_port *ports,
						    uint32_t n_ports, int bell, int answer_bell);
/** Ends the thread; requests that are open stay unanswered, as when a monitor dies. Idempotent. */
void hv_install_service_stop(hv_install_service *self);

#endif
