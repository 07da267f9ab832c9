/* SPDX-License-Identifier: MIT
 *
 * Job: work that feels when memory or CPU time is taken away. One thread a vCPU runs the kernel of stream or ftq in
 * buffers of its own and keeps on a tape what it got done when; between work and rest it may be asked for bursts: each
 * thread allocates its share, writes it and gives it back. rest cuts the tapes into steps of the guest's clock. */
#define _GNU_SOURCE
#include "agent_blocks.h"
#include "agent_job.h"
#include "guest/impact_words.h"
#include "result/rates.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BUFFER_BYTES_MAX (UINT64_C(64) << 30)
#define BURST_BYTES_MAX  (UINT64_C(64) << 30)
#define STEP_NS_MAX      UINT64_C(10000000000000)

enum { WORKERS_MAX = 64, STEPS_MAX = 200000 /* of all threads: an answer is one line */ };

typedef struct load_job load_job;

typedef struct worker {
	load_job *job;
	pthread_t thread;
	uint32_t idx;
	uint64_t *words;     /**< of its buffer */
	size_t n_runs;       /**< huge frames of the buffer */
	uint64_t n_done;     /**< iterations or units since it was filled */
	uint64_t n_bursts;   /**< done */
	agent_blocks blocks; /**< of bursts */
	agent_seen seen;
	hv_tape tape;
} worker;

typedef struct load_kernel {
	const char *name;
	uint64_t parts; /**< of a buffer, equal ones */
	void (*fill)(worker *self);
	void (*step)(worker *self);
	uint64_t (*check)(worker *self);
} load_kernel;

struct load_job {
	const load_kernel *kernel;
	uint64_t quantum_ns, burst_bytes;
	char device[64]; /**< "": memory is the kernel's */
	worker workers[WORKERS_MAX];
	size_t n_workers;
	bool works;
	_Atomic bool stop;
	_Atomic uint64_t n_bursts; /**< asked for */
};

static uint64_t *run_of(const worker *self, size_t run_idx)
{
	return self->words + run_idx * HV_RUN_WORDS;
}

static void stream_fill(worker *self)
{
	for (size_t at = 0; at < self->n_runs; at++)
		hv_stream_fill(run_of(self, at), self->idx, at % (self->n_runs / 2), at < self->n_runs / 2);
}

static void stream_step(worker *self)
{
	size_t half = self->n_runs / 2;
	uint64_t begin_ns = hv_now_ns();
	for (size_t at = 0; at < half; at++)
		for (size_t word = 0; word < HV_RUN_WORDS; word += HV_STREAM_PIECE_WORDS)
			hv_stream_copy(run_of(self, at) + word, run_of(self, half + at) + word);
	self->n_done++;
	/* read and written, as STREAM counts */
	hv_tape_add(&self->tape, begin_ns, hv_now_ns(), 2.0 * (double)half * HV_HUGE_BYTES);
}

static uint64_t stream_check(worker *self)
{
	uint64_t wrong = 0;
	size_t half = self->n_runs / 2;
	for (size_t at = 0; at < 2 * half; at++)
		wrong += hv_stream_check(run_of(self, at), self->idx, at % half, at < half && self->n_done == 0);
	return wrong;
}

static void ftq_fill(worker *self)
{
	memset(self->words, 0, self->n_runs * HV_HUGE_BYTES);
}

static void ftq_step(worker *self)
{
	uint64_t quantum_ns = self->job->quantum_ns, n_frames = self->n_runs * HV_HUGE_FRAMES, before = self->n_done;
	uint64_t begin_ns = hv_now_ns() / quantum_ns * quantum_ns, end_ns = begin_ns + quantum_ns;
	do
		hv_ftq_unit(self->words + self->n_done++ % n_frames * HV_FTQ_FRAME_WORDS);
	while (hv_now_ns() < end_ns);
	hv_tape_add(&self->tape, begin_ns, end_ns, (double)(self->n_done - before));
}

static uint64_t ftq_check(worker *self)
{
	uint64_t wrong = 0, n_units = 0;
	for (size_t frame = 0; frame < self->n_runs * HV_HUGE_FRAMES; frame++)
		wrong += hv_ftq_check(self->words + frame * HV_FTQ_FRAME_WORDS, &n_units);
	return wrong + (n_units != self->n_done);
}

static const load_kernel kernels[] = { { "stream", 2, stream_fill, stream_step, stream_check },
				       { "ftq", 1, ftq_fill, ftq_step, ftq_check } };

