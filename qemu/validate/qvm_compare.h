/* SPDX-License-Identifier: MIT
 *
 * A simulation beside a VM: what a technique's phase cost in each, split into who spent the time, and for two
 * techniques whether their order is the same, and which part of the time makes their ratio differ. Ratios only: times
 * under emulation and of a simulation are not of one kind. Pure arithmetic over figures. */
#ifndef QVM_COMPARE_H
#define QVM_COMPARE_H

#include "validate/qvm_figures.h"

/** Who spent the time. Of a VM what its vCPUs ran is the guest's; what they ran beyond the simulation's guest is the
 *  emulator's. A simulation has none of the latter. */
typedef enum qvm_part { QVM_PART_HOST, QVM_PART_GUEST, QVM_PART_EMULATOR, QVM_PART_REST, QVM_PARTS } qvm_part;

extern const char *const qvm_part_names[QVM_PARTS];

/** One phase of one technique in one world. What is not known is negative. */
typedef struct qvm_point {
	bool known;                      /**< time_ns is */
	bool parted;                     /**< so are the parts; their sum is the time */
	double time_ns;                  /**< per 2 MiB */
	double wait_ns;                  /**< once: pauses that the technique makes by itself, beside the time */
	double discards, messages;       /**< per GiB */
	double moved_bytes, freed_bytes; /**< once */
	double parts_ns[QVM_PARTS];
} qvm_point;

/** From a simulation's figures; sim NULL. Of a VM: sim is the same point of the simulation (known or not). */
qvm_point qvm_point_of(const qvm_figures *figures, const char *technique, const char *phase, const qvm_point *sim);

/** How many times apart two techniques must be for their order to count. */
#define QVM_APART 2.0

/** What the two worlds say of a pair. */
typedef enum qvm_verdict {
	QVM_VERDICT_CLOSE, /**< not that far apart in one of them: the order says little */
	QVM_VERDICT_SAME,  /**< that far apart in both, in the same order */
	QVM_VERDICT_OTHER, /**< that far apart in both, in another order */
	QVM_VERDICTS
} qvm_verdict;

extern const char *const qvm_verdict_texts[QVM_VERDICTS];

typedef struct qvm_pair {
	bool known;                 /**< both worlds have both */
	double sim_ratio, vm_ratio; /**< time of the first over that of the second */
	bool apart;                 /**< by more than QVM_APART in both worlds */
	bool ordered;               /**< the same one is faster in both */
	qvm_verdict verdict;
	bool parted;
	double factors[QVM_PARTS]; /**< by which each part changes the ratio from simulation to VM; their product is the
				      whole change */
} qvm_pair;

/** sim[0], vm[0]: the first technique; sim[1], vm[1]: the second. */
qvm_pair qvm_pair_of(const qvm_point sim[2], const qvm_point vm[2]);

#endif
