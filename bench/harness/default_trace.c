/* SPDX-License-Identifier: MIT
 *
 * Where the trace is that is replayed unless another one is named: in the tree that this program was built in, else
 * beside the program as installed. */
#include "bench_options.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

const char *bench_default_trace(void)
{
	static char installed[PATH_MAX];
	ssize_t bytes = readlink("/proc/self/exe", installed, sizeof(installed) - sizeof(BENCH_TRACE_INSTALLED));
	char *slash;

	if (bytes <= 0 || access(BENCH_TRACE, R_OK) == 0)
		return BENCH_TRACE;
	installed[bytes] = '\0';
	slash = strrchr(installed, '/');
	strcpy(slash + 1, BENCH_TRACE_INSTALLED);
	return installed;
}
