/* SPDX-License-Identifier: MIT
 *
 * Get and put. The short way: the entry of the CPU in the registry names the first zone of its node and the CPU's slots
 * there; from there on it is the core's, without a second look at what is known. Everything else (a zone that is full,
 * a named node, a set) walks the lists of the registry by distance. Keeps A1 to A7 within each zone as the core does;
 * A5 across zones: a get fails only after it has asked every zone that it may use. */
#include "core/claim_word.h"
#include "zones/zones_internal.h"

/* The core's long ways, in the first zone of a CPU. The shared library of the core does not export them: then once more
 * from the beginning. */
static inline llfree_request first_request(const llf_cpu_entry *entry, unsigned order, unsigned class_idx)
{
	return (llfree_request){ entry->slot_idx, (uint8_t)order, (uint8_t)class_idx };
}
#ifdef LLF_CORE_SHARED
#define first_get(entry, order, class_idx, frame) \
	llfree_get((entry)->allocator, first_request(entry, order, class_idx), frame)
#define first_refill(entry, class_idx, claim, frame) ((void)(claim), first_get(entry, 0, class_idx, frame))
#define first_put(entry, order, class_idx, in_zone) \
	llfree_put((entry)->allocator, first_request(entry, order, class_idx), in_zone)
#define first_miss(entry, class_idx, claim, in_zone) ((void)(claim), first_put(entry, 0, class_idx, in_zone))
#else
#define first_get(entry, order, class_idx, frame) \
	llf_get_long((entry)->allocator, &(entry)->slots[class_idx], order, frame)
#define first_refill(entry, class_idx, claim, frame) \
	llf_claim_refill((entry)->allocator, &(entry)->slots[class_idx], claim, frame)
#define first_put(entry, order, class_idx, in_zone) llf_put_long((entry)->allocator, (entry)->slots, order, in_zone)
#define first_miss(entry, class_idx, claim, in_zone) \
	llf_claim_miss((entry)->allocator, &(entry)->slots[class_idx], claim, in_zone)
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

/* The first zone is not as most are: it looks dry for some request, is in exact mode, or does not know the class. */
LLF_NOINLINE static llfree_err get_careful(const llf_cpu_entry *entry, unsigned order, unsigned class_idx,
					   uint64_t *frame)
{
	llfree_request request = first_request(entry, order, class_idx);
	llfree_err err = LLFREE_ERR_NOMEM;
	if (!llf_zone_is_dry(entry->zone, request))
		err = llfree_get(entry->allocator, request, frame);
	if (err != LLFREE_OK)
		return get_missed(entry, request, err, frame);
	*frame |= entry->handle_bits;
	return LLFREE_OK;
}

/* The long ways get the parts of a request one by one: as a struct in a register they would be put together for every
 * get and put, also where none of these is called. */

/* What the first zone answered to a get. */
static inline llfree_err got_first(const llf_cpu_entry *entry, unsigned order, unsigned class_idx, llfree_err err,
				   uint64_t *frame)
{
	if (LLF_UNLIKELY(err != LLFREE_OK))
		return get_missed(entry, first_request(entry, order, class_idx), err, frame);
	*frame |= entry->handle_bits;
	return LLFREE_OK;
}

/* The whole get, with a claim that was seen empty: its refill. Ends the section, as the next one. */
LLF_NOINLINE static llfree_err get_empty(unsigned long *word, const llf_cpu_entry *entry, unsigned class_idx,
					 uint64_t claim, uint64_t *frame)
{
	llfree_err err;
	if (LLF_UNLIKELY(llf_u32_load_relaxed(&entry->zone->any_dry) || llf_exact(entry->allocator)))
		err = get_careful(entry, 0, class_idx, frame);
	else
		err = got_first(entry, 0, class_idx, first_refill(entry, class_idx, claim, frame), frame);
	llf_short_leave(word);
	return err;
}

/* The whole get of a run. */
LLF_NOINLINE static llfree_err get_long(unsigned long *word, const llf_cpu_entry *entry, unsigned order,
					unsigned class_idx, uint64_t *frame)
{
	llfree_err err;
	if (LLF_UNLIKELY(llf_u32_load_relaxed(&entry->zone->any_dry) || class_idx >= entry->classes))
		err = get_careful(entry, order, class_idx, frame);
	else
		err = got_first(entry, order, class_idx, first_get(entry, order, class_idx, frame), frame);
	llf_short_leave(word);
	return err;
}

static inline const llf_cpu_entry *cpu_entry(const llfree_zones *self, const llf_registry *registry, uint32_t cpu)
{
	if (LLF_UNLIKELY(cpu >= self->topology.n_places))
		cpu %= self->topology.n_places;
	return &registry->cpus[cpu];
}

