/* SPDX-License-Identifier: MIT
 *
 * What the live view shows of a VM, as numbers, and how it is drawn: a screen for a terminal of any size, or a line for
 * a log. Pure: no clock, no terminal, no VM. */
#ifndef HV_VIEW_H
#define HV_VIEW_H

#include "base/hv_base.h"

/** A huge frame as the host sees it. */
typedef enum hv_view_state {
	HV_VIEW_USED,     /**< some of it is allocated; of guests with a state of their own: some of it is resident */
	HV_VIEW_RESERVED, /**< free, in a tree that a CPU has reserved */
	HV_VIEW_FREE,     /**< free; of guests with a state of their own: nothing of it is resident */
	HV_VIEW_SOFT,     /**< evicted, allocatable after an install */
	HV_VIEW_HARD,     /**< evicted, taken from the guest */
	HV_VIEW_STATES
} hv_view_state;

typedef struct hv_view_vm {
	unsigned number; /**< of the VM, from 1 on */
	const char *technique;
	const uint8_t *states; /**< hv_view_state of each huge frame */
	uint64_t huge_count;
	uint64_t resident_bytes, limit_bytes;
	double reclaim_rate, give_rate; /**< bytes per second; given: installed, or by a limit */
	bool gives;                     /**< else memory comes back at touch, and nobody sees how much */
	const char *fault;              /**< why it was stopped; NULL = it runs */
} hv_view_vm;

typedef struct hv_view_event {
	double at_s; /**< since the live view began */
	unsigned vm; /**< 0 = none */
	char text[160];
} hv_view_event;

typedef struct hv_view {
	const char *scenario, *progress;
	double now_s;
	const hv_view_vm *vms;
	size_t n_vms;
	const hv_view_event *events; /**< the latest last */
	size_t n_events;
	bool colours;
} hv_view;

/** Frames of each state. */
void hv_view_count(const hv_view_vm *vm, uint64_t counts[HV_VIEW_STATES]);
/** One character per cell: the state that most of its frames have. n_cells is at most the number of frames. */
void hv_view_map(const hv_view_vm *vm, char *cells, size_t n_cells);
char hv_view_letter(hv_view_state state);

/** A whole screen. @return a text to be freed; NULL: no memory */
char *hv_view_screen(const hv_view *view, unsigned columns, unsigned rows);
/** A line for a log, without its end; returns text. */
const char *hv_view_line(const hv_view_vm *vm, double now_s, char *text, size_t text_bytes);

#endif
