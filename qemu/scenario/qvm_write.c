/* SPDX-License-Identifier: MIT
 *
 * write: what memory costs a guest's programs that was taken from the VM and given again, beside memory that it has
 * already: map it, write into every 4 KiB, give it back, all vCPUs at once, by pages of 4 KiB and of 2 MiB. That the
 * memory had been away is proven by the memory files: they grow as it is written. */
#define _GNU_SOURCE
#include "cli/hv_session.h"
#include "rig/qvm_fill.h"
#include "scenario/qvm_scenario.h"
#include "techniques/qvm_technique.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WRITE_NS UINT64_C(600000000000)

enum { KEY_PAGES = 0x900, PAGE_SIZES = 2 };

typedef enum write_phase { PHASE_GROWN, PHASE_INSTALLED, PHASES } write_phase;
static const char *const phase_names[PHASES] = { "grown", "installed" };
static const char *const page_names[PAGE_SIZES] = { "4 KiB pages", "2 MiB pages" };

typedef enum write_part { PART_MAP, PART_TOUCH, PART_FREE, PARTS } write_part;
static const char *const part_names[PARTS] = { "map", "touch", "free" };
static const char *const part_keys[PARTS] = { "map_ns", "touch_ns", "free_ns" };

typedef struct write_options {
	qvm_options common;
	bool pages[PAGE_SIZES];
} write_options;

/* What one phase gave, over all iterations. */
typedef struct write_figures {
	hv_samples parts[PARTS], throughput;
	uint64_t moved_bytes;
} write_figures;

typedef struct write_run {
	const write_options *options;
	hv_result *result;
	const qvm_technique *technique;
	qvm_rig rig;
	write_figures figures[PAGE_SIZES][PHASES];
	uint64_t n_proven;
	bool *header_shown;
	char fault[320];
} write_run;

static bool fault(write_run *self, const char *what, const char *detail)
{
	if (self->fault[0] == '\0')
		snprintf(self->fault, sizeof(self->fault), "%.80s: %.220s", what, detail);
	return false;
}

static bool fail(write_run *self, const char *what, hv_err err)
{
	if (err == HV_ERR_INTERRUPTED)
		return false;
	bool ended = err == HV_ERR_GONE && qvm_vm_ended(&self->rig.vm);
	return fault(self, what, ended ? self->rig.vm.why : self->rig.why);
}

static bool figures_add(write_run *self, write_figures *figures, const cJSON *answer)
{
	double mib = (double)qvm_answer_count(answer, "bytes") / (1 << 20), total_ns = 0;
	bool ok = mib > 0;
	for (write_part part = 0; part < PARTS && ok; part++) {
		double ns = qvm_answer_number(answer, part_keys[part]);
		total_ns += ns;
		ok = hv_samples_add(&figures->parts[part], ns / 1e3 / mib) == HV_OK;
	}
	ok = ok && total_ns > 0 && hv_samples_add(&figures->throughput, mib / 1024 / (total_ns / 1e9)) == HV_OK;
	return ok || fault(self, "write", "the guest told no times");
}

/* A process of its own each time: what it had is free when it has ended. */
static bool write_once(write_run *self, unsigned page, uint64_t bytes, write_figures *figures)
{
	uint64_t job;
	cJSON *answer = NULL, *arguments;
	hv_err err = qvm_rig_spawn(&self->rig, "write", &job);
	if (err != HV_OK)
		return fail(self, "write", err);
	arguments = cJSON_CreateObject();
	cJSON_AddNumberToObject(arguments, "bytes", (double)bytes);
	cJSON_AddNumberToObject(arguments, "threads", (double)self->options->common.cpus);
	cJSON_AddNumberToObject(arguments, "huge", page);
	if (self->technique->device_frames)
		cJSON_AddStringToObject(arguments, "device", "/dev/llfree");
	err = qvm_rig_ask_job(&self->rig, job, "write-all", arguments, WRITE_NS, &answer);
	bool ok = err == HV_OK ? figures == NULL || figures_add(self, figures, answer) : fail(self, "write", err);
	cJSON_Delete(answer);
	if (err == HV_OK)
		err = qvm_rig_ask_job(&self->rig, job, "end", NULL, WRITE_NS, NULL);
	return (err == HV_OK || fail(self, "end", err)) && ok;
}

