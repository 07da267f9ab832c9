// SPDX-License-Identifier: GPL-2.0
/*
 * A team of kernel threads, each bound to its CPU, runs the steps of a case. All begin together; the time of a step is
 * what its threads took, per operation.
 */
#include "lg_bench.h"

#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

static int worker_main(void *context)
{
	struct lg_bench_worker *worker = context;
	struct lg_bench_run *run = worker->run;
	u64 begin_ns;

	atomic_dec(&run->not_ready);
	while (atomic_read(&run->not_ready) > 0) {
		cpu_relax();
		cond_resched();
	}
	begin_ns = ktime_get_ns();
	run->step(worker);
	worker->elapsed_ns = ktime_get_ns() - begin_ns;
	if (atomic_dec_and_test(&run->not_done))
		complete(run->done);
	/* whoever started us waits for us to be gone: our code may be unloaded after */
	set_current_state(TASK_INTERRUPTIBLE);
	while (!kthread_should_stop()) {
		schedule();
		set_current_state(TASK_INTERRUPTIBLE);
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

static void team_dismiss(struct lg_bench_run *run, unsigned int n_threads)
{
	while (n_threads-- > 0)
		kthread_stop(run->workers[n_threads].task);
}

static int team_run(struct lg_bench_run *run, void (*step)(struct lg_bench_worker *worker))
{
	DECLARE_COMPLETION_ONSTACK(done);
	unsigned int idx;

	run->step = step;
	run->done = &done;
	atomic_set(&run->not_ready, run->n_threads);
	atomic_set(&run->not_done, run->n_threads);
	for (idx = 0; idx < run->n_threads; idx++) {
		struct lg_bench_worker *worker = &run->workers[idx];

		worker->task = kthread_create_on_node(worker_main, worker, cpu_to_node(worker->cpu), "llfree-bench/%u",
						      worker->cpu);
		if (IS_ERR(worker->task)) {
			team_dismiss(run, idx);
			return PTR_ERR(worker->task);
		}
		kthread_bind(worker->task, worker->cpu);
	}
	for (idx = 0; idx < run->n_threads; idx++)
		wake_up_process(run->workers[idx].task);
	wait_for_completion(&done);
	team_dismiss(run, run->n_threads);
	return 0;
}

/* Picoseconds per operation, in the mean of the threads. */
static u64 step_cost(const struct lg_bench_run *run)
{
	u64 ops = 0, elapsed_ns = 0;
	unsigned int idx;

	for (idx = 0; idx < run->n_threads; idx++) {
		ops += run->workers[idx].ops;
		elapsed_ns += run->workers[idx].elapsed_ns;
	}
	return ops ? mul_u64_u64_div_u64(elapsed_ns, 1000, ops) : 0;
}

static int round_run(struct lg_bench_run *run, struct lg_bench_result *result)
{
	unsigned int phase;
	int err;

	for (phase = 0; phase < LG_BENCH_PHASES_MAX && run->kind->phases[phase]; phase++) {
		err = team_run(run, run->kind->steps[phase]);
		if (err)
			return err;
		if (result)
			result->ps_per_op[phase][result->n_rounds] = step_cost(run);
	}
	if (result)
		result->n_rounds++;
	return fatal_signal_pending(current) ? -EINTR : 0;
}

static int rounds_run(struct lg_bench_run *run, struct lg_bench_result *result)
{
	unsigned int round;
	int err = run->kind->prepare ? team_run(run, run->kind->prepare) : 0;

	for (round = 0; round < run->kind->warm_rounds && !err; round++)
		err = round_run(run, NULL);
	for (round = 0; round < run->rounds && !err; round++)
		err = round_run(run, result);
	return err;
}

static void workers_destroy(struct lg_bench_run *run)
{
	unsigned int idx;

	for (idx = 0; idx < run->n_threads; idx++) {
		while (run->workers[idx].n_held > 0)
			run->allocator->put(&run->workers[idx], run->workers[idx].blocks[--run->workers[idx].n_held]);
		kvfree(run->workers[idx].blocks);
	}
	kfree(run->workers);
}

static int workers_create(struct lg_bench_run *run)
{
	u64 n_blocks = max_t(u64, (run->mib << (20 - PAGE_SHIFT) >> run->order) / run->n_threads, 1);
	unsigned int idx, cpu = cpumask_first(run->cpus);

	run->workers = kcalloc(run->n_threads, sizeof(*run->workers), GFP_KERNEL);
	if (!run->workers)
		return -ENOMEM;
	for (idx = 0; idx < run->n_threads; idx++) {
		struct lg_bench_worker *worker = &run->workers[idx];

		worker->run = run;
		worker->cpu = cpu;
		worker->n_blocks = n_blocks;
		worker->random = 0x9e3779b97f4a7c15ull * (idx + 1);
		worker->blocks = kvmalloc_node(array_size(n_blocks, sizeof(u64)), GFP_KERNEL, cpu_to_node(cpu));
		if (!worker->blocks)
			return -ENOMEM;
		cpu = cpumask_next(cpu, run->cpus);
		if (cpu >= nr_cpu_ids)
			cpu = cpumask_first(run->cpus);
	}
	return 0;
}

int lg_bench_run(struct lg_bench_run *run, struct lg_bench_result *result)
{
	unsigned int idx;
	int err = run->allocator->open(run);

	memset(result, 0, sizeof(*result));
	if (err)
		return err;
	err = workers_create(run);
	if (!err)
		err = rounds_run(run, result);
	if (run->workers) {
		for (idx = 0; idx < run->n_threads; idx++)
			result->failed += run->workers[idx].failed;
		workers_destroy(run);
	}
	run->allocator->close(run);
	return err;
}
