/* SPDX-License-Identifier: MIT
 *
 * Zones for a test: a topology in words, small zones on its nodes, and the check that most tests end with. */
#ifndef ZONES_SUPPORT_H
#define ZONES_SUPPORT_H

#include <llfree/zones.h>

enum { Z_MIB = 1 << 20, Z_ZONE_MIB = 32, Z_ZONE_FRAMES = Z_ZONE_MIB * Z_MIB / LLFREE_FRAME_BYTES };

llfree_zones *z_make(const char *synthetic);
/* A zone of Z_ZONE_MIB on a node; returns its id. */
uint32_t z_add(llfree_zones *zones, uint32_t node);
llfree_request z_request(uint32_t cpu, unsigned order);
/* Must succeed. */
uint64_t z_get(llfree_zones *zones, uint32_t cpu, unsigned order);
void z_put(llfree_zones *zones, uint32_t cpu, unsigned order, uint64_t frame);
uint32_t z_node_of(const llfree_zones *zones, uint64_t frame);
/* Take every frame of a node in runs of this order; returns how many, in runs. */
uint64_t z_fill(llfree_zones *zones, uint32_t node, unsigned order, uint64_t *runs, uint64_t max_runs);
/* Audit of every zone; free frames of all zones together. */
void z_check(const llfree_zones *zones, uint64_t free_frames);

#endif
