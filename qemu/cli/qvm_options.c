/* SPDX-License-Identifier: MIT
 *
 * The options that scenarios of real VMs share; see qvm_options.h. */
#define _GNU_SOURCE
#include "cli/qvm_options.h"
#include "cli/qvm_image_options.h"
#include "techniques/qvm_technique.h"

#include <stdio.h>
#include <string.h>

enum {
	KEY_MEMORY = 'm',
	KEY_TARGET = 'g',
	KEY_TECHNIQUE = 't',
	KEY_BACKING = 'b',
	KEY_ITERATIONS = 'n',
	KEY_CPUS = 'c',
	KEY_ACCEL = 'a',
	KEY_JSON = 'j',
	KEY_VERBOSE = 'v',
	KEY_QEMU = 0x200,
	KEY_IMAGE,
	KEY_APPEND,
	KEY_VFIO,
	KEY_SEED,
	KEY_BOOT_TIMEOUT
};

static const struct argp_option option_table[] = {
	{ "technique", KEY_TECHNIQUE, "NAME", 0,
	  "Technique, several separated by commas, or all (default); see llfree-qemu list", 0 },
	{ "memory", KEY_MEMORY, "SIZE", 0, "Memory of the VM that is resized, such as 2G", 0 },
	{ "target", KEY_TARGET, "SIZE", 0, "Shrink to this size (default: a quarter of the memory)", 0 },
	{ "backing", KEY_BACKING, "NAME", 0,
	  "Memory file of the VM: tmpfs-huge (2 MiB pages) or memfd (default: the first that is allowed)", 0 },
	{ "iterations", KEY_ITERATIONS, "N", 0, "Samples per phase", 0 },
	{ "cpus", KEY_CPUS, "N", 0, "vCPUs (default 2)", 0 },
	{ "accel", KEY_ACCEL, "NAME", 0, "auto (default), kvm or tcg", 0 },
	{ "qemu", KEY_QEMU, "PROGRAM", 0, "QEMU (default qemu-system-x86_64)", 0 },
	{ "image", KEY_IMAGE, "FOLDER", 0, "An image made by llfree-qemu image --output", 0 },
	{ "append", KEY_APPEND, "TEXT", 0, "More of the kernel's command line", 0 },
	{ "vfio", KEY_VFIO, "BDF", 0, "Pass this device through; it must be bound to vfio-pci (KVM only)", 0 },
	{ "boot-timeout", KEY_BOOT_TIMEOUT, "S", 0, "How long a guest may boot, in seconds (default 120)", 0 },
	{ "seed", KEY_SEED, "N", 0, "Seed of all that is random (default 1)", 0 },
	{ "verbose", KEY_VERBOSE, NULL, 0, "Show how the image is made", 0 },
	{ "json", KEY_JSON, "FILE", 0,
	  "Write the results here, and each guest's console beside it; the file must not exist", 0 },
	{ 0 }
};

qvm_options qvm_options_default(void)
{
	return (qvm_options){ .technique = "all",
			      .memory_bytes = UINT64_C(2) << 30,
			      .iterations = 3,
			      .cpus = 2,
			      .seed = 1,
			      .boot_timeout_ms = 120000 };
}

static uint64_t bytes(const struct argp_state *state, const char *name, const char *text)
{
	uint64_t value = hv_options_size(state, name, text);
	if (value == 0 || value % HV_HUGE_BYTES != 0)
		argp_error(state, "--%s is '%s'; allowed: multiples of 2M above zero", name, text);
	return value;
}

static qvm_accel accel(const struct argp_state *state, const char *text)
{
	if (strcmp(text, "auto") != 0 && strcmp(text, "kvm") != 0 && strcmp(text, "tcg") != 0)
		argp_error(state, "unknown accelerator '%s'; known: auto, kvm, tcg", text);
	return text[0] == 'a' ? QVM_ACCEL_AUTO : text[0] == 'k' ? QVM_ACCEL_KVM : QVM_ACCEL_TCG;
}

/* DDDD:BB:DD.F or BB:DD.F: it becomes part of an option of QEMU. */
static const char *bdf(const struct argp_state *state, const char *text)
{
	size_t chars = strlen(text);
	if (chars < 7 || chars > 12 || strspn(text, "0123456789abcdefABCDEF:.") != chars || strchr(text, '.') == NULL)
		argp_error(state, "--vfio is '%s'; allowed: a PCI address such as 0000:03:00.0", text);
	return text;
}

