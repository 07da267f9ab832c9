/* SPDX-License-Identifier: MIT
 *
 * Traffic; see traffic.h. */
#define _GNU_SOURCE
#include "rig/traffic.h"

#include <stdatomic.h>
#include <time.h>

hv_traffic hv_traffic_of(const hv_host *host)
{
	const hv_host_counters *counters = &host->counters;
	return (hv_traffic){
		.discards = atomic_load_explicit(&counters->discard_calls, memory_order_relaxed),
		.messages = atomic_load_explicit(&counters->messages, memory_order_relaxed),
		.unmaps = atomic_load_explicit(&counters->unmapped, memory_order_relaxed),
		.maps = atomic_load_explicit(&counters->mapped, memory_order_relaxed),
		.has_device = host->device != NULL,
		.host_ns = atomic_load_explicit(&counters->memory_ns, memory_order_relaxed),
	};
}

uint64_t hv_thread_cpu_ns(pthread_t thread)
{
	clockid_t clock;
	struct timespec time;
	if (pthread_getcpuclockid(thread, &clock) != 0 || clock_gettime(clock, &time) != 0)
		return 0;
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

hv_err hv_traffic_add(hv_traffic_samples *self, const hv_traffic *before, const hv_traffic *after, uint64_t moved_bytes)
{
	double per_gib = (double)(UINT64_C(1) << 30) / (double)moved_bytes;
	double per_huge = (double)HV_HUGE_BYTES / (double)moved_bytes;
	hv_err err = hv_samples_add(&self->discards, (double)(after->discards - before->discards) * per_gib);
	if (err == HV_OK)
		err = hv_samples_add(&self->messages, (double)(after->messages - before->messages) * per_gib);
	if (err == HV_OK && after->has_device)
		err = hv_samples_add(&self->unmaps, (double)(after->unmaps - before->unmaps) * per_gib);
	if (err == HV_OK && after->has_device)
		err = hv_samples_add(&self->maps, (double)(after->maps - before->maps) * per_gib);
	if (err == HV_OK)
		err = hv_samples_add(&self->host, (double)(after->host_ns - before->host_ns) * per_huge);
	if (err == HV_OK && before->has_guest && after->has_guest)
		err = hv_samples_add(&self->guest, (double)(after->guest_ns - before->guest_ns) * per_huge);
	return err;
}

hv_err hv_traffic_add_wait(hv_traffic_samples *self, uint64_t wait_ns, uint64_t moved_bytes)
{
	if (wait_ns == 0 || moved_bytes == 0)
		return HV_OK;
	return hv_samples_add(&self->wait, (double)wait_ns * HV_HUGE_BYTES / (double)moved_bytes);
}

void hv_traffic_emit(hv_traffic_samples *self, hv_result *result, const hv_row *like)
{
	const struct {
		const char *metric, *unit;
		hv_samples *samples;
	} figures[] = {
		{ "wait-time", "ns/2MiB", &self->wait },   { "discards", "1/GiB", &self->discards },
		{ "messages", "1/GiB", &self->messages },  { "unmaps", "1/GiB", &self->unmaps },
		{ "maps", "1/GiB", &self->maps },          { "host-time", "ns/2MiB", &self->host },
		{ "guest-time", "ns/2MiB", &self->guest },
	};
	for (size_t at = 0; at < sizeof(figures) / sizeof(figures[0]); at++) {
		hv_row row = *like;
		row.metric = figures[at].metric;
		row.unit = figures[at].unit;
		row.samples = figures[at].samples;
		row.quiet = true;
		row.has_bytes_moved = row.has_bytes_freed = false;
		row.proof = row.discard = NULL;
		if (row.samples->n_values > 0)
			hv_result_row(result, &row);
		hv_samples_clear(figures[at].samples);
	}
}
