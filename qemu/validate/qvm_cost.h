/* SPDX-License-Identifier: MIT
 *
 * The cost model: the time of a phase is a sum of events times what each costs on a machine. The events of a technique
 * come from a simulation (time in the host's calls, CPU time of the guest's and the monitor's own work, calls,
 * messages, frames unmapped from a device); the costs on the machine of the published figures are fitted to these. A
 * technique is predicted by costs that were fitted to all other techniques, so its error says something. */
#ifndef QVM_COST_H
#define QVM_COST_H

#include "validate/qvm_figures.h"
#include "validate/qvm_published.h"

/** What a phase is made of, per 2 MiB moved; and what one of it costs. */
typedef enum qvm_event {
	QVM_EVENT_MEMORY, /**< ns in calls that give memory back or make it present; cost: that machine over this one */
	QVM_EVENT_WORK,   /**< ns of CPU of the guest's part, or of the monitor's own; cost: likewise */
	QVM_EVENT_CALL,   /**< such calls, which under KVM also unmap the guest; cost: ns */
	QVM_EVENT_MESSAGE, /**< messages, each an exit, a wake-up and an interrupt; cost: ns */
	QVM_EVENT_UNMAP,   /**< huge frames unmapped from a device; cost: ns */
	QVM_EVENTS
} qvm_event;

extern const char *const qvm_event_names[QVM_EVENTS];
extern const char *const qvm_event_units[QVM_EVENTS];

typedef struct qvm_case {
	const qvm_published *published;
	bool known; /**< the simulation has it */
	double events[QVM_EVENTS];
	double predicted_ns; /**< by costs fitted to the other techniques */
	double fitted_ns;    /**< by costs fitted to all */
} qvm_case;

enum { QVM_CASES_MAX = 32, QVM_COST_FILES_MAX = 4 };

typedef struct qvm_cost {
	qvm_case cases[QVM_CASES_MAX];
	size_t n_cases, n_known;
	double costs[QVM_EVENTS]; /**< fitted to all */
} qvm_cost;

/** The time that these events take at these costs. */
double qvm_cost_sum(const double events[QVM_EVENTS], const double costs[QVM_EVENTS]);
/** Fit costs to all cases that are known, but for those of one technique (NULL = none). */
void qvm_cost_fit(const qvm_cost *self, const char *but, double costs[QVM_EVENTS]);
/** The events of each published figure from these results of simulations (the first that has it), then all fits.
 *  @return false: fewer than two techniques are known, nothing to fit to */
HV_MUST_CHECK bool qvm_cost_open(qvm_cost *self, const qvm_figures *files, size_t n_files);

#endif
