/* SPDX-License-Identifier: MIT
 *
 * The machine as /proc and /sys tell it; see measure.h. What is not there stays "absent". */
#define _GNU_SOURCE
#include "measure.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

enum { PATH_BYTES = 512, LINE_BYTES = 4096, BUSY_MS = 50, STAT_FIELDS = 8 };

static FILE *file_open(const char *root, const char *path)
{
	char full[PATH_BYTES];

	snprintf(full, sizeof(full), "%s%s", root, path);
	return fopen(full, "re");
}

/* The first line that starts with prefix, without its newline. */
static bool line_read(const char *root, const char *path, const char *prefix, char *line, size_t line_bytes)
{
	FILE *file = file_open(root, path);
	bool found = false;

	while (!found && file != NULL && fgets(line, (int)line_bytes, file) != NULL)
		found = strncmp(line, prefix, strlen(prefix)) == 0;
	if (file != NULL)
		fclose(file);
	line[found ? strcspn(line, "\n") : 0] = '\0';
	return found;
}

static void text_set(char *text, size_t text_bytes, const char *value)
{
	snprintf(text, text_bytes, "%.*s", (int)text_bytes - 1, value);
}

/* The word between brackets, as in "always [madvise] never". */
static void choice_read(const char *root, const char *path, char *word, size_t word_bytes)
{
	char line[LINE_BYTES];
	char *begin = line_read(root, path, "", line, sizeof(line)) ? strchr(line, '[') : NULL;

	text_set(word, word_bytes, "absent");
	if (begin == NULL)
		return;
	begin[strcspn(begin, "]")] = '\0';
	text_set(word, word_bytes, begin + 1);
}

/* A switch of one digit. @return false: not there */
static bool switch_read(const char *root, const char *path, bool inverted, char *word, size_t word_bytes)
{
	char line[LINE_BYTES];
	bool there = line_read(root, path, "", line, sizeof(line)) && line[0] != '\0';

	text_set(word, word_bytes, !there ? "absent" : (line[0] != '0') != inverted ? "on" : "off");
	return there;
}

/* The value behind the colon of a field of /proc/cpuinfo. */
static bool cpuinfo_read(const char *root, const char *field, char *value, size_t value_bytes)
{
	char line[LINE_BYTES];
	char *colon = line_read(root, "/proc/cpuinfo", field, line, sizeof(line)) ? strchr(line, ':') : NULL;

	if (colon == NULL)
		return false;
	text_set(value, value_bytes, colon + 1 + strspn(colon + 1, " \t"));
	return true;
}

static size_t paths_find(const char *root, const char *pattern, glob_t *found)
{
	char full[PATH_BYTES];

	snprintf(full, sizeof(full), "%s%s", root, pattern);
	if (glob(full, 0, NULL, found) == 0)
		return found->gl_pathc;
	*found = (glob_t){ 0 };
	return 0;
}

static uint32_t paths_count(const char *root, const char *pattern)
{
	glob_t found;
	size_t n_paths = paths_find(root, pattern, &found);

	globfree(&found);
	return (uint32_t)n_paths;
}

static void governor_read(measure_machine *machine, const char *root)
{
	glob_t found;
	char line[LINE_BYTES];
	size_t n_paths = paths_find(root, "/sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor", &found);

	text_set(machine->governor, sizeof(machine->governor), "absent");
	for (size_t at = 0; at < n_paths; at++) {
		if (!line_read("", found.gl_pathv[at], "", line, sizeof(line)))
			continue;
		if (strcmp(machine->governor, "absent") != 0 && strcmp(machine->governor, line) != 0)
			text_set(line, sizeof(line), "mixed");
		text_set(machine->governor, sizeof(machine->governor), line);
	}
	globfree(&found);
}

/* CPUs that share a core have the same list of siblings, and count once: for the first of the list. */
static uint32_t cores_count(const char *root)
{
	glob_t found;
	char line[LINE_BYTES];
	uint32_t n_cores = 0;
	size_t n_paths = paths_find(root, "/sys/devices/system/cpu/cpu[0-9]*/topology/thread_siblings_list", &found);

	for (size_t at = 0; at < n_paths; at++) {
		const char *cpu = strstr(found.gl_pathv[at], "/cpu/cpu");
		if (cpu != NULL && line_read("", found.gl_pathv[at], "", line, sizeof(line)) &&
		    strtoul(cpu + strlen("/cpu/cpu"), NULL, 10) == strtoul(line, NULL, 10))
			n_cores++;
	}
	globfree(&found);
	return n_cores;
}

/* How the hypervisor calls itself to its guest. */
static const char *hypervisor_name(void)
{
#if defined(__x86_64__)
	static const char *const names[][2] = {
		{ "KVMKVMKVM", "KVM" },           { "TCGTCGTCGTCG", "TCG" }, { "Microsoft Hv", "Hyper-V" },
		{ "VMwareVMware", "VMware" },     { "XenVMMXenVMM", "Xen" }, { "bhyve bhyve ", "bhyve" },
		{ "VBoxVBoxVBox", "VirtualBox" },
	};
	unsigned leaf, vendor[4] = { 0 };
	char text[13] = "";

	__cpuid(0x40000000, leaf, vendor[0], vendor[1], vendor[2]);
	memcpy(text, vendor, 12);
	for (size_t at = 0; leaf != 0 && at < sizeof(names) / sizeof(names[0]); at++)
		if (strcmp(text, names[at][0]) == 0)
			return names[at][1];
#endif
	return "unknown hypervisor";
}