static bool move(write_run *self, hv_command command, uint64_t limit_bytes, uint64_t *moved_bytes)
{
	hv_move moved = hv_monitor_do(&self->rig.monitor, command, limit_bytes);
	*moved_bytes = moved.bytes;
	if (moved.err == HV_OK || moved.err == HV_ERR_SHORT || hv_interrupted())
		return !hv_interrupted();
	return fault(self, "a resize",
		     moved.err == HV_ERR_GONE && qvm_vm_ended(&self->rig.vm) ? self->rig.vm.why
									     : hv_err_text(moved.err));
}

/* Down and up again, or a pass: afterwards so much of the guest's memory has nothing behind it. */
static bool take_and_give(write_run *self, uint64_t *moved_bytes)
{
	const qvm_options *common = &self->options->common;
	uint64_t grown_bytes;
	if (self->technique->technique->automatic)
		return move(self, HV_COMMAND_PASS, 0, moved_bytes);
	return move(self, HV_COMMAND_SHRINK, common->target_bytes, moved_bytes) &&
	       move(self, HV_COMMAND_GROW, common->memory_bytes, &grown_bytes);
}

/* Of what was moved, all must appear in the files again, but for what stays unwritten: what the guest keeps back when
 * it writes, and free memory that its kernel gives to no process. */
static bool prove(write_run *self, write_figures *figures, uint64_t moved_bytes, uint64_t before_bytes)
{
	char detail[160];
	uint64_t after_bytes = qvm_rig_resident(&self->rig);
	uint64_t appeared = after_bytes > before_bytes ? after_bytes - before_bytes : 0;
	figures->moved_bytes += moved_bytes;
	self->n_proven++;
	uint64_t unwritten_bytes = qvm_fill_slack_bytes(&self->rig) + self->options->common.memory_bytes / 16;
	if (moved_bytes != 0 && appeared + unwritten_bytes >= moved_bytes)
		return true;
	snprintf(detail, sizeof(detail), "%" PRIu64 " MiB were moved, %" PRIu64 " MiB came again when the guest wrote",
		 moved_bytes >> 20, appeared >> 20);
	return fault(self, "the memory had not been away", detail);
}

static bool page_run(write_run *self, unsigned page)
{
	const hv_technique *technique = self->technique->technique;
	write_figures *figures = self->figures[page];
	uint64_t moved_bytes = 0;
	bool takes = technique->grain_bytes != 0;
	hv_session_progress("%s: %s ", technique->name, page_names[page]);
	if (takes && !take_and_give(self, &moved_bytes))
		return false;
	if (takes && technique->automatic && moved_bytes == 0) { /* a guest on a busy machine has no time to report */
		hv_session_progress(NULL);
		hv_result_skip(self->result, technique->name, "a pass took nothing, so nothing was given again");
		takes = false;
	}
	uint64_t before_bytes = qvm_rig_resident(&self->rig), bytes = qvm_fill_bytes(&self->rig);
	if (!write_once(self, page, bytes, takes ? &figures[PHASE_GROWN] : NULL) ||
	    (takes && !prove(self, &figures[PHASE_GROWN], moved_bytes, before_bytes)) || hv_interrupted())
		return false;
	return write_once(self, page, bytes, &figures[PHASE_INSTALLED]) && !hv_interrupted();
}

/* Once: all that is free is there, so that it can be taken. */
static bool touch_all(write_run *self)
{
	uint64_t filled_bytes;
	hv_session_progress("%s: touching all of it ", self->technique->technique->name);
	hv_err err = qvm_fill_and_free(&self->rig, qvm_fill_bytes(&self->rig), &filled_bytes);
	return err == HV_OK || fail(self, "fill", err);
}

