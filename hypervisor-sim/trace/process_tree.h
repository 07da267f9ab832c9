/* SPDX-License-Identifier: MIT
 *
 * Recorder of a real process tree: runs a command and looks again and again at the memory of all its descendants,
 * short-lived ones as far as a look meets them. Orphans stay in the tree, since the recorder adopts them. Reads /proc
 * and the cgroup, changes nothing.
 *
 * Anonymous memory of a process is its resident memory less what is shared (statm; the kernel's own counters may be off
 * by some ten frames). Page cache growth is that of the cgroup (version 2, memory controller), else of the whole
 * machine: other programs' files are in it then. */
#ifndef HV_PROCESS_TREE_H
#define HV_PROCESS_TREE_H

#include "trace/trace.h"

#include <sys/types.h>

typedef struct hv_tree_summary {
	uint64_t elapsed_ns, n_samples, n_processes, max_processes;
	uint64_t peak_anon_frames, peak_cache_frames;
	uint64_t slowest_look_ns;
	const char *cache_source;
	int status; /**< of the command, as wait() tells it */
} hv_tree_summary;

/** Run argv and record it to the end, or until stop() says so: then the command gets SIGTERM, and the trace is whole
 * all the same.  @return HV_OK; HV_ERR_SYSTEM (errno): it could not be run */
HV_MUST_CHECK hv_err hv_tree_record(char **argv, uint64_t period_ns, bool (*stop)(void), hv_trace_writer *writer,
				    hv_tree_summary *summary);

#endif
