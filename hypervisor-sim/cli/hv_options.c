/* SPDX-License-Identifier: MIT
 *
 * The options that scenarios share; see hv_options.h. */
#define _GNU_SOURCE
#include "cli/hv_options.h"
#include "memory/base_page.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	KEY_MEMORY = 'm',
	KEY_TARGET = 'g',
	KEY_TECHNIQUE = 't',
	KEY_BACKING = 'b',
	KEY_ITERATIONS = 'n',
	KEY_VCPUS = 'c',
	KEY_JSON = 'j',
	KEY_BATCH = 0x100,
	KEY_ORDER,
	KEY_SEED,
	KEY_PERIOD,
	KEY_TIMEOUT,
	KEY_ALLOCATOR,
	KEY_REPORT_ORDER,
	KEY_REPORT_DELAY,
	KEY_REPORT_BATCH,
	KEY_BLOCK,
	KEY_SLOW,
	KEY_DEVICE,
	KEY_LIVE
};

static const struct argp_option option_table[] = {
	{ "technique", KEY_TECHNIQUE, "NAME", 0,
	  "Technique, several separated by commas, or all (default); see hvsim list", 0 },
	{ "backing", KEY_BACKING, "NAME", 0, "Backing of guest memory, several, or all (default anon-thp)", 0 },
	{ "memory", KEY_MEMORY, "SIZE", 0, "Memory of the VM, such as 2G (default 1G)", 0 },
	{ "target", KEY_TARGET, "SIZE", 0, "Shrink to this size (default: a quarter of the memory)", 0 },
	{ "iterations", KEY_ITERATIONS, "N", 0, "Samples per phase, the first apart (default 3)", 0 },
	{ "vcpus", KEY_VCPUS, "N", 0,
	  "vCPU threads that work while memory is resized (default: CPUs less one, at least 1)", 0 },
	{ "batch", KEY_BATCH, "N", 0, "Huge frames discarded together, 1 to 1024 (default 256)", 0 },
	{ "order", KEY_ORDER, "N", 0, "Order that the guest allocates its memory in, 0 to 9 (default 0)", 0 },
	{ "period", KEY_PERIOD, "MS", 0, "Period of automatic techniques, in milliseconds", 0 },
	{ "allocator", KEY_ALLOCATOR, "NAME", 0, "Guest allocator (default: the technique's own); see hvsim list", 0 },
	{ "report-order", KEY_REPORT_ORDER, "N", 0,
	  "base-auto: order of the smallest block reported, 0 to 10 (default 9)", 0 },
	{ "report-delay", KEY_REPORT_DELAY, "MS", 0,
	  "base-auto, huge-auto: from a free to the report, in milliseconds (default 2000; inflate: 20)", 0 },
	{ "report-batch", KEY_REPORT_BATCH, "N", 0, "base-auto, huge-auto: blocks per report, 1 to 64 (default 32)",
	  0 },
	{ "device", KEY_DEVICE, "NAME", 0, "Device of the VM: none (default) or dma, which pins all of its memory", 0 },
	{ "block", KEY_BLOCK, "SIZE", 0, "virtio-mem: plugged and unplugged at once, 2M or 4M (default 2M)", 0 },
	{ "slow-limit", KEY_SLOW, "SIZE", 0,
	  "Techniques that move less than 2 MiB at once move only this much (default 1G)", 0 },
	{ "install-timeout", KEY_TIMEOUT, "MS", 0, "How long a vCPU waits for the host (default 5000)", 0 },
	{ "seed", KEY_SEED, "N", 0, "Seed of all that is random (default 1)", 0 },
	{ "live", KEY_LIVE, NULL, 0,
	  "Show what the VMs do while they run, on one screen; lines on stderr where that is no terminal", 0 },
	{ "json", KEY_JSON, "FILE", 0, "Write the results here; the file must not exist", 0 },
	{ 0 }
};

hv_options hv_options_default(void)
{
	uint64_t cpus = llfree_machine_cpus();
	return (hv_options){ .technique = "all",
			     .backing = "anon-thp",
			     .memory_bytes = UINT64_C(1) << 30,
			     .iterations = 3,
			     .vcpus = cpus > 1 ? cpus - 1 : 1,
			     .batch_huge = 256,
			     .seed = 1,
			     .timeout_ms = 5000,
			     .block_bytes = HV_HUGE_BYTES,
			     .slow_bytes = UINT64_C(1) << 30,
			     .report_order = LLFREE_HUGE_ORDER,
			     .report_delay_ms = UINT64_MAX,
			     .report_batch = 32 };
}

