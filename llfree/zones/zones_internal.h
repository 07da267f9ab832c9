/* SPDX-License-Identifier: MIT
 *
 * The registry of zones and what its readers may do.
 * A registry is written once, published by a release store, and read inside RCU sections; it is reused or freed only
 * after a grace period that began when it was no longer published. The same holds for a zone, which stands in the
 * registry twice: in the table (puts, look-ups) as long as it exists, and in the lists of its node (gets) while it is
 * online. All changes are made under the mutex, which no get, put or look-up takes. */
#ifndef LLF_ZONES_INTERNAL_H
#define LLF_ZONES_INTERNAL_H

#include "base/atomic.h"
#include "base/bits.h"
#include "zones/topology.h"

#include <pthread.h>
/* The read side inline: both of its functions are short enough to be used from code of any licence, as their own header
 * says. */
#define _LGPL_SOURCE
#include <urcu/urcu-bp.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define LLF_TSAN
#endif
#endif
#if defined(__SANITIZE_THREAD__) || defined(LLF_TSAN)
/* liburcu is not instrumented: tell the sanitizer what a grace period waits for. */
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define llf_tsan_acquire(address) __tsan_acquire(address)
#define llf_tsan_release(address) __tsan_release(address)
#else
#define llf_tsan_acquire(address) ((void)(address))
#define llf_tsan_release(address) ((void)(address))
#endif

enum { LLF_ZONE_PLACE_BITS = 10 }; /* of a zone id: its place in the table; above it the generation */
_Static_assert(1 << LLF_ZONE_PLACE_BITS == LLFREE_ZONES_MAX, "a zone id holds a place");

typedef struct llf_zone {
	llfree_arena arena;   /* first: its allocator is what get and put work on */
	uint64_t handle_bits; /* zone id << LLFREE_ZONE_FRAME_BITS; 0 = the zone that stands for none */
	uint16_t node, layout;
	uint32_t far_slots; /* slot of another node's CPU = its slot there + far_slots */
	bool online, bound; /* changed under the mutex only */
	int bind_errno;
	/* Hints, so that a zone that is full is not searched again by every get: bit k of dry[class] = a get of order k
	 * found nothing. Puts clear them as frames come back: bit k when 2^k frames have been put. A get asks dry zones
	 * too before it fails. */
	llfree_u32_cell dry[LLFREE_MAX_CLASSES];
	llfree_u32_cell any_dry, freed;
} llf_zone;

/* What the short ways need, copied together: between two compare-exchanges each load that waits for another one counts.
 * The zone where a CPU's gets begin and its puts mostly go, and that CPU's slots there, one per class. */
typedef struct llf_cpu_entry {
	llfree_slot *slots;
	uint64_t handle_bits;
	llfree_row_cell *rows;
	uint64_t frames;                     /* 0 for the zone that stands for none, as classes */
	llf_zone *zone;                      /* never NULL */
	const struct llf_registry *registry; /* in which this stands */
	uint32_t classes;
	uint32_t slot_idx;
	const llfree_t *allocator; /* of the zone */
} llf_cpu_entry;
_Static_assert(sizeof(llf_cpu_entry) == LLFREE_CACHE_LINE, "one cache line");

typedef struct llf_zone_entry {
	uint64_t handle_bits;
	llf_zone *zone; /* never NULL */
} llf_zone_entry;

typedef struct llf_range {
	uintptr_t begin, end;
	llf_zone *zone;
} llf_range;

typedef struct llf_registry {
	llf_zone_entry table[LLFREE_ZONES_MAX];
	const llfree_zones *zones;
	struct llf_registry *next;            /* while it is retired or spare */
	uint16_t begin[LLFREE_NODES_MAX + 1]; /* zones of node i: online[begin[i]] .. online[begin[i + 1] - 1] */
	uint16_t n_ranges;
	llf_zone *online[LLFREE_ZONES_MAX];
	llf_range ranges[LLFREE_ZONES_MAX];               /* all zones by address */
	_Alignas(LLFREE_CACHE_LINE) llf_cpu_entry cpus[]; /* one per place */
} llf_registry;

/* Gets that did not end on the node they were meant for; a row per CPU number. */
typedef struct llf_counts {
	llfree_u64_cell foreign, missed, failed;
} llf_counts;

struct llfree_zones {
	llf_cpu_entry *cpus; /* of the registry that is published; atomic */
	uint32_t short_cpus; /* CPU numbers below may take the short ways */
	llf_topology topology;
	llf_counts *counts; /* counts[cpu * n_nodes + node] */
	/* below: under the mutex */
	pthread_mutex_t mutex;
	llf_zone *zones[LLFREE_ZONES_MAX];
	uint32_t generation[LLFREE_ZONES_MAX];
	llf_registry *registry; /* that is published */
	llf_registry *retired;  /* no longer published, perhaps still read */
	llf_registry *spare;
	llf_zone none;
};

