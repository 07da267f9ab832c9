/* SPDX-License-Identifier: MIT
 *
 * Which kernel a guest boots; see qvm_image_options.h. */
#define _GNU_SOURCE
#include "cli/qvm_image_options.h"

enum { KEY_KERNEL = 0x300, KEY_MODULES, KEY_HEADERS };

static const struct argp_option option_table[] = {
	{ "kernel", KEY_KERNEL, "FILE", 0, "Kernel of the guest, instead of Debian's; needs --modules", 0 },
	{ "modules", KEY_MODULES, "FOLDER", 0, "lib/modules/RELEASE of that kernel", 0 },
	{ "headers", KEY_HEADERS, "FOLDER", 0, "Its headers, to build the guest driver against", 0 },
	{ 0 }
};

static error_t parse(int key, char *text, struct argp_state *state)
{
	qvm_image_wish *wish = state->input;
	switch (key) {
	case KEY_KERNEL:
		wish->kernel = text;
		return 0;
	case KEY_MODULES:
		wish->modules = text;
		return 0;
	case KEY_HEADERS:
		wish->headers = text;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp qvm_image_options_argp = { .options = option_table, .parser = parse };

void qvm_image_options_check(const qvm_image_wish *wish, const struct argp_state *state)
{
	if ((wish->kernel == NULL) != (wish->modules == NULL))
		argp_error(state, "--kernel and --modules belong together");
}
