/* SPDX-License-Identifier: MIT
 *
 * A VM with a technique; see qvm_rig.h. */
#define _GNU_SOURCE
#include "scenario/qvm_scenario.h"
#include "techniques/qvm_technique.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ASK_NS  UINT64_C(60000000000)
#define LOOK_NS UINT64_C(200000000) /* at what a signal handler wrote */

enum { FRAMES_RAM_MIB = 512 /* of a guest whose resized memory is a device's */ };

static const char *rig_name(const qvm_rig *self)
{
	return self->config.name != NULL ? self->config.name : self->technique->technique->name;
}

static hv_err vm_prepare(qvm_rig *self)
{
	const qvm_options *options = self->options;
	char *append = NULL, *console = qvm_beside(options->json, rig_name(self), ".console");
	uint64_t usual_bytes =
		self->technique->device_frames ? (uint64_t)FRAMES_RAM_MIB << 20 : self->config.memory_bytes;
	if (asprintf(&append, "%s %s", options->append != NULL ? options->append : "",
		     self->config.append != NULL ? self->config.append : "") < 0)
		append = NULL;
	qvm_vm_config config = {
		.name = rig_name(self),
		.qemu = options->qemu,
		.append = append,
		.backing = options->backing,
		.vfio = options->vfio,
		.console = console,
		.disk = self->config.disk,
		.image = &self->image,
		.accel = options->accel,
		.cpus = (unsigned)options->cpus,
		.ram_bytes = self->config.ram_bytes != 0 ? self->config.ram_bytes : usual_bytes,
		.bare_memory = self->config.bare_memory,
	};
	if (self->technique->configure != NULL)
		self->technique->configure(self, &config);
	hv_err err = qvm_vm_prepare(&self->vm, &config);
	self->vm.config.append = self->vm.config.console = NULL; /* used */
	if (err != HV_OK)
		snprintf(self->why, sizeof(self->why), "%s", self->vm.why);
	free(append);
	free(console);
	return err;
}

static hv_err prepare(qvm_rig *self)
{
	const qvm_technique *technique = self->technique;
	if (self->options->vfio != NULL && !technique->vfio) {
		snprintf(self->why, sizeof(self->why), "no device can be passed through beside it (docs/caveats.md)");
		return HV_ERR_UNAVAILABLE;
	}
	if (technique->device != NULL && !qvm_device_known(self->options->qemu, technique->device)) {
		snprintf(self->why, sizeof(self->why), "this QEMU has no %s", technique->device);
		return HV_ERR_UNAVAILABLE;
	}
	qvm_image_wish wish = self->options->image;
	if (self->config.overlay != NULL)
		wish.overlay = self->config.overlay;
	wish.disk = wish.disk || self->config.disk != NULL;
	hv_err err = qvm_image_get(&self->image, &wish);
	if (err != HV_OK) {
		snprintf(self->why, sizeof(self->why), "no image of a guest");
		return err;
	}
	if (!self->image.program) { /* nobody would ever answer */
		snprintf(self->why, sizeof(self->why),
			 "the image is without llfree-guest: build that program (it needs libjansson-dev)");
		return HV_ERR_UNAVAILABLE;
	}
	err = vm_prepare(self);
	if (err != HV_OK)
		return err;
	if (self->vm.ram.fd >= 0)
		qvm_rig_file(self, self->vm.ram.fd);
	if (technique->prepare != NULL)
		err = technique->prepare(self);
	if (err == HV_OK && self->config.prepare != NULL)
		err = self->config.prepare(self);
	return err;
}

/* The user waits for no guest; only for what it answers at once. */
static hv_err answer_wait(qvm_rig *self, uint64_t id, uint64_t timeout_ns, cJSON **answer)
{
	for (uint64_t left_ns = timeout_ns;; left_ns -= LOOK_NS) {
		bool interrupted = hv_interrupted();
		hv_err err = qvm_agent_wait(&self->agent, id, left_ns < LOOK_NS ? left_ns : LOOK_NS, answer);
		if (err != HV_ERR_TIMEOUT || left_ns <= LOOK_NS)
			return err;
		if (interrupted) {
			snprintf(self->agent.why, sizeof(self->agent.why), "interrupted");
			return HV_ERR_INTERRUPTED;
		}
	}
}

