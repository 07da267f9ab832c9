/* SPDX-License-Identifier: MIT
 *
 * Results as the programs write them, made up from a seed, so that tests of the page need no measurement: a pair for
 * comparisons, or one of everything that is plotted.
 * Usage: report_make pair bench|hvsim SEED FACTOR FILE     20 rows of noise, all medians times FACTOR
 *        report_make all FOLDER SEED                       a file for each plot */
#define _GNU_SOURCE
#include <cjson/cJSON.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 20, SAMPLES = 12, ROUNDS = 100, SERIES = 90 };

static uint64_t state;

static double uniform(void)
{
	state += UINT64_C(0x9e3779b97f4a7c15);
	uint64_t mixed = state;
	mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
	return ((double)((mixed ^ (mixed >> 31)) >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(void)
{
	return sqrt(-2 * log(uniform())) * cos(2 * M_PI * uniform());
}

/* What a shared machine does: a few per cent about the value, now and then an interruption. */
static double noisy(double value)
{
	double sample = value * exp(0.03 * normal());
	return uniform() < 0.06 ? sample * (1 + 0.6 * uniform()) : sample;
}

static __attribute__((format(printf, 1, 2))) const char *name(const char *format, ...)
{
	static char text[160];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return text;
}

static void file_write(const char *path, cJSON *root)
{
	FILE *file = fopen(path, "wxe");
	char *text = cJSON_Print(root);
	if (file == NULL || text == NULL || fputs(text, file) < 0 || fclose(file) != 0) {
		perror(path);
		exit(1);
	}
	free(text);
	cJSON_Delete(root);
}

/* --- Google Benchmark's ------------------------------------------------------------------------------------------- */

static cJSON *bench_begin(void)
{
	cJSON *root = cJSON_CreateObject(), *context = cJSON_AddObjectToObject(root, "context");
	cJSON_AddNumberToObject(context, "num_cpus", 8);
	cJSON_AddStringToObject(context, "cpu", "A processor <made up> & seeded");
	cJSON_AddStringToObject(context, "kernel", "6.1.0");
	cJSON_AddStringToObject(context, "memory_bytes", "8589934592");
	cJSON_AddStringToObject(context, "write_bytes", "268435456");
	cJSON_AddStringToObject(context, "warning_noisy-machine", "load 5.8, 1.9 of 2 CPUs busy at the start");
	cJSON_AddArrayToObject(root, "benchmarks");
	return root;
}

static cJSON *benchmark(cJSON *root, const char *run, int repetition)
{
	cJSON *object = cJSON_CreateObject();
	cJSON_AddStringToObject(object, "name", run);
	cJSON_AddStringToObject(object, "run_name", run);
	cJSON_AddStringToObject(object, "run_type", "iteration");
	cJSON_AddNumberToObject(object, "repetition_index", repetition);
	cJSON_AddNumberToObject(object, "cas_ns", noisy(5));
	cJSON_AddItemToArray(cJSON_GetObjectItem(root, "benchmarks"), object);
	return object;
}

static void counter(cJSON *object, const char *key, double value)
{
	cJSON_AddNumberToObject(object, key, value);
}

static const char *const allocators[] = { "llfree",   "llfree-handle", "llfree-exact", "buddy",
					  "mimalloc", "jemalloc",      "tcmalloc",     "glibc" };
enum { N_ALLOCATORS = sizeof(allocators) / sizeof(allocators[0]) };

static void latency_make(cJSON *root)
{
	static const char *const cases[] = { "bulk", "repeat", "rand", "xfree" };
	for (int which = 0; which < 4; which++)
		for (int who = 0; who < N_ALLOCATORS; who++)
			for (int threads = which == 3 ? 2 : 1; threads <= 8; threads *= 2) {
				double base = (5 + 9 * who) * (1 + 0.2 * which) * (who > 2 ? threads : 1);
				cJSON *object = benchmark(
					root, name("%s/%s/order:0/threads:%d", cases[which], allocators[who], threads),
					0);
				if (which == 0 || which == 3)
					counter(object, "get_ns", noisy(base));
				counter(object, which == 0 || which == 3 ? "put_ns" : "pair_ns", noisy(base * 1.1));
				counter(object, "p50", noisy(base));
				counter(object, "p99", noisy(base * 9));
				counter(object, "p99.9", noisy(base * 30));
				counter(object, "p99.99", noisy(base * 900));
			}
}

/* Halves that empty and fill over the rounds. */
static void map_make(cJSON *root)
{
	cJSON *entry = cJSON_CreateObject(), *rounds = cJSON_AddArrayToObject(entry, "rounds");
	cJSON_AddStringToObject(entry, "name", "frag/llfree/order:0/threads:1/slots:8");
	cJSON_AddNumberToObject(entry, "huge_frames", 120);
	cJSON_AddNumberToObject(entry, "huge_per_cell", 2);
	for (int round = 0; round <= ROUNDS; round += 5) {
		cJSON *object = cJSON_CreateObject(), *free_frames = cJSON_AddArrayToObject(object, "free_frames");
		cJSON *free_huge = cJSON_AddArrayToObject(object, "free_huge");
		cJSON_AddNumberToObject(object, "round", round);
		for (int cell = 0; cell < 60; cell++) {
			int n_free =
				(int)fmax(0, fmin(512, 256 + (cell % 8 < 4 ? 1 : -1) * 3.2 * round + 20 * normal()));
			cJSON_AddItemToArray(free_frames, cJSON_CreateNumber(n_free));
			cJSON_AddItemToArray(free_huge, cJSON_CreateNumber(n_free == 512 ? 2 : 0));
		}
		cJSON_AddItemToArray(rounds, object);
	}
	cJSON_AddItemToArray(cJSON_AddArrayToObject(root, "frag_maps"), entry);
}

static void fill_frag_write_make(cJSON *root)
{
	static const int levels[] = { 50, 90, 99 };
	for (int who = 0; who < 4; who++) {
		for (int level = 0; level < 3; level++) {
			cJSON *object = benchmark(
				root, name("fill/%s/order:0/threads:1/full:%d", allocators[who], levels[level]), 0);
			counter(object, "get_ns", noisy(8 + 5 * who + 7 * level));
			counter(object, "put_ns", noisy(9 + 3 * who + 2 * level));
		}
		for (int slots = 1; slots <= 8; slots *= 8) {
			cJSON *object =
				benchmark(root, name("frag/%s/order:0/threads:1/slots:%d", allocators[who], slots), 0);
			for (int round = 0; round <= ROUNDS; round++)
				counter(object, name("round_%03d", round),
					who == 3 ? 0 : fmax(0, 94 - 94 * exp((40 - round) / 20.0) - slots));
		}
	}
	for (int who = 0; who < N_ALLOCATORS; who++)
		for (int order = 0; order <= 9; order += 9) {
			cJSON *object = benchmark(root, name("write/%s/order:%d/threads:1", allocators[who], order), 0);
			counter(object, "gib_s", noisy(16.0 / (1 + who)));
			counter(object, "again_gib_s", noisy(120.0 / (1 + who)));
			counter(object, "touch_us_mib", noisy(57.0 * (1 + who)));
		}
}

/* --- hvsim's ------------------------------------------------------------------------------------------------------ */

static cJSON *hvsim_begin(const char *scenario)
{
	cJSON *root = cJSON_CreateObject(), *environment = cJSON_AddObjectToObject(root, "environment");
	cJSON_AddStringToObject(environment, "cpu", "A processor <made up> & seeded");
	cJSON_AddNumberToObject(environment, "cpus", 2);
	cJSON_AddStringToObject(environment, "kernel", "6.1.0");
	cJSON *parameters = cJSON_AddObjectToObject(root, "parameters");
	cJSON_AddStringToObject(parameters, "scenario", scenario);
	cJSON_AddNumberToObject(parameters, "memory_bytes", 2147483648.0);
	cJSON_AddNumberToObject(parameters, "target_bytes", 536870912);
	cJSON_AddNumberToObject(parameters, "budget_bytes", 1610612736);
	cJSON_AddBoolToObject(parameters, "interrupted", strcmp(scenario, "tradeoff") == 0);
	cJSON_AddArrayToObject(root, "rows");
	cJSON *check = cJSON_CreateObject();
	cJSON_AddStringToObject(check, "name", "every byte reclaimed is gone (H3, H5)");
	cJSON_AddBoolToObject(check, "ok", strcmp(scenario, "stream") != 0);
	cJSON_AddStringToObject(check, "detail", "made up");
	cJSON_AddItemToArray(cJSON_AddArrayToObject(root, "checks"), check);
	return root;
}

static int by_value(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;
	return (a > b) - (a < b);
}

/* @param interval_s  0: repeated measurements, the first apart */
static cJSON *row(cJSON *root, const char *who, const char *device, const char *phase, const char *metric,
		  const char *unit, const double *samples, int n_samples, double interval_s)
{
	cJSON *object = cJSON_CreateObject();
	double sorted[SERIES];
	int skip = interval_s > 0 || n_samples == 1 ? 0 : 1, n_used = n_samples - skip;
	memcpy(sorted, samples + skip, (size_t)n_used * sizeof(*sorted));
	qsort(sorted, (size_t)n_used, sizeof(*sorted), by_value);
	cJSON_AddStringToObject(object, "scenario",
				cJSON_GetObjectItem(cJSON_GetObjectItem(root, "parameters"), "scenario")->valuestring);
	cJSON_AddStringToObject(object, "technique", who);
	cJSON_AddStringToObject(object, "device", device);
	cJSON_AddStringToObject(object, "backing", "anon-thp");
	cJSON_AddStringToObject(object, "phase", phase);
	cJSON_AddStringToObject(object, "metric", metric);
	cJSON_AddStringToObject(object, "unit", unit);
	cJSON_AddNumberToObject(object, "median", (sorted[(n_used - 1) / 2] + sorted[n_used / 2]) / 2);
	cJSON_AddNumberToObject(object, "low", sorted[0]);
	cJSON_AddNumberToObject(object, "high", sorted[n_used - 1]);
	cJSON_AddNumberToObject(object, "first", samples[0]);
	cJSON_AddItemToObject(object, "samples", cJSON_CreateDoubleArray(samples, n_samples));
	if (interval_s > 0)
		cJSON_AddNumberToObject(object, "interval_s", interval_s);
	cJSON_AddItemToArray(cJSON_GetObjectItem(root, "rows"), object);
	return object;
}

static void one(cJSON *root, const char *who, const char *phase, const char *metric, const char *unit, double value)
{
	row(root, who, "none", phase, metric, unit, &value, 1, 0);
}

static const char *const techniques[] = { "base-manual", "huge-manual", "virtio-mem", "llfree-manual",
					  "base-auto",   "huge-auto",   "llfree-auto" };
enum { N_TECHNIQUES = sizeof(techniques) / sizeof(techniques[0]) };

static void inflate_make(cJSON *root)
{
	static const char *const phases[] = { "shrink-touched", "shrink-untouched", "grow", "grow-touch" };
	static const double base_ns[] = { 21463e3, 53e3, 63.5e3, 3.52e3, 79.6e3, 52.4e3, 3.78e3 };
	for (int who = 0; who < N_TECHNIQUES; who++)
		for (int phase = 0; phase < 4; phase++)
			for (int device = 0; device < 2; device++) {
				double samples[SAMPLES];
				for (int at = 0; at < SAMPLES; at++)
					samples[at] = noisy(base_ns[who] / pow(20, phase % 3) * (1 + 3 * device));
				row(root, techniques[who], device ? "dma" : "none", phases[phase], "time", "ns/2MiB",
				    samples, SAMPLES, 0);
			}
}

static void series_make(double *samples, double base, double swing)
{
	for (int at = 0; at < SERIES; at++)
		samples[at] = noisy(base + swing * (1 + sin(at / 7.0)));
}

static void impact_make(cJSON *root, const char *series, const char *share)
{
	double samples[SERIES], begin[] = { 0.21, 1.3 }, end[] = { 0.35, 1.42 };
	for (int who = 0; who < 5; who++) {
		series_make(samples, 20, 4);
		row(root, techniques[who], "none", "resized", series, "GiB/s", samples, SERIES, 0.02);
		row(root, techniques[who], "none", "baseline", series, "GiB/s", samples, SERIES, 0.02);
		row(root, techniques[who], "none", "shrink", "resize-begin", "s", begin, 2, 0);
		row(root, techniques[who], "none", "shrink", "resize-end", "s", end, 2, 0);
		one(root, techniques[who], "resized", share, "%", 50 + 9 * who);
		one(root, techniques[who], "baseline", share, "%", 97);
	}
}

static void footprint_make(cJSON *root)
{
	double samples[SERIES];
	for (int who = 0; who < N_TECHNIQUES; who++) {
		series_make(samples, 3e8 + 2e8 * who, 4e8);
		row(root, techniques[who], "none", "bursts", "resident", "bytes", samples, SERIES, 1.7);
		series_make(samples, 1e8, 1e8);
		row(root, techniques[who], "none", "bursts", "guest-used", "bytes", samples, SERIES, 1.7);
		one(root, techniques[who], "bursts", "footprint", "GiB*min", 0.3 + 0.1 * who);
		one(root, techniques[who], "bursts", "get-p99", "ns", noisy(900));
	}
	/* a real VM's workload of the same name is another one */
	series_make(samples, 1e9, 2e8);
	cJSON_AddStringToObject(row(root, "none", "none", "bursts", "resident", "bytes", samples, SERIES, 0.1), "note",
				"compile of a library; accelerator tcg");
}

static void multivm_make(cJSON *root)
{
	double samples[SERIES];
	for (int who = 4; who < N_TECHNIQUES; who++) {
		for (int vm = 1; vm <= 3; vm++) {
			series_make(samples, 1e8 * vm, 1.5e8);
			row(root, techniques[who], "none", name("bursts, staggered, 3 VMs, VM %d", vm), "resident",
			    "bytes", samples, SERIES - 9 * vm, 1.7);
		}
		one(root, techniques[who], "bursts, staggered, 3 VMs", "footprint", "GiB*min", 1.2);
		one(root, techniques[who], "bursts, staggered", "fit", "VMs", 3);
	}
}

static void tradeoff_make(cJSON *root)
{
	double samples[6];
	for (int who = 4; who < N_TECHNIQUES; who++)
		for (int delay = 5; delay <= 320; delay *= 4) {
			char phase[64];
			snprintf(phase, sizeof(phase), "delay %d ms, order 9, batch 32", delay);
			for (int at = 0; at < 6; at++)
				samples[at] = noisy(delay * 0.8 + who);
			row(root, techniques[who], "none", phase, "release", "ms", samples, 6, 0);
			for (int at = 0; at < 6; at++)
				samples[at] = noisy(4e5 / delay + 5e4 * who);
			row(root, techniques[who], "none", phase, "get", "ns/2MiB", samples, 6, 0);
			one(root, techniques[who], phase, "pareto-optimal", "boolean", who == 4);
		}
}

/* Of llfree-qemu. */
static void vm_write_make(cJSON *root)
{
	for (int at = 0; at < 12; at++) {
		const char *phase =
			name("%s, %s pages", at % 2 == 0 ? "grown" : "installed", at / 2 % 2 == 0 ? "4 KiB" : "2 MiB");
		one(root, techniques[at / 4], phase, "throughput", "GiB/s", 0.5 + at);
		one(root, techniques[at / 4], phase, "touch", "us/MiB", 900 - 50 * at);
	}
}

/* No technique, but an allocator. */
static void kernel_bench_make(cJSON *root)
{
	for (int at = 0; at < 22; at++) {
		double value = noisy(100 + 30 * at);
		cJSON *object = row(root, "none", "none", name("bulk, order %d, threads 1", at / 2), "get", "ns/op",
				    &value, 1, 0);
		cJSON_DeleteItemFromObject(object, "technique");
		cJSON_AddStringToObject(object, "allocator", at % 2 == 0 ? "llfree-kernel" : "alloc_pages");
	}
}

static const char *const places[] = { "memory:local", "memory:remote" };
static const char *const place_costs[] = { "get_ns", "put_ns", "line_ns", "page_ns", "first_touch_ns" };

static void numa_make(cJSON *root)
{
	for (int where = 0; where < 2; where++) {
		cJSON *object = benchmark(root, name("numa/llfree-zones/order:0/threads:1/%s", places[where]), 0);
		for (int cost = 0; cost < 5; cost++)
			counter(object, place_costs[cost], noisy((10 + 90 * cost) * (1 + where)));
	}
}

static void vm_numa_make(cJSON *root)
{
	for (int where = 0; where < 2; where++) {
		for (int cost = 0; cost < 5; cost++)
			one(root, "none", places[where], place_costs[cost], "ns",
			    noisy((40 + 90 * cost) * (1 + where)));
		one(root, "none", places[where], "placed", "ratio", where == 0 ? 1 : 0.97);
	}
	one(root, "none", "tests", "passed", "count", 197);
	one(root, "none", "tests", "failed", "count", 0);
	cJSON *each;
	cJSON_ArrayForEach(each, cJSON_GetObjectItem(root, "rows"))
	{
		cJSON_DeleteItemFromObject(each, "technique");
		cJSON_AddStringToObject(each, "allocator", "llfree-zones");
	}
}

static void all_make(const char *folder)
{
	cJSON *root = bench_begin();
	latency_make(root);
	file_write(name("%s/latency.json", folder), root);
	root = bench_begin();
	fill_frag_write_make(root);
	map_make(root);
	numa_make(root);
	file_write(name("%s/more.json", folder), root);
	static const struct {
		const char *scenario;
		void (*make)(cJSON *root);
	} simple[] = { { "inflate", inflate_make }, { "footprint", footprint_make },
		       { "multivm", multivm_make }, { "tradeoff", tradeoff_make },
		       { "write", vm_write_make },  { "kernel-bench", kernel_bench_make },
		       { "numa", vm_numa_make } };
	for (int at = 0; at < 7; at++) {
		root = hvsim_begin(simple[at].scenario);
		simple[at].make(root);
		file_write(name("%s/%s.json", folder, simple[at].scenario), root);
	}
	root = hvsim_begin("stream");
	impact_make(root, "bandwidth", "worst-second");
	file_write(name("%s/stream.json", folder), root);
	root = hvsim_begin("ftq");
	impact_make(root, "work", "p1");
	file_write(name("%s/ftq.json", folder), root);
}

/* The medians are the same for every seed; besides noise each row drifts a little as a whole, as runs do. */
static void pair_make(int is_bench, double factor, const char *path)
{
	cJSON *root = is_bench ? bench_begin() : hvsim_begin("inflate");
	for (int at = 0; at < ROWS; at++) {
		double base = factor * 5 * pow(1.6, at) * exp(0.012 * normal()), samples[SAMPLES];
		for (int idx = 0; idx < SAMPLES; idx++)
			samples[idx] = noisy(base);
		for (int idx = 0; is_bench && idx < SAMPLES; idx++)
			counter(benchmark(root, name("repeat/allocator%d/order:0/threads:1", at), idx), "pair_ns",
				samples[idx]);
		if (!is_bench)
			row(root, name("technique-%d", at), "none", "shrink-touched", "time", "ns/2MiB", samples,
			    SAMPLES, 0);
	}
	file_write(path, root);
}

int main(int argc, char **argv)
{
	if (argc == 6 && strcmp(argv[1], "pair") == 0) {
		state = strtoull(argv[3], NULL, 10);
		pair_make(strcmp(argv[2], "bench") == 0, strtod(argv[4], NULL), argv[5]);
		return 0;
	}
	if (argc == 4 && strcmp(argv[1], "all") == 0) {
		state = strtoull(argv[3], NULL, 10);
		all_make(argv[2]);
		return 0;
	}
	fputs("usage: report_make pair bench|hvsim SEED FACTOR FILE | report_make all FOLDER SEED\n", stderr);
	return 2;
}
