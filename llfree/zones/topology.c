/* SPDX-License-Identifier: MIT
 *
 * Tables from hwloc. Nodes are numbered as hwloc does (logical index); a CPU belongs to the first of its local nodes.
 * Where the firmware gives no distances, 10 and 10 more for each level of the topology up to the common ancestor. */
#include "zones/topology.h"

#include <errno.h>
#include <hwloc.h>
#include <stdlib.h>

enum { LOCAL_DISTANCE = 10, MAX_PLACES = 1 << 16 };

static hwloc_obj_t node_object(const llf_topology *topology, uint32_t node)
{
	return hwloc_get_obj_by_type(topology->hwloc, HWLOC_OBJ_NUMANODE, node);
}

static llfree_err topology_load(llf_topology *topology, const llfree_zones_config *config)
{
	hwloc_topology_t loaded;
	if (hwloc_topology_init(&loaded))
		return LLFREE_ERR_SYSTEM;
	topology->hwloc = loaded;
	if (config->synthetic && hwloc_topology_set_synthetic(loaded, config->synthetic))
		return LLFREE_ERR_INVAL;
	if (config->xml_path && hwloc_topology_set_xml(loaded, config->xml_path))
		return LLFREE_ERR_INVAL;
	/* The threads of the caller stay where they are while hwloc looks round. */
	if (hwloc_topology_set_flags(loaded, HWLOC_TOPOLOGY_FLAG_DONT_CHANGE_BINDING) || hwloc_topology_load(loaded))
		return config->xml_path ? LLFREE_ERR_INVAL : LLFREE_ERR_SYSTEM;
	return LLFREE_OK;
}

/* The object whose CPUs share a slot with this one. */
static hwloc_obj_t slot_object(const llf_topology *topology, hwloc_obj_t pu, unsigned layout)
{
	static const hwloc_obj_type_t caches[] = { HWLOC_OBJ_L5CACHE, HWLOC_OBJ_L4CACHE, HWLOC_OBJ_L3CACHE,
						   HWLOC_OBJ_L2CACHE };
	hwloc_obj_t object = NULL;
	if (layout == LLFREE_SLOTS_CORE)
		object = hwloc_get_ancestor_obj_by_type(topology->hwloc, HWLOC_OBJ_CORE, pu);
	for (size_t i = 0; layout == LLFREE_SLOTS_CACHE && !object && i < sizeof(caches) / sizeof(caches[0]); i++)
		object = hwloc_get_ancestor_obj_by_type(topology->hwloc, caches[i], pu);
	return object ? object : pu;
}

static hwloc_obj_t pu_object(const llf_topology *topology, uint32_t pu_idx)
{
	return hwloc_get_obj_by_type(topology->hwloc, HWLOC_OBJ_PU, pu_idx);
}

/* Number the slots of a node: a CPU whose slot object a CPU before it on the same node has gets that one's slot. */
static void place_slots(llf_topology *topology, hwloc_obj_t pu, uint32_t pu_idx)
{
	llf_place *place = &topology->places[pu->os_index];
	llf_node *node = &topology->nodes[place->node];
	for (unsigned layout = LLFREE_SLOTS_CPU; layout < LLFREE_SLOT_LAYOUTS; layout++) {
		hwloc_obj_t own = slot_object(topology, pu, layout);
		bool known = layout == LLFREE_SLOTS_NODE && node->slots[layout];
		for (uint32_t i = 0; i < pu_idx && !known; i++) {
			hwloc_obj_t other = pu_object(topology, i);
			const llf_place *there = &topology->places[other->os_index];
			known = there->node == place->node && slot_object(topology, other, layout) == own;
			if (known)
				place->slot[layout] = there->slot[layout];
		}
		if (!known)
			place->slot[layout] = (uint16_t)node->slots[layout]++;
	}
	node->cpus++;
}

static uint32_t node_of_pu(const llf_topology *topology, hwloc_obj_t pu)
{
	for (uint32_t i = 0; i < topology->n_nodes; i++) {
		if (pu->nodeset && hwloc_bitmap_isset(pu->nodeset, node_object(topology, i)->os_index))
			return i;
	}
	return 0;
}

static llfree_err places_fill(llf_topology *topology)
{
	uint32_t n_pus = (uint32_t)hwloc_get_nbobjs_by_type(topology->hwloc, HWLOC_OBJ_PU);
	for (uint32_t i = 0; i < n_pus; i++) {
		uint32_t os_index = pu_object(topology, i)->os_index;
		if (os_index >= MAX_PLACES)
			return LLFREE_ERR_INVAL;
		if (os_index >= topology->n_places)
			topology->n_places = os_index + 1;
	}
	/* Numbers without a CPU in between stay at zero: the first slots of node 0. */
	topology->places = aligned_alloc(64, (topology->n_places * sizeof(llf_place) + 63) / 64 * 64);
	if (!topology->places)
		return LLFREE_ERR_SYSTEM;
	for (uint32_t i = 0; i < topology->n_places; i++)
		topology->places[i] = (llf_place){ 0 };
	for (uint32_t i = 0; i < n_pus; i++) {
		hwloc_obj_t pu = pu_object(topology, i);
		topology->places[pu->os_index].node = (uint16_t)node_of_pu(topology, pu);
		place_slots(topology, pu, i);
	}
	for (uint32_t i = 0; i < topology->n_nodes; i++) {
		for (unsigned layout = 0; layout < LLFREE_SLOT_LAYOUTS; layout++) {
			if (topology->nodes[i].slots[layout] > topology->max_slots[layout])
				topology->max_slots[layout] = topology->nodes[i].slots[layout];
		}
	}
	return LLFREE_OK;
}

