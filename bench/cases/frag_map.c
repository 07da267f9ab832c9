/* SPDX-License-Identifier: MIT
 *
 * What frag_map.h declares. */
#include "frag_map.h"

#include <stdbool.h>
#include <stdlib.h>
#include <llfree/types.h>
#include "gbench.h"

enum { MAP_STEPS = 20 }; /* rounds shown, beside round 0 */

struct frag_map {
	uint64_t n_huge, huge_per_cell, n_cells;
	uint32_t rounds, step, n_shown;
	uint32_t *shown;                   /* the rounds, n_shown of them */
	uint16_t *free_frames, *free_huge; /* n_cells for each round shown */
};

frag_map *frag_map_new(uint64_t n_huge, uint32_t rounds, uint32_t most_cells)
{
	frag_map *self = calloc(1, sizeof(*self));

	if (!self)
		return NULL;
	self->n_huge = n_huge;
	self->huge_per_cell = (n_huge + most_cells - 1) / most_cells;
	self->n_cells = (n_huge + self->huge_per_cell - 1) / self->huge_per_cell;
	self->rounds = rounds;
	self->step = (rounds + MAP_STEPS - 1) / MAP_STEPS;
	self->shown = calloc(MAP_STEPS + 2, sizeof(self->shown[0]));
	self->free_frames = calloc((MAP_STEPS + 2) * self->n_cells, sizeof(self->free_frames[0]));
	self->free_huge = calloc((MAP_STEPS + 2) * self->n_cells, sizeof(self->free_huge[0]));
	if (self->shown && self->free_frames && self->free_huge)
		return self;
	frag_map_free(self);
	return NULL;
}

void frag_map_free(frag_map *self)
{
	if (!self)
		return;
	free(self->shown);
	free(self->free_frames);
	free(self->free_huge);
	free(self);
}

/* The place of a round among those shown; a later repetition comes by again. */
static uint32_t place_of(frag_map *self, uint32_t round)
{
	for (uint32_t i = 0; i < self->n_shown; i++) {
		if (self->shown[i] == round)
			return i;
	}
	self->shown[self->n_shown] = round;
	return self->n_shown++;
}

void frag_map_add(frag_map *self, uint32_t round, const uint16_t *used)
{
	uint16_t *free_frames, *free_huge;

	if (!self || (round % self->step != 0 && round != self->rounds))
		return;
	free_frames = self->free_frames + place_of(self, round) * self->n_cells;
	free_huge = self->free_huge + (free_frames - self->free_frames);
	for (uint64_t cell = 0; cell < self->n_cells; cell++) {
		uint64_t first = cell * self->huge_per_cell, sum = 0, end = first + self->huge_per_cell;

		end = end < self->n_huge ? end : self->n_huge;
		free_huge[cell] = 0;
		for (uint64_t i = first; i < end; i++) {
			sum += LLFREE_HUGE_FRAMES - used[i];
			free_huge[cell] = (uint16_t)(free_huge[cell] + (used[i] == 0));
		}
		free_frames[cell] = (uint16_t)(sum / (end - first));
	}
}

void frag_map_send(const frag_map *self, const char *row)
{
	for (uint32_t i = 0; self && i < self->n_shown; i++) {
		bench_gb_map map = { .row = row,
				     .huge_frames = self->n_huge,
				     .huge_per_cell = self->huge_per_cell,
				     .round = self->shown[i],
				     .free_frames = self->free_frames + i * self->n_cells,
				     .free_huge = self->free_huge + i * self->n_cells,
				     .n_cells = self->n_cells };

		bench_gb_send_map(&map);
	}
}
