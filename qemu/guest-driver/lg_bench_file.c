// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/llfree-bench: write one line of key=value pairs, read one JSON object with the same case on LLFree and on
 * alloc_pages. Needs no monitor. Times are nanoseconds per operation with three digits, one number a round.
 *   case=bulk|repeat|rand order=0..10 threads=N mib=N ops=N rounds=N cpus=LIST node=N allocator=both|llfree|alloc_pages
 *   region=own|shared
 * "zeroes" tells that this kernel clears pages as it hands them out or takes them back (boot with init_on_alloc=0 to
 * compare allocators alone).
 */
#include "llfree_guest.h"
#include "lg_bench.h"

#include <linux/capability.h>
#include <linux/ctype.h>
#include <linux/module.h>
#include <linux/nodemask.h>
#include <linux/seq_buf.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

enum { LINE_BYTES = 512, ANSWER_BYTES = 16384, THREADS_MAX = 1024 };

struct bench_file {
	struct mutex lock;
	size_t length;
	char answer[ANSWER_BYTES];
};

struct request {
	struct lg_bench_run run;
	bool llfree, alloc_pages;
	const char *error;
};

static DEFINE_MUTEX(one_at_a_time);

static bool number_in(const char *text, u64 low, u64 high, u64 *value)
{
	return !kstrtou64(text, 10, value) && *value >= low && *value <= high;
}

static bool take_case(struct request *request, const char *value)
{
	unsigned int idx;

	for (idx = 0; idx < lg_bench_n_cases; idx++)
		if (!strcmp(value, lg_bench_cases[idx].name))
			request->run.kind = &lg_bench_cases[idx];
	return request->run.kind != NULL;
}

static bool take_allocator(struct request *request, const char *value)
{
	request->llfree = !strcmp(value, "both") || !strcmp(value, lg_bench_llfree.name);
	request->alloc_pages = !strcmp(value, "both") || !strcmp(value, lg_bench_alloc_pages.name);
	return request->llfree || request->alloc_pages;
}

static bool take_number(struct request *request, const char *key, const char *value)
{
	struct lg_bench_run *run = &request->run;
	u64 number;

	if (!strcmp(key, "order") && number_in(value, 0, LG_BENCH_ORDER_MAX, &number))
		run->order = number;
	else if (!strcmp(key, "threads") && number_in(value, 1, THREADS_MAX, &number))
		run->n_threads = number;
	else if (!strcmp(key, "mib") && number_in(value, 1, 1u << 20, &number))
		run->mib = number;
	else if (!strcmp(key, "ops") && number_in(value, 1, 1u << 30, &number))
		run->ops = number;
	else if (!strcmp(key, "rounds") && number_in(value, 1, LG_BENCH_ROUNDS_MAX, &number))
		run->rounds = number;
	else if (!strcmp(key, "node") && number_in(value, 0, MAX_NUMNODES - 1, &number) && node_online(number))
		run->node = number;
	else
		return false;
	return true;
}

static bool take(struct request *request, const char *key, const char *value)
{
	if (!strcmp(key, "case"))
		return take_case(request, value);
	if (!strcmp(key, "allocator"))
		return take_allocator(request, value);
	if (!strcmp(key, "cpus"))
		return !cpulist_parse(value, request->run.cpus) && cpumask_subset(request->run.cpus, cpu_online_mask) &&
		       !cpumask_empty(request->run.cpus);
	if (!strcmp(key, "region")) {
		request->run.shared_region = !strcmp(value, "shared");
		return request->run.shared_region || !strcmp(value, "own");
	}
	return take_number(request, key, value);
}

/* Returns the first word that makes no sense, NULL when all do. */
static const char *parse(struct request *request, char *line)
{
	struct lg_bench_run *run = &request->run;
	char *word, *value;

	request->llfree = request->alloc_pages = true;
	run->node = NUMA_NO_NODE;
	run->n_threads = 1;
	run->rounds = 5;
	run->mib = 64;
	while ((word = strsep(&line, " \t\n")) != NULL) {
		if (!*word)
			continue;
		value = strchr(word, '=');
		if (!value)
			return word;
		*value++ = '\0';
		if (!take(request, word, value))
			return word;
	}
	if (!run->kind)
		return "case";
	if (cpumask_empty(run->cpus))
		cpumask_and(run->cpus, cpu_online_mask,
			    run->node == NUMA_NO_NODE ? cpu_online_mask : cpumask_of_node(run->node));
	if (!run->ops)
		run->ops = max(65536u >> run->order, 256u);
	return cpumask_empty(run->cpus) ? "node" : NULL;
}

static void print_rounds(struct seq_buf *out, const struct lg_bench_case *kind, const struct lg_bench_result *result)
{
	unsigned int phase, round;

	for (phase = 0; phase < LG_BENCH_PHASES_MAX && kind->phases[phase]; phase++) {
		seq_buf_printf(out, ",\"%s_ns\":[", kind->phases[phase]);
		for (round = 0; round < result->n_rounds; round++)
			seq_buf_printf(out, "%s%llu.%03llu", round ? "," : "", result->ps_per_op[phase][round] / 1000,
				       result->ps_per_op[phase][round] % 1000);
		seq_buf_printf(out, "]");
	}
}

