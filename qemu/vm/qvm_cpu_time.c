/* SPDX-License-Identifier: MIT
 *
 * CPU time of a QEMU; see qvm_cpu_time.h. */
#define _GNU_SOURCE
#include "vm/qvm_cpu_time.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define COMMAND_NS UINT64_C(20000000000)
#define TICK_NS    (UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK))

hv_err qvm_cpu_clock_open(qvm_cpu_clock *self, qvm_vm *vm)
{
	cJSON *cpus = NULL;
	*self = (qvm_cpu_clock){ .pid = vm->pid };
	hv_err err = qvm_qmp_execute(&vm->qmp, "query-cpus-fast", NULL, &cpus, COMMAND_NS);
	for (const cJSON *cpu = err == HV_OK && cpus != NULL ? cpus->child : NULL; cpu != NULL; cpu = cpu->next) {
		double thread;
		if (!qvm_json_number(cpu, "thread-id", &thread) || thread < 1 || thread > 1e9 ||
		    self->n_threads == QVM_CPU_THREADS_MAX)
			err = HV_ERR_INVAL;
		else
			self->threads[self->n_threads++] = (int)thread;
	}
	cJSON_Delete(cpus);
	return err;
}

static void stat_add(const char *path, uint64_t *user_ns, uint64_t *system_ns)
{
	char line[1024];
	uint64_t user, system;
	if (!hv_read_line(path, line, sizeof(line)))
		return;
	const char *after = strrchr(line, ')'); /* the name may hold anything */
	if (after == NULL ||
	    sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64, &user, &system) != 2)
		return;
	*user_ns += user * TICK_NS;
	*system_ns += system * TICK_NS;
}

static void run_add(const char *path, uint64_t *run_ns)
{
	char line[100];
	uint64_t run;
	if (hv_read_line(path, line, sizeof(line)) && sscanf(line, "%" SCNu64, &run) == 1)
		*run_ns += run;
}

qvm_cpu_time qvm_cpu_clock_look(const qvm_cpu_clock *self)
{
	qvm_cpu_time now = { 0 };
	clockid_t clock;
	struct timespec time;
	char path[80];
	if (self->pid > 0 && clock_getcpuclockid(self->pid, &clock) == 0 && clock_gettime(clock, &time) == 0)
		now.run_ns = (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
	for (size_t at = 0; at < self->n_threads; at++) {
		snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", (int)self->pid, self->threads[at]);
		run_add(path, &now.vcpu_run_ns);
		snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)self->pid, self->threads[at]);
		stat_add(path, &now.vcpu_user_ns, &now.vcpu_system_ns);
	}
	return now;
}

static uint64_t grown(uint64_t before, uint64_t after)
{
	return after > before ? after - before : 0;
}

void qvm_cpu_time_add(qvm_cpu_time *self, const qvm_cpu_time *before, const qvm_cpu_time *after)
{
	self->run_ns += grown(before->run_ns, after->run_ns);
	self->vcpu_run_ns += grown(before->vcpu_run_ns, after->vcpu_run_ns);
	self->vcpu_user_ns += grown(before->vcpu_user_ns, after->vcpu_user_ns);
	self->vcpu_system_ns += grown(before->vcpu_system_ns, after->vcpu_system_ns);
}

uint64_t qvm_cpu_time_guest(const qvm_cpu_time *self)
{
	double ticks_ns = (double)self->vcpu_user_ns + (double)self->vcpu_system_ns;
	if (self->vcpu_run_ns == 0) /* a kernel that keeps no such times */
		return self->vcpu_user_ns;
	return ticks_ns > 0 ? (uint64_t)((double)self->vcpu_run_ns * (double)self->vcpu_user_ns / ticks_ns)
			    : self->vcpu_run_ns;
}

uint64_t qvm_cpu_time_host(const qvm_cpu_time *self)
{
	return grown(qvm_cpu_time_guest(self), self->run_ns);
}
