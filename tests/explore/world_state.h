/* SPDX-License-Identifier: MIT
 *
 * All that a run of the explorer can change, in one struct; shared between the files of the world, nobody else. */
#ifndef T_WORLD_STATE_H
#define T_WORLD_STATE_H

#include "world.h"

/* The host's record of a huge frame. */
enum { T_R_INSTALLED, T_R_BUSY, T_R_SOFT, T_R_HARD };

typedef struct t_held {
	uint16_t frame;
	uint8_t order;
} t_held;

typedef struct t_world {
	_Alignas(64) uint8_t region[T_REGION_BYTES];
	uint64_t owned[T_ROWS][T_OWNERS]; /* the ownership oracle: one bit a frame and owner */
	t_held held[T_OWNERS][T_HELD_MAX];
	uint8_t n_held[T_OWNERS];
	llfree_handle handles[T_THREADS_MAX];
	uint8_t r[T_HUGE];
	bool present[T_HUGE]; /* the memory is there */
	bool offline_expected[T_TREES], offline_unknown[T_TREES];
	uint8_t in_flight[T_THREADS_MAX]; /* operation index + 1; 0: between operations */
	uint64_t results;
	uint32_t raced_successes;
	/* Up to here two equal states are the same for every check. */
	uint32_t sequence;               /* moments at which operations began and ended */
	uint32_t offline_since[T_TREES]; /* 0: not */
	bool install_anyway;
	/* constant during a run */
	size_t region_bytes;
	uint64_t n_frames, n_huge, n_trees;
	llfree_t view;
	const t_scenario *scenario;
} t_world;

extern t_world world;

bool t_world_install(void *context, uint64_t huge);
const char *t_owner_name(unsigned owner);
/* The audit must find nothing wrong. */
void t_world_audit(const char *when);
/* Frames of a row that the region shows as free. */
uint64_t t_world_shown_free(uint64_t row);
/* One operation of a thread, checked. */
llfree_err t_world_op(unsigned thread, const t_op *op);

#endif