/* The CPU side of a node: what its memory hangs off. */
static hwloc_obj_t node_parent(hwloc_obj_t node)
{
	while (hwloc_obj_type_is_memory(node->type))
		node = node->parent;
	return node;
}

static uint32_t level_distance(const llf_topology *topology, uint32_t from, uint32_t to)
{
	if (from == to)
		return LOCAL_DISTANCE;
	hwloc_obj_t a = node_parent(node_object(topology, from)), b = node_parent(node_object(topology, to));
	hwloc_obj_t common = hwloc_get_common_ancestor_obj(topology->hwloc, a, b);
	int levels = a->depth - common->depth;
	if (b->depth - common->depth > levels)
		levels = b->depth - common->depth;
	return LOCAL_DISTANCE + (uint32_t)(levels ? levels * LOCAL_DISTANCE : 1);
}

static void distances_fill(llf_topology *topology)
{
	unsigned count = 1;
	struct hwloc_distances_s *matrix = NULL;
	if (hwloc_distances_get_by_type(topology->hwloc, HWLOC_OBJ_NUMANODE, &count, &matrix,
					HWLOC_DISTANCES_KIND_MEANS_LATENCY, 0))
		count = 0;
	for (uint32_t i = 0; i < topology->n_nodes; i++) {
		for (uint32_t j = 0; j < topology->n_nodes; j++) {
			hwloc_uint64_t there, back;
			if (count && !hwloc_distances_obj_pair_values(matrix, node_object(topology, i),
								      node_object(topology, j), &there, &back))
				topology->nodes[i].distance[j] = (uint32_t)there;
			else
				topology->nodes[i].distance[j] = level_distance(topology, i, j);
		}
	}
	if (count)
		hwloc_distances_release(topology->hwloc, matrix);
}

/* Insertion sort; equal distances in the order from + 1, from + 2, ... round, so that nodes spill to different ones. */
static void nearest_fill(llf_topology *topology, uint32_t from)
{
	llf_node *node = &topology->nodes[from];
	for (uint32_t i = 0; i < topology->n_nodes; i++) {
		uint32_t next = (from + i) % topology->n_nodes, at = i;
		/* itself first, whatever the table says */
		for (; at > 1 && node->distance[node->nearest[at - 1]] > node->distance[next]; at--)
			node->nearest[at] = node->nearest[at - 1];
		node->nearest[at] = (uint16_t)next;
	}
}

static llfree_err nodes_fill(llf_topology *topology)
{
	int n_nodes = hwloc_get_nbobjs_by_type(topology->hwloc, HWLOC_OBJ_NUMANODE);
	if (n_nodes < 1 || n_nodes > LLFREE_NODES_MAX)
		return LLFREE_ERR_INVAL;
	topology->nodes = calloc((size_t)n_nodes, sizeof(llf_node));
	if (!topology->nodes)
		return LLFREE_ERR_SYSTEM;
	topology->n_nodes = (uint32_t)n_nodes;
	for (uint32_t i = 0; i < topology->n_nodes; i++) {
		llf_node *node = &topology->nodes[i];
		hwloc_obj_t object = node_object(topology, i);
		node->os_index = object->os_index;
		node->memory_bytes = object->attr->numanode.local_memory;
		node->nearest = calloc(topology->n_nodes, sizeof(node->nearest[0]));
		node->distance = calloc(topology->n_nodes, sizeof(node->distance[0]));
		if (!node->nearest || !node->distance)
			return LLFREE_ERR_SYSTEM;
	}
	distances_fill(topology);
	for (uint32_t i = 0; i < topology->n_nodes; i++)
		nearest_fill(topology, i);
	return LLFREE_OK;
}

llfree_err llf_topology_open(llf_topology *topology, const llfree_zones_config *config)
{
	*topology = (llf_topology){ 0 };
	if (config->synthetic && config->xml_path)
		return LLFREE_ERR_INVAL;
	llfree_err err = topology_load(topology, config);
	if (!err)
		err = nodes_fill(topology);
	if (!err)
		err = places_fill(topology);
	if (err)
		llf_topology_close(topology);
	return err;
}

void llf_topology_close(llf_topology *topology)
{
	int saved_errno = errno;
	for (uint32_t i = 0; i < topology->n_nodes; i++) {
		free(topology->nodes[i].nearest);
		free(topology->nodes[i].distance);
	}
	free(topology->nodes);
	free(topology->places);
	if (topology->hwloc)
		hwloc_topology_destroy(topology->hwloc);
	*topology = (llf_topology){ 0 };
	errno = saved_errno;
}

int llf_topology_bind_memory(const llf_topology *topology, uint32_t node, const void *memory, size_t n_bytes,
			     bool strict)
{
	int flags = HWLOC_MEMBIND_BYNODESET | HWLOC_MEMBIND_MIGRATE | (strict ? HWLOC_MEMBIND_STRICT : 0);
	if (!hwloc_topology_is_thissystem(topology->hwloc))
		return ENOTSUP;
	return hwloc_set_area_membind(topology->hwloc, memory, n_bytes, node_object(topology, node)->nodeset,
				      HWLOC_MEMBIND_BIND, flags)
		       ? errno
		       : 0;
}

llfree_err llf_topology_bind_thread(const llf_topology *topology, uint32_t node)
{
	if (node >= topology->n_nodes || !topology->nodes[node].cpus)
		return LLFREE_ERR_INVAL;
	return hwloc_set_cpubind(topology->hwloc, node_object(topology, node)->cpuset, HWLOC_CPUBIND_THREAD)
		       ? LLFREE_ERR_SYSTEM
		       : LLFREE_OK;
}
