/* SPDX-License-Identifier: MIT
 *
 * The monitor of one VM: the one thread that reclaims and returns. It executes what it is told (shrink, grow, one
 * pass), or acts by a policy; each move is timed on this thread, without the time it took to wake up. A limit that a
 * policy sets is reached in slices, with the policy asked between them. Installs are served beside it by the install
 * service. */
#ifndef HV_MONITOR_H
#define HV_MONITOR_H

#include "host/policy_registry.h"
#include "host/policy_source.h"
#include "techniques/hv_technique.h"

#include <pthread.h>

/** What one command or pass did. */
typedef struct hv_move {
	hv_err err;
	uint64_t bytes;      /**< that changed hands */
	uint64_t huge;       /**< whole huge frames of these */
	uint64_t elapsed_ns; /**< in which the technique worked */
	uint64_t wait_ns;    /**< beside it: in which it paused by itself, as guests do before they report */
	uint64_t discard_calls;
} hv_move;

typedef enum hv_command { HV_COMMAND_NONE, HV_COMMAND_SHRINK, HV_COMMAND_GROW, HV_COMMAND_PASS } hv_command;

/** Somebody watches: after each move, on the monitor's thread, which holds no lock. limit_bytes: the limit now. */
typedef void (*hv_monitor_watch_fn)(void *context, hv_command command, const hv_move *move, uint64_t limit_bytes);

typedef struct hv_monitor {
	hv_host *host;
	const hv_technique *technique;
	const hv_policy *policy; /**< acts only while passes are allowed */
	uint64_t period_ns;
	hv_policy_source source; /**< the monitor's thread alone */
	hv_policy_state state;   /**< likewise */
	hv_monitor_watch_fn watch;
	void *watch_context;
	pthread_t thread;
	pthread_mutex_t lock; /**< protects all below */
	pthread_cond_t changed;
	bool running, quit;
	uint64_t passes_allowed; /**< that the policy may still make; UINT64_MAX = no end */
	uint64_t switched;       /**< how often the policy was switched on */
	hv_command command;
	uint64_t limit_bytes;   /**< of the command */
	uint64_t current_bytes; /**< the limit now; the memory of the VM when there is none */
	uint64_t goal_bytes;    /**< that the policy wants to reach; equal to current_bytes: reached */
	hv_err move_err;        /**< the first of a policy's moves that is not "not enough free" */
	bool in_move;           /**< of the policy */
	bool misfit_told;       /**< the policy wants what the technique can't */
	hv_move last;
	uint64_t last_ns;
	uint64_t n_passes; /**< made by the policy; a change of the limit counts as one */
} hv_monitor;

/** policy, setup may be NULL; period_ns 0 = the technique's usual one. */
HV_MUST_CHECK hv_err hv_monitor_start(hv_monitor *self, hv_host *host, const hv_technique *technique,
				      const hv_policy *policy, uint64_t period_ns, const hv_policy_setup *setup);
/** Where the policy learns what the guest uses. While the policy is off. */
void hv_monitor_guest(hv_monitor *self, hv_guest_numbers_fn guest, void *context);
/** NULL = nobody. While the policy is off and no command runs. */
void hv_monitor_watch(hv_monitor *self, hv_monitor_watch_fn watch, void *context);
/** Ends the thread after what it is doing. Idempotent. */
void hv_monitor_stop(hv_monitor *self);

/** Have the monitor do this, and wait until it is done. HV_ERR_INVAL when the technique can't. */
hv_move hv_monitor_do(hv_monitor *self, hv_command command, uint64_t limit_bytes);

/** Switch the policy on or off; switching on begins a period, switching off waits for the end of a move. */
void hv_monitor_policy(hv_monitor *self, bool on);
/** The limit of the guest now. */
uint64_t hv_monitor_limit(hv_monitor *self);
/** The first error of a move that the policy made; "not enough free" is none. */
hv_err hv_monitor_move_err(hv_monitor *self);
/** Passes that the policy has made, and the last of them. */
uint64_t hv_monitor_passes(hv_monitor *self, hv_move *last);
/** Switch the policy on, wait for its first pass, switch it off. HV_ERR_TIMEOUT: it made none in a period and 10 s. */
hv_move hv_monitor_next_pass(hv_monitor *self);

#endif
