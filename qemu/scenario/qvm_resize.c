/* SPDX-License-Identifier: MIT
 *
 * resize: random resizes up and down beside a guest that holds memory, checks and rewrites every page of it at random,
 * gives blocks back and takes them again. No page may ever hold another byte than what was written last (H1). With
 * --kill the guest's kernel, QEMU or this program is killed in the middle: a defined outcome, and nothing left behind.
 */
#define _GNU_SOURCE
#include "cli/hv_session.h"
#include "cli/qvm_policy_options.h"
#include "scenario/qvm_scenario.h"
#include "scenario/shared/qvm_checker.h"
#include "techniques/qvm_technique.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define GONE_NS UINT64_C(30000000000)

enum { KEY_RESIZES = 0x400, KEY_KILL, RESIZES = 200, RESIZES_MAX = 100000, TURNS_BETWEEN = 20, KILL_MS_MAX = 3000 };
/* Of an automatic technique's guest, how much of what it holds a thread gives back at once, and for how long. What is
 * reported to a host has been free for seconds, in 2 MiB pages, and does not lie on the kernel's lists of each CPU:
 * they hold up to 24 MiB. */
enum { AWAY_SHARE = 4, AWAY_MS = 5000, PERIOD_MS = 20 };

typedef enum resize_victim { VICTIM_NONE, VICTIM_GUEST, VICTIM_QEMU, VICTIM_MONITOR, VICTIM_COUNT } resize_victim;
static const char *const victim_names[VICTIM_COUNT] = { "none", "guest", "qemu", "monitor" };

typedef struct resize_options {
	qvm_options common;
	qvm_policy_options policy;
	uint64_t resizes;
	resize_victim victim;
} resize_options;

typedef struct resize {
	const resize_options *options;
	hv_result *result;
	const qvm_technique *technique;
	qvm_rig rig;
	qvm_checker checker;
	uint64_t random, delay_ns;
	uint64_t n_done, n_short, moved_bytes;
	bool ended; /**< the victim is dead, and the VM said so */
	char fault[320], outcome[320];
} resize;

static bool fault(resize *self, const char *what, const char *detail)
{
	if (self->fault[0] == '\0')
		snprintf(self->fault, sizeof(self->fault), "%.80s: %.220s", what, detail);
	return false;
}

/* A VM that was killed on purpose ends what is asked of it; every other failure is a fault. */
static bool failed(resize *self, const char *what, const char *detail)
{
	resize_victim victim = self->options->victim;
	if ((victim == VICTIM_GUEST || victim == VICTIM_QEMU) && qvm_vm_ended(&self->rig.vm)) {
		self->ended = true;
		snprintf(self->outcome, sizeof(self->outcome), "%.60s failed: %.220s", what, self->rig.vm.why);
		return false;
	}
	return fault(self, what, detail);
}

/* The guest did not answer, or saw what it must not see. */
static bool checker_failed(resize *self)
{
	const qvm_checker *checker = &self->checker;
	if (checker->fault[0] != '\0')
		return fault(self, "the guest", checker->fault);
	return !hv_interrupted() && failed(self, checker->asked, self->rig.why);
}

/* What the guest holds must fit into the smallest VM, beside its kernel; that of an automatic technique is never small.
 */
static bool work_begin(resize *self)
{
	const qvm_options *common = &self->options->common;
	bool automatic = self->technique->technique->automatic;
	uint64_t bytes = automatic ? common->memory_bytes / 2 : common->target_bytes * 3 / 8;
	const qvm_checker_load load = {
		.bytes = bytes & ~(uint64_t)(HV_HUGE_BYTES - 1),
		.seed = common->seed & UINT32_MAX,
		.threads = common->cpus,
		.away_bytes = automatic ? bytes / AWAY_SHARE : 0,
		.away_ms = AWAY_MS,
		.device = self->technique->device_frames,
		.huge = automatic && !self->technique->device_frames,
	};
	return qvm_checker_begin(&self->checker, &self->rig, &load) || checker_failed(self);
}

