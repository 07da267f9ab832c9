/* SPDX-License-Identifier: MIT
 *
 * A pass clock; see qvm_pass_clock.h. */
#include "techniques/shared/qvm_pass_clock.h"

void qvm_pass_clock_begin(qvm_pass_clock *self, uint64_t now_ns, uint64_t bytes)
{
	*self = (qvm_pass_clock){ .begin_bytes = bytes, .least_bytes = bytes, .last_ns = now_ns, .look_ns = now_ns };
}

void qvm_pass_clock_look(qvm_pass_clock *self, uint64_t now_ns, uint64_t bytes)
{
	uint64_t look_ns = self->look_ns;
	self->look_ns = now_ns;
	if (bytes + HV_HUGE_BYTES > self->least_bytes)
		return;
	bool new_round = self->n_rounds == 0 || now_ns - self->last_ns > QVM_PASS_PAUSE_NS;
	uint64_t begin_ns = new_round ? look_ns : self->last_ns;
	self->wait_ns += begin_ns - self->last_ns;
	self->work_ns += now_ns - begin_ns;
	self->n_rounds += new_round;
	self->least_bytes = bytes;
	self->last_ns = now_ns;
}
