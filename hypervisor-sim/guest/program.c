/* SPDX-License-Identifier: MIT
 *
 * Lists of steps; see program.h. */
#include "guest/program.h"

#include <stdlib.h>
#include <string.h>

const hv_program_kind *hv_program_kind_find(const char *name)
{
	for (const hv_program_kind *const *each = hv_program_kinds; *each != NULL; each++)
		if (strcmp((*each)->name, name) == 0)
			return *each;
	return NULL;
}

hv_err hv_program_make(hv_program *self, const hv_program_kind *kind, const hv_program_config *config)
{
	*self = (hv_program){ .n_vcpus = config->n_vcpus, .n_processes = 1, .n_files = 1, .scale_ppm = 1000000 };
	self->steps = calloc(config->n_vcpus, sizeof(*self->steps));
	if (self->steps == NULL)
		return HV_ERR_SYSTEM;
	if (config->delay_ns > 0)
		hv_program_step_all(self, HV_STEP_THINK, 0, config->delay_ns);
	hv_err err = kind->make(self, config);
	if (err == HV_OK && self->failed)
		err = HV_ERR_SYSTEM;
	if (err != HV_OK)
		hv_program_destroy(self);
	return err;
}

void hv_program_destroy(hv_program *self)
{
	for (uint32_t idx = 0; self->steps != NULL && idx < self->n_vcpus; idx++)
		free(self->steps[idx].all);
	free(self->steps);
	*self = (hv_program){ 0 };
}

void hv_program_step(hv_program *self, uint32_t cpu_idx, hv_step_kind kind, uint32_t object, uint64_t amount)
{
	hv_steps *steps = &self->steps[cpu_idx];
	if (steps->n_all == steps->room) {
		size_t room = steps->room == 0 ? 256 : 2 * steps->room;
		hv_step *all = realloc(steps->all, room * sizeof(*all));
		if (all == NULL) {
			self->failed = true;
			return;
		}
		steps->all = all;
		steps->room = room;
	}
	steps->all[steps->n_all++] = (hv_step){ kind, object, amount };
}

void hv_program_step_all(hv_program *self, hv_step_kind kind, uint32_t object, uint64_t amount)
{
	for (uint32_t idx = 0; idx < self->n_vcpus; idx++)
		hv_program_step(self, idx, kind, object, amount);
}

void hv_program_sync(hv_program *self)
{
	hv_program_step_all(self, HV_STEP_SYNC, self->n_syncs++, 0);
}

uint64_t hv_program_think_ns(const hv_program *self)
{
	uint64_t slowest_ns = 0;
	for (uint32_t idx = 0; idx < self->n_vcpus; idx++) {
		uint64_t ns = 0;
		for (size_t at = 0; at < self->steps[idx].n_all; at++)
			ns += self->steps[idx].all[at].kind == HV_STEP_THINK ? self->steps[idx].all[at].amount : 0;
		slowest_ns = ns > slowest_ns ? ns : slowest_ns;
	}
	return slowest_ns;
}
