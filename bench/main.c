/* SPDX-License-Identifier: MIT
 *
 * llfree-bench: parse the command line, then be the driver, a worker, or one row under callgrind. */
#include "bench_driver.h"
#include "bench_case.h"
#include "bench_worker_process.h"
#include "gbench.h"

int main(int argc, char **argv)
{
	static bench_options options; /* rows and threads point to it */
	int gb_argc;

	bench_registry_sort();
	bench_options_parse(&options, argc, argv);
	gb_argc = options.gb_argc;
	if (options.worker)
		options.gb_argv[gb_argc++] = "--benchmark_out=/dev/null"; /* else the file side is not reported */
	bench_gb_initialize(&gb_argc, options.gb_argv);
	if (gb_argc > 1)
		bench_usage_error("%s is not a flag of Google Benchmark; --help lists them", options.gb_argv[1]);
	if (options.worker)
		return bench_worker_main(&options);
	if (options.callgrind)
		return bench_callgrind_main(&options);
	return bench_driver_main(&options, argc, argv);
}
