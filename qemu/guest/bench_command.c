/* SPDX-License-Identifier: MIT
 *
 * llfree-guest bench; see bench_command.h. One question to the driver at a time: it writes a line, and what it reads is
 * one JSON object. */
#define _GNU_SOURCE
#include "bench_command.h"
#include "protocol/qvm_kernel_plan.h"
#include "result/rates.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEY_JSON = 'j', KEY_DEVICE = 0x700, ANSWER_BYTES = 16384, ROUNDS_MAX = 32, EXIT_FAILED = 1, EXIT_USAGE = 2 };

typedef struct bench_options {
	qvm_kernel_plan plan;
	const char *device;
	bool json;
} bench_options;

static error_t parse(int key, char *text, struct argp_state *state)
{
	bench_options *options = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->plan;
		return 0;
	case KEY_JSON:
		options->json = true;
		return 0;
	case KEY_DEVICE:
		options->device = text;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s' is not an option; see --help", text);
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static bool fail(const char *what)
{
	int error = errno;
	const char *advice = error == ENOENT ? "; load the guest driver first: insmod llfree_guest.ko"
			     : error == EPERM || error == EACCES ? "; only root may use it"
			     : error == EINVAL ? "; the driver does not know a value: the kernel's log names it"
					       : "";
	fprintf(stderr, "llfree-guest bench: %s: %s%s\n", what, strerror(error), advice);
	return false;
}

/* One line there, one object back. @param answer  ANSWER_BYTES */
static bool ask(const bench_options *options, const qvm_kernel_point *point, char *answer)
{
	char line[QVM_KERNEL_LINE_BYTES];
	int fd = open(options->device, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return fail(options->device);
	qvm_kernel_line(&options->plan, point, line, sizeof(line));
	size_t line_bytes = strlen(line);
	ssize_t bytes = -1;
	if (write(fd, line, line_bytes) == (ssize_t)line_bytes)
		bytes = read(fd, answer, ANSWER_BYTES - 1);
	bool ok = bytes >= 0 || fail(line);
	answer[bytes > 0 ? bytes : 0] = '\0';
	close(fd);
	return ok;
}

static double median(const json_t *rounds)
{
	double values[ROUNDS_MAX];
	size_t n_values = 0;
	for (size_t at = 0; at < json_array_size(rounds) && n_values < ROUNDS_MAX; at++)
		values[n_values++] = json_number_value(json_array_get(rounds, at));
	return hv_quantile(values, n_values, 0.5);
}

/* @return whether all of it could be measured */
static bool show(const qvm_kernel_point *point, const json_t *answer)
{
	bool ok = true;
	char key[16], line[160];
	const json_t *results = json_object_get(answer, "results");
	for (const char *const *phase = qvm_kernel_phases; *phase != NULL; phase++) {
		double figures[2] = { 0, 0 }; /* LLFree, alloc_pages */
		snprintf(key, sizeof(key), "%s_ns", *phase);
		for (size_t at = 0; at < json_array_size(results); at++) {
			const json_t *each = json_array_get(results, at);
			const char *name = json_string_value(json_object_get(each, "allocator"));
			figures[name != NULL && strcmp(name, "llfree") != 0] = median(json_object_get(each, key));
		}
		if (figures[0] == 0 && figures[1] == 0)
			continue;
		qvm_kernel_table_line(point, *phase, figures[0], figures[1], line, sizeof(line));
		printf("%s\n", line);
	}
	for (size_t at = 0; at < json_array_size(results); at++) {
		const json_t *each = json_array_get(results, at);
		const char *name = json_string_value(json_object_get(each, "allocator"));
		json_int_t error = json_integer_value(json_object_get(each, "error"));
		json_int_t failed = json_integer_value(json_object_get(each, "failed"));
		ok = ok && error == 0 && failed == 0;
		if (error != 0)
			printf("  %s: %s\n", name, strerror((int)error));
		else if (failed != 0)
			printf("  %s: %lld operations failed\n", name, (long long)failed);
		if (json_is_true(json_object_get(each, "zeroes")))
			printf("  %s clears every page; boot with init_on_alloc=0 to compare allocators\n", name);
	}
	return ok;
}

/* @param whole  set to false when an allocator could not do all of it  @return false: the driver gave no answer */
static bool point_run(const bench_options *options, const qvm_kernel_point *point, bool *whole)
{
	char *text = malloc(ANSWER_BYTES);
	bool ok = text != NULL && ask(options, point, text);
	json_t *answer = ok ? json_loads(text, 0, NULL) : NULL;
	if (ok && answer == NULL) {
		errno = EPROTO;
		ok = fail(options->device);
	} else if (ok && options->json) {
		fputs(text, stdout);
	} else if (ok) {
		*whole = show(point, answer) && *whole;
	}
	fflush(stdout);
	json_decref(answer);
	free(text);
	return ok;
}

int bench_command(int argc, char **argv)
{
	static const struct argp_option known[] = {
		{ "json", KEY_JSON, NULL, 0, "Print what the driver answers, a JSON object a line", 0 },
		{ "device", KEY_DEVICE, "FILE", 0, "The driver's file (default /dev/llfree-bench)", 0 },
		{ 0 },
	};
	static const struct argp_child children[] = { { &qvm_kernel_plan_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		.options = known,
		.parser = parse,
		.children = children,
		.doc = "Allocation inside this guest's kernel: LLFree beside alloc_pages, in kernel threads. Needs the "
		       "guest "
		       "driver (llfree_guest.ko) and root; no monitor. Ends with 1 when something failed.",
	};
	bench_options options = { .plan = qvm_kernel_plan_default(), .device = "/dev/llfree-bench" };
	qvm_kernel_point point;
	char head[160];
	bool ok = true, whole = true;
	if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0)
		return EXIT_USAGE;
	qvm_kernel_table_head(head, sizeof(head));
	if (!options.json)
		printf("%s\n", head);
	fflush(stdout);
	for (size_t at = 0; ok && qvm_kernel_plan_next(&options.plan, &at, &point);)
		ok = point_run(&options, &point, &whole);
	return ok && whole ? 0 : EXIT_FAILED;
}
