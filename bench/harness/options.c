/* SPDX-License-Identifier: MIT
 *
 * The command line. Every refusal says what is allowed. */
#include "bench_options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench_case.h"
#include "bench_option_values.h"
#include "bench_rows.h"
#include "bench_worker_process.h"
#include "gbench.h"
#include "trace_stream.h"

enum { GIB_SHIFT = 30, DEFAULT_GIB = 8, MAX_ROUNDS = 999, MAX_MAP_CELLS = 65536, SUMMARY_WRITE = 256 << 20 };

enum {
	OPT_MEMORY = 256,
	OPT_MALLOC_MEMORY,
	OPT_WRITE_MEMORY,
	OPT_THREADS,
	OPT_ORDERS,
	OPT_SLOTS,
	OPT_FRAG_SLOTS,
	OPT_FRAG_MAP,
	OPT_MIX,
	OPT_MIX_FILL,
	OPT_TRACE,
	OPT_ROUNDS,
	OPT_SEED,
	OPT_TUNE,
	OPT_LINE_COSTS,
	OPT_PIN,
	OPT_PEER,
	OPT_ALLOCATORS,
	OPT_CASES,
	OPT_LIST,
	OPT_SUMMARY,
	OPT_JSON,
	OPT_FORCE,
	OPT_CALLGRIND,
	OPT_WORKER,
	OPT_WORKER_ROW,
	OPT_WORKER_FD,
	OPT_HELP,
	OPT_VERSION
};

static const struct option long_options[] = { { "memory", required_argument, NULL, OPT_MEMORY },
					      { "malloc-memory", required_argument, NULL, OPT_MALLOC_MEMORY },
					      { "write-memory", required_argument, NULL, OPT_WRITE_MEMORY },
					      { "threads", required_argument, NULL, OPT_THREADS },
					      { "orders", required_argument, NULL, OPT_ORDERS },
					      { "slots", required_argument, NULL, OPT_SLOTS },
					      { "frag-slots", required_argument, NULL, OPT_FRAG_SLOTS },
					      { "frag-map", required_argument, NULL, OPT_FRAG_MAP },
					      { "mix", required_argument, NULL, OPT_MIX },
					      { "mix-fill", required_argument, NULL, OPT_MIX_FILL },
					      { "trace", required_argument, NULL, OPT_TRACE },
					      { "rounds", required_argument, NULL, OPT_ROUNDS },
					      { "seed", required_argument, NULL, OPT_SEED },
					      { "tune", required_argument, NULL, OPT_TUNE },
					      { "line-costs", required_argument, NULL, OPT_LINE_COSTS },
					      { "pin", no_argument, NULL, OPT_PIN },
					      { "peer", required_argument, NULL, OPT_PEER },
					      { "allocators", required_argument, NULL, OPT_ALLOCATORS },
					      { "cases", required_argument, NULL, OPT_CASES },
					      { "list", no_argument, NULL, OPT_LIST },
					      { "summary", optional_argument, NULL, OPT_SUMMARY },
					      { "json", required_argument, NULL, OPT_JSON },
					      { "force", no_argument, NULL, OPT_FORCE },
					      { "callgrind", required_argument, NULL, OPT_CALLGRIND },
					      { "worker", required_argument, NULL, OPT_WORKER },
					      { "worker-row", required_argument, NULL, OPT_WORKER_ROW },
					      { "worker-fd", required_argument, NULL, OPT_WORKER_FD },
					      { "help", no_argument, NULL, OPT_HELP },
					      { "version", no_argument, NULL, OPT_VERSION },
					      { NULL, 0, NULL, 0 } };

