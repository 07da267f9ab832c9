/* SPDX-License-Identifier: MIT
 *
 * Zones: one allocator (an arena) per NUMA node or several, behind one get and one put. A get takes from the caller's
 * node first and falls back by distance; it may name a node, a set of nodes, or forbid the fallback. Zones are added
 * and removed while others allocate. A part of its own, library llfree-zones: needs hwloc (topology, binding,
 * distances) and liburcu. Linux, hosted.
 *
 * A frame is a 64-bit handle: the zone in the upper half, the number of the frame in its zone in the lower. The zone's
 * half carries a generation, so that a frame of a zone that was removed is refused even if another one has its place.
 *
 * Threads: get, put, look-ups and statistics take no lock, and may run beside everything but destroy. add, remove,
 * offline and online wait for each other. Threads need no registration: the first call of a thread registers it with
 * liburcu (flavour bp, which the host program may use as well), its end unregisters it. Not to be called inside an
 * RCU read-side section of that flavour: remove, offline, destroy (they wait for its end). A child after fork() may use
 * zones only if the program calls liburcu's urcu_bp_before_fork() and its two companions around the fork. */
#ifndef LLFREE_ZONES_H
#define LLFREE_ZONES_H

#include <llfree/arena.h>

LLFREE_BEGIN_DECLS

enum {
	LLFREE_ZONES_MAX = 1024, /**< zones at a time */
	LLFREE_NODES_MAX = 256,  /**< NUMA nodes */
	LLFREE_ZONE_FRAME_BITS = 32
};

/** Who shares a slot (the reservation and claim of a class, a cache line). */
typedef enum llfree_slot_layout {
	LLFREE_SLOTS_AUTO = 0, /**< the first of the following with at least four trees per slot and class */
	LLFREE_SLOTS_CPU,      /**< each CPU has its own */
	LLFREE_SLOTS_CORE,     /**< the hardware threads of a core */
	LLFREE_SLOTS_CACHE,    /**< the CPUs behind one last-level cache */
	LLFREE_SLOTS_NODE,     /**< the CPUs of a node */
	LLFREE_SLOT_LAYOUTS
} llfree_slot_layout;

/** All zones of a program. */
typedef struct llfree_zones llfree_zones;

/** Where to look at the machine. Zero-initialise: this machine (hwloc's own variables HWLOC_SYNTHETIC, HWLOC_XMLFILE
 *  are obeyed). With another topology than this machine's, nothing is bound. */
typedef struct llfree_zones_config {
	const char *synthetic; /**< a topology in hwloc's words, such as "numa:2 l3:1 core:4 pu:2" */
	const char *xml_path;  /**< or one that hwloc or lstopo has exported */
} llfree_zones_config;

/** A zone to add. Zero-initialise, then set node and arena.memory_bytes. */
typedef struct llfree_zone_config {
	uint32_t node;             /**< 0 .. llfree_zones_nodes() - 1 */
	llfree_slot_layout layout; /**< with arena.allocator.cpus set: CPUs wrap over that many slots */
	bool strict_binding; /**< memory of no other node, even if this one has none left (a touch may then meet the OOM
				killer); default: of this node as long as it has some */
	bool must_bind;      /**< fail if the memory can't be bound; default: go on, llfree_zone_info says so */
	llfree_arena_config arena; /**< memory_bytes at least */
} llfree_zone_config;

/** What a zone is like. */
typedef struct llfree_zone_info {
	uint32_t zone_id;          /**< of llfree_zones_add() */
	uint32_t node;             /**< its place */
	llfree_slot_layout layout; /**< as chosen */
	uint32_t slots;            /**< per class; with more nodes than one the upper half serves the other nodes */
	uint64_t frames;           /**< managed */
	bool online;               /**< gets come here */
	bool bound;                /**< the kernel accepted the binding of memory and metadata to the node */
	int bind_errno;            /**< why not */
} llfree_zone_info;

/** Nodes, by number; a zero-initialised one is empty. */
typedef struct llfree_node_set {
	uint64_t bits[LLFREE_NODES_MAX / 64]; /**< node n: bit n % 64 of word n / 64 */
} llfree_node_set;

/** Where a get may take from. Zero-initialised: as llfree_zones_get(). */
typedef struct llfree_zones_from {
	bool named;                 /**< begin at node instead of the caller's */
	bool no_fallback;           /**< only the first node that would be asked: that one, or the nearest of the set */
	uint32_t node;              /**< if named */
	const llfree_node_set *set; /**< only nodes of this set; NULL = all */
} llfree_zones_from;