/* A section of the calling thread. Entered and left as _urcu_bp_read_lock() and _urcu_bp_read_unlock() do, by the same
 * words of the same header; but what leaving stores is kept from entering: a load of it behind the compare-exchange of
 * a get would wait for that, and the next section's stores for the load. */
typedef struct llf_section {
	unsigned long *word;   /* of the thread's reader, which liburcu aligns less than it declares */
	unsigned long outside; /* what the word is outside of this section */
} llf_section;
_Static_assert(offsetof(struct urcu_bp_reader, ctr) == 0, "the reader begins with its word");

static inline unsigned long *llf_reader_word(void)
{
	return (unsigned long *)(void *)URCU_TLS(urcu_bp_reader);
}
static inline const llf_registry *llf_registry_enter(const llfree_zones *self, llf_section *section)
{
	if (LLF_UNLIKELY(!llf_reader_word()))
		urcu_bp_register();
	section->word = llf_reader_word();
	section->outside = *section->word;
	/* Nested (the program is in a section of its own): one deeper. Else the phase of the running grace period. */
	unsigned long inside = section->outside & URCU_BP_GP_CTR_NEST_MASK ? section->outside + URCU_BP_GP_COUNT
									   : CMM_LOAD_SHARED(urcu_bp_gp.ctr);
	_CMM_STORE_SHARED(*section->word, inside);
	urcu_bp_smp_mb_slave();
	return __atomic_load_n(&self->cpus, __ATOMIC_ACQUIRE)->registry;
}
static inline void llf_registry_leave(llf_section section)
{
	llf_tsan_release(&urcu_bp_gp);
	urcu_bp_smp_mb_slave();
	_CMM_STORE_SHARED(*section.word, section.outside);
	cmm_barrier();
}

/* The same for the short ways: refuses a thread that is not registered, a CPU number that has to be wrapped, a kernel
 * without membarrier() (short_cpus is 0) and a program that is in a section of its own, with no more tests than that.
 * So the word says "outside" when the section ends, which is 0 in the nesting bits, whatever the others are.
 * @return false: not entered, take the long way; *entry: where the CPU's gets begin */
static inline bool llf_short_enter(const llfree_zones *self, uint32_t cpu, unsigned long **word,
				   const llf_cpu_entry **entry)
{
	*word = llf_reader_word();
	if (LLF_UNLIKELY(!*word || cpu >= self->short_cpus || (unsigned)(**word & URCU_BP_GP_CTR_NEST_MASK)))
		return false;
	_CMM_STORE_SHARED(**word, CMM_LOAD_SHARED(urcu_bp_gp.ctr));
	cmm_barrier(); /* the writer's membarrier() makes it a fence */
	*entry = __atomic_load_n(&self->cpus, __ATOMIC_ACQUIRE) + cpu;
	return true;
}
static inline void llf_short_leave(unsigned long *word)
{
	llf_tsan_release(&urcu_bp_gp);
	cmm_barrier();
	_CMM_STORE_SHARED(*word, 0);
	cmm_barrier();
}

static inline bool llf_zone_is_dry(const llf_zone *zone, llfree_request request)
{
	return llf_u32_load_relaxed(&zone->dry[request.class_idx % LLFREE_MAX_CLASSES]) >> (request.order & 31) & 1;
}
static inline uint32_t llf_zone_slot(const llf_zone *zone, const llf_place *place)
{
	return place->slot[zone->layout] + (place->node == zone->node ? 0 : zone->far_slots);
}
static inline uint32_t llf_zone_id(const llf_zone *zone)
{
	return (uint32_t)(zone->handle_bits >> LLFREE_ZONE_FRAME_BITS);
}
/* Inside a section: the zone of an id or handle, NULL when it is not there. */
static inline llf_zone *llf_registry_zone(const llf_registry *registry, uint32_t zone_id)
{
	const llf_zone_entry *entry = &registry->table[zone_id % LLFREE_ZONES_MAX];
	return zone_id && entry->handle_bits >> LLFREE_ZONE_FRAME_BITS == zone_id ? entry->zone : NULL;
}

/* --- zone_registry.c: under the mutex ---------------------------------------------------------------------------- */

/* Have at least so many registries ready. @return false: out of memory */
bool llf_registry_reserve(llfree_zones *self, unsigned count);
/* Publish what self->zones says, in a spare registry. */
void llf_registry_publish(llfree_zones *self);
/* Wait for all sections that have begun; retired registries become spare. */
void llf_registry_wait(llfree_zones *self);
void llf_registry_free_all(llfree_zones *self);

#endif