static const char help_text[] =
	"llfree-bench: how fast, how scalable, how fragmented are page-frame allocators on this machine\n"
	"\n"
	"What to run\n"
	"  --list                 print the cases, the allocators and the rows that the other options select\n"
	"  CASE...                the same as --cases\n"
	"  --cases LIST           bulk,repeat,rand,... (default: all)\n"
	"  --allocators LIST      llfree,llfree-exact,llfree-handle,buddy,mimalloc,... (default: all that are here)\n"
	"  --peer FILE.so         also an allocator from a shared object (bench_peer.h); can be given again\n"
	"  --orders LIST          0,9 or 0-10 (default 0,9)\n"
	"  --threads LIST         1,2 or 1-4 (default: 1, 2, 4, ... and the CPUs of this machine)\n"
	"  --benchmark_filter=RE  rows whose name CASE/ALLOCATOR/order:O/threads:T matches; -RE: those that do not\n"
	"  --summary[=KIND]       a short table instead: latency (default), write or frag\n"
	"On what\n"
	"  --memory SIZE          frames to manage, such as 512M or 8G (default 8G, or half of a smaller machine)\n"
	"  --malloc-memory SIZE   the same for mallocs that write into free blocks (default 2G, at most --memory)\n"
	"  --write-memory SIZE    memory that the case write touches (default 1G, or an eighth of a smaller machine)\n"
	"  --slots N              per-CPU structures (default: CPUs, or threads if more); other CPU numbers wrap\n"
	"  --tune N               handed to the allocators; llfree: reserve_min_frames\n"
	"  --line-costs C,L,R     ns of a compare-exchange, of a line from another core, from another node's (scale;\n"
	"                         default: measured, R twice L)\n"
	"  --frag-slots LIST      CPU numbers that frag uses in turn (default 1,8)\n"
	"  --frag-map N           cells of frag's map in the JSON file (default 1024; 0: no map)\n"
	"  --mix LIST             order:weight of the blocks of mixed (default 0:70,1:10,3:10,9:10)\n"
	"  --mix-fill N           percent of the memory that mixed keeps allocated (default 50)\n"
	"  --trace FILE           what trace replays, of hvsim record (default: the build in hypervisor-sim/traces)\n"
	"  --rounds N             rounds of frag (default 100)\n"
	"  --pin                  thread i runs on CPU i and uses slot i, instead of reading the CPU number each time\n"
	"  --seed N               of the random choices (default 1)\n"
	"Results\n"
	"  --json FILE            Google Benchmark's JSON (as --benchmark_out=FILE); an existing file is not replaced\n"
	"  --force                replace it\n"
	"  --callgrind ROW        four passes of one row in this process, for bench/instructions.sh\n"
	"  --help, --version\n"
	"\n"
	"Exit code: 0 done, 1 a row failed, 2 wrong usage, 130 interrupted (what was measured is written).\n"
	"\n"
	"Google Benchmark's own flags (min_time is 0.2 here unless given):\n";

uint64_t bench_options_frames(const bench_options *options)
{
	return options->memory_bytes >> LLFREE_FRAME_SHIFT;
}

bool bench_names_contain(const bench_names *names, const char *name)
{
	for (uint32_t i = 0; i < names->count; i++) {
		if (!strcmp(names->values[i], name))
			return true;
	}
	return false;
}

static bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static void add_gb_flag(bench_options *options, char *flag)
{
	if (options->gb_argc + 3 >= BENCH_MAX_LIST)
		bench_usage_error("too many --benchmark_ flags");
	options->gb_argv[options->gb_argc++] = flag;
}

/* Take the flags that belong to Google Benchmark out of argv. Those about rows and files are handled here: rows of
 * several processes make one report. */
static int split_flags(bench_options *options, int argc, char **argv, char **own_argv)
{
	int own_argc = 1;

	own_argv[0] = argv[0];
	options->gb_argv[options->gb_argc++] = argv[0];
	for (int i = 1; i < argc; i++) {
		if (starts_with(argv[i], "--benchmark_filter="))
			options->filter = strchr(argv[i], '=') + 1;
		else if (starts_with(argv[i], "--benchmark_out="))
			options->out_path = strchr(argv[i], '=') + 1;
		else if (starts_with(argv[i], "--benchmark_out_format="))
			options->out_format = strchr(argv[i], '=') + 1;
		else if (starts_with(argv[i], "--benchmark_list_tests"))
			options->list = !strstr(argv[i], "=false");
		else if (starts_with(argv[i], "--benchmark_") || starts_with(argv[i], "--v="))
			add_gb_flag(options, argv[i]);
		else
			own_argv[own_argc++] = argv[i];
	}
	return own_argc;
}

static void parse_what(bench_options *options, int option, const char *value)
{
	switch (option) {
	case OPT_PEER:
		if (options->peers.count == BENCH_MAX_PEERS)
			bench_usage_error("--peer: at most %d", BENCH_MAX_PEERS);
		options->peers.values[options->peers.count++] = value;
		break;
	case OPT_ALLOCATORS:
		bench_parse_names(&options->allocators, "allocators", value);
		break;
	case OPT_CASES:
		bench_parse_names(&options->cases, "cases", value);
		break;
	case OPT_ORDERS:
		bench_parse_numbers(&options->orders, "orders", value, 0, BENCH_MAX_ORDER);
		break;
	case OPT_THREADS:
		bench_parse_numbers(&options->threads, "threads", value, 1, BENCH_MAX_THREADS);
		break;
	case OPT_FRAG_SLOTS:
		bench_parse_numbers(&options->frag_slots, "frag-slots", value, 1, LLFREE_MAX_CPUS);
		break;
	case OPT_MIX:
		bench_parse_mix(&options->mix, "mix", value);
		break;
	case OPT_MIX_FILL:
		options->mix_fill = (uint32_t)bench_parse_number("mix-fill", value, 1, 99);
		break;
	case OPT_TRACE:
		options->trace_path = value;
		break;
	case OPT_SUMMARY:
		options->summary = bench_parse_summary(value);
		break;
	case OPT_CALLGRIND:
		options->callgrind = value;
		break;
	case OPT_LIST:
		options->list = true;
		break;
	default:
		bench_usage_error("unknown option; --help lists them");
	}
}

