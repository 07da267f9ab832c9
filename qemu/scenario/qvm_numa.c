/* SPDX-License-Identifier: MIT
 *
 * numa: a VM of several NUMA nodes whose guest runs llfree-bench's case numa and the tests of this tree. Each node has
 * a memory file of its own, so the host sees where memory came from that the guest's zones gave as local or remote.
 * Topology code on a real kernel; under TCG no node is further away than another. */
#define _GNU_SOURCE
#include "cli/hv_session.h"
#include "image/qvm_overlay.h"
#include "scenario/qvm_scenario.h"
#include "scenario/shared/qvm_nodes.h"
#include "techniques/qvm_technique.h"

#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RUN_NS UINT64_C(600000000000)

enum { KEY_NODES = 0x400, KEY_BENCH, KEY_TESTS, PROGRAMS_MAX = 64, TOUCH_SHARE = 8 /* of the case, see there */ };

typedef struct numa_options {
	qvm_options common;
	uint64_t nodes;
	const char *bench, *tests;
} numa_options;

typedef struct numa {
	const numa_options *options;
	hv_result *result;
	qvm_rig rig;
	qvm_nodes nodes;
	char bench[QVM_PATH_BYTES];
	glob_t tests;
	hv_row like;
	char note[100], fault[320];
} numa;

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash != NULL ? slash + 1 : path;
}

static bool fault(numa *self, const char *what, const char *detail)
{
	if (self->fault[0] == '\0')
		snprintf(self->fault, sizeof(self->fault), "%.80s: %.220s", what, detail);
	return false;
}

static void check(numa *self, bool ok, const char *name, const char *detail)
{
	if (!hv_interrupted())
		hv_result_check(self->result, ok, name, ok ? detail : self->fault);
	self->fault[0] = '\0';
}

static void figure(numa *self, const char *phase, const char *metric, const char *unit, double value)
{
	hv_row row = self->like;
	row.phase = phase;
	hv_session_figure(self->result, &row, metric, unit, value);
}

/* Run a program of the guest to its end. @return its output, to be deleted with the answer; NULL: a fault */
static const char *guest_run(numa *self, const char *const *words, cJSON **answer)
{
	cJSON *request = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(request, "argv");
	for (size_t at = 0; words[at] != NULL; at++)
		cJSON_AddItemToArray(list, cJSON_CreateString(words[at]));
	cJSON_AddNumberToObject(request, "timeout", RUN_NS / 1000000000 - 10);
	*answer = NULL;
	if (qvm_rig_ask(&self->rig, "run", request, RUN_NS, answer) != HV_OK) {
		fault(self, words[0], qvm_vm_ended(&self->rig.vm) ? self->rig.vm.why : self->rig.why);
		return NULL;
	}
	const char *output = qvm_answer_text(*answer, "output");
	size_t chars = strlen(output);
	bool ended_well =
		cJSON_GetObjectItemCaseSensitive(*answer, "status") != NULL && qvm_answer_count(*answer, "status") == 0;
	if (!ended_well)
		fault(self, words[0], chars > 200 ? output + chars - 200 : output);
	return ended_well ? output : NULL;
}

/* The bench's own file of results. NULL: a fault */
static cJSON *bench_ask(numa *self, const char *where)
{
	char memory[40], touched[40], filter[60], file[60], name[100];
	uint64_t bytes = self->options->common.memory_bytes / 4;
	cJSON *answer, *read = cJSON_CreateObject(), *results = NULL;
	snprintf(name, sizeof(name), "/bin/%.80s", base_name(self->bench));
	snprintf(memory, sizeof(memory), "--memory=%" PRIu64 "M", bytes >> 20);
	snprintf(touched, sizeof(touched), "--write-memory=%" PRIu64 "M", bytes * 2 >> 20);
	snprintf(filter, sizeof(filter), "--benchmark_filter=memory:%s", where);
	snprintf(file, sizeof(file), "/tmp/%s.json", where);
	const char *const words[] = { name,
				      "--cases=numa",
				      "--allocators=llfree-zones",
				      "--orders=0",
				      "--threads=1",
				      memory,
				      touched,
				      "--malloc-memory=16M",
				      filter,
				      "--json",
				      file,
				      NULL };
	bool ran = guest_run(self, words, &answer) != NULL;
	cJSON_Delete(answer);
	cJSON_AddStringToObject(read, "path", file);
	if (!ran) {
		cJSON_Delete(read);
		return NULL;
	}
	answer = NULL;
	if (qvm_rig_ask(&self->rig, "read", read, RUN_NS, &answer) != HV_OK)
		fault(self, file, self->rig.why);
	else if ((results = cJSON_Parse(qvm_answer_text(answer, "text"))) == NULL)
		fault(self, file, "not JSON");
	cJSON_Delete(answer);
	return results;
}