static bool resize_once(resize *self)
{
	const qvm_options *common = &self->options->common;
	hv_monitor *monitor = &self->rig.monitor;
	uint64_t n_sizes = (common->memory_bytes - common->target_bytes) / HV_HUGE_BYTES + 1;
	uint64_t size_bytes = common->target_bytes + hv_random(&self->random) % n_sizes * HV_HUGE_BYTES;
	hv_command command = size_bytes < hv_monitor_limit(monitor) ? HV_COMMAND_SHRINK : HV_COMMAND_GROW;
	bool automatic = self->technique->technique->automatic;
	hv_move move = automatic ? qvm_policy_pass(&self->rig) : hv_monitor_do(monitor, command, size_bytes);
	if (hv_interrupted())
		return false; /* it was cut short */
	self->moved_bytes += move.bytes;
	self->n_short += move.err == HV_ERR_SHORT;
	if (move.err != HV_OK && move.err != HV_ERR_SHORT && move.err != HV_ERR_GONE)
		return fault(self, "a resize", hv_err_text(move.err));
	if (move.err == HV_ERR_GONE)
		return failed(self, "a resize", hv_err_text(move.err));
	self->n_done++;
	return qvm_checker_turns(&self->checker, TURNS_BETWEEN) || checker_failed(self);
}

/* Beside the resizes, at a random moment. */
static void *killer_run(void *context)
{
	resize *self = context;
	cJSON *panic = cJSON_CreateObject();
	hv_sleep_ns(self->delay_ns);
	cJSON_AddStringToObject(panic, "path", "/proc/sysrq-trigger");
	cJSON_AddStringToObject(panic, "text", "c");
	if (self->options->victim == VICTIM_QEMU) {
		cJSON_Delete(panic);
		kill(self->rig.vm.pid, SIGKILL);
	} else if (qvm_rig_ask(&self->rig, "write", panic, GONE_NS, NULL) == HV_OK) {
		return NULL; /* then it did not panic, which the resizes will tell */
	}
	return NULL;
}

static bool resizes_do(resize *self)
{
	const resize_options *options = self->options;
	pthread_t killer;
	bool kills = options->victim == VICTIM_GUEST || options->victim == VICTIM_QEMU, ok = true;
	self->delay_ns = hv_random(&self->random) % KILL_MS_MAX * 1000000;
	if (kills && pthread_create(&killer, NULL, killer_run, self) != 0)
		return fault(self, "a thread", "out of memory");
	for (uint64_t at = 0; ok && at < options->resizes && !hv_interrupted(); at++) {
		hv_session_progress("%s: resize %" PRIu64 " of %" PRIu64 " ", self->technique->technique->name, at + 1,
				    options->resizes);
		ok = resize_once(self);
	}
	if (kills)
		pthread_join(killer, NULL);
	return ok && !hv_interrupted();
}

static void count_emit(const resize *self, const char *metric, uint64_t value)
{
	char note[60];
	snprintf(note, sizeof(note), "accelerator %s", qvm_accel_text(self->rig.vm.accel));
	hv_row like = { .scenario = "resize",
			.technique = self->technique->technique->name,
			.allocator = self->technique->technique->allocator,
			.device = "none",
			.backing = qvm_rig_backing(&self->rig),
			.phase = "random",
			.note = note,
			.quiet = true };
	hv_session_figure(self->result, &like, metric, "count", (double)value);
}

