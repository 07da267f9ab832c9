/* SPDX-License-Identifier: MIT
 *
 * Fresh runs: hvsim and this program itself, as programs of their own, so that each result is what a person would get.
 * The VMs run first: what their memory is made of, the simulation's is made of too. */
#define _GNU_SOURCE
#include "scenario/qvm_scenario.h"
#include "techniques/qvm_technique.h"
#include "validate/qvm_validate.h"
#include "vm/qvm_program.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOK_NS UINT64_C(100000000)
/* The kernel's last word on an option counts, so that of --append. */
#define GUEST_APPEND "init_on_alloc=0"

/* Lives as long as the process. */
static const char *kept_text(const char *format, const char *first, const char *second)
{
	static char *texts[16];
	static size_t n_texts;
	char *text = NULL;
	if (n_texts == sizeof(texts) / sizeof(texts[0]) || asprintf(&text, format, first, second) < 0)
		return NULL;
	return texts[n_texts++] = text;
}

/* By its name, for its messages. @return false: nobody tells */
static bool own_path(char *path, size_t path_bytes)
{
	ssize_t chars = readlink("/proc/self/exe", path, path_bytes - 1);
	path[chars > 0 ? chars : 0] = '\0';
	return chars > 0;
}

/* Beside this program where it is installed; in its own folder of a build. */
static const char *hvsim_path(const qvm_validate_options *options)
{
	static const char *const places[] = { "%s/hvsim", "%s/../hypervisor-sim/hvsim" };
	static char path[600];
	char self[512];
	if (options->hvsim != NULL || !own_path(self, sizeof(self)))
		return options->hvsim != NULL ? options->hvsim : "hvsim";
	*strrchr(self, '/') = '\0';
	for (size_t at = 0; at < sizeof(places) / sizeof(places[0]); at++) {
		snprintf(path, sizeof(path), places[at], self);
		if (access(path, X_OK) == 0)
			return path;
	}
	return "hvsim";
}

/* Which run this is; a line for people who wait. */
typedef struct progress {
	unsigned at, count;
	uint64_t begin_ns;
} progress;

static void step_tell(progress *self, const char *what)
{
	self->at++;
	fprintf(stderr, "llfree-qemu validate: run %u of %u, after %" PRIu64 " s: %s\n", self->at, self->count,
		(hv_now_ns() - self->begin_ns) / UINT64_C(1000000000), what);
}

/* Run it to its end; Ctrl-C is passed on once, so that it can save what it has.
 * @return 0 or the exit code to end with; a failed check of the other program is no failure of this one */
static int run(const qvm_args *args)
{
	pid_t pid;
	int status = 0;
	bool told = false;
	fflush(stdout);
	if (!qvm_program_start(args, STDERR_FILENO, &pid)) {
		fprintf(stderr, "llfree-qemu validate: can't start %s: %s\n",
			args->n_args > 0 ? args->argv[0] : "a program", strerror(errno));
		return HV_EXIT_CHECK;
	}
	while (!qvm_program_wait(pid, LOOK_NS, &status)) {
		if (hv_interrupted() && !told)
			kill(pid, SIGINT);
		told = hv_interrupted();
	}
	if (hv_interrupted())
		return HV_EXIT_INTERRUPTED;
	if (WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == HV_EXIT_CHECK))
		return 0;
	if (WIFEXITED(status))
		fprintf(stderr, "llfree-qemu validate: %s ended with %d\n", args->argv[0], WEXITSTATUS(status));
	else
		fprintf(stderr, "llfree-qemu validate: %s was ended by signal %d\n", args->argv[0], WTERMSIG(status));
	return HV_EXIT_CHECK;
}

static void sizes_add(qvm_args *args, const qvm_options *options)
{
	qvm_args_add(args, "--memory=%" PRIu64, options->memory_bytes);
	qvm_args_add(args, "--target=%" PRIu64, options->target_bytes);
	qvm_args_add(args, "--iterations=%" PRIu64, options->iterations);
	qvm_args_add(args, "--seed=%" PRIu64, options->seed);
}

static void text_add(qvm_args *args, const char *option, const char *value)
{
	if (value != NULL)
		qvm_args_add(args, "--%s=%s", option, value);
}

static void name_add(char list[400], const char *name)
{
	size_t used = strlen(list);
	snprintf(list + used, 400 - used, "%s%s", used > 0 ? "," : "", name);
}

/* What is wanted, what both worlds have, and what moves memory at all. */
static const char *techniques_shared(const char *wanted)
{
	static char list[400];
	list[0] = '\0';
	for (const qvm_technique *const *each = qvm_techniques; *each != NULL; each++) {
		const hv_technique *technique = (*each)->technique;
		if (technique->grain_bytes != 0 && hv_technique_find(technique->name) != NULL &&
		    hv_options_wants(wanted, technique->name))
			name_add(list, technique->name);
	}
	return list;
}

