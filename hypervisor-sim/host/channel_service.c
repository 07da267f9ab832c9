/* SPDX-License-Identifier: MIT
 *
 * The channel service; see channel_service.h. */
#define _GNU_SOURCE
#include "host/channel_service.h"

#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOOK_NS UINT64_C(100000000)
/* A guest that hands over memory at all does so at this rate, in the mean, per timeout. */
#define PATIENCE_BYTES (UINT64_C(128) << 20)

/* Elements only count; who waits for the guest is woken when a register changes. */
static void progress(hv_channel_service *self, bool wake)
{
	atomic_fetch_add_explicit(&self->n_served, 1, memory_order_relaxed);
	if (!wake)
		return;
	pthread_mutex_lock(&self->lock);
	pthread_cond_broadcast(&self->changed);
	pthread_mutex_unlock(&self->lock);
}

/* A pass of reports begins and ends with a new number of the guest. What it reports is not taken from it for longer
 * than the report lasts, so the ledger holds it only until the next pass: what was discarded, for the proof. */
static void pass_look(hv_channel_service *self)
{
	uint32_t number = atomic_load_explicit(&self->channel->registers->pass_number, memory_order_acquire);
	if (number == self->pass_number)
		return;
	uint64_t now_ns = hv_now_ns();
	pthread_mutex_lock(&self->lock);
	if ((number & 1) != 0) {
		hv_ledger_set(&self->ledger, 0, self->ledger.frames, false);
		self->pass_begin_ns = now_ns;
	} else {
		self->pass_end_ns = now_ns;
		self->pass_ns = (self->pass_number & 1) != 0 ? now_ns - self->pass_begin_ns : 0;
		self->pass_bytes = hv_ledger_out_bytes(&self->ledger);
		self->n_passes++;
	}
	self->pass_number = number;
	pthread_mutex_unlock(&self->lock);
}

/* The rings lie where the guest said when it was ready; asked once. */
static void rings_look(hv_channel_service *self)
{
	const hv_channel_registers *registers = self->channel->registers;
	if (self->rings_open || atomic_load_explicit(&registers->ready, memory_order_acquire) == 0)
		return;
	for (unsigned idx = 0; idx < self->n_rings; idx++) {
		hv_ring_place place = { atomic_load_explicit(&registers->rings[idx].address, memory_order_relaxed),
					atomic_load_explicit(&registers->rings[idx].size, memory_order_relaxed) };
		if (hv_ring_host_open(&self->rings[idx], self->ring_memory, place) != HV_OK) {
			hv_host_stop_vm(self->host, "the guest put a ring where none can be");
			return;
		}
	}
	self->rings_open = true;
}

static void message_count(hv_channel_service *self)
{
	atomic_fetch_add_explicit(&self->host->counters.messages, 1, memory_order_relaxed);
}

static void element_serve(hv_channel_service *self, unsigned ring_idx, const hv_ring_element *element)
{
	uint32_t written_bytes = 0;
	message_count(self);
	hv_err err = self->element(self, ring_idx, element, &written_bytes);
	if (err == HV_ERR_GUEST) {
		hv_host_stop_vm(self->host, "the guest sent a request that makes no sense");
		return;
	}
	if (err != HV_OK) {
		pthread_mutex_lock(&self->lock);
		self->discard_err = self->discard_err == HV_OK ? err : self->discard_err;
		pthread_mutex_unlock(&self->lock);
	}
	hv_ring_host_push(&self->rings[ring_idx], element, written_bytes);
	hv_bell_ring(self->channel->to_guest[ring_idx]);
}

/* At most one round of the ring, so that a guest that never stops sending can't keep us from stopping.
 * @return true: there may be more */
