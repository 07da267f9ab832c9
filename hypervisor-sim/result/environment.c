/* SPDX-License-Identifier: MIT
 *
 * The environment of a result: the machine, its kernel, its memory settings, the build. */
#define _GNU_SOURCE
#include "hv_commit.h"
#include "memory/discard.h"
#include "memory/residency.h"
#include "result/hv_result.h"

#include <glob.h>
#include <llfree/llfree.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#ifdef __clang__
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

static void cpu_model(char *model, size_t model_bytes)
{
	snprintf(model, model_bytes, "unknown");
	FILE *file = fopen("/proc/cpuinfo", "re");
	if (file == NULL)
		return;
	char line[512];
	while (fgets(line, sizeof(line), file) != NULL) {
		char *value = strchr(line, ':');
		if (strncmp(line, "model name", 10) != 0 || value == NULL)
			continue;
		value += strspn(value, ": \t");
		value[strcspn(value, "\n")] = '\0';
		snprintf(model, model_bytes, "%s", value);
		break;
	}
	fclose(file);
}

static size_t numa_nodes(void)
{
	glob_t nodes;
	size_t n_nodes = 1;
	if (glob("/sys/devices/system/node/node[0-9]*", 0, NULL, &nodes) == 0) {
		n_nodes = nodes.gl_pathc;
		globfree(&nodes);
	}
	return n_nodes;
}

static void add_choice(cJSON *object, const char *key, const char *path)
{
	char word[32];
	cJSON_AddStringToObject(object, key, hv_read_choice(path, word, sizeof(word)) ? word : "absent");
}

cJSON *hv_environment(uint64_t seed)
{
	cJSON *object = cJSON_CreateObject();
	char model[256], when[32];
	struct utsname kernel;
	time_t now = time(NULL);
	struct tm utc;
	cpu_model(model, sizeof(model));
	cJSON_AddStringToObject(object, "cpu", model);
	cJSON_AddNumberToObject(object, "cpus", llfree_machine_cpus());
	cJSON_AddNumberToObject(object, "numa_nodes", (double)numa_nodes());
	cJSON_AddNumberToObject(object, "memory_bytes", (double)hv_meminfo_bytes("MemTotal"));
	cJSON_AddStringToObject(object, "kernel", uname(&kernel) == 0 ? kernel.release : "unknown");
	add_choice(object, "thp", "/sys/kernel/mm/transparent_hugepage/enabled");
	add_choice(object, "shmem_thp", "/sys/kernel/mm/transparent_hugepage/shmem_enabled");
	hv_discarder discarder;
	hv_discarder_open(&discarder, HV_DISCARD_VECTORED);
	cJSON_AddStringToObject(object, "discard", hv_discard_way_text(discarder.way));
	hv_discarder_close(&discarder);
	cJSON_AddBoolToObject(object, "pagemap_scan", hv_residency_scan_known());
	cJSON_AddStringToObject(object, "compiler", COMPILER);
	cJSON_AddStringToObject(object, "version", llfree_version());
	cJSON_AddStringToObject(object, "commit", HV_COMMIT);
	cJSON_AddNumberToObject(object, "tree_huge", llfree_tree_huge());
	cJSON_AddNumberToObject(object, "seed", (double)seed);
	if (gmtime_r(&now, &utc) != NULL && strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &utc) > 0)
		cJSON_AddStringToObject(object, "time", when);
	return object;
}
