/* SPDX-License-Identifier: MIT
 *
 * Get and put. The short way: the node and slot of the CPU from a table, the first zone of the node from the registry,
 * one llfree_get(). Everything else (a zone that is full, a named node, a set) walks the lists of the registry by
 * distance. Keeps A1 to A7 within each zone as the core does; A5 across zones: a get fails only after it has asked
 * every zone that it may use. */
#include "core/claim_word.h"
#include "zones/zones_internal.h"

/* The shared library of the core does not export what follows a claim that misses: then once more from the beginning.
 */
#ifdef LLF_CORE_SHARED
#define claim_refill(allocator, request, slot, claim, frame) llfree_get(allocator, request, frame)
#define claim_miss(allocator, request, slot, claim, frame)   llfree_put(allocator, request, frame)
#else
#define claim_refill(allocator, request, slot, claim, frame) llf_claim_refill(allocator, request, slot, claim, frame)
#define claim_miss(allocator, request, slot, claim, frame)   llf_claim_miss(allocator, slot, claim, frame)
#endif

/* A get of a class found nothing: larger runs are not there either. */
static void zone_mark_dry(llf_zone *zone, llfree_request request)
{
	llfree_u32_cell *cell = &zone->dry[request.class_idx % LLFREE_MAX_CLASSES];
	uint32_t word = llf_u32_load_relaxed(cell);
	while (!llf_u32_cas_acqrel(cell, &word, word | UINT32_MAX << request.order))
		;
	llf_u32_store_relaxed(&zone->freed, 0);
	llf_u32_store_relaxed(&zone->any_dry, 1);
}

/* Frames came back to a zone with dry orders: those that they could make up are worth asking for again. */
LLF_NOINLINE static void zone_note_put(llf_zone *zone, unsigned order)
{
	/* Of single frames only those that miss the claim are seen: a half row for each. */
	uint32_t more = order ? 1u << order : LLFREE_HALF_FRAMES;
	uint32_t freed = llf_u32_add_acqrel(&zone->freed, more) + more;
	uint32_t keep = UINT32_MAX << (31 - (unsigned)__builtin_clz(freed)) << 1; /* orders k with 2^k > freed */
	uint32_t left = 0;
	for (unsigned i = 0; i < LLFREE_MAX_CLASSES; i++) {
		uint32_t word = llf_u32_load_relaxed(&zone->dry[i]);
		while ((word & ~keep) && !llf_u32_cas_acqrel(&zone->dry[i], &word, word & keep))
			;
		left |= word & keep;
	}
	if (!left)
		llf_u32_store_relaxed(&zone->any_dry, 0);
}

/* A get that leaves the short way. */
typedef struct walk {
	const llfree_zones *self;
	const llf_registry *registry;
	const llf_place *place;
	const llfree_zones_from *from;
	llfree_request request;
	uint64_t asked[LLFREE_ZONES_MAX / 64];
} walk;

static llfree_err ask_zone(walk *w, llf_zone *zone, uint64_t *frame)
{
	uint32_t at = llf_zone_id(zone) % LLFREE_ZONES_MAX;
	llfree_request request = w->request;
	request.cpu = llf_zone_slot(zone, w->place);
	w->asked[at / 64] |= UINT64_C(1) << at % 64;
	llfree_err err = llfree_get(&zone->arena.allocator, request, frame);
	if (err == LLFREE_OK)
		*frame |= zone->handle_bits;
	else if (err == LLFREE_ERR_NOMEM)
		zone_mark_dry(zone, request);
	return err;
}

/* The zones of a node that were not asked yet; those that look dry only if dry_too. */
static llfree_err ask_node(walk *w, uint32_t node, bool dry_too, uint64_t *frame)
{
	for (uint32_t i = w->registry->begin[node]; i < w->registry->begin[node + 1]; i++) {
		llf_zone *zone = w->registry->online[i];
		uint32_t at = llf_zone_id(zone) % LLFREE_ZONES_MAX;
		if ((w->asked[at / 64] >> at % 64 & 1) || (!dry_too && llf_zone_is_dry(zone, w->request)))
			continue;
		llfree_err err = ask_zone(w, zone, frame);
		if (err != LLFREE_ERR_NOMEM)
			return err;
	}
	return LLFREE_ERR_NOMEM;
}