static bool ring_serve(hv_channel_service *self, unsigned ring_idx)
{
	hv_ring_element element;
	if (!self->rings_open)
		return false;
	for (uint32_t at = 0; at < self->rings[ring_idx].place.size; at++) {
		if (atomic_load_explicit(&self->stopping, memory_order_relaxed))
			return false;
		hv_ring_pop pop = HV_RING_EMPTY;
		if (hv_host_fault(self->host) == NULL)
			pop = hv_ring_host_pop(&self->rings[ring_idx], &element);
		if (pop == HV_RING_NONSENSE)
			hv_host_stop_vm(self->host, "the guest wrote nonsense into a ring");
		if (pop != HV_RING_ELEMENT)
			return false;
		element_serve(self, ring_idx, &element);
		progress(self, false);
	}
	return true;
}

/* Forget the rings; then look at what they were about. */
static void bell_heard(int ear, int bell)
{
	hv_ear_clear(ear);
	hv_bell_empty(bell);
}

static void *serve(void *context)
{
	hv_channel_service *self = context;
	bool more[HV_CHANNEL_RINGS_MAX] = { false };
	for (;;) {
		bool any_more = false;
		struct pollfd wanted[2 + HV_CHANNEL_RINGS_MAX] = { { .fd = self->stop_bell, .events = POLLIN },
								   { .fd = self->change_ear, .events = POLLIN } };
		for (unsigned idx = 0; idx < self->n_rings; idx++) {
			wanted[2 + idx] = (struct pollfd){ .fd = self->ring_ears[idx], .events = POLLIN };
			any_more = any_more || more[idx];
		}
		if (poll(wanted, 2 + self->n_rings, any_more ? 0 : -1) < 0)
			continue; /* a signal */
		if (wanted[0].revents != 0)
			return NULL;
		if (wanted[1].revents != 0) {
			bell_heard(self->change_ear, self->channel->changed_by_guest);
			rings_look(self);
		}
		pass_look(self);
		for (unsigned idx = 0; idx < self->n_rings; idx++) {
			if (wanted[2 + idx].revents == 0 && !more[idx])
				continue;
			bell_heard(self->ring_ears[idx], self->channel->to_host[idx]);
			more[idx] = ring_serve(self, idx);
		}
		pass_look(self);
		progress(self, wanted[1].revents != 0 || hv_host_fault(self->host) != NULL);
	}
}

static bool bells_open(hv_channel_service *self)
{
	bool ok = true;
	self->stop_bell = hv_bell_create();
	self->change_ear = hv_ear_create(self->channel->changed_by_guest);
	for (unsigned idx = 0; idx < HV_CHANNEL_RINGS_MAX; idx++) {
		bool wanted = idx < self->n_rings;
		self->ring_ears[idx] = wanted ? hv_ear_create(self->channel->to_host[idx]) : -1;
		ok = ok && (!wanted || self->ring_ears[idx] >= 0);
	}
	return ok && self->stop_bell >= 0 && self->change_ear >= 0;
}

static void bells_close(hv_channel_service *self)
{
	int fds[2 + HV_CHANNEL_RINGS_MAX] = { self->stop_bell, self->change_ear };
	memcpy(fds + 2, self->ring_ears, sizeof(self->ring_ears));
	for (size_t at = 0; at < 2 + HV_CHANNEL_RINGS_MAX; at++)
		if (fds[at] >= 0)
			close(fds[at]);
}

hv_err hv_channel_service_start(hv_channel_service *self, hv_host *host, hv_channel *channel, unsigned n_rings,
				hv_element_fn element)
{
	hv_ring_memory memory = { host->memory.base, host->memory.huge_count << HV_HUGE_SHIFT };
	return hv_channel_service_start_in(self, host, channel, n_rings, element, memory);
}

