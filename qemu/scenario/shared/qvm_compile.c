/* SPDX-License-Identifier: MIT
 *
 * A compile in a guest; see qvm_compile.h. The program in the guest has all that is needed: it runs programs, reads
 * files, tells of memory. */
#define _GNU_SOURCE
#include "scenario/shared/qvm_compile.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ASK_NS     UINT64_C(120000000000)
#define LOOK_NS    UINT64_C(200000000)
#define COMPILE_NS UINT64_C(3600000000000)

static const char where[] = "/disk";

static bool fault(qvm_compile *self, const char *what, const char *detail)
{
	if (self->why[0] == '\0')
		snprintf(self->why, sizeof(self->why), "%.80s: %.300s", what, detail);
	return false;
}

/* The guest did not answer. */
static bool silence(qvm_compile *self, const char *what)
{
	qvm_rig *rig = &self->member->rig;
	return fault(self, what, qvm_vm_ended(&rig->vm) ? rig->vm.why : rig->why);
}

static cJSON *words(const char *const *list, uint64_t timeout_ns)
{
	cJSON *request = cJSON_CreateObject(), *argv = cJSON_AddArrayToObject(request, "argv");
	for (; *list != NULL; list++)
		cJSON_AddItemToArray(argv, cJSON_CreateString(*list));
	cJSON_AddNumberToObject(request, "timeout", (double)(timeout_ns / 1000000000));
	return request;
}

/* A program of the guest has ended: well? @param made  its last line; may be NULL */
static bool judge(qvm_compile *self, const char *what, const cJSON *answer, char *made, size_t made_bytes)
{
	const cJSON *status = cJSON_GetObjectItemCaseSensitive(answer, "status");
	const char *output = qvm_answer_text(answer, "output");
	size_t chars = strlen(output);
	if (!cJSON_IsNumber(status) || status->valuedouble != 0)
		return fault(self, what, chars > 300 ? output + chars - 300 : chars > 0 ? output : "it failed, silent");
	while (chars > 0 && output[chars - 1] == '\n')
		chars--;
	size_t begin = chars;
	while (begin > 0 && output[begin - 1] != '\n')
		begin--;
	if (made != NULL)
		snprintf(made, made_bytes, "%.*s", (int)(chars - begin), output + begin);
	return true;
}

static bool program_run(qvm_compile *self, const char *const *list)
{
	cJSON *answer = NULL;
	if (qvm_rig_ask(&self->member->rig, "run", words(list, ASK_NS), ASK_NS, &answer) != HV_OK)
		return silence(self, list[0]);
	bool ok = judge(self, list[0], answer, NULL, 0);
	cJSON_Delete(answer);
	return ok;
}

/* A file of the guest. @return false: it has none */
static bool file_read(qvm_compile *self, const char *path, char *text, size_t text_bytes)
{
	cJSON *answer = NULL, *request = cJSON_CreateObject();
	cJSON_AddStringToObject(request, "path", path);
	bool ok = qvm_rig_ask(&self->member->rig, "read", request, ASK_NS, &answer) == HV_OK;
	snprintf(text, text_bytes, "%s", qvm_answer_text(answer, "text"));
	cJSON_Delete(answer);
	return ok;
}

static bool modules_load(qvm_compile *self)
{
	char names[400], *rest = names;
	if (!file_read(self, "/mod/disk-order", names, sizeof(names)))
		return fault(self, "modules",
			     "the image has none that mount a disk; llfree-qemu image --disk makes one that has");
	for (char *name; (name = strsep(&rest, "\n")) != NULL;)
		if (*name != '\0' && qvm_rig_modprobe(&self->member->rig, name, NULL) != HV_OK)
			return silence(self, name);
	return true;
}

static bool meminfo(qvm_compile *self, uint64_t *anon_bytes, uint64_t *cache_bytes)
{
	cJSON *answer = NULL;
	if (qvm_rig_ask(&self->member->rig, "meminfo", NULL, ASK_NS, &answer) != HV_OK)
		return silence(self, "meminfo");
	uint64_t files = qvm_answer_count(answer, "Cached") + qvm_answer_count(answer, "Buffers");
	uint64_t shared = qvm_answer_count(answer, "Shmem");
	*anon_bytes = qvm_answer_count(answer, "AnonPages");
	*cache_bytes = files > shared ? files - shared : 0;
	cJSON_Delete(answer);
	return true;
}

