/* SPDX-License-Identifier: MIT
 *
 * The control socket between an experiment and the process that its guest runs in: what vCPUs shall do, how it went.
 * It belongs to the experiment and to nobody else: neither guest nor host ever sees it, and no memory is asked for,
 * given or counted through it. Guest and host meet in the descriptors that CREATE exchanges. Both ends run the same
 * binary; each request has one answer with its number. */
#ifndef HV_GUEST_CONTROL_H
#define HV_GUEST_CONTROL_H

#include "device/dma_driver.h"
#include "techniques/hv_technique.h"

enum { HV_CONTROL_FD = 3 /**< of the socket, in the guest's process */ };
/** The guest's process ends with these. */
enum { HV_GUEST_EXIT_FINE = 0, HV_GUEST_EXIT_BROKEN = 1, HV_GUEST_EXIT_HOST_GONE = 3 };

typedef enum hv_control_kind {
	HV_CONTROL_CREATE,    /**< make the VM; brings the channel, answers with memory, region, ports */
	HV_CONTROL_START,     /**< attach the technique's guest half, start the vCPUs; brings the device's queues */
	HV_CONTROL_BEGIN,     /**< hv_vm_begin() */
	HV_CONTROL_WAIT,      /**< hv_vm_wait_for() a second: yes = all done */
	HV_CONTROL_KEEP_BASE, /**< hv_vm_keep_base() */
	HV_CONTROL_RESULT,    /**< hv_vm_result(), hv_dma_driver_result() */
	HV_CONTROL_AUDIT,     /**< hv_vm_audit(): yes = sound, else text */
	HV_CONTROL_QUIT       /**< end; the process ends after the answer */
} hv_control_kind;

/** The descriptors of the answer to CREATE. */
enum { HV_GUEST_FD_MEMORY, HV_GUEST_FD_REGION, HV_GUEST_FD_PORTS, HV_GUEST_FDS };

/** Pointers don't travel: names do. */
typedef struct hv_control_config {
	hv_vm_config vm; /**< its pointers: NULL */
	char technique[32], backing[32], allocator[32];
} hv_control_config;

typedef struct hv_control_request {
	hv_control_kind kind;
	uint32_t number;
	hv_control_config config; /**< of CREATE */
	uint64_t window_huge;     /**< of START: what the device sees */
	hv_job job;               /**< of BEGIN */
	uint64_t fill_max_frames; /**< likewise */
	bool strict;              /**< of AUDIT */
} hv_control_request;

typedef struct hv_control_answer {
	uint32_t number;
	hv_err err;
	int error_number; /**< errno there */
	bool yes;
	hv_vm_outcome outcome;
	hv_dma_outcome dma;
	char text[200];
} hv_control_answer;

#endif
