/* SPDX-License-Identifier: MIT
 *
 * What the zones want to know of a machine: which node a CPU belongs to and which slot it uses there, which node is
 * next by distance, and the binding of memory and threads. Everything is read once, into tables; hwloc stays behind
 * topology.c. */
#ifndef LLF_TOPOLOGY_H
#define LLF_TOPOLOGY_H

#include <llfree/zones.h>

/* One per CPU number of the operating system. slot[layout]: index among the slots of its node. */
typedef struct llf_place {
	uint16_t node;
	uint16_t slot[LLFREE_SLOT_LAYOUTS];
	uint16_t unused_[2];
} llf_place;
_Static_assert(sizeof(llf_place) == 16, "four to a cache line, indexed by a shift");

typedef struct llf_node {
	uint32_t os_index, cpus;
	uint64_t memory_bytes;
	uint32_t slots[LLFREE_SLOT_LAYOUTS]; /* how many each layout has here; 0: a node without CPUs */
	uint16_t *nearest;                   /* all nodes by distance, this one first */
	uint32_t *distance;
} llf_node;

typedef struct llf_topology {
	void *hwloc; /* hwloc_topology_t */
	uint32_t n_nodes, n_places;
	llf_node *nodes;
	llf_place *places;
	uint32_t max_slots[LLFREE_SLOT_LAYOUTS]; /* of any node */
} llf_topology;

llfree_err llf_topology_open(llf_topology *topology, const llfree_zones_config *config);
void llf_topology_close(llf_topology *topology);
/* Bind memory to a node; what is there already moves. @return 0 or errno; ENOTSUP: not the topology of this machine */
int llf_topology_bind_memory(const llf_topology *topology, uint32_t node, const void *memory, size_t n_bytes,
			     bool strict);
llfree_err llf_topology_bind_thread(const llf_topology *topology, uint32_t node);

static inline const llf_place *llf_place_of(const llf_topology *topology, uint32_t cpu)
{
	if (__builtin_expect(cpu >= topology->n_places, 0))
		cpu %= topology->n_places;
	return &topology->places[cpu];
}

#endif
