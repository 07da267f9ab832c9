/* SPDX-License-Identifier: MIT
 *
 * A log of stores that are not durable yet, in order, and the images that a crash may leave of them. Each store changes
 * bytes of one aligned unit of eight. */
#include "media.h"

#include <stdio.h>
#include <string.h>

#include "../support/t_rand.h"

enum { LOG_MAX = 8192, GROUPS_MAX = 512, UNIT_BYTES = 8 };

typedef struct {
	uint32_t offset; /* of the unit */
	uint64_t value;  /* that it had after the store */
} store;

/* The stores of one line or of eight bytes: the first `kept` of them are durable. */
typedef struct {
	uint32_t key;
	unsigned n_stores, kept;
	bool durable_words;
} group;

static struct {
	const uint8_t *region;
	size_t region_bytes, durable_offset;
	uint8_t durable[T_REGION_BYTES]; /* what is on the media for sure */
	uint8_t known[T_REGION_BYTES];   /* what the region held when it was looked at last */
	store log[LOG_MAX];
	unsigned n_log;
	const uint8_t *watched;
	group groups[GROUPS_MAX];
	unsigned n_groups;
	unsigned shift; /* offset >> shift is the key of a group */
	uint64_t images;
	void (*visit)(void);
	uint8_t *target;
} media;

void t_media_reset(const uint8_t *region, size_t region_bytes, size_t durable_offset)
{
	media.region = region;
	media.region_bytes = region_bytes;
	media.durable_offset = durable_offset;
	memcpy(media.durable, region, region_bytes);
	memcpy(media.known, region, region_bytes);
	media.n_log = 0;
	media.watched = NULL;
}

void t_media_watch(const void *cell)
{
	media.watched = cell;
}

void t_media_observe(void)
{
	const uint8_t *cell = media.watched;
	media.watched = NULL;
	if (cell < media.region || cell >= media.region + media.region_bytes)
		return;
	uint32_t offset = (uint32_t)(cell - media.region) / UNIT_BYTES * UNIT_BYTES;
	store entry = { .offset = offset };
	memcpy(&entry.value, media.region + offset, UNIT_BYTES);
	if (!memcmp(media.known + offset, &entry.value, UNIT_BYTES))
		return;
	memcpy(media.known + offset, &entry.value, UNIT_BYTES);
	if (media.n_log == LOG_MAX)
		t_fail("more than %d stores without a flush", LOG_MAX);
	else
		media.log[media.n_log++] = entry;
}

void t_media_flush(void *context, const void *address, size_t n_bytes)
{
	(void)context;
	if (!t_inside_run()) /* a setup, or a check of an image */
		return;
	t_media_observe();
	t_point(address, 3);
	t_media_observe();
	size_t first = (size_t)((const uint8_t *)address - media.region) / UNIT_BYTES * UNIT_BYTES;
	size_t end = (size_t)((const uint8_t *)address - media.region) + n_bytes;
	unsigned n = 0;
	for (unsigned i = 0; i < media.n_log; i++) {
		if (media.log[i].offset < first || media.log[i].offset >= end)
			media.log[n++] = media.log[i];
	}
	media.n_log = n;
	for (size_t offset = first; offset < end; offset += UNIT_BYTES)
		memcpy(media.durable + offset, media.known + offset, UNIT_BYTES);
}

unsigned t_media_pending(void)
{
	return media.n_log;
}

/* --- images ----------------------------------------------------------------------------------------------------- */

static void make_groups(bool lines)
{
	media.shift = lines ? 6 : 3;
	media.n_groups = 0;
	for (unsigned i = 0; i < media.n_log; i++) {
		uint32_t key = media.log[i].offset >> media.shift;
		unsigned g = 0;
		while (g < media.n_groups && media.groups[g].key != key)
			g++;
		if (g == media.n_groups && g < GROUPS_MAX)
			media.groups[media.n_groups++] =
				(group){ .key = key, .durable_words = media.log[i].offset >= media.durable_offset };
		if (g < GROUPS_MAX)
			media.groups[g].n_stores++;
	}
}

static void show_image(void)
{
	unsigned left[GROUPS_MAX];
	for (unsigned g = 0; g < media.n_groups; g++)
		left[g] = media.groups[g].kept;
	memcpy(media.target, media.durable, media.region_bytes);
	for (unsigned i = 0; i < media.n_log; i++) {
		unsigned g = 0;
		while (g < media.n_groups && media.groups[g].key != media.log[i].offset >> media.shift)
			g++;
		if (g == media.n_groups || !left[g])
			continue;
		left[g]--;
		memcpy(media.target + media.log[i].offset, &media.log[i].value, UNIT_BYTES);
	}
	media.images++;
	media.visit();
}

static void set_all(bool durable_words, bool keep)
{
	for (unsigned g = 0; g < media.n_groups; g++) {
		if (media.groups[g].durable_words == durable_words)
			media.groups[g].kept = keep ? media.groups[g].n_stores : 0;
	}
}

static void set_random(bool durable_words, t_rand *rand)
{
	for (unsigned g = 0; g < media.n_groups; g++) {
		if (media.groups[g].durable_words == durable_words)
			media.groups[g].kept = (unsigned)t_rand_below(rand, media.groups[g].n_stores + 1);
	}
}

/* One state of the durable words, with the other words lost, kept, and in random states. */
static void with_others(unsigned n_random, t_rand *rand)
{
	set_all(false, false);
	show_image();
	set_all(false, true);
	show_image();
	for (unsigned i = 0; i < n_random; i++) {
		set_random(false, rand);
		show_image();
	}
}

/* The next state of the durable words, counting; false after the last. */
static bool next_state(void)
{
	for (unsigned g = 0; g < media.n_groups; g++) {
		group *one = &media.groups[g];
		if (!one->durable_words)
			continue;
		if (++one->kept <= one->n_stores)
			return true;
		one->kept = 0;
	}
	return false;
}

static void some_states(unsigned n_random, t_rand *rand)
{
	for (unsigned keep = 0; keep < 2; keep++) {
		set_all(true, keep);
		with_others(n_random, rand);
		for (unsigned g = 0; g < media.n_groups; g++) {
			if (!media.groups[g].durable_words)
				continue;
			set_all(true, keep);
			media.groups[g].kept = keep ? 0 : media.groups[g].n_stores;
			with_others(n_random, rand);
		}
	}
	for (unsigned i = 0; i < 4 * n_random; i++) {
		set_random(true, rand);
		with_others(n_random, rand);
	}
}

uint64_t t_media_each(uint8_t *region, bool lines, unsigned max_exhaustive, unsigned n_random, uint64_t seed,
		      void (*visit)(void))
{
	t_rand rand = { seed };
	uint64_t states = 1;
	media.images = 0;
	media.visit = visit;
	media.target = region;
	make_groups(lines);
	for (unsigned g = 0; g < media.n_groups && states <= max_exhaustive; g++)
		states *= media.groups[g].durable_words ? media.groups[g].n_stores + 1 : 1;
	if (states > max_exhaustive) {
		some_states(n_random, &rand);
		return media.images;
	}
	set_all(true, false);
	do {
		with_others(n_random, &rand);
	} while (next_state());
	return media.images;
}
