/* SPDX-License-Identifier: MIT
 *
 * A siege in a child process, so that a crash and a hang of the host are outcomes like any other. */
#ifndef HV_SIEGE_WATCH_H
#define HV_SIEGE_WATCH_H

#include "rig/siege.h"

typedef struct hv_siege_guard {
	uint64_t bound_ns;  /**< a host that takes no step for so long hangs */
	bool (*stop)(void); /**< end early? NULL = never */
	void (*progress)(void *context, const hv_siege_board *board); /**< called now and then; NULL = nobody */
	void *context;
} hv_siege_guard;

typedef struct hv_siege_outcome {
	uint64_t host_failures; /**< crashes, hangs, harm to the honest VM */
	uint64_t input;         /**< of the first */
	char failure[320];      /**< the first, for people */
} hv_siege_outcome;

/** Run a siege to its end, or to the end of its host. The caller has no other thread that holds a lock.
 *  @param board  what was counted; to be freed  @return HV_OK, whatever the outcome; HV_ERR_SYSTEM (errno) */
HV_MUST_CHECK hv_err hv_siege_watch(const hv_siege_config *config, const hv_siege_guard *guard, hv_siege_board **board,
				    hv_siege_outcome *outcome);
void hv_siege_board_free(hv_siege_board *board);

#endif