hv_err hv_channel_service_start_in(hv_channel_service *self, hv_host *host, hv_channel *channel, unsigned n_rings,
				   hv_element_fn element, hv_ring_memory ring_memory)
{
	memset(self, 0, sizeof(*self));
	self->host = host;
	self->channel = channel;
	self->n_rings = n_rings;
	self->element = element;
	self->ring_memory = ring_memory;
	atomic_init(&self->block_bytes, HV_HUGE_BYTES); /* a guest in another process may be early */
	self->timeout_ns = UINT64_C(10000000000);
	self->begin_timeout_ns = UINT64_C(3000000000);
	bool ok = bells_open(self);
	hv_err err = hv_ledger_create(&self->ledger, host->memory.huge_count * HV_HUGE_FRAMES);
	if (err != HV_OK || !ok) {
		bells_close(self);
		hv_ledger_destroy(&self->ledger);
		return HV_ERR_SYSTEM;
	}
	pthread_mutex_init(&self->lock, NULL);
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&self->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if (pthread_create(&self->thread, NULL, serve, self) != 0)
		return HV_ERR_SYSTEM;
	self->running = true;
	host->channel = self;
	return HV_OK;
}

void hv_channel_service_leave(hv_channel_service *self)
{
	if (!self->running)
		return;
	pthread_mutex_lock(&self->lock);
	self->leaving = true;
	pthread_cond_broadcast(&self->changed);
	pthread_mutex_unlock(&self->lock);
}

void hv_channel_service_stop(hv_channel_service *self)
{
	if (self->running) {
		atomic_store_explicit(&self->stopping, true, memory_order_relaxed);
		hv_bell_ring(self->stop_bell);
		pthread_join(self->thread, NULL);
		bells_close(self);
		pthread_cond_destroy(&self->changed);
		pthread_mutex_destroy(&self->lock);
		self->host->channel = NULL;
	}
	self->running = false;
	hv_ledger_destroy(&self->ledger);
}

/* With the lock held: sleep until something changes, a short time at most. @return false when there is no point */
static bool look_again(hv_channel_service *self)
{
	uint64_t until_ns = hv_now_ns() + LOOK_NS;
	struct timespec until = { (time_t)(until_ns / 1000000000u), (long)(until_ns % 1000000000u) };
	pthread_cond_timedwait(&self->changed, &self->lock, &until);
	return !self->leaving && hv_host_fault(self->host) == NULL;
}

/* With the lock held. */
static hv_err outcome_take(hv_channel_service *self)
{
	hv_err err = hv_host_fault(self->host) != NULL ? hv_host_verdict(self->host) : self->discard_err;
	self->discard_err = HV_OK;
	return err;
}

/* Wait on while memory changes hands, more of it than before in this wait: a guest that sends the same frames to and
 * fro, or rings its bell, is no nearer to the end. All in all, no longer than the memory could take. */
typedef struct patience {
	uint64_t first_bytes, most_bytes, begin_ns, progress_ns;
} patience;

static bool patience_ends(hv_channel_service *self, patience *seen)
{
	uint64_t now_ns = hv_now_ns(), out_bytes = hv_ledger_out_bytes(&self->ledger), whole_ns;
	if (seen->begin_ns == 0)
		*seen = (patience){ out_bytes, 0, now_ns, now_ns };
	uint64_t moved_bytes =
		out_bytes > seen->first_bytes ? out_bytes - seen->first_bytes : seen->first_bytes - out_bytes;
	if (moved_bytes > seen->most_bytes) {
		seen->most_bytes = moved_bytes;
		seen->progress_ns = now_ns;
	}
	if (__builtin_mul_overflow(2 + self->ledger.frames * HV_FRAME_BYTES / PATIENCE_BYTES, self->timeout_ns,
				   &whole_ns))
		whole_ns = UINT64_MAX;
	return now_ns - seen->progress_ns > self->timeout_ns || now_ns - seen->begin_ns > whole_ns;
}

