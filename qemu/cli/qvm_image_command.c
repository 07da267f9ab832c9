/* SPDX-License-Identifier: MIT
 *
 * image: makes the guest's kernel and initramfs, or finds them in the cache. */
#define _GNU_SOURCE
#include "cli/hv_options.h"
#include "cli/qvm_commands.h"
#include "cli/qvm_image_options.h"

#include <stdio.h>

enum { KEY_OUTPUT = 'o', KEY_QUIET = 'q', KEY_OVERLAY = 0x200, KEY_DISK };

static const struct argp_option option_table[] = {
	{ "overlay", KEY_OVERLAY, "FOLDER", 0, "Add these files to the initramfs", 0 },
	{ "disk", KEY_DISK, NULL, 0, "Add the modules that mount a disk, as scenario footprint needs them", 0 },
	{ "output", KEY_OUTPUT, "FOLDER", 0, "Copy the image here; the folder must not exist", 0 },
	{ "quiet", KEY_QUIET, NULL, 0, "Say nothing while it is made", 0 },
	{ 0 }
};

typedef struct image_options {
	qvm_image_wish wish;
	const char *output;
} image_options;

static error_t parse(int key, char *text, struct argp_state *state)
{
	image_options *options = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->wish;
		return 0;
	case KEY_OVERLAY:
		options->wish.overlay = text;
		return 0;
	case KEY_DISK:
		options->wish.disk = true;
		return 0;
	case KEY_OUTPUT:
		options->output = text;
		return 0;
	case KEY_QUIET:
		options->wish.verbose = false;
		return 0;
	case ARGP_KEY_END:
		qvm_image_options_check(&options->wish, state);
		return 0;
	default:
		return hv_options_other(key, text, state);
	}
}

int qvm_image_command(int argc, char **argv)
{
	static const struct argp_child children[] = { { &qvm_image_options_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		.options = option_table,
		.parser = parse,
		.children = children,
		.doc = "Make the image of a guest: Debian's kernel, fetched with apt and never installed, the guest "
		       "driver "
		       "built against its headers, the guest program, an initramfs. Cached by content in "
		       "${XDG_CACHE_HOME:-~/.cache}/llfree-qemu; LLFREE_QEMU_CACHE names another folder."
	};
	image_options options = { .wish = { .verbose = true } };
	qvm_image image;
	if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0)
		return HV_EXIT_USAGE;
	if (qvm_image_get(&image, &options.wish) != HV_OK)
		return HV_EXIT_CHECK;
	if (options.output != NULL && qvm_image_copy(&image, options.output) != HV_OK)
		return HV_EXIT_CHECK;
	printf("folder   %s\nkernel   %s (%s)\ninitrd   %s\nguest    %s, %s\n",
	       options.output != NULL ? options.output : image.folder, image.kernel, image.release, image.initrd,
	       image.program ? "with llfree-guest" : "without llfree-guest",
	       image.driver ? "with llfree_guest.ko" : "without llfree_guest.ko");
	return 0;
}