/* The short way is closed. */
LLF_NOINLINE static llfree_err get_outside(const llfree_zones *self, uint32_t cpu, unsigned order, unsigned class_idx,
					   uint64_t *frame)
{
	llf_section section;
	const llf_registry *registry = llf_registry_enter(self, &section);
	llfree_err err = get_careful(cpu_entry(self, registry, cpu), order, class_idx, frame);
	llf_registry_leave(section);
	return err;
}

inline llfree_err llfree_zones_get(llfree_zones *self, llfree_request request, uint64_t *frame)
{
	unsigned long *word;
	const llf_cpu_entry *entry;
	if (LLF_UNLIKELY(!llf_short_enter(self, request.cpu, &word, &entry)))
		return get_outside(self, request.cpu, request.order, request.class_idx, frame);
	uint64_t claim, in_zone;
	if (LLF_UNLIKELY(request.order || request.class_idx >= entry->classes))
		return get_long(word, entry, request.order, request.class_idx, frame);
	if (LLF_UNLIKELY(!llf_claim_pop(&entry->slots[request.class_idx], &claim, &in_zone)))
		return get_empty(word, entry, request.class_idx, claim, frame);
	*frame = entry->handle_bits | in_zone;
	llf_short_leave(word);
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

/* The whole put, into any zone. */
LLF_NOINLINE static llfree_err put_anywhere(const llf_cpu_entry *entry, unsigned order, uint64_t frame)
{
	llf_zone *zone = llf_registry_zone(entry->registry, llfree_zone_of(frame));
	if (LLF_UNLIKELY(!zone))
		return LLFREE_ERR_INVAL;
	llfree_request request = { llf_zone_slot(zone, entry_place(entry)), (uint8_t)order, 0 };
	llfree_err err = llfree_put(&zone->arena.allocator, request, llfree_zone_frame_of(frame));
	if (LLF_UNLIKELY(llf_u32_load_relaxed(&zone->any_dry)) && err == LLFREE_OK)
		zone_note_put(zone, order);
	return err;
}

/* The same, mostly of a run into the CPU's first zone. Ends the section, as the next one. */
LLF_NOINLINE static llfree_err put_long(unsigned long *word, const llf_cpu_entry *entry, unsigned order, uint64_t frame)
{
	uint64_t in_zone = frame - entry->handle_bits;
	llfree_err err;
	if (LLF_LIKELY(order && in_zone < entry->frames)) {
		err = first_put(entry, order, 0, in_zone);
		if (LLF_UNLIKELY(llf_u32_load_relaxed(&entry->zone->any_dry)) && err == LLFREE_OK)
			zone_note_put(entry->zone, order);
	} else {
		err = put_anywhere(entry, order, frame);
	}
	llf_short_leave(word);
	return err;
}

/* Not into the claim of the class that was guessed: the same way on from there, if the guess was right. */
LLF_NOINLINE static llfree_err put_missed(unsigned long *word, const llf_cpu_entry *entry, unsigned class_idx,
					  uint64_t claim, uint64_t in_zone)
{
	if (LLF_UNLIKELY(llf_exact(entry->allocator) || llf_put_class(entry->allocator, in_zone) != class_idx))
		return put_long(word, entry, 0, entry->handle_bits + in_zone);
	llfree_err err = first_miss(entry, class_idx, claim, in_zone);
	if (LLF_UNLIKELY(llf_u32_load_relaxed(&entry->zone->any_dry)) && err == LLFREE_OK)
		zone_note_put(entry->zone, 0);
	llf_short_leave(word);
	return err;
}

LLF_NOINLINE static llfree_err put_outside(const llfree_zones *self, uint32_t cpu, unsigned order, uint64_t frame)
{
	llf_section section;
	const llf_registry *registry = llf_registry_enter(self, &section);
	llfree_err err = put_anywhere(cpu_entry(self, registry, cpu), order, frame);
	llf_registry_leave(section);
	return err;
}

/* The class of the request is a guess at the class of the tree. A claim that holds the half row of the frame says that
 * it is right, or was when the claim was made, which is as good: no look at the tree. */
inline llfree_err llfree_zones_put(llfree_zones *self, llfree_request request, uint64_t frame)
{
	unsigned long *word;
	const llf_cpu_entry *entry;
	if (LLF_UNLIKELY(!llf_short_enter(self, request.cpu, &word, &entry)))
		return put_outside(self, request.cpu, request.order, frame);
	uint64_t in_zone = frame - entry->handle_bits, claim;
	if (LLF_UNLIKELY(request.order || request.class_idx >= entry->classes || in_zone >= entry->frames))
		return put_long(word, entry, request.order, frame);
	unsigned err =
		llf_claim_push(&entry->allocator, &entry->rows, &entry->slots[request.class_idx], in_zone, &claim);
	if (LLF_LIKELY(err == LLFREE_OK)) {
		llf_short_leave(word);
		return LLFREE_OK;
	}
	if (LLF_LIKELY(err == LLF_ERR_MISS))
		return put_missed(word, entry, request.class_idx, claim, in_zone);
	llf_short_leave(word);
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