/* One thread, which is bound to node 0: its memory is local to that, or that of the furthest node, the last one. */
static void bench_run(numa *self, const char *where, uint32_t node)
{
	static const char *const metrics[] = { "get_ns", "first_touch_ns", "page_ns", "line_ns", "put_ns" };
	char phase[40], what[100], detail[200];
	uint64_t before[QVM_NODES_MAX], grown = 0, all = 0, touched_bytes;
	for (uint32_t at = 0; at < self->nodes.n_nodes; at++)
		before[at] = qvm_nodes_resident(&self->nodes, at);
	hv_session_progress("numa: llfree-bench, memory %s ", where);
	cJSON *results = bench_ask(self, where);
	for (uint32_t at = 0; at < self->nodes.n_nodes; at++) {
		uint64_t after = qvm_nodes_resident(&self->nodes, at),
			 more = after > before[at] ? after - before[at] : 0;
		all += more;
		grown += at == node ? more : 0;
	}
	const cJSON *row = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(results, "benchmarks"), 0);
	const cJSON *context = cJSON_GetObjectItemCaseSensitive(results, "context");
	touched_bytes = self->options->common.memory_bytes / 2 / TOUCH_SHARE;
	snprintf(phase, sizeof(phase), "memory:%s", where);
	snprintf(what, sizeof(what), "memory that zones call %s is of node %" PRIu32 ", by its file", where, node);
	snprintf(detail, sizeof(detail), "%" PRIu64 " MiB of %" PRIu64 " MiB that came; %" PRIu64 " MiB were touched",
		 grown >> 20, all >> 20, touched_bytes >> 20);
	if (results != NULL && row == NULL)
		fault(self, phase, "the bench has no such row: it sees one node");
	/* some of the pages may have been touched before */
	else if (results != NULL && (grown < touched_bytes / 2 || grown < all - all / 4))
		fault(self, phase, detail);
	for (size_t at = 0; row != NULL && at < sizeof(metrics) / sizeof(metrics[0]); at++)
		figure(self, phase, metrics[at], "ns", qvm_answer_number(row, metrics[at]));
	if (row != NULL) {
		figure(self, phase, "placed", "ratio", all > 0 ? (double)grown / (double)all : 0);
		figure(self, phase, "nodes", "count", strtod(qvm_answer_text(context, "numa_nodes"), NULL));
		hv_result_say(self->result, "memory:%-7s first touch %.0f ns, a word a line %.1f ns; %s\n", where,
			      qvm_answer_number(row, "first_touch_ns"), qvm_answer_number(row, "line_ns"), detail);
	}
	check(self, self->fault[0] == '\0', what, detail);
	cJSON_Delete(results);
}

/* "[  PASSED  ] 11 test(s)." and the like, as CMocka writes it. */
static uint64_t tests_count(const char *output, const char *word)
{
	char line[40];
	unsigned long long n_tests = 0;
	snprintf(line, sizeof(line), "[  %s  ] ", word);
	for (const char *at = output; at != NULL && (at = strstr(at, line)) != NULL; at += strlen(line))
		if (sscanf(at + strlen(line), "%llu test(s)", &n_tests) == 1)
			break;
	return n_tests;
}