static bool iterate(write_run *self)
{
	for (unsigned page = 0; page < PAGE_SIZES; page++)
		if (self->options->pages[page] && !page_run(self, page))
			return false;
	return true;
}

static double median(const hv_samples *samples)
{
	return hv_samples_summary(samples, false).median;
}

static void rows_emit(write_run *self, unsigned page, write_phase phase)
{
	char name[60], note[60];
	const write_figures *figures = &self->figures[page][phase];
	if (figures->throughput.n_values == 0)
		return;
	snprintf(name, sizeof(name), "%s, %s", phase_names[phase], page_names[page]);
	snprintf(note, sizeof(note), "accelerator %s", qvm_accel_text(self->rig.vm.accel));
	hv_row row = { .scenario = "write",
		       .technique = self->technique->technique->name,
		       .allocator = self->technique->technique->allocator,
		       .device = self->options->common.vfio != NULL ? "vfio" : "none",
		       .backing = qvm_rig_backing(&self->rig),
		       .phase = name,
		       .note = note,
		       .quiet = true };
	row.metric = "throughput";
	row.unit = "GiB/s";
	row.samples = &figures->throughput;
	if (phase == PHASE_GROWN) {
		row.has_bytes_moved = true;
		row.bytes_moved = figures->moved_bytes;
		row.proof = "st_blocks of the memory files: they grew as it was written";
	}
	hv_result_row(self->result, &row);
	for (write_part part = 0; part < PARTS; part++) {
		row.metric = part_names[part];
		row.unit = "us/MiB";
		row.samples = &figures->parts[part];
		hv_result_row(self->result, &row);
	}
}

static void line_show(write_run *self, unsigned page)
{
	const write_figures *grown = &self->figures[page][PHASE_GROWN], *there = &self->figures[page][PHASE_INSTALLED];
	char first[32] = "-", touch[32] = "-", ratio[32] = "-";
	if (there->throughput.n_values == 0)
		return;
	if (!*self->header_shown)
		hv_result_say(self->result,
			      "%-14s %-11s %-12s %9s %9s %7s %11s %11s\n%-14s %-11s %-12s %9s %9s %7s %11s %11s\n",
			      "technique", "backing", "pages of", "grown", "installed", "", "touch,grown", "installed",
			      "", "", "", "GiB/s", "GiB/s", "ratio", "us/MiB", "us/MiB");
	*self->header_shown = true;
	if (grown->throughput.n_values > 0) {
		snprintf(first, sizeof(first), "%.3g", median(&grown->throughput));
		snprintf(touch, sizeof(touch), "%.0f", median(&grown->parts[PART_TOUCH]));
		snprintf(ratio, sizeof(ratio), "%.3f", median(&grown->throughput) / median(&there->throughput));
	}
	hv_result_say(self->result, "%-14s %-11s %-12s %9s %9.3g %7s %11s %11.0f\n", self->technique->technique->name,
		      qvm_rig_backing(&self->rig), page_names[page], first, median(&there->throughput), ratio, touch,
		      median(&there->parts[PART_TOUCH]));
}

static void emit(write_run *self)
{
	char name[120], detail[320];
	bool takes = self->technique->technique->grain_bytes != 0;
	for (unsigned page = 0; page < PAGE_SIZES; page++) {
		for (write_phase phase = 0; phase < PHASES; phase++)
			rows_emit(self, page, phase);
		line_show(self, page);
	}
	snprintf(name, sizeof(name), "%s: %s", self->technique->technique->name,
		 takes ? "what was written after a grow had been away" : "the guest wrote what it has");
	snprintf(detail, sizeof(detail), "%" PRIu64 " writes proven", self->n_proven);
	if (self->fault[0] != '\0' || !hv_interrupted())
		hv_result_check(self->result, self->fault[0] == '\0', name,
				self->fault[0] != '\0' ? self->fault
				: takes                ? detail
						       : "nothing to prove");
}

