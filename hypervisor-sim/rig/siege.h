/* SPDX-License-Identifier: MIT
 *
 * A siege: a host with two VMs of one technique. The guest of one, mallory, is hostile: for each bad input that VM is
 * made, used, attacked at rest or beside the host's work, asked whether the host's services still answer, and ended.
 * The other, alice, works all the while and is resized; not one of her frames may change or go (H4). An input follows
 * from seed and number alone, so one can be tried again. What happens is noted on a board in shared memory, for a
 * parent that outlives a crash of this process. */
#ifndef HV_SIEGE_H
#define HV_SIEGE_H

#include "guest/attacker.h"
#include "rig/hv_rig.h"

typedef enum hv_siege_step {
	HV_SIEGE_BOOT,
	HV_SIEGE_ATTACK,
	HV_SIEGE_RESIZE,
	HV_SIEGE_CHANNEL,
	HV_SIEGE_INSTALL,
	HV_SIEGE_SETTLE,
	HV_SIEGE_END,
	HV_SIEGE_ALICE,
	HV_SIEGE_STEPS
} hv_siege_step;
const char *hv_siege_step_text(hv_siege_step step);

enum { HV_SIEGE_REASONS_MAX = 24, HV_SIEGE_AT_REST = 0, HV_SIEGE_RACING = 1 };

/** What became of inputs. Each is counted in tried and in one of the others. */
typedef struct hv_siege_counts {
	uint64_t tried;
	uint64_t stopped;   /**< the VM was stopped, with a reason */
	uint64_t refused;   /**< an install request was turned down, the VM went on */
	uint64_t late;      /**< a resize ended because the guest did not answer */
	uint64_t no_effect; /**< the host noticed nothing it had to act on */
} hv_siege_counts;

typedef struct hv_siege_board {
	_Atomic uint64_t heartbeat; /**< moves with each step */
	_Atomic uint64_t input, step, tried;
	_Atomic bool stop; /**< written by the parent */
	hv_siege_counts counts[HV_ATTACK_KINDS_MAX][2];
	struct {
		char text[160];
		uint64_t times;
	} reasons[HV_SIEGE_REASONS_MAX];
	uint64_t longest_ns; /**< of one step of the host */
	uint64_t alice_moves, alice_rounds, alice_frames;
	uint64_t failures;
	uint64_t failure_input;
	char failure[240]; /**< the first: of the host, or of alice */
	bool over;         /**< it came to its end */
} hv_siege_board;

typedef struct hv_siege_config {
	const hv_technique *technique;
	const hv_backing *backing;
	uint64_t seed, first_input, n_inputs;
	bool one_mapping; /**< as of a rig */
} hv_siege_config;

/** Run it in this process; a hang of the host is a hang here. */
void hv_siege_run(const hv_siege_config *config, hv_siege_board *board);

#endif