static bool node_allowed(const llfree_zones_from *from, uint32_t node)
{
	return !from->set || (from->set->bits[node / 64] >> node % 64 & 1);
}

/* By distance from the node that was asked for; twice: first where there should be something. *meant: the first node
 * that may be used, *served: the one that gave. */
static llfree_err ask_nodes(walk *w, uint32_t *meant, uint32_t *served, uint64_t *frame)
{
	const llf_topology *topology = &w->self->topology;
	const uint16_t *nearest = topology->nodes[w->from->named ? w->from->node : w->place->node].nearest;
	*meant = nearest[0];
	for (unsigned dry_too = 0; dry_too < 2; dry_too++) {
		unsigned n_allowed = 0;
		for (uint32_t rank = 0; rank < topology->n_nodes && !(n_allowed && w->from->no_fallback); rank++) {
			if (!node_allowed(w->from, nearest[rank]))
				continue;
			if (!n_allowed++)
				*meant = nearest[rank];
			*served = nearest[rank];
			llfree_err err = ask_node(w, nearest[rank], dry_too, frame);
			if (err != LLFREE_ERR_NOMEM)
				return err;
		}
	}
	return LLFREE_ERR_NOMEM;
}

static const llf_place *entry_place(const llf_cpu_entry *entry)
{
	const llf_registry *registry = entry->registry;
	return &registry->zones->topology.places[entry - registry->cpus];
}

LLF_NOINLINE static llfree_err get_far(const llf_cpu_entry *entry, llfree_request request,
				       const llfree_zones_from *from, uint64_t *frame)
{
	const llfree_zones *self = entry->registry->zones;
	walk w = { self, entry->registry, entry_place(entry), from, request, { 0 } };
	llf_counts *counts = &self->counts[(uint64_t)(w.place - self->topology.places) * self->topology.n_nodes];
	uint32_t meant, served = 0;
	llfree_err err = ask_nodes(&w, &meant, &served, frame);
	if (err == LLFREE_OK && meant != served) {
		(void)llf_u64_add_relaxed(&counts[meant].foreign, 1);
		(void)llf_u64_add_relaxed(&counts[served].missed, 1);
	} else if (err == LLFREE_ERR_NOMEM) {
		(void)llf_u64_add_relaxed(&counts[meant].failed, 1);
	}
	return err;
}

/* The first zone did not give: the others, unless the request itself is wrong. */
LLF_NOINLINE static llfree_err get_missed(const llf_cpu_entry *entry, llfree_request request, llfree_err err,
					  uint64_t *frame)
{
	static const llfree_zones_from anywhere = { 0 };
	if (request.order > LLFREE_MAX_ORDER)
		return LLFREE_ERR_INVAL;
	if (err != LLFREE_ERR_NOMEM)
		return err;
	if (entry->handle_bits && !llf_zone_is_dry(entry->zone, request))
		zone_mark_dry(entry->zone, request);
	return get_far(entry, request, &anywhere, frame);
}

/* The long ways get the parts of a request one by one: as a struct in a register they would be put together for every
 * get and put, also where none of these is called. */

/* The whole get of a CPU's first zone (with a claim that was seen empty: its refill), then the others. Ends the
 * section.
 */