static void figures_clear(write_run *self)
{
	for (unsigned page = 0; page < PAGE_SIZES; page++)
		for (write_phase phase = 0; phase < PHASES; phase++) {
			hv_samples_clear(&self->figures[page][phase].throughput);
			for (write_part part = 0; part < PARTS; part++)
				hv_samples_clear(&self->figures[page][phase].parts[part]);
		}
}

static void technique_run(const write_options *options, hv_result *result, const qvm_technique *technique,
			  bool *header_shown)
{
	static write_run self;
	const qvm_rig_config config = { .technique = technique };
	const char *name = technique->technique->name;
	self = (write_run){
		.options = options, .result = result, .technique = technique, .header_shown = header_shown
	};
	hv_session_progress("%s: booting ", name);
	hv_err err = qvm_rig_start(&self.rig, &options->common, &config);
	if (err == HV_ERR_UNAVAILABLE)
		hv_result_skip(result, name, self.rig.why);
	else if (err != HV_OK && !hv_interrupted())
		fault(&self, "start", self.rig.why[0] != '\0' ? self.rig.why : hv_err_text(err));
	bool more = err == HV_OK && touch_all(&self);
	for (uint64_t at = 0; more && at < options->common.iterations; at++)
		more = iterate(&self);
	hv_session_progress(NULL);
	if (err != HV_ERR_UNAVAILABLE)
		emit(&self);
	if (self.fault[0] != '\0') {
		char tail[800];
		qvm_vm_console_tail(&self.rig.vm, tail, sizeof(tail));
		fprintf(stderr, "llfree-qemu: the end of the console of %s:\n%s\n", name, tail);
	}
	qvm_rig_stop(&self.rig);
	figures_clear(&self);
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	write_options *options = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->common;
		return 0;
	case KEY_PAGES:
		options->pages[0] = strcmp(text, "4K") == 0 || strcmp(text, "both") == 0;
		options->pages[1] = strcmp(text, "2M") == 0 || strcmp(text, "both") == 0;
		if (!options->pages[0] && !options->pages[1])
			argp_error(state, "--pages is '%s'; allowed: 4K, 2M or both", text);
		return 0;
	case ARGP_KEY_END:
		qvm_options_check(&options->common, state);
		return 0;
	default:
		return hv_options_other(key, text, state);
	}
}

static int write_command(int argc, char **argv)
{
	static const struct argp_option known[] = {
		{ "pages", KEY_PAGES, "SIZE", 0,
		  "Pages that the guest's processes get by a fault: 4K, 2M or both (default)", 0 },
		{ 0 },
	};
	static const struct argp_child children[] = { { &qvm_options_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		.options = known,
		.parser = parse,
		.children = children,
		.doc = "Write throughput of a guest's processes: memory that was taken from the VM (down to --target) "
		       "and given "
		       "again, beside the same once more, by each technique. Map, write into every 4 KiB, give back, "
		       "on all "
		       "vCPUs. --iterations 3 take about a minute a technique, free page reporting two."
	};
	static write_options options;
	hv_result result;
	bool header_shown = false;
	options = (write_options){ .common = qvm_options_default(), .pages = { true, true } };
	if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0)
		return HV_EXIT_USAGE;
	if (!qvm_session_open(&result, &options.common, "write"))
		return HV_EXIT_USAGE;
	cJSON_AddStringToObject(result.parameters, "pages",
				!options.pages[1]  ? "4K"
				: options.pages[0] ? "both"
						   : "2M");
	for (const qvm_technique *const *each = qvm_techniques; *each != NULL && !hv_interrupted(); each++)
		if (qvm_options_wants(&options.common, (*each)->technique->name))
			technique_run(&options, &result, *each, &header_shown);
	return qvm_session_close(&result, &options.common, hv_interrupted());
}

const qvm_scenario qvm_scenario_write = {
	.name = "write",
	.summary = "write throughput of a guest's processes, on memory given again and on memory it has",
	.run = write_command,
};