static void emit(resize *self)
{
	const char *name = self->technique->technique->name;
	resize_victim victim = self->options->victim;
	char what[160], detail[320];
	if (self->rig.monitor_on) {
		count_emit(self, "resizes", self->n_done);
		count_emit(self, "short-resizes", self->n_short);
		count_emit(self, "pages-checked", self->checker.n_checked);
		count_emit(self, "blocks-taken", self->checker.n_taken);
		count_emit(self, "moved-huge", self->moved_bytes / HV_HUGE_BYTES);
		hv_result_say(self->result,
			      "%-14s %" PRIu64 " resizes, %" PRIu64 " of them short; %" PRIu64
			      " huge frames moved; the guest checked %" PRIu64 " pages and took %" PRIu64
			      " blocks anew\n",
			      name, self->n_done, self->n_short, self->moved_bytes / HV_HUGE_BYTES,
			      self->checker.n_checked, self->checker.n_taken);
	}
	if (victim != VICTIM_NONE) {
		snprintf(what, sizeof(what), "%s: %s killed, a defined outcome", name, victim_names[victim]);
		if (!self->ended)
			(void)fault(self, "the kill", "the VM lives on");
	} else {
		snprintf(what, sizeof(what), "%s: no wrong byte in the guest (H1)", name);
		snprintf(self->outcome, sizeof(self->outcome), "%" PRIu64 " resizes, %" PRIu64 " pages checked",
			 self->n_done, self->checker.n_checked);
		if (self->fault[0] == '\0' && !hv_interrupted() && self->checker.n_checked == 0)
			(void)fault(self, "the guest", "checked no page");
		if (self->fault[0] == '\0' && !hv_interrupted() && self->moved_bytes == 0)
			(void)fault(self, "the resizes", "moved nothing");
	}
	snprintf(detail, sizeof(detail), "%s", self->fault[0] != '\0' ? self->fault : self->outcome);
	if (self->fault[0] != '\0' || !hv_interrupted())
		hv_result_check(self->result, self->fault[0] == '\0', what, detail);
}

/* @return false: this machine lacks something, and that is said */
static bool vm_run(resize *self)
{
	qvm_rig_config config = { .technique = self->technique };
	qvm_policy_drive(&self->options->policy, &config);
	const char *name = self->technique->technique->name;
	hv_session_progress("%s: booting ", name);
	hv_err err = qvm_rig_start(&self->rig, &self->options->common, &config);
	if (err == HV_ERR_UNAVAILABLE)
		hv_result_skip(self->result, name, self->rig.why);
	else if (err != HV_OK && !hv_interrupted())
		fault(self, "start", self->rig.why[0] != '\0' ? self->rig.why : hv_err_text(err));
	return err == HV_OK;
}

static void technique_run(const resize_options *options, hv_result *result, const qvm_technique *technique)
{
	static resize self;
	self = (resize){ .options = options, .result = result, .technique = technique, .random = options->common.seed };
	bool started = vm_run(&self);
	if (started && work_begin(&self) && resizes_do(&self))
		(void)(qvm_checker_end(&self.checker) || checker_failed(&self)); /* kept in fault */
	hv_session_progress(NULL);
	if (started || self.fault[0] != '\0')
		emit(&self);
	qvm_rig_stop(&self.rig);
}