static void virtual_read(measure_machine *machine, const char *root)
{
	char flags[LINE_BYTES], line[LINE_BYTES];
	bool flagged = cpuinfo_read(root, "flags", flags, sizeof(flags)) && strstr(flags, " hypervisor") != NULL;

	text_set(machine->virtual_by, sizeof(machine->virtual_by), "none");
	if (flagged)
		text_set(machine->virtual_by, sizeof(machine->virtual_by),
			 root[0] == '\0' ? hypervisor_name() : "unknown hypervisor");
	else if (line_read(root, "/sys/hypervisor/type", "", line, sizeof(line)))
		text_set(machine->virtual_by, sizeof(machine->virtual_by), line);
	else if (line_read(root, "/sys/class/dmi/id/sys_vendor", "QEMU", line, sizeof(line)))
		text_set(machine->virtual_by, sizeof(machine->virtual_by), "QEMU");
}

typedef struct cpu_times {
	uint64_t busy_ticks, all_ticks;
} cpu_times;

/* user nice system idle iowait irq softirq steal: what is stolen was wanted, and somebody else had it. */
static cpu_times cpu_times_read(const char *root)
{
	char line[LINE_BYTES];
	cpu_times times = { 0 };
	char *at = line + strlen("cpu ");

	if (!line_read(root, "/proc/stat", "cpu ", line, sizeof(line)))
		return times;
	for (int field = 0; field < STAT_FIELDS; field++) {
		uint64_t ticks = strtoull(at, &at, 10);
		times.all_ticks += ticks;
		if (field != 3 && field != 4)
			times.busy_ticks += ticks;
	}
	return times;
}

static double busy_cpus_measure(const char *root, uint32_t cpus)
{
	struct timespec pause = { .tv_nsec = BUSY_MS * 1000000 };
	cpu_times before = cpu_times_read(root);

	nanosleep(&pause, NULL);
	cpu_times after = cpu_times_read(root);
	if (after.all_ticks <= before.all_ticks || after.busy_ticks < before.busy_ticks)
		return 0;
	return (double)cpus * (double)(after.busy_ticks - before.busy_ticks) /
	       (double)(after.all_ticks - before.all_ticks);
}

static void limits_read(measure_machine *machine, const char *root)
{
	char line[LINE_BYTES];
	struct rlimit memlock = { .rlim_cur = 0 };

	if (line_read(root, "/proc/meminfo", "MemTotal:", line, sizeof(line)))
		machine->machine_bytes = strtoull(line + strlen("MemTotal:"), NULL, 10) << 10;
	machine->memlock_bytes = 0;
	if (getrlimit(RLIMIT_MEMLOCK, &memlock) == 0)
		machine->memlock_bytes = memlock.rlim_cur == RLIM_INFINITY ? MEASURE_UNLIMITED : memlock.rlim_cur;
	if (line_read(root, "/proc/loadavg", "", line, sizeof(line)))
		machine->load = strtod(line, NULL);
}

/* Another value stands for exceptions, such as memory that is advised. */
bool measure_thp_disabled(void)
{
	return prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 1;
}

static void thp_read(measure_machine *machine, const char *root)
{
	choice_read(root, "/sys/kernel/mm/transparent_hugepage/enabled", machine->thp, sizeof(machine->thp));
	choice_read(root, "/sys/kernel/mm/transparent_hugepage/shmem_enabled", machine->shmem_thp,
		    sizeof(machine->shmem_thp));
	if (root[0] != '\0' || !measure_thp_disabled())
		return;
	text_set(machine->thp, sizeof(machine->thp), MEASURE_THP_DISABLED);
	text_set(machine->shmem_thp, sizeof(machine->shmem_thp), MEASURE_THP_DISABLED);
}

void measure_machine_read(measure_machine *machine, const char *root)
{
	static const char no_turbo[] = "/sys/devices/system/cpu/intel_pstate/no_turbo";
	struct utsname host;

	*machine = (measure_machine){ 0 };
	if (!cpuinfo_read(root, "model name", machine->cpu, sizeof(machine->cpu)))
		text_set(machine->cpu, sizeof(machine->cpu), "absent");
	text_set(machine->kernel, sizeof(machine->kernel), uname(&host) == 0 ? host.release : "absent");
	machine->cpus = paths_count(root, "/sys/devices/system/cpu/cpu[0-9]*");
	machine->cores = cores_count(root);
	if (machine->cores == 0)
		machine->cores = machine->cpus;
	machine->numa_nodes = paths_count(root, "/sys/devices/system/node/node[0-9]*");
	if (machine->numa_nodes == 0)
		machine->numa_nodes = 1;
	governor_read(machine, root);
	if (!switch_read(root, no_turbo, true, machine->turbo, sizeof(machine->turbo)))
		(void)switch_read(root, "/sys/devices/system/cpu/cpufreq/boost", false, machine->turbo,
				  sizeof(machine->turbo));
	thp_read(machine, root);
	(void)switch_read(root, "/proc/sys/kernel/numa_balancing", false, machine->numa_balancing,
			  sizeof(machine->numa_balancing));
	virtual_read(machine, root);
	limits_read(machine, root);
	machine->busy_cpus = busy_cpus_measure(root, machine->cpus);
}