hv_err qvm_rig_ask(qvm_rig *self, const char *verb, cJSON *arguments, uint64_t timeout_ns, cJSON **answer)
{
	pthread_mutex_lock(&self->agent_lock);
	uint64_t id = qvm_agent_send(&self->agent, verb, arguments);
	hv_err err = answer_wait(self, id, timeout_ns, answer);
	if (err != HV_OK)
		snprintf(self->why, sizeof(self->why), "guest, %s: %.300s", verb, self->agent.why);
	pthread_mutex_unlock(&self->agent_lock);
	return err;
}

uint64_t qvm_rig_begin(qvm_rig *self, const char *verb, cJSON *arguments)
{
	pthread_mutex_lock(&self->agent_lock);
	uint64_t id = qvm_agent_send(&self->agent, verb, arguments);
	if (id == 0)
		snprintf(self->why, sizeof(self->why), "guest, %s: %.300s", verb, self->agent.why);
	pthread_mutex_unlock(&self->agent_lock);
	return id;
}

hv_err qvm_rig_answered(qvm_rig *self, uint64_t id, cJSON **answer)
{
	pthread_mutex_lock(&self->agent_lock);
	hv_err err = qvm_agent_wait(&self->agent, id, 1000000, answer);
	if (err != HV_OK && err != HV_ERR_TIMEOUT)
		snprintf(self->why, sizeof(self->why), "guest: %.300s", self->agent.why);
	pthread_mutex_unlock(&self->agent_lock);
	return err;
}

hv_err qvm_rig_spawn(qvm_rig *self, const char *kind, uint64_t *job)
{
	cJSON *arguments = cJSON_CreateObject(), *answer = NULL;
	cJSON_AddStringToObject(arguments, "kind", kind);
	hv_err err = qvm_rig_ask(self, "spawn", arguments, ASK_NS, &answer);
	*job = qvm_answer_count(answer, "job");
	cJSON_Delete(answer);
	return err;
}

hv_err qvm_rig_ask_job(qvm_rig *self, uint64_t job, const char *verb, cJSON *arguments, uint64_t timeout_ns,
		       cJSON **answer)
{
	cJSON *request = arguments != NULL ? arguments : cJSON_CreateObject();
	cJSON_AddNumberToObject(request, "job", (double)job);
	return qvm_rig_ask(self, verb, request, timeout_ns, answer);
}

hv_err qvm_rig_modprobe(qvm_rig *self, const char *name, const char *parameters)
{
	cJSON *arguments = cJSON_CreateObject();
	cJSON_AddStringToObject(arguments, "name", name);
	if (parameters != NULL)
		cJSON_AddStringToObject(arguments, "parameters", parameters);
	return qvm_rig_ask(self, "modprobe", arguments, ASK_NS, NULL);
}

uint64_t qvm_rig_available(qvm_rig *self)
{
	cJSON *answer = NULL;
	uint64_t bytes = 0;
	if (qvm_rig_ask(self, "meminfo", NULL, ASK_NS, &answer) == HV_OK)
		bytes = qvm_answer_count(answer, "MemAvailable");
	cJSON_Delete(answer);
	return bytes;
}

