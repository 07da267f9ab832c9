/* SPDX-License-Identifier: MIT
 *
 * The comparison: for each phase a table of the techniques in both worlds, the order of each pair, and for pairs that
 * are close to each other or in another order which part of the time makes their ratio differ. */
#define _GNU_SOURCE
#include "cli/hv_session.h"
#include "validate/qvm_compare.h"
#include "validate/qvm_validate.h"

#include <math.h>
#include <stdio.h>

enum { TECHNIQUES_MAX = 16 };

static const char *const phase_names[] = { "shrink-touched", "shrink-untouched", "grow", "grow-touch" };

typedef struct table {
	hv_result *result;
	const char *phase;
	size_t n_techniques;
	const char *techniques[TECHNIQUES_MAX];
	qvm_point sim[TECHNIQUES_MAX], vm[TECHNIQUES_MAX];
	unsigned n_pairs, n_apart, n_ordered, n_close_ordered;
	char detail[200]; /**< the first pair that is not */
} table;

static const char *cell(double value, const char *unit, char *text, size_t text_bytes)
{
	if (value < 0)
		snprintf(text, text_bytes, "-");
	else if (value != 0 && value < 0.001)
		snprintf(text, text_bytes, "%.1e%s", value, unit);
	else
		snprintf(text, text_bytes,
			 value != 0 && value < 0.995 ? "%.2g%s"
			 : value < 99.5              ? "%.3g%s"
						     : "%.0f%s",
			 value, unit);
	return text;
}

/* What nobody counts in one of the worlds. */
static const char *count_cell(double value, char *text, size_t text_bytes)
{
	if (value >= 0)
		return cell(value, "", text, text_bytes);
	snprintf(text, text_bytes, "not counted");
	return text;
}

static void point_show(const table *self, const char *technique, const char *world, const qvm_point *point)
{
	char time[32], freed[32], discards[32], messages[32], parts[QVM_PARTS][32];
	double share =
		point->moved_bytes > 0 && point->freed_bytes >= 0 ? 100 * point->freed_bytes / point->moved_bytes : -1;
	for (unsigned part = 0; part < QVM_PARTS; part++)
		cell(point->parted ? 100 * point->parts_ns[part] / point->time_ns : -1, "%", parts[part],
		     sizeof(parts[part]));
	hv_result_say(self->result, "  %-14s %-5s %10s %9.0f %7s %11s %11s %7s %7s %8s %7s\n", technique, world,
		      cell(point->time_ns / 1000, "", time, sizeof(time)),
		      point->moved_bytes > 0 ? point->moved_bytes / (1 << 20) : 0,
		      cell(share, "%", freed, sizeof(freed)), count_cell(point->discards, discards, sizeof(discards)),
		      count_cell(point->messages, messages, sizeof(messages)), parts[QVM_PART_HOST],
		      parts[QVM_PART_GUEST], parts[QVM_PART_EMULATOR], parts[QVM_PART_REST]);
}

static void ratio_row(const table *self, const char *technique, const char *metric, double vm, double sim)
{
	hv_row like = { .scenario = "validate", .technique = technique, .phase = self->phase, .quiet = true };
	if (vm >= 0 && sim > 0)
		hv_session_figure(self->result, &like, metric, "ratio", vm / sim);
}

/* Pauses are no work, and in no time above; but memory comes back that much later. */
static void pauses_show(const table *self)
{
	char sim[32], vm[32];
	for (size_t at = 0; at < self->n_techniques; at++)
		if (self->sim[at].wait_ns >= 0 || self->vm[at].wait_ns >= 0)
			hv_result_say(self->result, "  %s pauses besides, seconds in all: sim %s, VM %s\n",
				      self->techniques[at], cell(self->sim[at].wait_ns / 1e9, "", sim, sizeof(sim)),
				      cell(self->vm[at].wait_ns / 1e9, "", vm, sizeof(vm)));
}