static inline llfree_err get_rest(llf_section section, const llf_cpu_entry *entry, llfree_request request,
				  uint64_t *claim, uint64_t *frame)
{
	llf_zone *zone = entry->zone;
	const llfree_t *allocator = &zone->arena.allocator;
	llfree_err err = LLFREE_ERR_NOMEM;
	if (LLF_UNLIKELY(llf_zone_is_dry(zone, request)))
		;
	else if (LLF_LIKELY(claim && !llf_exact(allocator)))
		err = claim_refill(allocator, request, &entry->slots[request.class_idx], *claim, frame);
	else
		err = llfree_get(allocator, request, frame);
	if (LLF_LIKELY(err == LLFREE_OK))
		*frame |= entry->handle_bits;
	else
		err = get_missed(entry, request, err, frame);
	llf_registry_leave(section);
	return err;
}

LLF_NOINLINE static llfree_err get_empty(llf_section section, const llf_cpu_entry *entry, uint8_t class_idx,
					 uint64_t claim, uint64_t *frame)
{
	llfree_request request = { entry->slot_idx, 0, class_idx };
	return get_rest(section, entry, request, &claim, frame);
}

LLF_NOINLINE static llfree_err get_long(llf_section section, const llf_cpu_entry *entry, uint8_t order,
					uint8_t class_idx, uint64_t *frame)
{
	llfree_request request = { entry->slot_idx, order, class_idx };
	return get_rest(section, entry, request, NULL, frame);
}

static inline const llf_cpu_entry *cpu_entry(const llfree_zones *self, const llf_registry *registry, uint32_t cpu)
{
	if (LLF_UNLIKELY(cpu >= self->topology.n_places))
		cpu %= self->topology.n_places;
	return &registry->cpus[cpu];
}

/* The short way is closed. */
LLF_NOINLINE static llfree_err get_outside(const llfree_zones *self, uint32_t cpu, uint8_t order, uint8_t class_idx,
					   uint64_t *frame)
{
	llf_section section;
	const llf_registry *registry = llf_registry_enter(self, &section);
	return get_long(section, cpu_entry(self, registry, cpu), order, class_idx, frame);
}

inline llfree_err llfree_zones_get(llfree_zones *self, llfree_request request, uint64_t *frame)
{
	llf_section section;
	const llf_cpu_entry *entry = llf_short_enter(self, request.cpu, &section);
	if (LLF_UNLIKELY(!entry))
		return get_outside(self, request.cpu, request.order, request.class_idx, frame);
	uint64_t claim, in_zone;
	if (LLF_UNLIKELY(request.order || request.class_idx >= entry->classes))
		return get_long(section, entry, request.order, request.class_idx, frame);
	if (LLF_UNLIKELY(!llf_claim_pop(&entry->slots[request.class_idx], &claim, &in_zone)))
		return get_empty(section, entry, request.class_idx, claim, frame);
	*frame = entry->handle_bits | in_zone;
	llf_short_leave(section);
	return LLFREE_OK;
}

llfree_err llfree_zones_get_from(llfree_zones *self, llfree_request request, const llfree_zones_from *from,
				 uint64_t *frame)
{
	if (request.order > LLFREE_MAX_ORDER || (from->named && from->node >= self->topology.n_nodes))
		return LLFREE_ERR_INVAL;
	llf_section section;
	const llf_registry *registry = llf_registry_enter(self, &section);
	llfree_err err = get_far(cpu_entry(self, registry, request.cpu), request, from, frame);
	llf_registry_leave(section);
	return err;
}

/* The whole put. Ends the section. */
LLF_NOINLINE static llfree_err put_long(llf_section section, const llf_cpu_entry *entry, uint8_t order, uint64_t frame)
{
	llf_zone *zone = llf_registry_zone(entry->registry, llfree_zone_of(frame));
	llfree_err err = LLFREE_ERR_INVAL;
	if (LLF_LIKELY(zone != NULL)) {
		llfree_request request = { llf_zone_slot(zone, entry_place(entry)), order, 0 };
		err = llfree_put(&zone->arena.allocator, request, llfree_zone_frame_of(frame));
		if (LLF_UNLIKELY(llf_u32_load_relaxed(&zone->any_dry)) && err == LLFREE_OK)
			zone_note_put(zone, order);
	}
	llf_registry_leave(section);
	return err;
}