static int run_on(struct lg_bench_run *run, const struct lg_bench_allocator *allocator, struct seq_buf *out, bool first)
{
	struct lg_bench_result *result = kzalloc(sizeof(*result), GFP_KERNEL);
	int err;

	if (!result)
		return -ENOMEM;
	run->allocator = allocator;
	run->workers = NULL;
	err = lg_bench_run(run, result);
	seq_buf_printf(out, "%s{\"allocator\":\"%s\"", first ? "" : ",", allocator->name);
	if (err)
		seq_buf_printf(out, ",\"error\":%d", -err);
	if (allocator == &lg_bench_alloc_pages) /* a kernel may clear all that it hands out: another measure then */
		seq_buf_printf(out, ",\"zeroes\":%s", want_init_on_alloc(0) || want_init_on_free() ? "true" : "false");
	seq_buf_printf(out, ",\"failed\":%llu", result->failed);
	print_rounds(out, run->kind, result);
	seq_buf_printf(out, "}");
	kfree(result);
	return err == -EINTR ? err : 0;
}

static int answer(struct request *request, struct seq_buf *out)
{
	struct lg_bench_run *run = &request->run;
	int err = 0;

	seq_buf_printf(out, "{\"case\":\"%s\",\"order\":%u,\"threads\":%u,\"cpus\":\"%*pbl\",\"node\":%d,\"mib\":%llu,",
		       run->kind->name, run->order, run->n_threads, cpumask_pr_args(run->cpus), run->node, run->mib);
	seq_buf_printf(out, "\"ops\":%llu,\"region\":\"%s\",\"results\":[", run->ops,
		       run->shared_region ? "shared" : "own");
	if (request->llfree)
		err = run_on(run, &lg_bench_llfree, out, true);
	if (request->alloc_pages && !err)
		err = run_on(run, &lg_bench_alloc_pages, out, !request->llfree);
	seq_buf_printf(out, "]}\n");
	return err;
}

static int serve_line(struct bench_file *bench, char *line)
{
	struct request *request = kzalloc(sizeof(*request), GFP_KERNEL);
	struct seq_buf out;
	const char *wrong;
	int err = -EINVAL;

	if (!request)
		return -ENOMEM;
	if (!zalloc_cpumask_var(&request->run.cpus, GFP_KERNEL)) {
		kfree(request);
		return -ENOMEM;
	}
	seq_buf_init(&out, bench->answer, sizeof(bench->answer));
	bench->length = 0;
	wrong = parse(request, line);
	if (wrong) {
		pr_warn("bench: \"%s\" is missing or makes no sense\n", wrong);
	} else {
		err = mutex_lock_killable(&one_at_a_time);
		if (!err) {
			err = answer(request, &out);
			mutex_unlock(&one_at_a_time);
		}
		bench->length = err ? 0 : seq_buf_used(&out);
	}
	free_cpumask_var(request->run.cpus);
	kfree(request);
	return err;
}

static ssize_t bench_write(struct file *file, const char __user *text, size_t bytes, loff_t *at)
{
	struct bench_file *bench = file->private_data;
	char *line;
	int err;

	if (bytes == 0 || bytes >= LINE_BYTES)
		return -EINVAL;
	line = memdup_user_nul(text, bytes);
	if (IS_ERR(line))
		return PTR_ERR(line);
	mutex_lock(&bench->lock);
	err = serve_line(bench, line);
	mutex_unlock(&bench->lock);
	kfree(line);
	*at = 0; /* a read gets the answer from its start */
	return err ? err : (ssize_t)bytes;
}

static ssize_t bench_read(struct file *file, char __user *text, size_t bytes, loff_t *at)
{
	struct bench_file *bench = file->private_data;
	ssize_t done;

	mutex_lock(&bench->lock);
	done = simple_read_from_buffer(text, bytes, at, bench->answer, bench->length);
	mutex_unlock(&bench->lock);
	return done;
}

static int bench_open(struct inode *inode, struct file *file)
{
	struct bench_file *bench;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	bench = kvzalloc(sizeof(*bench), GFP_KERNEL);
	if (!bench)
		return -ENOMEM;
	mutex_init(&bench->lock);
	file->private_data = bench;
	return 0;
}

static int bench_release(struct inode *inode, struct file *file)
{
	kvfree(file->private_data);
	return 0;
}

static const struct file_operations bench_operations = {
	.owner = THIS_MODULE,
	.open = bench_open,
	.release = bench_release,
	.read = bench_read,
	.write = bench_write,
	.llseek = default_llseek,
};

static struct miscdevice bench_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "llfree-bench",
	.fops = &bench_operations,
	.mode = 0600,
};

int lg_bench_register(void)
{
	return misc_register(&bench_device);
}

void lg_bench_unregister(void)
{
	misc_deregister(&bench_device);
}