bool qvm_compile_begin(qvm_compile *self, qvm_member *member)
{
	static const char *const commands[][7] = {
		{ "mkdir", "-p", where, NULL },
		{ "mount", "-t", "ext4", "/dev/vda", where, NULL },
		{ "mount", "--bind", "/dev", "/disk/dev", NULL },
		{ "mount", "--bind", "/proc", "/disk/proc", NULL },
	};
	*self = (qvm_compile){ .member = member };
	bool ok = modules_load(self) && meminfo(self, &self->before_anon_bytes, &self->before_cache_bytes);
	for (size_t at = 0; ok && at < sizeof(commands) / sizeof(commands[0]); at++)
		ok = program_run(self, commands[at]);
	if (ok && !file_read(self, "/disk/origin", self->course.origin, sizeof(self->course.origin)))
		ok = fault(self, "the disk", "it has no /origin: what make-disk says of disks is not so here");
	self->course.origin[strcspn(self->course.origin, "\n")] = '\0';
	return ok;
}

bool qvm_compile_look(qvm_compile *self)
{
	uint64_t anon_bytes, cache_bytes;
	if (!meminfo(self, &anon_bytes, &cache_bytes))
		return false;
	atomic_store(&self->anon_bytes,
		     anon_bytes > self->before_anon_bytes ? anon_bytes - self->before_anon_bytes : 0);
	atomic_store(&self->cache_bytes,
		     cache_bytes > self->before_cache_bytes ? cache_bytes - self->before_cache_bytes : 0);
	return true;
}

static bool point_add(qvm_compile *self, uint64_t begin_ns)
{
	const qvm_course_point point = { .at_ns = hv_now_ns() - begin_ns,
					 .anon_bytes = atomic_load(&self->anon_bytes),
					 .cache_bytes = atomic_load(&self->cache_bytes) };
	return qvm_course_add(&self->course, &point) || fault(self, "looks", "out of memory");
}

bool qvm_compile_run(qvm_compile *self, uint64_t jobs, uint64_t objects)
{
	char jobs_text[24], objects_text[24];
	snprintf(jobs_text, sizeof(jobs_text), "%" PRIu64, jobs);
	snprintf(objects_text, sizeof(objects_text), "%" PRIu64, objects);
	const char *const list[] = { "chroot", where, "/compile", jobs_text, objects > 0 ? objects_text : NULL, NULL };
	qvm_rig *rig = &self->member->rig;
	cJSON *answer = NULL;
	size_t chars = strlen(self->course.origin);
	if (objects > 0) /* rows and traces of a part say so */
		snprintf(self->course.origin + chars, sizeof(self->course.origin) - chars, ", %s objects of it",
			 objects_text);
	uint64_t begin_ns = hv_now_ns(), id = qvm_rig_begin(rig, "run", words(list, COMPILE_NS));
	hv_err err = id != 0 ? HV_ERR_TIMEOUT : HV_ERR_GONE;
	bool ok = true;
	while (ok && err == HV_ERR_TIMEOUT) {
		ok = qvm_compile_look(self) && point_add(self, begin_ns);
		if (ok && !qvm_member_sleep(self->member, LOOK_NS))
			return false;
		err = ok ? qvm_rig_answered(rig, id, &answer) : err;
	}
	if (ok && err != HV_OK)
		ok = silence(self, "the compile");
	ok = ok && judge(self, "the compile", answer, self->made, sizeof(self->made)) && qvm_compile_look(self) &&
	     point_add(self, begin_ns);
	cJSON_Delete(answer);
	return ok;
}

bool qvm_compile_drop(qvm_compile *self)
{
	return qvm_rig_ask(&self->member->rig, "drop-caches", NULL, ASK_NS, NULL) == HV_OK ||
	       silence(self, "dropping caches");
}

void qvm_compile_clear(qvm_compile *self)
{
	qvm_course_clear(&self->course);
}