static void tests_run(numa *self)
{
	char detail[200], name[100];
	uint64_t n_passed = 0, n_failed = 0, n_programs = 0;
	for (size_t at = 0; at < self->tests.gl_pathc && !hv_interrupted(); at++) {
		cJSON *answer;
		const char *program = base_name(self->tests.gl_pathv[at]);
		snprintf(name, sizeof(name), "/bin/%.80s", program);
		const char *const words[] = { name, NULL };
		hv_session_progress("numa: %s ", program);
		bool ok = guest_run(self, words, &answer) != NULL;
		const char *output = qvm_answer_text(answer, "output");
		uint64_t n_here = tests_count(output, "PASSED"), n_bad = tests_count(output, "FAILED");
		n_passed += n_here;
		n_failed += n_bad > 0 || ok ? n_bad : 1;
		n_programs++;
		if (ok && n_here == 0)
			fault(self, name, "it says of no test that it passed");
		cJSON_Delete(answer);
	}
	figure(self, "tests", "programs", "count", (double)n_programs);
	figure(self, "tests", "passed", "count", (double)n_passed);
	figure(self, "tests", "failed", "count", (double)n_failed);
	snprintf(detail, sizeof(detail), "%" PRIu64 " tests of %" PRIu64 " programs passed", n_passed, n_programs);
	hv_result_say(self->result, "tests          %s, %" PRIu64 " failed\n", detail, n_failed);
	check(self, self->fault[0] == '\0' && n_failed == 0, "tests of the library in a guest of several nodes",
	      detail);
}

static hv_err nodes_prepare(qvm_rig *rig)
{
	numa *self = rig->config.context;
	return qvm_nodes_prepare(&self->nodes, rig);
}

/* Which nodes the guest's kernel has: "0-1". */
static void kernel_look(numa *self)
{
	char wanted[16], detail[100];
	cJSON *answer = NULL, *read = cJSON_CreateObject();
	cJSON_AddStringToObject(read, "path", "/sys/devices/system/node/has_memory");
	if (qvm_rig_ask(&self->rig, "read", read, RUN_NS, &answer) != HV_OK)
		fault(self, "nodes", self->rig.why);
	const char *text = qvm_answer_text(answer, "text");
	snprintf(wanted, sizeof(wanted), "0-%" PRIu32 "\n", self->nodes.n_nodes - 1);
	snprintf(detail, sizeof(detail), "nodes %.*s", (int)strcspn(text, "\n"), text);
	if (strcmp(text, wanted) != 0)
		fault(self, "the guest's kernel has other nodes", detail);
	if (!qvm_nodes_mapped(&self->nodes, &self->rig))
		fault(self, "QEMU's memory tree", "it lacks a node's file");
	check(self, self->fault[0] == '\0', "every node has its memory file, and the guest's kernel has every node",
	      detail);
	cJSON_Delete(answer);
}

static void guest_use(numa *self)
{
	const qvm_rig *rig = &self->rig;
	snprintf(self->note, sizeof(self->note), "accelerator %s%s", qvm_accel_text(rig->vm.accel),
		 rig->vm.accel == QVM_ACCEL_TCG ? ": no node is further away than another" : "");
	self->like = (hv_row){ .scenario = "numa",
			       .allocator = "llfree-zones",
			       .backing = self->nodes.memory[0].backing,
			       .proof = "st_blocks of the nodes' memory files",
			       .note = self->note,
			       .quiet = true };
	kernel_look(self);
	if (self->bench[0] != '\0' && !hv_interrupted())
		bench_run(self, "local", 0);
	if (self->bench[0] != '\0' && !hv_interrupted())
		bench_run(self, "remote", self->nodes.n_nodes - 1);
	if (self->tests.gl_pathc > 0 && !hv_interrupted())
		tests_run(self);
}

/* What goes into the guest: of the build, else what is installed, unless it is named. */
static size_t programs_find(numa *self, const char **programs)
{
	char pattern[QVM_PATH_BYTES + 32];
	const char *bench = self->options->bench, *tests = self->options->tests;
	size_t n_programs = 0;
	if (bench != NULL)
		snprintf(self->bench, sizeof(self->bench), "%s", bench);
	else
		qvm_own_path(self->bench, sizeof(self->bench), QVM_BIN "/llfree-bench",
			     QVM_BUILD_DIR "/../bench/llfree-bench");
	if (access(self->bench, X_OK) != 0) {
		hv_result_skip(self->result, "llfree-bench", "it is not built; --bench PROGRAM names one");
		self->bench[0] = '\0';
	} else {
		programs[n_programs++] = self->bench;
	}
	snprintf(pattern, sizeof(pattern), "%s/test_*", tests != NULL ? tests : QVM_BUILD_DIR "/../tests/unit");
	bool found = glob(pattern, 0, NULL, &self->tests) == 0;
	if (tests == NULL)
		found = glob(QVM_BUILD_DIR "/../tests/zones/test_*", found ? GLOB_APPEND : 0, NULL, &self->tests) ==
				0 ||
			found;
	if (!found)
		hv_result_skip(self->result, "tests", "none are built; --tests FOLDER names a folder of test_*");
	for (size_t at = 0; at < self->tests.gl_pathc && n_programs < PROGRAMS_MAX; at++)
		programs[n_programs++] = self->tests.gl_pathv[at];
	return n_programs;
}