uint64_t hv_options_number(const struct argp_state *state, const char *name, const char *text, uint64_t low,
			   uint64_t high)
{
	char *end;
	errno = 0;
	uint64_t value = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)text[0]) || *end != '\0' || errno != 0 || value < low || value > high)
		argp_error(state, "--%s is '%s'; allowed: %" PRIu64 " to %" PRIu64, name, text, low, high);
	return value;
}

static uint64_t bytes(const struct argp_state *state, const char *name, const char *text)
{
	uint64_t value = 0;
	if (!hv_parse_bytes(text, &value) || value == 0)
		argp_error(state, "--%s is '%s'; allowed: a size above zero such as 512M or 2G", name, text);
	if (value % HV_HUGE_BYTES != 0)
		argp_error(state, "--%s is '%s'; allowed: multiples of 2M", name, text);
	return value;
}

uint64_t hv_options_size(const struct argp_state *state, const char *name, const char *text)
{
	uint64_t value = 0;
	if (!hv_parse_bytes(text, &value))
		argp_error(state, "--%s is '%s'; allowed: a size such as 64M", name, text);
	return value;
}

/* Options that single techniques know. */
static error_t parse_tuning(int key, char *text, struct argp_state *state)
{
	hv_options *options = state->input;
	switch (key) {
	case KEY_REPORT_ORDER:
		options->report_order = hv_options_number(state, "report-order", text, 0, 10);
		return 0;
	case KEY_REPORT_DELAY:
		options->report_delay_ms = hv_options_number(state, "report-delay", text, 0, 3600000);
		return 0;
	case KEY_REPORT_BATCH:
		options->report_batch = hv_options_number(state, "report-batch", text, 1, HV_RING_SEGMENTS_MAX);
		return 0;
	case KEY_BLOCK:
		options->block_bytes = bytes(state, "block", text);
		if (options->block_bytes > 2 * (uint64_t)HV_HUGE_BYTES)
			argp_error(state, "--block is '%s'; allowed: 2M or 4M", text);
		return 0;
	case KEY_SLOW:
		options->slow_bytes = bytes(state, "slow-limit", text);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Sizes and counts. */
static error_t parse_number(int key, char *text, struct argp_state *state)
{
	hv_options *options = state->input;
	switch (key) {
	case KEY_MEMORY:
		options->memory_bytes = bytes(state, "memory", text);
		return 0;
	case KEY_TARGET:
		options->target_bytes = bytes(state, "target", text);
		return 0;
	case KEY_ITERATIONS:
		options->iterations = hv_options_number(state, "iterations", text, 1, 100000);
		return 0;
	case KEY_VCPUS:
		options->vcpus = hv_options_number(state, "vcpus", text, 1, HV_VM_VCPUS_MAX);
		return 0;
	case KEY_BATCH:
		options->batch_huge = hv_options_number(state, "batch", text, 1, HV_DISCARD_MAX);
		return 0;
	case KEY_ORDER:
		options->fill_order = hv_options_number(state, "order", text, 0, LLFREE_HUGE_ORDER);
		return 0;
	case KEY_PERIOD:
		options->period_ms = hv_options_number(state, "period", text, 1, 3600000);
		return 0;
	case KEY_TIMEOUT:
		options->timeout_ms = hv_options_number(state, "install-timeout", text, 1, 3600000);
		return 0;
	case KEY_SEED:
		options->seed = hv_options_number(state, "seed", text, 0, UINT32_MAX);
		return 0;
	default:
		return parse_tuning(key, text, state);
	}
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	hv_options *options = state->input;
	switch (key) {
	case KEY_ALLOCATOR:
		options->allocator = text;
		return 0;
	case KEY_TECHNIQUE:
		options->technique = text;
		return 0;
	case KEY_BACKING:
		options->backing = text;
		options->backing_given = true;
		return 0;
	case KEY_DEVICE:
		if (strcmp(text, "none") != 0 && strcmp(text, "dma") != 0)
			argp_error(state, "unknown device '%s'; known: none, dma", text);
		options->dma = strcmp(text, "dma") == 0;
		return 0;
	case KEY_LIVE:
		options->live = true;
		return 0;
	case KEY_JSON:
		options->json = text;
		return 0;
	default:
		return parse_number(key, text, state);
	}
}

const struct argp hv_options_argp = { .options = option_table, .parser = parse };

hv_tuning hv_options_tuning(const hv_options *options, uint64_t default_delay_ms)
{
	uint64_t delay_ms = options->report_delay_ms != UINT64_MAX ? options->report_delay_ms : default_delay_ms;
	return (hv_tuning){ .report_order = (unsigned)options->report_order,
			    .report_delay_ns = delay_ms * 1000000,
			    .report_batch = (uint32_t)options->report_batch,
			    .block_bytes = options->block_bytes };
}

const hv_guest_allocator *hv_options_allocator(const hv_options *options, const hv_technique *technique, char *why,
					       size_t why_bytes)
{
	if (technique->grain_bytes != 0 && technique->grain_bytes < hv_base_page_bytes()) {
		snprintf(why, why_bytes, "it takes %u KiB at a time, and base pages here have %u KiB",
			 (unsigned)(technique->grain_bytes >> 10), (unsigned)(hv_base_page_bytes() >> 10));
		return NULL;
	}
	const hv_guest_allocator *allocator =
		hv_guest_allocator_find(options->allocator != NULL ? options->allocator : technique->allocator);
	if (allocator == NULL || !technique->shared_state || allocator->shared_state)
		return allocator;
	snprintf(why, why_bytes, "it reads and writes the allocator's state, and that of %s is private to the guest",
		 allocator->name);
	return NULL;
}

uint64_t hv_options_target(const hv_options *options, const hv_technique *technique)
{
	uint64_t bytes = options->memory_bytes - options->target_bytes;
	if (technique->grain_bytes >= HV_HUGE_BYTES || bytes <= options->slow_bytes)
		return options->target_bytes;
	return options->memory_bytes - options->slow_bytes;
}

bool hv_options_wants(const char *list, const char *name)
{
	if (strcmp(list, "all") == 0)
		return true;
	size_t name_chars = strlen(name);
	for (const char *at = list; *at != '\0';) {
		size_t chars = strcspn(at, ",");
		if (chars == name_chars && strncmp(at, name, chars) == 0)
			return true;
		at += chars + (at[chars] == ',');
	}
	return false;
}

static const char *technique_name(size_t idx)
{
	return hv_techniques[idx] != NULL ? hv_techniques[idx]->name : NULL;
}

static const char *allocator_name(size_t idx)
{
	return hv_guest_allocators[idx] != NULL ? hv_guest_allocators[idx]->name : NULL;
}

static const char *backing_name(size_t idx)
{
	return hv_backings[idx] != NULL ? hv_backings[idx]->name : NULL;
}

void hv_options_names(const struct argp_state *state, const char *kind, const char *list,
		      const char *(*name_at)(size_t idx))
{
	char known[512] = "all";
	for (size_t idx = 0; name_at(idx) != NULL; idx++) {
		size_t used = strlen(known);
		snprintf(known + used, sizeof(known) - used, ", %s", name_at(idx));
	}
	for (const char *at = list;;) {
		size_t chars = strcspn(at, ",");
		bool found = chars == 3 && strncmp(at, "all", 3) == 0 && strcmp(list, "all") == 0;
		for (size_t idx = 0; !found && name_at(idx) != NULL; idx++)
			found = strlen(name_at(idx)) == chars && strncmp(at, name_at(idx), chars) == 0;
		if (!found)
			argp_error(state, "unknown %s '%.*s'; known: %s", kind, (int)chars, at, known);
		if (at[chars] == '\0')
			return;
		at += chars + 1;
	}
}

void hv_options_check(const hv_options *options, const struct argp_state *state)
{
	char asked[32], allowed[32];
	hv_options_names(state, "technique", options->technique, technique_name);
	hv_options_names(state, "backing", options->backing, backing_name);
	if (options->allocator != NULL && hv_guest_allocator_find(options->allocator) == NULL)
		hv_options_names(state, "allocator", strcmp(options->allocator, "all") != 0 ? options->allocator : "",
				 allocator_name);
	hv_format_bytes(options->memory_bytes, asked, sizeof(asked));
	uint64_t available_bytes = hv_meminfo_bytes("MemAvailable");
	if (available_bytes != 0 && options->memory_bytes > available_bytes)
		argp_error(state, "--memory %s is more than this machine has available; allowed: up to %s", asked,
			   hv_format_bytes(available_bytes, allowed, sizeof(allowed)));
	if (options->target_bytes >= options->memory_bytes)
		argp_error(state, "--target %s is not below --memory %s",
			   hv_format_bytes(options->target_bytes, allowed, sizeof(allowed)), asked);
}

error_t hv_options_other(int key, const char *text, const struct argp_state *state)
{
	if (key == ARGP_KEY_ARG)
		argp_error(state, "'%s' is not an option; see --help", text);
	return ARGP_ERR_UNKNOWN;
}