/* Where things are. */
static error_t parse_path(int key, char *text, struct argp_state *state)
{
	qvm_options *options = state->input;
	switch (key) {
	case KEY_QEMU:
		options->qemu = text;
		return 0;
	case KEY_IMAGE:
		options->image.image = text;
		return 0;
	case KEY_VERBOSE:
		options->image.verbose = true;
		return 0;
	case KEY_JSON:
		options->json = text;
		return 0;
	case KEY_APPEND:
		options->append = text;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_number(int key, char *text, struct argp_state *state)
{
	qvm_options *options = state->input;
	switch (key) {
	case KEY_MEMORY:
		options->memory_bytes = bytes(state, "memory", text);
		options->memory_given = true;
		return 0;
	case KEY_TARGET:
		options->target_bytes = bytes(state, "target", text);
		options->target_given = true;
		return 0;
	case KEY_ITERATIONS:
		options->iterations = hv_options_number(state, "iterations", text, 1, 100000);
		options->iterations_given = true;
		return 0;
	case KEY_CPUS:
		options->cpus = hv_options_number(state, "cpus", text, 1, 64);
		options->cpus_given = true;
		return 0;
	case KEY_SEED:
		options->seed = hv_options_number(state, "seed", text, 0, UINT32_MAX);
		return 0;
	case KEY_BOOT_TIMEOUT:
		options->boot_timeout_ms = 1000 * hv_options_number(state, "boot-timeout", text, 1, 3600);
		return 0;
	default:
		return parse_path(key, text, state);
	}
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	qvm_options *options = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->image;
		return 0;
	case KEY_TECHNIQUE:
		options->technique = text;
		return 0;
	case KEY_ACCEL:
		options->accel = accel(state, text);
		return 0;
	case KEY_VFIO:
		options->vfio = bdf(state, text);
		return 0;
	case KEY_BACKING:
		if (strcmp(text, "tmpfs-huge") != 0 && strcmp(text, "memfd") != 0)
			argp_error(state, "unknown backing '%s'; known: tmpfs-huge, memfd", text);
		options->backing = text;
		return 0;
	default:
		return parse_number(key, text, state);
	}
}

static const struct argp_child children[] = { { &qvm_image_options_argp, 0, NULL, 0 }, { 0 } };
const struct argp qvm_options_argp = { .options = option_table, .parser = parse, .children = children };

bool qvm_options_wants(const qvm_options *options, const char *technique)
{
	return hv_options_wants(options->technique, technique);
}

static const char *technique_name(size_t idx)
{
	return qvm_techniques[idx] != NULL ? qvm_techniques[idx]->technique->name : NULL;
}

void qvm_options_check(qvm_options *options, const struct argp_state *state)
{
	char asked[32], allowed[32], why[200];
	qvm_accel chosen;
	hv_options_names(state, "technique", options->technique, technique_name);
	if (options->target_bytes == 0)
		options->target_bytes = options->memory_bytes / 4 & ~(uint64_t)(HV_HUGE_BYTES - 1);
	hv_format_bytes(options->memory_bytes, asked, sizeof(asked));
	if (options->target_bytes >= options->memory_bytes)
		argp_error(state, "--target %s is not below --memory %s",
			   hv_format_bytes(options->target_bytes, allowed, sizeof(allowed)), asked);
	uint64_t available_bytes = hv_meminfo_bytes("MemAvailable");
	if (available_bytes != 0 && options->memory_bytes > available_bytes)
		argp_error(state, "--memory %s is more than this machine has available; allowed: up to %s", asked,
			   hv_format_bytes(available_bytes, allowed, sizeof(allowed)));
	if (options->image.image == NULL)
		qvm_image_options_check(&options->image, state);
	if (qvm_accel_choose(options->accel, &chosen, why, sizeof(why)) != HV_OK)
		argp_error(state, "--accel kvm: %s", why);
	if (chosen == QVM_ACCEL_TCG && options->cpus < 2)
		argp_error(state,
			   "--cpus is 1; under TCG atomics on shared memory need at least 2 (or use --accel kvm)");
	if (options->vfio != NULL && chosen != QVM_ACCEL_KVM)
		argp_error(state, "--vfio needs KVM%s%s", why[0] != '\0' ? ": " : "", why);
}