/** Read the topology; no zone yet. Allocates with malloc; destroy frees.
 *  @return LLFREE_OK; LLFREE_ERR_INVAL (not a topology, more than LLFREE_NODES_MAX nodes); LLFREE_ERR_SYSTEM (errno) */
LLFREE_API LLFREE_MUST_CHECK llfree_err llfree_zones_create(llfree_zones **zones, const llfree_zones_config *config);
/** End all zones, whoever owns frames of them. Threads: alone. NULL is allowed. */
LLFREE_API void llfree_zones_destroy(llfree_zones *zones);

/* --- zones come and go ------------------------------------------------------------------------------------------ */

/** Make an arena, bind it to its node, and let gets find it.
 *  @param zone_id  how remove, info and the others name it; not used again for another zone for 2^22 additions
 *  @return LLFREE_OK; LLFREE_ERR_INVAL (node, layout, arena); LLFREE_ERR_NOMEM (LLFREE_ZONES_MAX zones exist);
 *          LLFREE_ERR_SYSTEM (errno) */
LLFREE_API LLFREE_MUST_CHECK llfree_err llfree_zones_add(llfree_zones *zones, const llfree_zone_config *config,
							 uint32_t *zone_id);

/** Called by remove for each frame that is owned: get its contents out of the zone and put the frame (the run that it
 *  belongs to, by llfree_zones_put(); the frames of the run that are free then are not asked for again).
 *  order is 9 where a huge frame was taken as one, else 0. It may call everything but add, remove, offline and online.
 *  @return true: go on with the next one; false: give up, remove refuses */
typedef bool (*llfree_zones_migrate_fn)(void *context, uint64_t frame, unsigned order);

/** Take a zone away: gets stop to find it, everything that runs in it ends, slots are drained, what is owned is offered
 *  to migrate (may be NULL). When nobody owns a frame, its memory and metadata are unmapped.
 *  @param owned_frames  frames that somebody still owns: 0 exactly when the zone is gone; may be NULL
 *  @return LLFREE_OK; LLFREE_ERR_STATE frames are owned: nothing changed but what migrate did, and gets find the zone
 *          again (unless it was offline before); LLFREE_ERR_INVAL (no such zone); LLFREE_ERR_SYSTEM (errno) */
LLFREE_API LLFREE_MUST_CHECK llfree_err llfree_zones_remove(llfree_zones *zones, uint32_t zone_id,
							    llfree_zones_migrate_fn migrate, void *context,
							    uint64_t *owned_frames);
/** The first half of a removal: from the return on no get ends with a frame of this zone; puts go on.
 *  @return as remove, never LLFREE_ERR_STATE */
LLFREE_API LLFREE_MUST_CHECK llfree_err llfree_zones_offline(llfree_zones *zones, uint32_t zone_id,
							     uint64_t *owned_frames);
/** Let gets find the zone again. @return LLFREE_OK; LLFREE_ERR_INVAL (no such zone); LLFREE_ERR_SYSTEM (errno) */
LLFREE_API LLFREE_MUST_CHECK llfree_err llfree_zones_online(llfree_zones *zones, uint32_t zone_id);

/* --- frames ----------------------------------------------------------------------------------------------------- */

/** Get a run of 2^order frames: from the node of request.cpu, else from the nearest that has one. request.cpu: a number
 *  of an operating system's CPU, best llfree_current_cpu(); it wraps.
 *  @return LLFREE_OK; LLFREE_ERR_NOMEM no zone has one, each was asked; LLFREE_ERR_INVAL, LLFREE_ERR_INSTALL as
 *          llfree_get().  Progress: lock-free, no system call but a thread's registration at its first call. */
LLFREE_API LLFREE_MUST_CHECK llfree_err llfree_zones_get(llfree_zones *zones, llfree_request request, uint64_t *frame);
/** The same, from where from says. @return also LLFREE_ERR_INVAL: no such node. */
LLFREE_API LLFREE_MUST_CHECK llfree_err llfree_zones_get_from(llfree_zones *zones, llfree_request request,
							      const llfree_zones_from *from, uint64_t *frame);
/** Give back a run, or an aligned part of one. The class of the request may be any; that of the get is the fastest.
 *  @return as llfree_put(); LLFREE_ERR_INVAL: no frame of a present zone */
LLFREE_API LLFREE_MUST_CHECK llfree_err llfree_zones_put(llfree_zones *zones, llfree_request request, uint64_t frame);