static void parse_option(bench_options *options, int option, const char *value)
{
	switch (option) {
	case OPT_MEMORY:
		options->memory_bytes = bench_parse_size("memory", value);
		break;
	case OPT_MALLOC_MEMORY:
		options->malloc_bytes = bench_parse_size("malloc-memory", value);
		break;
	case OPT_WRITE_MEMORY:
		options->write_bytes = bench_parse_size("write-memory", value);
		break;
	case OPT_SLOTS:
		options->slots = (uint32_t)bench_parse_number("slots", value, 1, LLFREE_MAX_CPUS);
		break;
	case OPT_FRAG_MAP:
		options->frag_map_cells = (uint32_t)bench_parse_number("frag-map", value, 0, MAX_MAP_CELLS);
		break;
	case OPT_ROUNDS:
		options->rounds = (uint32_t)bench_parse_number("rounds", value, 1, MAX_ROUNDS);
		break;
	case OPT_SEED:
		options->seed = bench_parse_number("seed", value, 0, UINT64_MAX);
		break;
	case OPT_TUNE:
		options->tuning = (uint32_t)bench_parse_number("tune", value, 0, UINT32_MAX);
		break;
	case OPT_LINE_COSTS:
		options->line_costs.count = bench_parse_costs("line-costs", value, options->line_costs.values, 3);
		break;
	case OPT_PIN:
		options->pin = true;
		break;
	case OPT_JSON:
		options->out_path = value;
		break;
	case OPT_FORCE:
		options->force = true;
		break;
	case OPT_WORKER:
		options->worker = value;
		break;
	case OPT_WORKER_ROW:
		options->worker_row = value;
		break;
	case OPT_WORKER_FD:
		options->worker_fd = (int)bench_parse_number("worker-fd", value, 3, 1 << 20);
		break;
	case OPT_HELP:
		fputs(help_text, stdout);
		fflush(stdout);
		bench_gb_print_help();
		exit(0);
	case OPT_VERSION:
		printf("llfree-bench %s\n", llfree_version());
		exit(0);
	default:
		parse_what(options, option, value);
	}
}

static void set_defaults(bench_options *options)
{
	uint64_t machine_bytes = bench_machine_memory_bytes();
	uint64_t gib = UINT64_C(1) << GIB_SHIFT;
	uint32_t cpus = llfree_machine_cpus();

	options->memory_bytes =
		machine_bytes >= 2 * DEFAULT_GIB * gib ? DEFAULT_GIB * gib : machine_bytes / 2 >> 22 << 22;
	options->malloc_bytes = 2 * gib;
	options->write_bytes = machine_bytes >= 8 * gib ? gib : machine_bytes / 8 >> 22 << 22;
	options->rounds = 100;
	options->frag_map_cells = 1024;
	bench_parse_mix(&options->mix, "mix", "0:70,1:10,3:10,9:10");
	options->mix_fill = 50;
	options->seed = 1;
	options->orders = (bench_numbers){ { 0, 9 }, 2 };
	options->frag_slots = (bench_numbers){ { 1, 8 }, 2 };
	for (uint32_t threads = 1; threads < cpus && threads <= BENCH_MAX_THREADS; threads *= 2)
		bench_numbers_add(&options->threads, "threads", threads);
	bench_numbers_add(&options->threads, "threads", cpus < BENCH_MAX_THREADS ? cpus : BENCH_MAX_THREADS);
}

static void append(char *text, size_t text_bytes, const char *name)
{
	size_t used = strlen(text);

	snprintf(text + used, text_bytes - used, "%s%s", used ? ", " : "", name);
}

static void check_names(const bench_options *options)
{
	char allowed[512] = "";

	for (size_t i = 0; i < bench_case_count; i++)
		append(allowed, sizeof(allowed), bench_cases[i]->name);
	for (uint32_t i = 0; i < options->cases.count; i++) {
		bool known = false;

		for (size_t c = 0; c < bench_case_count; c++)
			known |= !strcmp(bench_cases[c]->name, options->cases.values[i]);
		if (!known)
			bench_usage_error("unknown case \"%s\"; allowed: %s", options->cases.values[i], allowed);
	}
	allowed[0] = 0;
	for (size_t i = 0; i < bench_allocator_count; i++)
		append(allowed, sizeof(allowed), bench_allocators[i]->table.name);
	for (uint32_t i = 0; i < options->peers.count; i++)
		append(allowed, sizeof(allowed), bench_peer_load(options->peers.values[i])->name);
	for (uint32_t i = 0; i < options->allocators.count; i++) {
		if (!bench_allocator_find(options, options->allocators.values[i]))
			bench_usage_error("unknown allocator \"%s\"; allowed: %s, or any --peer FILE.so",
					  options->allocators.values[i], allowed);
	}
}