/* The same in a process of its own, which is killed; its VM must go with it. All that it leaves becomes our child. */
static void monitor_kill(const resize_options *options, hv_result *result, const qvm_technique *technique)
{
	char what[160], detail[160];
	uint64_t random = options->common.seed;
	int ready[2];
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0 || pipe(ready) != 0)
		return hv_result_check(result, false, "a process to be killed", strerror(errno));
	pid_t monitor = fork();
	if (monitor == 0) {
		static resize self;
		self = (resize){ .options = options, .result = result, .technique = technique, .random = random };
		bool works = vm_run(&self) && work_begin(&self);
		if (write(ready[1], works ? "w" : "x", 1) == 1 && works)
			(void)resizes_do(&self); /* never seen: it is killed meanwhile */
		qvm_rig_stop(&self.rig);
		_exit(0);
	}
	char state = 'x';
	close(ready[1]);
	bool works = monitor > 0 && read(ready[0], &state, 1) == 1 && state == 'w';
	close(ready[0]);
	hv_sleep_ns(works ? hv_random(&random) % KILL_MS_MAX * 1000000 : 0);
	if (monitor > 0 && works)
		kill(monitor, SIGKILL);
	uint64_t end_ns = hv_now_ns() + GONE_NS, n_ended = 0;
	pid_t left = 0;
	while (hv_now_ns() < end_ns && (left = waitpid(-1, NULL, WNOHANG)) >= 0) {
		n_ended += left > 0;
		hv_sleep_ns(left == 0 ? 10000000 : 0);
	}
	hv_session_progress(NULL);
	snprintf(what, sizeof(what), "%s: monitor killed, nothing left behind", technique->technique->name);
	snprintf(detail, sizeof(detail), "%" PRIu64 " processes ended with it%s", n_ended,
		 !works      ? ", but the VM did not start"
		 : left >= 0 ? ", and others live on"
			     : "");
	if (works || !hv_interrupted())
		hv_result_check(result, works && left < 0 && n_ended >= 2, what, detail);
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	resize_options *options = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->common;
		state->child_inputs[1] = &options->policy;
		return 0;
	case KEY_RESIZES:
		if (!hv_parse_bytes(text, &options->resizes) || options->resizes == 0 || options->resizes > RESIZES_MAX)
			argp_error(state, "--resizes must be from 1 to %d, not %s", RESIZES_MAX, text);
		return 0;
	case KEY_KILL:
		for (options->victim = VICTIM_NONE; options->victim < VICTIM_COUNT; options->victim++)
			if (strcmp(text, victim_names[options->victim]) == 0)
				return 0;
		argp_error(state, "--kill must be none, guest, qemu or monitor, not %s", text);
		return EINVAL;
	case ARGP_KEY_END:
		qvm_options_check(&options->common, state);
		qvm_policy_options_check(&options->policy, options->common.memory_bytes, state);
		return 0;
	default:
		return hv_options_other(key, text, state);
	}
}

static int resize_run(int argc, char **argv)
{
	static const struct argp_option known[] = {
		{ "resizes", KEY_RESIZES, "N", 0, "Random resizes between --target and --memory; default 200", 0 },
		{ "kill", KEY_KILL, "WHOM", 0, "Kill none, guest, qemu or monitor at a random moment; default none",
		  0 },
		{ 0 },
	};
	static const struct argp_child children[] = { { &qvm_options_argp, 0, NULL, 0 },
						      { &qvm_policy_argp, 0, "What drives llfree-auto:", 1 },
						      { 0 } };
	static const struct argp argp = {
		known,    parse, NULL, "Resize a VM at random beside a guest that checks every page it holds.",
		children, NULL,  NULL
	};
	static resize_options options;
	hv_result result;
	options = (resize_options){ .common = qvm_options_default(),
				    .policy = qvm_policy_options_default(PERIOD_MS),
				    .resizes = RESIZES };
	if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0)
		return HV_EXIT_USAGE;
	if (!qvm_session_open(&result, &options.common, "resize"))
		return HV_EXIT_USAGE;
	qvm_policy_parameters(result.parameters, &options.policy);
	bool available = !hv_policy_options_skip(&options.policy.policy, &result);
	cJSON_AddNumberToObject(result.parameters, "resizes", (double)options.resizes);
	cJSON_AddStringToObject(result.parameters, "kill", victim_names[options.victim]);
	for (const qvm_technique *const *each = qvm_techniques; *each != NULL && !hv_interrupted(); each++) {
		const hv_technique *technique = (*each)->technique;
		if (technique->grain_bytes == 0 || !qvm_options_wants(&options.common, technique->name) ||
		    (!available && qvm_technique_driven(*each)))
			continue;
		if (options.victim == VICTIM_MONITOR)
			monitor_kill(&options, &result, *each);
		else
			technique_run(&options, &result, *each);
	}
	return qvm_session_close(&result, &options.common, hv_interrupted());
}

const qvm_scenario qvm_scenario_resize = {
	.name = "resize",
	.summary = "random resizes beside a guest that checks every page it holds; with kills",
	.run = resize_run,
};
