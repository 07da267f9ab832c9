/* SPDX-License-Identifier: MIT
 *
 * What others measured under KVM on a server, and what it corresponds to here: the figures that the cost model
 * predicts. Source: the data of the HyperAlloc paper (EuroSys'25): 2x Xeon Gold 6252, 12 vCPUs, a VM of 20 GiB down to
 * 2 GiB and back, ns per 2 MiB moved. */
#ifndef QVM_PUBLISHED_H
#define QVM_PUBLISHED_H

#include "base/hv_base.h"

typedef struct qvm_published {
	const char *name;      /**< as published */
	const char *technique; /**< here */
	bool device;           /**< with a device passed through */
	const char *phase;     /**< as in docs/results.md */
	double time_ns;        /**< per 2 MiB */
} qvm_published;

extern const qvm_published qvm_published_figures[];
extern const size_t qvm_published_count;

#endif
