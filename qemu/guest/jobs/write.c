/* SPDX-License-Identifier: MIT
 *
 * Job: what a program sees of its memory: map it, write into every 4 KiB of it, give it back; threads beside each
 * other, step by step, each step as long as its slowest thread. Where the memory does not come (SIGBUS) the job ends.
 */
#define _GNU_SOURCE
#include "agent_job.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BYTES_MAX (UINT64_C(1) << 40)

enum { WORKERS_MAX = 64 };

typedef enum write_step { STEP_MAP, STEP_TOUCH, STEP_FREE, STEPS } write_step;
static const char *const step_keys[STEPS] = { "map_ns", "touch_ns", "free_ns" };

typedef struct write_job write_job;

typedef struct worker {
	write_job *job;
	pthread_t thread;
	size_t idx;
	unsigned char *room, *base; /**< what is mapped; where 2 MiB begin in it */
	uint64_t step_ns[STEPS];
	int error; /**< of the mapping */
} worker;

struct write_job {
	uint64_t bytes; /**< of each thread */
	bool huge;
	int device_fd; /**< -1: memory is the kernel's */
	pthread_barrier_t barrier;
	worker workers[WORKERS_MAX];
};

/* Of a device each thread has offsets of its own. Advice is advice: a kernel without huge pages has none. */
static void map(worker *self)
{
	const write_job *job = self->job;
	int flags = job->device_fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED;
	self->room =
		mmap(NULL, job->bytes + HV_HUGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (self->room != MAP_FAILED) {
		self->base = self->room + (HV_HUGE_BYTES - (uintptr_t)self->room % HV_HUGE_BYTES) % HV_HUGE_BYTES;
		self->base = mmap(self->base, job->bytes, PROT_READ | PROT_WRITE, flags | MAP_FIXED, job->device_fd,
				  job->device_fd < 0 ? 0 : (off_t)(self->idx * job->bytes));
	}
	self->error = self->room == MAP_FAILED || self->base == MAP_FAILED ? errno : 0;
	if (self->error == 0)
		(void)madvise(self->base, job->bytes, job->huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

static void touch(worker *self)
{
	if (self->error == 0)
		for (uint64_t at = 0; at < self->job->bytes; at += HV_FRAME_BYTES)
			*(volatile uint64_t *)(void *)(self->base + at) = at;
}

static void give_back(worker *self)
{
	if (self->room != MAP_FAILED)
		munmap(self->room, self->job->bytes + HV_HUGE_BYTES);
}

static void *worker_run(void *context)
{
	static void (*const steps[STEPS])(worker * self) = { map, touch, give_back };
	worker *self = context;
	for (write_step step = 0; step < STEPS; step++) {
		pthread_barrier_wait(&self->job->barrier);
		uint64_t begin_ns = hv_now_ns();
		steps[step](self);
		self->step_ns[step] = hv_now_ns() - begin_ns;
	}
	return NULL;
}

static bool team_run(write_job *self, size_t n_workers, agent_reply *reply)
{
	pthread_barrier_init(&self->barrier, NULL, (unsigned)n_workers);
	for (size_t at = 0; at < n_workers; at++) {
		self->workers[at] = (worker){ .job = self, .idx = at };
		if (pthread_create(&self->workers[at].thread, NULL, worker_run, &self->workers[at]) != 0)
			abort(); /* the job ends, and with it what it began */
	}
	for (size_t at = 0; at < n_workers; at++)
		pthread_join(self->workers[at].thread, NULL);
	pthread_barrier_destroy(&self->barrier);
	for (size_t at = 0; at < n_workers; at++)
		if (self->workers[at].error != 0)
			return agent_refuse(reply, "a mapping: %s", strerror(self->workers[at].error));
	for (write_step step = 0; step < STEPS; step++) {
		uint64_t longest_ns = 0;
		for (size_t at = 0; at < n_workers; at++)
			if (self->workers[at].step_ns[step] > longest_ns)
				longest_ns = self->workers[at].step_ns[step];
		agent_tell_count(reply, step_keys[step], longest_ns);
	}
	return true;
}

static bool write_all(void *context, const json_t *request, agent_reply *reply)
{
	write_job *self = context;
	uint64_t n_workers, huge, bytes;
	const char *device = agent_text_or(request, "device", NULL);
	if (!agent_ask_count_or(request, "threads", 1, 1, WORKERS_MAX, &n_workers, reply) ||
	    !agent_ask_count(request, "bytes", HV_HUGE_BYTES, BYTES_MAX, &bytes, reply) ||
	    !agent_ask_count_or(request, "huge", 0, 0, 1, &huge, reply))
		return false;
	self->bytes = bytes / n_workers & ~(uint64_t)(HV_HUGE_BYTES - 1);
	self->huge = huge != 0;
	if (self->bytes == 0)
		return agent_refuse(reply, "each thread needs 2 MiB");
	self->device_fd = device != NULL ? open(device, O_RDWR | O_CLOEXEC) : -1;
	if (device != NULL && self->device_fd < 0)
		return agent_refuse(reply, "%.100s: %s", device, strerror(errno));
	bool ok = team_run(self, n_workers, reply);
	if (self->device_fd >= 0)
		close(self->device_fd);
	agent_tell_count(reply, "bytes", self->bytes * n_workers);
	return ok;
}

static const agent_verb verbs[] = { { "write-all", write_all, false }, { NULL, NULL, false } };

const agent_job_kind agent_job_kind_write = { .name = "write", .verbs = verbs, .context_bytes = sizeof(write_job) };