/* A trace that was asked for must be one; without the default one the case is skipped. */
static void check_trace(bench_options *options)
{
	char why[256];
	trace_info info;

	if (!options->trace_path)
		options->trace_path = bench_default_trace();
	else if (!trace_inspect(options->trace_path, &info, why, sizeof(why)))
		bench_usage_error("--trace %s: %s; allowed: a file of hvsim record", options->trace_path, why);
}

/* What a summary needs, unless the command line says otherwise. */
static void apply_summary(bench_options *options)
{
	static const char *const cases[] = { [BENCH_SUMMARY_LATENCY] = "bulk,repeat,rand",
					     [BENCH_SUMMARY_WRITE] = "write",
					     [BENCH_SUMMARY_FRAG] = "frag" };

	bench_parse_names(&options->cases, "cases", cases[options->summary]);
	if (options->summary == BENCH_SUMMARY_LATENCY) {
		options->orders = (bench_numbers){ { 0 }, 1 };
		options->threads = (bench_numbers){ { 1 }, 1 };
	}
	if (options->summary == BENCH_SUMMARY_WRITE) {
		options->write_bytes = options->write_bytes < SUMMARY_WRITE ? options->write_bytes : SUMMARY_WRITE;
		bench_parse_names(&options->allocators, "allocators", "llfree,mimalloc,jemalloc,tcmalloc,glibc");
	}
}

static void finish_gb_flags(bench_options *options)
{
	static char min_time[] = "--benchmark_min_time=0.2", quick[] = "--benchmark_min_time=0.1";
	static char tabular[] = "--benchmark_counters_tabular=true";
	bool has_min_time = false, has_tabular = false;

	for (int i = 1; i < options->gb_argc; i++) {
		has_min_time |= starts_with(options->gb_argv[i], "--benchmark_min_time");
		has_tabular |= starts_with(options->gb_argv[i], "--benchmark_counters_tabular");
	}
	if (!has_min_time)
		options->gb_argv[options->gb_argc++] = options->summary ? quick : min_time;
	if (!has_tabular)
		options->gb_argv[options->gb_argc++] = tabular;
}

/* "llfree-bench scale" is "llfree-bench --cases scale". */
static bool add_case(bench_options *options, const char *name)
{
	for (size_t i = 0; i < bench_case_count; i++) {
		if (strcmp(bench_cases[i]->name, name) != 0)
			continue;
		if (options->cases.count == BENCH_MAX_LIST)
			bench_usage_error("more than %d cases", BENCH_MAX_LIST);
		options->cases.values[options->cases.count++] = name;
		return true;
	}
	return false;
}

void bench_options_parse(bench_options *options, int argc, char **argv)
{
	char **own_argv = calloc((size_t)argc + 1, sizeof(*own_argv));
	int own_argc, option;

	*options = (bench_options){ 0 };
	if (!own_argv)
		bench_usage_error("out of memory");
	set_defaults(options);
	own_argc = split_flags(options, argc, argv, own_argv);
	for (optind = 1; (option = getopt_long(own_argc, own_argv, "", long_options, NULL)) != -1;) {
		if (option == '?')
			bench_usage_error("--help lists the options");
		if (option == OPT_SUMMARY) { /* its cases are defaults: an option behind it may still say otherwise */
			options->summary = bench_parse_summary(optarg);
			apply_summary(options);
			continue;
		}
		parse_option(options, option, optarg);
	}
	while (optind < own_argc && add_case(options, own_argv[optind]))
		optind++;
	if (optind < own_argc)
		bench_usage_error("\"%s\" is not an option and not a case; --help and --list show them",
				  own_argv[optind]);
	if (options->out_format && strcmp(options->out_format, "json") != 0 &&
	    strcmp(options->out_format, "csv") != 0 && strcmp(options->out_format, "console") != 0)
		bench_usage_error("--benchmark_out_format=%s; allowed: json, csv, console", options->out_format);
	if (options->malloc_bytes > options->memory_bytes)
		options->malloc_bytes = options->memory_bytes;
	finish_gb_flags(options);
	check_names(options);
	check_trace(options);
	free(own_argv);
}