static void points_show(const table *self)
{
	hv_result_say(self->result, "\n%s\n  %-14s %-5s %10s %9s %7s %11s %11s %7s %7s %8s %7s\n", self->phase,
		      "technique", "world", "us/2MiB", "MiB moved", "freed", "disc./GiB", "msg./GiB", "host", "guest",
		      "emulator", "rest");
	for (size_t at = 0; at < self->n_techniques; at++) {
		const qvm_point *sim = &self->sim[at], *vm = &self->vm[at];
		if (sim->known)
			point_show(self, self->techniques[at], "sim", sim);
		if (vm->known)
			point_show(self, sim->known ? "" : self->techniques[at], "VM", vm);
		if (!sim->known || !vm->known)
			continue;
		ratio_row(self, self->techniques[at], "time, VM over sim", vm->time_ns, sim->time_ns);
		ratio_row(self, self->techniques[at], "moved, VM over sim", vm->moved_bytes, sim->moved_bytes);
		ratio_row(self, self->techniques[at], "freed, VM over sim", vm->freed_bytes, sim->freed_bytes);
		ratio_row(self, self->techniques[at], "discards, VM over sim", vm->discards, sim->discards);
		ratio_row(self, self->techniques[at], "messages, VM over sim", vm->messages, sim->messages);
	}
}

static void pair_rows(const table *self, const char *first, const char *second, const qvm_pair *pair)
{
	char phase[120];
	snprintf(phase, sizeof(phase), "%s, over %s", self->phase, second);
	hv_row like = { .scenario = "validate", .technique = first, .phase = phase, .quiet = true };
	hv_session_figure(self->result, &like, "ratio in sim", "ratio", pair->sim_ratio);
	hv_session_figure(self->result, &like, "ratio in VM", "ratio", pair->vm_ratio);
	for (unsigned part = 0; pair->parted && part < QVM_PARTS; part++) {
		char metric[40];
		snprintf(metric, sizeof(metric), "change by %s", qvm_part_names[part]);
		hv_session_figure(self->result, &like, metric, "ratio", pair->factors[part]);
	}
}

/* Which part makes the ratio differ. */
static void factors_show(const table *self, const qvm_pair *pair)
{
	char change[32], parts[QVM_PARTS][32];
	if (!pair->parted) {
		hv_result_say(self->result, "      no CPU times of one of them: nothing to explain it by\n");
		return;
	}
	for (unsigned part = 0; part < QVM_PARTS; part++)
		cell(pair->factors[part], "x", parts[part], sizeof(parts[part]));
	hv_result_say(self->result, "      from sim to VM %s: %s host, %s guest, %s emulator, %s rest\n",
		      cell(pair->vm_ratio / pair->sim_ratio, "x", change, sizeof(change)), parts[QVM_PART_HOST],
		      parts[QVM_PART_GUEST], parts[QVM_PART_EMULATOR], parts[QVM_PART_REST]);
}

static void pair_show(const table *self, const char *first, const char *second, const qvm_pair *pair)
{
	char sim[32], vm[32];
	hv_result_say(self->result, "  %-14s over %-14s %9s %9s  %-14s %-14s %s\n", first, second,
		      cell(pair->sim_ratio, "x", sim, sizeof(sim)), cell(pair->vm_ratio, "x", vm, sizeof(vm)),
		      pair->sim_ratio > 1 ? second : first, pair->vm_ratio > 1 ? second : first,
		      qvm_verdict_texts[pair->verdict]);
	if (pair->verdict != QVM_VERDICT_SAME)
		factors_show(self, pair);
}

static void pair_count(table *self, const char *first, const char *second, const qvm_pair *pair)
{
	self->n_pairs++;
	self->n_apart += pair->apart;
	self->n_ordered += pair->apart && pair->ordered;
	self->n_close_ordered += !pair->apart && pair->ordered;
	if (pair->verdict == QVM_VERDICT_OTHER && self->detail[0] == '\0')
		snprintf(self->detail, sizeof(self->detail), "; %s over %s: %.3g in the simulation, %.3g in VMs", first,
			 second, pair->sim_ratio, pair->vm_ratio);
}

