/* SPDX-License-Identifier: MIT
 *
 * Figures: the rows of a result file (docs/results.md), looked up by technique, phase and metric. A file is input like
 * any other: what is not a result is refused with the place and the reason. Knows nothing of where it was made. */
#ifndef QVM_FIGURES_H
#define QVM_FIGURES_H

#include "base/hv_base.h"

#include <cjson/cJSON.h>

typedef struct qvm_figures {
	cJSON *root;
	const cJSON *rows;
	const char *backing; /**< whose rows are looked at; NULL = the file names none */
	char why[240];       /**< why it was refused */
} qvm_figures;

typedef struct qvm_figure {
	double median, low, high; /**< finite, not negative */
	uint64_t n_samples;
	bool has_bytes;
	double moved_bytes, freed_bytes; /**< of one sample, in the mean; freed negative when the row has none */
} qvm_figure;

/** Read a result of this scenario. backing NULL: that of its first row. @return false: self->why */
HV_MUST_CHECK bool qvm_figures_read(qvm_figures *self, const char *path, const char *scenario, const char *backing);
/** Idempotent. */
void qvm_figures_close(qvm_figures *self);

/** The row of a technique without a DMA device, or with one. @return false: there is none */
HV_MUST_CHECK bool qvm_figures_find(const qvm_figures *self, const char *technique, bool device, const char *phase,
				    const char *metric, qvm_figure *figure);
/** A text of the file's environment or parameters; NULL = absent. */
const char *qvm_figures_text(const qvm_figures *self, const char *object, const char *key);
/** A number likewise; 0 = absent. */
double qvm_figures_number(const qvm_figures *self, const char *object, const char *key);

#endif
