/* SPDX-License-Identifier: MIT
 *
 * A pass clock; see qvm_pass_clock.h. */
#include "techniques/shared/qvm_pass_clock.h"

void qvm_pass_clock_begin(qvm_pass_clock *self, uint64_t now_ns, uint64_t bytes)
{
	*self = (qvm_pass_clock){ .begin_bytes = bytes, .least_bytes = bytes, .last_ns = now_ns };
}

void qvm_pass_clock_look(qvm_pass_clock *self, uint64_t now_ns, uint64_t bytes)
{
	if (bytes + HV_HUGE_BYTES > self->least_bytes)
		return;
	uint64_t gap_ns = now_ns - self->last_ns;
	bool new_round = self->n_rounds == 0 || gap_ns > QVM_PASS_PAUSE_NS;
	if (new_round)
		self->wait_ns += gap_ns;
	else
		self->work_ns += gap_ns;
	self->n_rounds += new_round;
	self->least_bytes = bytes;
	self->last_ns = now_ns;
}
