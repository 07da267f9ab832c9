/* SPDX-License-Identifier: MIT
 *
 * Comparing; see qvm_compare.h. How much a part contributes to a change depends on which parts have changed before it;
 * so it is the mean over all orders in which they may change (Shapley value), in logarithms: then the factors multiply
 * to the whole. Only the split counts, not the speed: the VM's times are scaled to the simulation's first. */
#include "validate/qvm_compare.h"

#include <math.h>

const char *const qvm_part_names[QVM_PARTS] = { "host", "guest", "emulator", "rest" };
const char *const qvm_verdict_texts[QVM_VERDICTS] = { "close", "same order", "OTHER ORDER" };

/* weight of a subset of k of the three other parts among the 4! orders: k! (3-k)! / 4! */
static const double order_weight[QVM_PARTS] = { 6.0 / 24, 2.0 / 24, 2.0 / 24, 6.0 / 24 };

/* Parts may overlap, as threads run side by side: then each has its share of the time. */
static void parts_fit(qvm_point *self)
{
	double sum_ns = 0;
	for (unsigned part = 0; part < QVM_PART_REST; part++)
		sum_ns += self->parts_ns[part];
	for (unsigned part = 0; sum_ns > self->time_ns && part < QVM_PART_REST; part++)
		self->parts_ns[part] *= self->time_ns / sum_ns;
	self->parts_ns[QVM_PART_REST] = sum_ns > self->time_ns ? 0 : self->time_ns - sum_ns;
}

static double median_of(const qvm_figures *figures, const char *technique, const char *phase, const char *metric)
{
	qvm_figure figure;
	return qvm_figures_find(figures, technique, false, phase, metric, &figure) ? figure.median : -1;
}

qvm_point qvm_point_of(const qvm_figures *figures, const char *technique, const char *phase, const qvm_point *sim)
{
	qvm_point self = { .moved_bytes = -1, .freed_bytes = -1, .wait_ns = -1 };
	qvm_figure time;
	self.discards = median_of(figures, technique, phase, "discards");
	self.messages = median_of(figures, technique, phase, "messages");
	self.known = qvm_figures_find(figures, technique, false, phase, "time", &time) && time.median > 0;
	if (!self.known)
		return self;
	self.time_ns = time.median;
	if (time.has_bytes) {
		self.moved_bytes = time.moved_bytes;
		self.freed_bytes = time.freed_bytes;
		double wait_ns = median_of(figures, technique, phase, "wait-time");
		self.wait_ns = wait_ns >= 0 ? wait_ns * time.moved_bytes / HV_HUGE_BYTES : -1;
	}
	double host_ns = median_of(figures, technique, phase, "host-time");
	double guest_ns = median_of(figures, technique, phase, "guest-time");
	self.parted = host_ns >= 0 && guest_ns >= 0 && (sim == NULL || sim->parted);
	if (!self.parted)
		return self;
	self.parts_ns[QVM_PART_HOST] = host_ns;
	self.parts_ns[QVM_PART_GUEST] = guest_ns;
	if (sim != NULL && guest_ns > sim->parts_ns[QVM_PART_GUEST]) {
		self.parts_ns[QVM_PART_GUEST] = sim->parts_ns[QVM_PART_GUEST];
		self.parts_ns[QVM_PART_EMULATOR] = guest_ns - sim->parts_ns[QVM_PART_GUEST];
	}
	parts_fit(&self);
	return self;
}

/* Two points of each world; the VM's times count scaled. */
typedef struct mixture {
	const qvm_point *sim, *vm;
	double scale;
} mixture;

/* The logarithm of the ratio when the parts in the set are the VM's, all others the simulation's. */
static double mixed_ratio(const mixture *of, unsigned set)
{
	double sum_ns[2] = { 0, 0 };
	for (unsigned side = 0; side < 2; side++)
		for (unsigned part = 0; part < QVM_PARTS; part++)
			sum_ns[side] += ((set >> part) & 1) != 0 ? of->scale * of->vm[side].parts_ns[part]
								 : of->sim[side].parts_ns[part];
	/* a mixture may leave next to nothing of one side, a whole world never does: a floor keeps the logarithm finite
	 */
	for (unsigned side = 0; side < 2; side++)
		sum_ns[side] = fmax(sum_ns[side], 1e-3 * fmin(of->sim[side].time_ns, of->scale * of->vm[side].time_ns));
	return log(sum_ns[0] / sum_ns[1]);
}

static double part_factor(const mixture *of, unsigned part)
{
	double sum = 0;
	for (unsigned set = 0; set < 1u << QVM_PARTS; set++) {
		if (((set >> part) & 1) != 0)
			continue;
		sum += order_weight[__builtin_popcount(set)] *
		       (mixed_ratio(of, set | 1u << part) - mixed_ratio(of, set));
	}
	return exp(sum);
}

qvm_pair qvm_pair_of(const qvm_point sim[2], const qvm_point vm[2])
{
	qvm_pair self = { .known = sim[0].known && sim[1].known && vm[0].known && vm[1].known };
	if (!self.known)
		return self;
	self.sim_ratio = sim[0].time_ns / sim[1].time_ns;
	self.vm_ratio = vm[0].time_ns / vm[1].time_ns;
	self.apart = fabs(log(self.sim_ratio)) > log(QVM_APART) && fabs(log(self.vm_ratio)) > log(QVM_APART);
	self.ordered = (self.sim_ratio > 1) == (self.vm_ratio > 1);
	self.verdict = !self.apart ? QVM_VERDICT_CLOSE : self.ordered ? QVM_VERDICT_SAME : QVM_VERDICT_OTHER;
	self.parted = sim[0].parted && sim[1].parted && vm[0].parted && vm[1].parted;
	mixture of = { sim, vm, sqrt(sim[0].time_ns * sim[1].time_ns / (vm[0].time_ns * vm[1].time_ns)) };
	for (unsigned part = 0; self.parted && part < QVM_PARTS; part++)
		self.factors[part] = part_factor(&of, part);
	return self;
}
