/* SPDX-License-Identifier: MIT
 *
 * Memory over time; see qvm_series.h. */
#include "scenario/shared/qvm_series.h"
#include "cli/hv_session.h"
#include "scenario/qvm_scenario.h"
#include "techniques/qvm_technique.h"

bool qvm_series_look(qvm_series *self, uint64_t now_ns, uint64_t resident_bytes)
{
	bool first = self->resident.n_values == 0;
	if (first)
		self->begin_ns = now_ns;
	else
		self->byte_ns += (double)(now_ns - self->last_ns) * (double)(self->last_bytes + resident_bytes) / 2;
	self->grown_bytes = !first && resident_bytes > self->last_bytes ? resident_bytes - self->last_bytes : 0;
	self->peak_bytes = resident_bytes > self->peak_bytes ? resident_bytes : self->peak_bytes;
	self->last_bytes = resident_bytes;
	self->last_ns = now_ns;
	return hv_samples_add(&self->resident, (double)resident_bytes) == HV_OK;
}

double qvm_series_gib_min(const qvm_series *self)
{
	return self->byte_ns / 60e9 / (double)(UINT64_C(1) << 30);
}

void qvm_series_emit_as(const qvm_series *self, hv_result *result, const hv_row *like, const char *metric)
{
	size_t n_steps = self->resident.n_values > 1 ? self->resident.n_values - 1 : 1;
	double interval_s = (double)(self->last_ns - self->begin_ns) / 1e9 / (double)n_steps;
	hv_session_series(result, like, metric, "bytes", &self->resident, interval_s);
}

void qvm_series_emit(const qvm_series *self, hv_result *result, const hv_row *like)
{
	hv_session_figure(result, like, "footprint", "GiB*min", qvm_series_gib_min(self));
	hv_session_figure(result, like, "resident-peak", "bytes", (double)self->peak_bytes);
	qvm_series_emit_as(self, result, like, "resident");
}

void qvm_series_clear(qvm_series *self)
{
	hv_samples_clear(&self->resident);
	*self = (qvm_series){ 0 };
}

/* A device of QEMU tells by pass_ns that its passes only wait for what the guest begins. */
const hv_policy *qvm_series_policy(const qvm_technique *technique)
{
	const hv_host_half *half = technique->technique->host;
	bool driven = technique->technique->automatic && half->pass != NULL && half->pass_ns == NULL;
	return driven ? hv_policy_find("period") : NULL;
}

void qvm_series_automatic(qvm_rig *rig, bool on)
{
	if (rig->monitor_on && rig->config.policy != NULL)
		hv_monitor_policy(&rig->monitor, on);
}

void qvm_series_techniques(const qvm_options *options,
			   void (*run)(void *context, const struct qvm_technique *technique), void *context)
{
	for (unsigned round = 0; round < 2; round++)
		for (const qvm_technique *const *each = qvm_techniques; *each != NULL && !hv_interrupted(); each++) {
			bool base = (*each)->technique->grain_bytes == 0;
			if (base == (round == 0) && qvm_options_wants(options, (*each)->technique->name))
				run(context, *each);
		}
}
