/* SPDX-License-Identifier: MIT
 *
 * The prediction: published figures beside what the cost model makes of the simulation's events, with the error of each
 * technique. Errors are shown, never judged. */
#define _GNU_SOURCE
#include "cli/hv_session.h"
#include "validate/qvm_validate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void costs_show(hv_result *result, const qvm_cost *cost)
{
	hv_row like = { .scenario = "validate", .phase = "published", .proof = "fitted to all figures", .quiet = true };
	hv_result_say(result, "  costs fitted to all:");
	for (unsigned at = 0; at < QVM_EVENTS; at++) {
		char metric[60];
		bool factor = strcmp(qvm_event_units[at], "ratio") == 0;
		snprintf(metric, sizeof(metric), "cost of %s", qvm_event_names[at]);
		hv_session_figure(result, &like, metric, qvm_event_units[at], cost->costs[at]);
		hv_result_say(result, "%s %s %.4g%s", at > 0 ? "," : "", qvm_event_names[at], cost->costs[at],
			      factor ? "x this machine's" : " ns");
	}
	hv_result_say(result, "\n");
}

static void case_show(hv_result *result, const qvm_cost *cost, const qvm_case *each)
{
	const qvm_published *published = each->published;
	char shares[160] = "";
	for (unsigned at = 0; at < QVM_EVENTS; at++) {
		size_t used = strlen(shares);
		double share = 100 * each->events[at] * cost->costs[at] / each->fitted_ns;
		if (share >= 1)
			snprintf(shares + used, sizeof(shares) - used, "%s%.0f%% %s", used > 0 ? ", " : "", share,
				 qvm_event_names[at]);
	}
	hv_result_say(result, "  %-18s %-17s %10.4g %10.4g %7.2fx %7.2fx  %s\n", published->name, published->phase,
		      published->time_ns / 1000, each->predicted_ns / 1000, each->predicted_ns / published->time_ns,
		      each->fitted_ns / published->time_ns, shares);
	hv_row like = { .scenario = "validate",
			.technique = published->technique,
			.device = published->device ? "vfio" : "none",
			.phase = published->phase,
			.quiet = true };
	hv_session_figure(result, &like, "published", "ns/2MiB", published->time_ns);
	hv_session_figure(result, &like, "predicted", "ns/2MiB", each->predicted_ns);
	hv_session_figure(result, &like, "predicted over published", "ratio", each->predicted_ns / published->time_ns);
	hv_session_figure(result, &like, "fitted over published", "ratio", each->fitted_ns / published->time_ns);
}

/* The mean factor by which a technique is missed, in either direction; and the worst. */
static void error_show(hv_result *result, const qvm_cost *cost, size_t first)
{
	const qvm_published *published = cost->cases[first].published;
	double sum = 0, worst = 0;
	unsigned n_cases = 0;
	for (size_t at = 0; at < cost->n_cases; at++) {
		const qvm_case *each = &cost->cases[at];
		if (!each->known || strcmp(each->published->name, published->name) != 0)
			continue;
		double error = fabs(log(each->predicted_ns / each->published->time_ns));
		sum += error;
		worst = error > worst ? error : worst;
		n_cases++;
	}
	hv_row like = { .scenario = "validate",
			.technique = published->technique,
			.device = published->device ? "vfio" : "none",
			.phase = "published",
			.proof = "costs fitted to the other techniques",
			.quiet = true };
	hv_session_figure(result, &like, "prediction-error", "ratio", exp(sum / n_cases));
	hv_result_say(result, "  error of %-18s %.2fx in the mean, %.2fx at worst\n", published->name,
		      exp(sum / n_cases), exp(worst));
}

static bool first_of_name(const qvm_cost *cost, size_t at)
{
	for (size_t before = 0; before < at; before++)
		if (cost->cases[before].known &&
		    strcmp(cost->cases[before].published->name, cost->cases[at].published->name) == 0)
			return false;
	return cost->cases[at].known;
}

void qvm_validate_predict(hv_result *result, const qvm_figures *files, size_t n_files)
{
	static qvm_cost cost;
	if (!qvm_cost_open(&cost, files, n_files)) {
		hv_result_skip(result, "the cost model",
			       "the simulation's results hold fewer than two of the published techniques with their "
			       "messages, discards and times");
		return;
	}
	hv_result_say(
		result,
		"\nPublished under KVM (EuroSys'25, 2x Xeon Gold 6252) and predicted from the simulation's events; "
		"us per 2 MiB\n  predicted: by costs fitted to all other techniques; fitted: to all\n");
	hv_result_say(result, "  %-18s %-17s %10s %10s %8s %8s  %s\n", "technique", "phase", "published", "predicted",
		      "error", "fitted", "made of");
	for (size_t at = 0; at < cost.n_cases; at++) {
		if (cost.cases[at].known)
			case_show(result, &cost, &cost.cases[at]);
		else
			hv_result_say(result, "  %-18s %-17s %10.4g  not in the simulation's results\n",
				      cost.cases[at].published->name, cost.cases[at].published->phase,
				      cost.cases[at].published->time_ns / 1000);
	}
	costs_show(result, &cost);
	for (size_t at = 0; at < cost.n_cases; at++)
		if (first_of_name(&cost, at))
			error_show(result, &cost, at);
}