static int vm_run(qvm_validate_options *options)
{
	static const char *const accels[] = { "auto", "kvm", "tcg" };
	const qvm_options *common = &options->common;
	qvm_args args = { 0 };
	char self[512];
	options->vm_path = kept_text("%s/%s", options->output, "vm.json");
	qvm_args_add(&args, "%s", own_path(self, sizeof(self)) ? self : "/proc/self/exe");
	qvm_args_add(&args, "run");
	qvm_args_add(&args, "--scenario=inflate");
	sizes_add(&args, common);
	qvm_args_add(&args, "--cpus=%" PRIu64, common->cpus);
	qvm_args_add(&args, "--accel=%s", accels[common->accel]);
	qvm_args_add(&args, "--boot-timeout=%" PRIu64, common->boot_timeout_ms / 1000);
	text_add(&args, "technique", techniques_shared(common->technique));
	text_add(&args, "backing", common->backing);
	text_add(&args, "qemu", common->qemu);
	qvm_args_add(&args, "--append=%s%s%s", GUEST_APPEND, common->append != NULL ? " " : "",
		     common->append != NULL ? common->append : "");
	text_add(&args, "image", common->image.image);
	text_add(&args, "kernel", common->image.kernel);
	text_add(&args, "modules", common->image.modules);
	text_add(&args, "headers", common->image.headers);
	text_add(&args, "json", options->vm_path);
	int status = run(&args);
	qvm_args_clear(&args);
	return status;
}

static int sim_run(const qvm_validate_options *options, const char *technique, const char *backing, const char *device,
		   const char *path)
{
	qvm_args args = { 0 };
	qvm_args_add(&args, "%s", hvsim_path(options));
	qvm_args_add(&args, "inflate");
	sizes_add(&args, &options->common);
	qvm_args_add(&args, "--slow-limit=%" PRIu64, options->common.memory_bytes);
	text_add(&args, "technique", technique);
	text_add(&args, "backing", backing);
	text_add(&args, "device", device);
	text_add(&args, "json", path);
	int status = run(&args);
	qvm_args_clear(&args);
	return status;
}

static int models_run(qvm_validate_options *options, progress *steps)
{
	step_tell(steps, "hvsim on anonymous memory, for the cost model");
	const char *path = kept_text("%s/%s", options->output, "model.json");
	int status = sim_run(options, "base-manual,huge-manual,virtio-mem,llfree-manual", "anon-thp", "none", path);
	if (status != 0)
		return status;
	options->model_paths[options->n_models++] = path;
	step_tell(steps, "the same with a DMA device");
	path = kept_text("%s/%s", options->output, "model-device.json");
	status = sim_run(options, "virtio-mem,llfree-manual", "anon-thp", "dma", path);
	qvm_figures figures;
	/* without a DMA device there is no row, and nothing to be predicted for one */
	if (status == 0 && qvm_figures_read(&figures, path, "inflate", NULL)) {
		options->model_paths[options->n_models++] = path;
		qvm_figures_close(&figures);
	}
	return status;
}

static bool output_make(qvm_validate_options *options)
{
	char name[64];
	time_t now = time(NULL);
	struct tm parts;
	if (options->output == NULL) {
		strftime(name, sizeof(name), "validate-%Y%m%d-%H%M%S", gmtime_r(&now, &parts));
		options->output = kept_text("%s%s", name, "");
	}
	if (options->output != NULL && (mkdir(options->output, 0777) == 0 || errno == EEXIST))
		return true;
	fprintf(stderr, "llfree-qemu validate: --output %s: %s\n", options->output, strerror(errno));
	return false;
}

/* What the VMs' memory is made of; tmpfs-huge when their result does not tell. */
static const char *backing_of(const char *vm_path)
{
	qvm_figures figures;
	const char *backing = NULL;
	if (qvm_figures_read(&figures, vm_path, "inflate", NULL) && figures.backing != NULL)
		backing = kept_text("%s%s", figures.backing, "");
	qvm_figures_close(&figures);
	return backing != NULL && hv_backing_find(backing) != NULL ? backing : "tmpfs-huge";
}

int qvm_validate_run_missing(qvm_validate_options *options)
{
	int status = 0;
	bool vm = options->compares && options->vm_path == NULL, sim = options->compares && options->sim_path == NULL;
	bool models = options->predicts && options->n_models == 0 && options->sim_path == NULL;
	progress steps = { .count = (unsigned)vm + (unsigned)sim + (models ? 2 : 0), .begin_ns = hv_now_ns() };
	if (steps.count == 0)
		return 0;
	if ((vm || sim) && techniques_shared(options->common.technique)[0] == '\0') {
		fprintf(stderr, "llfree-qemu validate: --technique %s: none of them moves memory in both worlds\n",
			options->common.technique);
		return HV_EXIT_USAGE;
	}
	if (!output_make(options))
		return HV_EXIT_USAGE;
	if (vm) {
		step_tell(&steps, "a VM by each technique");
		status = vm_run(options);
	}
	if (status == 0 && sim) {
		step_tell(&steps, "hvsim, the same techniques on the same kind of memory");
		options->sim_path = kept_text("%s/%s", options->output, "sim.json");
		status = sim_run(options, techniques_shared(options->common.technique),
				 options->sim_backing != NULL ? options->sim_backing : backing_of(options->vm_path),
				 "none", options->sim_path);
	}
	if (status == 0 && models)
		status = models_run(options, &steps);
	options->report = kept_text("%s/%s", options->output, "validate.txt");
	if (options->common.json == NULL)
		options->common.json = kept_text("%s/%s", options->output, "validate.json");
	fprintf(stderr, "llfree-qemu validate: results of the runs, after %" PRIu64 " s: %s/\n",
		(hv_now_ns() - steps.begin_ns) / UINT64_C(1000000000), options->output);
	return status;
}
