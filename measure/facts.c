/* SPDX-License-Identifier: MIT
 *
 * The facts of a result under their names, docs/results.md; see measure.h. */
#define _GNU_SOURCE
#include "measure.h"
#include "measure_commit.h"

#include <llfree/llfree.h>
#include <time.h>

static measure_fact fact_text(const char *name, const char *text)
{
	return (measure_fact){ .name = name, .text = text };
}

static measure_fact fact_number(const char *name, double number)
{
	return (measure_fact){ .name = name, .number = number };
}

size_t measure_facts(const measure_machine *machine, char time_text[32], measure_fact facts[MEASURE_FACTS])
{
	size_t n = 0;
	time_t now = time(NULL);
	struct tm utc;

	if (gmtime_r(&now, &utc) == NULL || strftime(time_text, 32, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
		time_text[0] = '\0';
	facts[n++] = fact_text("cpu", machine->cpu);
	facts[n++] = fact_number("cpus", machine->cpus);
	facts[n++] = fact_number("cores", machine->cores);
	facts[n++] = fact_text("governor", machine->governor);
	facts[n++] = fact_text("turbo", machine->turbo);
	facts[n++] = fact_number("numa_nodes", machine->numa_nodes);
	facts[n++] = fact_text("numa_balancing", machine->numa_balancing);
	facts[n++] = fact_text("virtual", machine->virtual_by);
	facts[n++] = fact_number("machine_bytes", (double)machine->machine_bytes);
	facts[n++] = machine->memlock_bytes == MEASURE_UNLIMITED
			     ? fact_text("memlock_bytes", "unlimited")
			     : fact_number("memlock_bytes", (double)machine->memlock_bytes);
	facts[n++] = fact_text("kernel", machine->kernel);
	facts[n++] = fact_text("thp", machine->thp);
	facts[n++] = fact_text("shmem_thp", machine->shmem_thp);
	facts[n++] = fact_number("load", machine->load);
	facts[n++] = fact_number("busy_cpus", machine->busy_cpus);
	facts[n++] = fact_text("compiler", MEASURE_COMPILER);
	facts[n++] = fact_text("build", MEASURE_BUILD);
	facts[n++] = fact_text("version", llfree_version());
	facts[n++] = fact_text("commit", MEASURE_COMMIT);
	facts[n++] = fact_number("tree_huge", llfree_tree_huge());
	facts[n++] = fact_text("time", time_text);
	return n;
}