/* A stretch of the device, or of anonymous memory in huge pages where there are any; it stays until the job ends. */
static bool buffers_map(load_job *self, uint64_t bytes, agent_reply *reply)
{
	size_t all_bytes = bytes * self->n_workers;
	unsigned char *room =
		mmap(NULL, all_bytes + HV_HUGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room == MAP_FAILED)
		return agent_refuse(reply, "addresses: %s", strerror(errno));
	unsigned char *base = room + (HV_HUGE_BYTES - (uintptr_t)room % HV_HUGE_BYTES) % HV_HUGE_BYTES;
	int fd = self->device[0] != '\0' ? open(self->device, O_RDWR | O_CLOEXEC) : -1;
	if (self->device[0] != '\0' && fd < 0)
		return agent_refuse(reply, "%s: %s", self->device, strerror(errno));
	int flags = MAP_FIXED | (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED);
	void *mapped = mmap(base, all_bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
	int why = errno;
	if (fd >= 0)
		close(fd); /* the mapping holds the file */
	if (mapped == MAP_FAILED)
		return agent_refuse(reply, "buffers: %s", strerror(why));
	(void)madvise(base, all_bytes, MADV_HUGEPAGE); /* advice */
	for (size_t at = 0; at < self->n_workers; at++) {
		self->workers[at].words = (uint64_t *)(void *)(base + at * bytes);
		self->workers[at].n_runs = bytes / HV_HUGE_BYTES;
	}
	return true;
}

static bool bursts_open(load_job *self, agent_reply *reply)
{
	size_t n_places = self->burst_bytes / self->n_workers / HV_HUGE_BYTES;
	for (size_t at = 0; at < self->n_workers && n_places > 0; at++) {
		worker *each = &self->workers[at];
		each->blocks.step_words = HV_FRAME_BYTES / 8 - 1; /* a touch of each page */
		if (!agent_blocks_open(&each->blocks, n_places, self->device[0] != '\0' ? self->device : NULL))
			return agent_refuse(reply, "memory of bursts: %s", strerror(errno));
	}
	return true;
}

static bool open_load(void *context, const json_t *request, agent_reply *reply)
{
	load_job *self = context;
	uint64_t bytes, n_workers;
	const char *name, *device = agent_text_or(request, "device", "");
	if (self->n_workers > 0)
		return agent_refuse(reply, "it is open already");
	if (!agent_ask_text(request, "kernel", &name, reply) ||
	    !agent_ask_count(request, "threads", 1, WORKERS_MAX, &n_workers, reply) ||
	    !agent_ask_count(request, "bytes", HV_HUGE_BYTES, BUFFER_BYTES_MAX, &bytes, reply) ||
	    !agent_ask_count(request, "quantum_ns", 1, STEP_NS_MAX, &self->quantum_ns, reply) ||
	    !agent_ask_count_or(request, "burst", 0, 0, BURST_BYTES_MAX, &self->burst_bytes, reply))
		return false;
	for (size_t at = 0; at < sizeof(kernels) / sizeof(kernels[0]); at++)
		if (strcmp(name, kernels[at].name) == 0)
			self->kernel = &kernels[at];
	if (self->kernel == NULL)
		return agent_refuse(reply, "unknown kernel %.40s; known: stream, ftq", name);
	if (bytes % (self->kernel->parts * HV_HUGE_BYTES) != 0)
		return agent_refuse(reply, "\"bytes\" must be a multiple of %" PRIu64,
				    self->kernel->parts * HV_HUGE_BYTES);
	if (strlen(device) >= sizeof(self->device))
		return agent_refuse(reply, "\"device\" is too long");
	memcpy(self->device, device, strlen(device) + 1);
	self->n_workers = n_workers;
	if (!buffers_map(self, bytes, reply) || !bursts_open(self, reply)) {
		self->n_workers = 0; /* what is mapped goes with the job */
		return false;
	}
	for (size_t at = 0; at < n_workers; at++) {
		self->workers[at].job = self;
		self->workers[at].idx = (uint32_t)at;
		self->kernel->fill(&self->workers[at]);
	}
	return true;
}

static void burst(worker *self)
{
	for (size_t at = 0; at < self->blocks.n_places; at++)
		if (!agent_block_take(&self->blocks, at, &self->seen))
			break; /* counted */
	for (size_t at = 0; at < self->blocks.n_places; at++)
		if (self->blocks.blocks[at].held)
			agent_block_drop(&self->blocks, at, &self->seen);
}

/* Each on a vCPU of its own, as far as there are enough. */
static void cpu_take(uint32_t idx)
{
	cpu_set_t own;
	long n_cpus = sysconf(_SC_NPROCESSORS_ONLN);
	CPU_ZERO(&own);
	CPU_SET(idx % (size_t)(n_cpus > 0 ? n_cpus : 1), &own);
	(void)pthread_setaffinity_np(pthread_self(), sizeof(own), &own); /* else the scheduler's choice */
}

static void *worker_run(void *context)
{
	worker *self = context;
	load_job *job = self->job;
	cpu_take(self->idx);
	while (!atomic_load_explicit(&job->stop, memory_order_relaxed)) {
		uint64_t n_bursts = atomic_load_explicit(&job->n_bursts, memory_order_relaxed);
		if (n_bursts != self->n_bursts)
			burst(self);
		self->n_bursts = n_bursts;
		job->kernel->step(self);
	}
	return NULL;
}

static bool work(void *context, const json_t *request, agent_reply *reply)
{
	load_job *self = context;
	(void)request;
	if (self->n_workers == 0 || self->works)
		return agent_refuse(reply, self->works ? "it works already" : "open it first");
	atomic_store(&self->stop, false);
	self->works = true;
	for (size_t at = 0; at < self->n_workers; at++) {
		hv_tape_rewind(&self->workers[at].tape);
		if (pthread_create(&self->workers[at].thread, NULL, worker_run, &self->workers[at]) != 0)
			abort(); /* the job ends, and with it what it began */
	}
	agent_tell_count(reply, "ns", hv_now_ns());
	return true;
}

static bool burst_ask(void *context, const json_t *request, agent_reply *reply)
{
	load_job *self = context;
	(void)request;
	if (!self->works)
		return agent_refuse(reply, "it does not work");
	atomic_fetch_add_explicit(&self->n_bursts, 1, memory_order_relaxed);
	return true;
}

/* Work per step, thread by thread. */
static bool steps_tell(load_job *self, uint64_t begin_ns, uint64_t step_ns, size_t n_steps, agent_reply *reply)
{
	double *steps = calloc(n_steps + 1, sizeof(*steps));
	json_t *list = json_array();
	bool cut = steps == NULL || list == NULL;
	for (size_t at = 0; at < self->n_workers && !cut; at++) {
		memset(steps, 0, n_steps * sizeof(*steps));
		hv_tape_steps(&self->workers[at].tape, begin_ns, step_ns, steps, n_steps);
		for (size_t step = 0; step < n_steps; step++)
			json_array_append_new(list, json_real(steps[step]));
		cut = self->workers[at].tape.cut;
	}
	free(steps);
	json_object_set_new(reply->body, "steps", list);
	return !cut || agent_refuse(reply, "no memory for what was done");
}

static bool rest(void *context, const json_t *request, agent_reply *reply)
{
	load_job *self = context;
	uint64_t begin_ns = 0, step_ns = 1, n_steps;
	agent_seen sum = { 0 };
	if (!self->works)
		return agent_refuse(reply, "it does not work");
	atomic_store(&self->stop, true);
	for (size_t at = 0; at < self->n_workers; at++)
		pthread_join(self->workers[at].thread, NULL);
	self->works = false;
	for (size_t at = 0; at < self->n_workers; at++)
		agent_seen_add(&sum, &self->workers[at].seen);
	agent_tell_count(reply, "taken", sum.taken);
	agent_tell_count(reply, "short", sum.short_of);
	agent_tell_count(reply, "unzeroed", sum.unzeroed);
	if (!agent_ask_count_or(request, "n_steps", 0, 0, STEPS_MAX / self->n_workers, &n_steps, reply))
		return false;
	if (n_steps > 0 && (!agent_ask_count(request, "begin_ns", 0, INT64_MAX, &begin_ns, reply) ||
			    !agent_ask_count(request, "step_ns", 1, STEP_NS_MAX, &step_ns, reply)))
		return false;
	return steps_tell(self, begin_ns, step_ns, n_steps, reply);
}

static bool check(void *context, const json_t *request, agent_reply *reply)
{
	load_job *self = context;
	uint64_t wrong = 0, n_done = 0;
	(void)request;
	if (self->works)
		return agent_refuse(reply, "it works: let it rest first");
	for (size_t at = 0; at < self->n_workers; at++) {
		wrong += self->kernel->check(&self->workers[at]);
		n_done += self->workers[at].n_done;
	}
	agent_tell_count(reply, "wrong", wrong);
	agent_tell_count(reply, "done", n_done);
	return true;
}

static const agent_verb verbs[] = {
	{ "open", open_load, false }, { "work", work, false },   { "burst", burst_ask, false },
	{ "rest", rest, false },      { "check", check, false }, { NULL, NULL, false },
};

const agent_job_kind agent_job_kind_load = { .name = "load", .verbs = verbs, .context_bytes = sizeof(load_job) };
