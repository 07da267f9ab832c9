/* SPDX-License-Identifier: MIT
 *
 * The guest driver in a real VM: the tests of guest_faults.c run inside it, over installed memory, over evicted memory,
 * and with a host that has stopped to answer. After each, when the guest's processes are gone, the host audits the
 * region: every frame has come back (A2). Exit code 77: this machine lacks something. */
#include "monitor/qvm_link.h"
#include "scenario/qvm_scenario.h"
#include "techniques/qvm_technique.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define RUN_NS UINT64_C(240000000000)

enum { SKIPPED = 77, FRAMES_MIB = 256, RUN_SECONDS = 200, INSTALL_TIMEOUT_MS = 1500 };

bool hv_interrupted(void)
{
	return false;
}

/* Huge frames are mapped by one entry of QEMU's page table only where address and offset allow it. */
static bool memory_is_mapped_at_2m(const qvm_rig *rig)
{
	char path[64], line[512];
	unsigned long long begin, inode;
	struct stat file;
	bool found = false, aligned = true;
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)rig->vm.pid);
	FILE *maps = fopen(path, "re");
	/* the RAM file is the first, the memory of the devices the second */
	bool known = rig->n_files == 2 && fstat(rig->files[1], &file) == 0;
	while (known && maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
		unsigned major, minor;
		if (sscanf(line, "%llx-%*x rw-s %*x %x:%x %llu", &begin, &major, &minor, &inode) != 4 ||
		    inode != (unsigned long long)file.st_ino || makedev(major, minor) != file.st_dev)
			continue;
		found = true;
		aligned = aligned && begin % HV_HUGE_BYTES == 0;
	}
	if (maps != NULL)
		fclose(maps);
	if (!found || !aligned)
		printf("FAILED mapping: QEMU has the frames %s\n", found ? "not at a multiple of 2 MiB" : "not mapped");
	return found && aligned;
}

/* Run groups of the tests in the guest; what they say goes to our output. */
static bool guest_runs(qvm_rig *rig, const char *group, const char *second_group)
{
	cJSON *arguments = cJSON_CreateObject(), *answer = NULL, *words = cJSON_AddArrayToObject(arguments, "argv");
	cJSON_AddItemToArray(words, cJSON_CreateString("/bin/guest_faults"));
	cJSON_AddItemToArray(words, cJSON_CreateString(group));
	if (second_group != NULL)
		cJSON_AddItemToArray(words, cJSON_CreateString(second_group));
	cJSON_AddNumberToObject(arguments, "timeout", RUN_SECONDS);
	hv_err err = qvm_rig_ask(rig, "run", arguments, RUN_NS, &answer);
	printf("%s", qvm_answer_text(answer, "output"));
	bool passed = err == HV_OK && cJSON_HasObjectItem(answer, "status") && qvm_answer_count(answer, "status") == 0;
	if (err != HV_OK)
		printf("FAILED %s: %s\n", group, qvm_vm_ended(&rig->vm) ? rig->vm.why : rig->why);
	cJSON_Delete(answer);
	return passed;
}

/* With no process in the guest that holds frames. */
static bool all_frames_are_back(const qvm_rig *rig)
{
	llfree_audit_report report;
	const llfree_t *view = &rig->host.view;
	bool sound = llfree_audit(view, &report);
	if (sound && report.free_frames == view->frames)
		return true;
	printf("FAILED audit: %s, %" PRIu64 " of %" PRIu64 " frames are free\n", sound ? "sound" : "unsound",
	       report.free_frames, view->frames);
	return false;
}

/* Take all memory, and give it back evicted. */
static bool evict_all(qvm_rig *rig)
{
	hv_move taken = hv_monitor_do(&rig->monitor, HV_COMMAND_SHRINK, 0);
	hv_move given = hv_monitor_do(&rig->monitor, HV_COMMAND_GROW, rig->config.memory_bytes);
	if (taken.err == HV_OK && given.err == HV_OK && taken.bytes == rig->config.memory_bytes)
		return true;
	printf("FAILED evict: took %" PRIu64 " MiB (%s), gave %" PRIu64 " MiB (%s)\n", taken.bytes >> 20,
	       hv_err_text(taken.err), given.bytes >> 20, hv_err_text(given.err));
	return false;
}

static bool short_timeout(qvm_rig *rig)
{
	char text[16];
	cJSON *arguments = cJSON_CreateObject();
	snprintf(text, sizeof(text), "%d", INSTALL_TIMEOUT_MS);
	cJSON_AddStringToObject(arguments, "path", "/sys/module/llfree_guest/parameters/install_timeout_ms");
	cJSON_AddStringToObject(arguments, "text", text);
	return qvm_rig_ask(rig, "write", arguments, RUN_NS, NULL) == HV_OK;
}

static bool tests_run(qvm_rig *rig)
{
	bool ok = memory_is_mapped_at_2m(rig) && guest_runs(rig, "mapping", "process") && all_frames_are_back(rig) &&
		  guest_runs(rig, "module", NULL) && all_frames_are_back(rig);
	ok = ok && evict_all(rig) && guest_runs(rig, "mapping", NULL) && all_frames_are_back(rig);
	if (!ok || !evict_all(rig) || !short_timeout(rig))
		return false;
	qvm_link_hush(rig);
	return guest_runs(rig, "timeout", NULL) && all_frames_are_back(rig);
}

int main(void)
{
	qvm_options options = qvm_options_default();
	options.memory_bytes = (uint64_t)FRAMES_MIB << 20;
	const qvm_technique *technique = NULL;
	for (size_t at = 0; qvm_techniques[at] != NULL; at++)
		if (strcmp(qvm_techniques[at]->technique->name, "llfree-manual") == 0)
			technique = qvm_techniques[at];
	if (technique == NULL)
		return 1;
	const qvm_rig_config config = { .technique = technique, .overlay = T_OVERLAY };
	qvm_rig rig;
	hv_err err = qvm_rig_start(&rig, &options, &config);
	bool ok = err == HV_OK && tests_run(&rig);
	if (err != HV_OK)
		printf("%s\n", rig.why);
	qvm_rig_stop(&rig);
	return err == HV_ERR_UNAVAILABLE ? SKIPPED : ok ? 0 : 1;
}