static void pairs_show(table *self)
{
	char name[120], detail[400];
	for (size_t first = 0; first < self->n_techniques; first++)
		for (size_t second = first + 1; second < self->n_techniques; second++) {
			const qvm_point sim[2] = { self->sim[first], self->sim[second] };
			const qvm_point vm[2] = { self->vm[first], self->vm[second] };
			qvm_pair pair = qvm_pair_of(sim, vm);
			if (!pair.known)
				continue;
			if (self->n_pairs == 0)
				hv_result_say(self->result, "  %-34s %9s %9s  %-14s %s\n", "ratios of time", "sim",
					      "VM", "faster in sim", "in VM");
			pair_show(self, self->techniques[first], self->techniques[second], &pair);
			pair_rows(self, self->techniques[first], self->techniques[second], &pair);
			pair_count(self, self->techniques[first], self->techniques[second], &pair);
		}
	if (self->n_pairs == 0)
		return;
	snprintf(name, sizeof(name), "%s: techniques more than %g times apart have the same order in both worlds",
		 self->phase, QVM_APART);
	snprintf(detail, sizeof(detail),
		 "%u pairs: %u are that far apart in both, %u of them in the same order; %u are closer in one, %u of "
		 "them "
		 "in the same order%s",
		 self->n_pairs, self->n_apart, self->n_ordered, self->n_pairs - self->n_apart, self->n_close_ordered,
		 self->detail);
	hv_result_say(self->result, "  %s\n", detail);
	hv_result_check(self->result, self->n_ordered == self->n_apart, name, detail);
}

static void world_show(hv_result *result, const char *name, const qvm_figures *figures)
{
	char memory[32], target[32];
	const char *accel = qvm_figures_text(figures, "parameters", "accel");
	double memory_bytes = qvm_figures_number(figures, "parameters", "memory_bytes");
	double target_bytes = qvm_figures_number(figures, "parameters", "target_bytes");
	const char *append = qvm_figures_text(figures, "parameters", "append");
	const char *time = qvm_figures_text(figures, "environment", "time");
	const char *commit = qvm_figures_text(figures, "environment", "commit");
	hv_result_say(result, "%s: %s to %s, backing %s%s%s%s%s, of %s, commit %s\n", name,
		      hv_format_bytes((uint64_t)memory_bytes, memory, sizeof(memory)),
		      hv_format_bytes((uint64_t)target_bytes, target, sizeof(target)),
		      figures->backing != NULL ? figures->backing : "unknown", accel != NULL ? ", " : "",
		      accel != NULL ? accel : "", append != NULL && append[0] != '\0' ? ", " : "",
		      append != NULL ? append : "", time != NULL ? time : "an unknown time",
		      commit != NULL ? commit : "unknown");
}

static void sizes_check(hv_result *result, const qvm_figures *sim, const qvm_figures *vm)
{
	bool same = true;
	static const char *const keys[] = { "memory_bytes", "target_bytes" };
	for (size_t at = 0; at < 2; at++)
		same = same && qvm_figures_number(sim, "parameters", keys[at]) ==
				       qvm_figures_number(vm, "parameters", keys[at]);
	hv_result_check(result, same, "both worlds resize the same memory", same ? "same sizes" : "different sizes");
}

void qvm_validate_compare(hv_result *result, const qvm_figures *sim, const qvm_figures *vm)
{
	hv_result_say(result, "The same scenario in the simulation and in VMs; freed in percent of moved\n");
	world_show(result, "  sim", sim);
	world_show(result, "  VM ", vm);
	sizes_check(result, sim, vm);
	for (size_t at = 0; at < sizeof(phase_names) / sizeof(phase_names[0]); at++) {
		table self = { .result = result, .phase = phase_names[at] };
		for (const hv_technique *const *each = hv_techniques; *each != NULL; each++) {
			size_t to = self.n_techniques;
			if (to == TECHNIQUES_MAX)
				break;
			self.techniques[to] = (*each)->name;
			self.sim[to] = qvm_point_of(sim, (*each)->name, self.phase, NULL);
			self.vm[to] = qvm_point_of(vm, (*each)->name, self.phase, &self.sim[to]);
			self.n_techniques += self.sim[to].known || self.vm[to].known;
		}
		if (self.n_techniques == 0)
			continue;
		points_show(&self);
		pauses_show(&self);
		pairs_show(&self);
	}
}
