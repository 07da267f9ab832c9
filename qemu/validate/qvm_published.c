/* SPDX-License-Identifier: MIT
 *
 * Published figures; see qvm_published.h. */
#include "validate/qvm_published.h"

const qvm_published qvm_published_figures[] = {
	{ "virtio-balloon", "base-manual", false, "shrink-touched", 2280000 },
	{ "virtio-balloon", "base-manual", false, "shrink-untouched", 1300000 },
	{ "virtio-balloon", "base-manual", false, "grow", 926000 },
	{ "balloon, 2 MiB", "huge-manual", false, "shrink-touched", 15900 },
	{ "balloon, 2 MiB", "huge-manual", false, "shrink-untouched", 7500 },
	{ "balloon, 2 MiB", "huge-manual", false, "grow", 6700 },
	{ "virtio-mem", "virtio-mem", false, "shrink-touched", 62900 },
	{ "virtio-mem", "virtio-mem", false, "shrink-untouched", 51400 },
	{ "virtio-mem", "virtio-mem", false, "grow", 21300 },
	{ "HyperAlloc", "llfree-manual", false, "shrink-touched", 6300 },
	{ "HyperAlloc", "llfree-manual", false, "shrink-untouched", 431 },
	{ "HyperAlloc", "llfree-manual", false, "grow", 255 },
	{ "virtio-mem + VFIO", "virtio-mem", true, "shrink-touched", 95600 },
	{ "virtio-mem + VFIO", "virtio-mem", true, "shrink-untouched", 90900 },
	{ "virtio-mem + VFIO", "virtio-mem", true, "grow", 457000 },
	{ "HyperAlloc + VFIO", "llfree-manual", true, "shrink-touched", 39300 },
	{ "HyperAlloc + VFIO", "llfree-manual", true, "shrink-untouched", 430 },
	{ "HyperAlloc + VFIO", "llfree-manual", true, "grow", 257 },
};
const size_t qvm_published_count = sizeof(qvm_published_figures) / sizeof(qvm_published_figures[0]);