/* Not into the claim of the class that was guessed: the same way on from there, if the guess was right. */
LLF_NOINLINE static llfree_err put_missed(llf_section section, const llf_cpu_entry *entry, uint8_t class_idx,
					  uint64_t claim, uint64_t frame)
{
	const llfree_t *allocator = &entry->zone->arena.allocator;
	uint64_t in_zone = frame - entry->handle_bits;
	if (LLF_UNLIKELY(llf_exact(allocator)) ||
	    tree_class(llf_tree_load_relaxed(&allocator->trees[llf_tree_of(in_zone)])) != class_idx)
		return put_long(section, entry, 0, frame);
	llfree_request request = { entry->slot_idx, 0, class_idx };
	llfree_err err = claim_miss(allocator, request, &entry->slots[class_idx], claim, in_zone);
	(void)request, (void)claim; /* the one or the other */
	if (LLF_UNLIKELY(llf_u32_load_relaxed(&entry->zone->any_dry)) && err == LLFREE_OK)
		zone_note_put(entry->zone, 0);
	llf_registry_leave(section);
	return err;
}

LLF_NOINLINE static llfree_err put_outside(const llfree_zones *self, uint32_t cpu, uint8_t order, uint64_t frame)
{
	llf_section section;
	const llf_registry *registry = llf_registry_enter(self, &section);
	return put_long(section, cpu_entry(self, registry, cpu), order, frame);
}

/* The class of the request is a guess at the class of the tree. A claim that holds the half row of the frame says that
 * it is right, or was when the claim was made, which is as good: no look at the tree. */
inline llfree_err llfree_zones_put(llfree_zones *self, llfree_request request, uint64_t frame)
{
	llf_section section;
	const llf_cpu_entry *entry = llf_short_enter(self, request.cpu, &section);
	if (LLF_UNLIKELY(!entry))
		return put_outside(self, request.cpu, request.order, frame);
	uint64_t in_zone = frame - entry->handle_bits, claim;
	if (LLF_UNLIKELY(request.order || request.class_idx >= entry->classes || in_zone >= entry->frames))
		return put_long(section, entry, request.order, frame);
	unsigned err = llf_claim_push(&entry->zone->arena.allocator, &entry->rows, &entry->slots[request.class_idx],
				      in_zone, &claim);
	if (LLF_UNLIKELY(err == LLF_ERR_MISS))
		return put_missed(section, entry, request.class_idx, claim, frame);
	llf_short_leave(section);
	return (llfree_err)err;
}

void *llfree_zones_address(const llfree_zones *self, uint64_t frame)
{
	llf_section section;
	const llf_registry *registry = llf_registry_enter(self, &section);
	const llf_zone *zone = llf_registry_zone(registry, llfree_zone_of(frame));
	void *address = NULL;
	if (zone && llfree_zone_frame_of(frame) < zone->arena.allocator.frames)
		address = llfree_arena_address(&zone->arena, llfree_zone_frame_of(frame));
	llf_registry_leave(section);
	return address;
}

llfree_err llfree_zones_frame(const llfree_zones *self, const void *address, uint64_t *frame)
{
	llf_section section;
	const llf_registry *registry = llf_registry_enter(self, &section);
	uintptr_t at = (uintptr_t)address;
	uint32_t low = 0, high = registry->n_ranges; /* the first range that ends behind it */
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		if (registry->ranges[middle].end <= at)
			low = middle + 1;
		else
			high = middle;
	}
	bool inside = low < registry->n_ranges && registry->ranges[low].begin <= at;
	if (inside) {
		const llf_zone *zone = registry->ranges[low].zone;
		*frame = zone->handle_bits | llfree_arena_frame(&zone->arena, address);
	}
	llf_registry_leave(section);
	return inside ? LLFREE_OK : LLFREE_ERR_INVAL;
}