hv_err hv_channel_target(hv_channel_service *self, uint64_t target_bytes)
{
	hv_channel_registers *registers = self->channel->registers;
	patience seen = { 0 };
	if (hv_host_fault(self->host) != NULL)
		return hv_host_verdict(self->host);
	uint32_t number = ++self->target_number;
	message_count(self);
	atomic_store_explicit(&self->target_bytes, target_bytes, memory_order_release);
	atomic_store_explicit(&registers->target_bytes, target_bytes, memory_order_relaxed);
	atomic_store_explicit(&registers->target_number, number, memory_order_release);
	hv_bell_ring(self->channel->changed_by_host);
	pthread_mutex_lock(&self->lock);
	bool late = false;
	while (atomic_load_explicit(&registers->settled_number, memory_order_acquire) != number && !late) {
		if (!look_again(self))
			break;
		late = patience_ends(self, &seen);
	}
	hv_err err = outcome_take(self);
	pthread_mutex_unlock(&self->lock);
	return err == HV_OK && late ? HV_ERR_TIMEOUT : err;
}

hv_err hv_channel_pass(hv_channel_service *self, uint64_t *bytes)
{
	hv_channel_registers *registers = self->channel->registers;
	patience seen = { 0 };
	*bytes = 0;
	if (hv_host_fault(self->host) != NULL)
		return hv_host_verdict(self->host);
	uint64_t begin_until_ns = hv_now_ns() + self->begin_timeout_ns;
	bool late = false;
	pthread_mutex_lock(&self->lock);
	uint64_t n_passes = self->n_passes;
	self->pass_ns = 0;
	self->asked_ns = hv_now_ns();
	atomic_store_explicit(&registers->reporting, 1, memory_order_release);
	hv_bell_ring(self->channel->changed_by_host);
	while (self->n_passes == n_passes && !late) {
		if (!look_again(self))
			break;
		bool runs = self->pass_begin_ns > self->pass_end_ns;
		if (!runs && hv_now_ns() > begin_until_ns)
			break;
		late = runs && patience_ends(self, &seen);
	}
	atomic_store_explicit(&registers->reporting, 0, memory_order_release);
	if (self->n_passes != n_passes)
		*bytes = self->pass_bytes;
	hv_err err = outcome_take(self);
	pthread_mutex_unlock(&self->lock);
	return err == HV_OK && late ? HV_ERR_TIMEOUT : err;
}

uint64_t hv_channel_pass_ns(hv_channel_service *self, uint64_t *wait_ns)
{
	pthread_mutex_lock(&self->lock);
	uint64_t pass_ns = self->pass_ns;
	/* one that ran already was not waited for */
	*wait_ns = pass_ns != 0 && self->pass_begin_ns > self->asked_ns ? self->pass_begin_ns - self->asked_ns : 0;
	pthread_mutex_unlock(&self->lock);
	return pass_ns;
}

hv_err hv_channel_take(hv_channel_service *self, uint64_t first_frame, uint64_t n_frames)
{
	if (!hv_ledger_is(&self->ledger, first_frame, n_frames, false))
		return HV_ERR_GUEST;
	hv_err err = hv_host_discard_range(self->host, first_frame, n_frames);
	if (err == HV_OK)
		hv_ledger_set(&self->ledger, first_frame, n_frames, true);
	return err;
}

hv_err hv_channel_report(hv_channel_service *self, uint64_t first_frame, uint64_t n_frames)
{
	if (n_frames == 0 || first_frame >= self->ledger.frames || n_frames > self->ledger.frames - first_frame)
		return HV_ERR_GUEST;
	hv_err err = hv_host_discard_range(self->host, first_frame, n_frames);
	if (err == HV_OK)
		hv_ledger_set(&self->ledger, first_frame, n_frames, true);
	return err;
}

hv_err hv_channel_give(hv_channel_service *self, uint64_t first_frame, uint64_t n_frames)
{
	if (!hv_ledger_is(&self->ledger, first_frame, n_frames, true))
		return HV_ERR_GUEST;
	hv_ledger_set(&self->ledger, first_frame, n_frames, false);
	return HV_OK;
}