/* The guest boots: wait for its agent, as long as there is a guest. */
static hv_err boot_wait(qvm_rig *self)
{
	uint64_t deadline_ns = hv_now_ns() + self->options->boot_timeout_ms * 1000000;
	qvm_agent_open(&self->agent, self->vm.agent_fd);
	self->vm.agent_fd = -1; /* the agent's now */
	uint64_t id = qvm_agent_send(&self->agent, "hello", NULL);
	hv_err err = id != 0 ? HV_ERR_TIMEOUT : HV_ERR_GONE;
	while (err == HV_ERR_TIMEOUT && hv_now_ns() < deadline_ns && qvm_vm_alive(&self->vm) && !hv_interrupted())
		err = qvm_agent_wait(&self->agent, id, 500000000, NULL);
	if (err == HV_OK)
		return HV_OK;
	if (hv_interrupted())
		snprintf(self->why, sizeof(self->why), "interrupted");
	else if (err == HV_ERR_TIMEOUT ? !qvm_vm_alive(&self->vm) : qvm_vm_ended(&self->vm))
		snprintf(self->why, sizeof(self->why), "%s", self->vm.why);
	else if (err != HV_ERR_TIMEOUT)
		snprintf(self->why, sizeof(self->why), "%s", self->agent.why);
	else
		snprintf(self->why, sizeof(self->why), "the guest's agent did not answer in %u s (--boot-timeout)",
			 (unsigned)(self->options->boot_timeout_ms / 1000));
	return err;
}

/* Nobody waits for the guest any more. */
static void leave(void *context)
{
	qvm_rig *self = context;
	if (self->technique->leave != NULL)
		self->technique->leave(self);
}

hv_err qvm_rig_start(qvm_rig *self, const qvm_options *options, const qvm_rig_config *config)
{
	*self = (qvm_rig){ .config = *config, .options = options, .technique = config->technique };
	if (self->config.memory_bytes == 0)
		self->config.memory_bytes = options->memory_bytes;
	/* until attach() makes it another: memory by size, with nothing that is shared */
	self->host.memory = (hv_memory){ .huge_count = self->config.memory_bytes >> HV_HUGE_SHIFT, .fd = -1 };
	self->agent.fd = -1;
	pthread_mutex_init(&self->agent_lock, NULL);
	hv_err err = prepare(self);
	if (err != HV_OK)
		return err;
	err = qvm_vm_start(&self->vm);
	if (err != HV_OK) {
		snprintf(self->why, sizeof(self->why), "%s", self->vm.why);
		return err;
	}
	err = boot_wait(self);
	if (err == HV_OK && self->technique->attach != NULL)
		err = self->technique->attach(self);
	if (err == HV_OK) {
		err = qvm_watch_start(&self->watch, self->vm.pid, &self->host, leave, self);
		if (err != HV_OK)
			snprintf(self->why, sizeof(self->why), "a watch over QEMU: %s", strerror(errno));
	}
	if (err == HV_OK)
		err = hv_monitor_start(&self->monitor, &self->host, self->technique->technique, config->policy,
				       config->period_ns, config->policy_setup);
	self->monitor_on = err == HV_OK;
	if (err == HV_OK && self->technique->guest_numbers != NULL)
		hv_monitor_guest(&self->monitor, self->technique->guest_numbers, self);
	return err;
}

void qvm_rig_stop(qvm_rig *self)
{
	if (self->technique == NULL)
		return;
	leave(self);
	if (self->monitor_on)
		hv_monitor_stop(&self->monitor);
	self->monitor_on = false;
	qvm_watch_stop(&self->watch);
	qvm_vm_stop(&self->vm);
	if (self->technique->detach != NULL)
		self->technique->detach(self);
	if (self->agent.fd >= 0)
		qvm_agent_close(&self->agent);
	qvm_vm_close(&self->vm);
	pthread_mutex_destroy(&self->agent_lock);
	self->technique = NULL;
}

void qvm_rig_file(qvm_rig *self, int fd)
{
	if (self->n_files < QVM_RIG_FILES_MAX)
		self->files[self->n_files++] = fd;
}

uint64_t qvm_rig_resident(const qvm_rig *self)
{
	uint64_t bytes = 0;
	for (size_t at = 0; at < self->n_files; at++)
		bytes += qvm_file_resident(self->files[at]);
	return bytes;
}

const char *qvm_rig_backing(const qvm_rig *self)
{
	return self->vm.ram.backing != NULL ? self->vm.ram.backing : "memfd";
}