/** The memory of a frame; NULL: not a frame of a present zone. It stays mapped as long as the frame is owned. */
LLFREE_API void *llfree_zones_address(const llfree_zones *zones, uint64_t frame);
/** The frame of an address in any zone, in log2 of the number of zones steps.
 *  @return LLFREE_OK; LLFREE_ERR_INVAL: in no zone */
LLFREE_API LLFREE_MUST_CHECK llfree_err llfree_zones_frame(const llfree_zones *zones, const void *address,
							   uint64_t *frame);
/** The zone of a frame: its zone_id. */
static inline uint32_t llfree_zone_of(uint64_t frame)
{
	return (uint32_t)(frame >> LLFREE_ZONE_FRAME_BITS);
}
/** The number of a frame in its zone's arena. */
static inline uint64_t llfree_zone_frame_of(uint64_t frame)
{
	return frame & UINT32_MAX;
}
/** Add a node below LLFREE_NODES_MAX to a set. */
static inline void llfree_node_set_add(llfree_node_set *set, uint32_t node)
{
	set->bits[node % LLFREE_NODES_MAX / 64] |= UINT64_C(1) << node % 64;
}

/* --- inspect ---------------------------------------------------------------------------------------------------- */

/** Of one node. */
typedef struct llfree_node_stats {
	uint32_t os_index;      /**< the kernel's number of the node */
	uint32_t cpus;          /**< of the node */
	uint32_t zones;         /**< on it, offline ones included */
	uint32_t offline_zones; /**< of these, not asked by gets */
	uint64_t memory_bytes;  /**< of the node, by hwloc; 0 = unknown */
	uint64_t frames;        /**< of all its zones */
	uint64_t free_frames;   /**< of its zones that are online, as in llfree_stats_fast() */
	uint64_t cached_frames; /**< of these, in claim words */
	uint64_t free_huge;     /**< huge frames free, of its zones that are online */
	uint64_t bound_frames;  /**< of frames, those whose binding the kernel accepted */
	uint64_t foreign;       /**< gets meant for this node that another one served */
	uint64_t missed;        /**< gets meant for another node that this one served */
	uint64_t failed;        /**< gets meant for this node that nobody served */
} llfree_node_stats;

/** Nodes of the topology. */
LLFREE_API uint32_t llfree_zones_nodes(const llfree_zones *zones);
/** CPU numbers that the topology knows; others wrap. */
LLFREE_API uint32_t llfree_zones_cpus(const llfree_zones *zones);
/** The node of a CPU, whose number wraps. */
LLFREE_API uint32_t llfree_zones_node_of_cpu(const llfree_zones *zones, uint32_t cpu);
/** By the firmware's table (10 = local), or where there is none by the levels of the topology between the nodes; 0: no
 *  such node. */
LLFREE_API uint32_t llfree_zones_distance(const llfree_zones *zones, uint32_t from_node, uint32_t to_node);
/** The rank-th node from here: rank 0 is from_node itself. Equal distances: the higher number first, then from 0. */
LLFREE_API uint32_t llfree_zones_nearest(const llfree_zones *zones, uint32_t from_node, uint32_t rank);
/** Counters only (llfree_stats_fast); exact at rest. @return LLFREE_OK; LLFREE_ERR_INVAL */
LLFREE_API LLFREE_MUST_CHECK llfree_err llfree_zones_node_stats(const llfree_zones *zones, uint32_t node,
								llfree_node_stats *stats);
/** What a zone is like. @return LLFREE_OK; LLFREE_ERR_INVAL (no such zone) */
LLFREE_API LLFREE_MUST_CHECK llfree_err llfree_zones_info(const llfree_zones *zones, uint32_t zone_id,
							  llfree_zone_info *info);
/** Ids of the zones that are there, ascending by place. @return how many there are, also beyond max_zones */
LLFREE_API size_t llfree_zones_list(const llfree_zones *zones, uint32_t *zone_ids, size_t max_zones);
/** The arena of a zone, for audits, statistics and a host's attach by descriptor; frames are got and put through the
 *  functions above only. NULL: no such zone. The caller makes sure that nobody removes the zone meanwhile. */
LLFREE_API const llfree_arena *llfree_zones_arena(const llfree_zones *zones, uint32_t zone_id);
/** Bind the calling thread to the CPUs of a node. @return LLFREE_OK (without effect on a topology that is not this
 *  machine's); LLFREE_ERR_INVAL; LLFREE_ERR_SYSTEM (errno) */
LLFREE_API LLFREE_MUST_CHECK llfree_err llfree_zones_bind_thread(const llfree_zones *zones, uint32_t node);

LLFREE_END_DECLS
#endif