static void vm_run(const numa_options *options, hv_result *result)
{
	static numa self;
	const char *programs[PROGRAMS_MAX];
	qvm_overlay overlay = { 0 };
	self = (numa){ .options = options, .result = result, .nodes = { .n_nodes = (uint32_t)options->nodes } };
	size_t n_programs = programs_find(&self, programs);
	hv_err err = n_programs > 0 ? qvm_overlay_make(&overlay, programs, n_programs) : HV_OK;
	if (err != HV_OK) {
		hv_result_skip(result, "programs for the guest", overlay.why);
	} else if (n_programs > 0) {
		const qvm_rig_config config = { .name = "numa",
						.technique = qvm_technique_find("none"),
						.bare_memory = true,
						.overlay = overlay.folder,
						.prepare = nodes_prepare,
						.context = &self };
		hv_session_progress("numa: booting ");
		err = qvm_rig_start(&self.rig, &options->common, &config);
		if (err == HV_ERR_UNAVAILABLE)
			hv_result_skip(result, "numa", self.rig.why);
		else if (err != HV_OK && !hv_interrupted())
			hv_result_check(result, false, "start", self.rig.why);
		else if (err == HV_OK)
			guest_use(&self);
		hv_session_progress(NULL);
		qvm_rig_stop(&self.rig);
	}
	qvm_nodes_close(&self.nodes);
	qvm_overlay_remove(&overlay);
	globfree(&self.tests);
}

static void options_check(numa_options *options, struct argp_state *state)
{
	qvm_options_check(&options->common, state);
	if (options->common.image.image != NULL)
		argp_error(state, "--image can't be used here: programs are added to the image");
	if (options->common.cpus % options->nodes != 0)
		argp_error(state, "--cpus %" PRIu64 " can't be divided among %" PRIu64 " nodes", options->common.cpus,
			   options->nodes);
	if (options->common.memory_bytes / options->nodes < UINT64_C(256) << 20)
		argp_error(state, "--memory must be at least 256M a node");
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	numa_options *options = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->common;
		return 0;
	case KEY_NODES:
		options->nodes = hv_options_number(state, "nodes", text, 2, QVM_NODES_MAX);
		return 0;
	case KEY_BENCH:
		options->bench = text;
		return 0;
	case KEY_TESTS:
		options->tests = text;
		return 0;
	case ARGP_KEY_END:
		options_check(options, state);
		return 0;
	default:
		return hv_options_other(key, text, state);
	}
}

static int numa_run(int argc, char **argv)
{
	static const struct argp_option known[] = {
		{ "nodes", KEY_NODES, "N", 0, "NUMA nodes, 2 to 8 (default 2); memory and vCPUs are divided evenly",
		  0 },
		{ "bench", KEY_BENCH, "PROGRAM", 0, "llfree-bench (default: of this build, else the installed one)",
		  0 },
		{ "tests", KEY_TESTS, "FOLDER", 0,
		  "Test programs test_* to run (default: those of the library and of zones in this build)", 0 },
		{ 0 },
	};
	static const struct argp_child children[] = { { &qvm_options_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		.options = known,
		.parser = parse,
		.children = children,
		.doc = "A VM of several NUMA nodes, without any technique, whose guest runs llfree-bench's case numa "
		       "and "
		       "the tests of the library: where memory comes from is seen in the files of the nodes."
	};
	numa_options options = { .common = qvm_options_default(), .nodes = 2 };
	options.common.memory_bytes = UINT64_C(1) << 30;
	options.common.technique = "none";
	hv_result result;
	if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0)
		return HV_EXIT_USAGE;
	if (!qvm_session_open(&result, &options.common, "numa"))
		return HV_EXIT_USAGE;
	cJSON_AddNumberToObject(result.parameters, "nodes", (double)options.nodes);
	vm_run(&options, &result);
	return qvm_session_close(&result, &options.common, hv_interrupted());
}

const qvm_scenario qvm_scenario_numa = {
	.name = "numa",
	.summary = "a VM of several NUMA nodes that runs llfree-bench and the tests of the library",
	.run = numa_run,
};
