/* SPDX-License-Identifier: MIT
 *
 * A hostile guest: writes every word that a guest shares with its host, by kinds. It writes as the guest of one VM
 * would, into that VM's memory, region, ports, registers and doorbells, and nowhere else; all that it writes follows
 * from its seed. Knows nothing of the host. */
#ifndef HV_ATTACKER_H
#define HV_ATTACKER_H

#include "guest/driver.h"

typedef enum hv_attack_needs {
	HV_ATTACK_ANY,
	HV_ATTACK_SHARED, /**< an allocator state that the host reads */
	HV_ATTACK_DRIVER  /**< rings and registers */
} hv_attack_needs;

typedef struct hv_attacker {
	hv_vm *vm;
	hv_channel *channel; /**< NULL: the guest has no driver */
	unsigned n_rings;
	uint64_t random;
	bool parked; /**< its driver is gone */
} hv_attacker;

/** One kind of bad input. */
typedef struct hv_attack_kind {
	const char *name; /**< what is written: place, field */
	hv_attack_needs needs;
	void (*write)(hv_attacker *self); /**< once; any thread of the guest, one at a time */
} hv_attack_kind;

/** All kinds, ended by a NULL name. */
extern const hv_attack_kind hv_attack_kinds[];
enum { HV_ATTACK_KINDS_MAX = 40 };

/** A request on a vCPU's port that no vCPU has made. @return its sequence */
uint32_t hv_attacker_request(hv_attacker *self, uint32_t port_idx, uint64_t huge_idx);

#endif
