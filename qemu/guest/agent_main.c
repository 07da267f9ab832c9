/* SPDX-License-Identifier: MIT
 *
 * llfree-guest: the program that works inside a guest for llfree-qemu. It is static, so that an initramfs needs nothing
 * beside it, and runs outside of a VM as well. */
#include "agent_loop.h"
#include "bench_command.h"

#include <argp.h>
#include <stdlib.h>
#include <string.h>

#define USUAL_PORT "org.llfree.agent"

enum { KEY_PORT = 'p', KEY_FD = 'f', FD_MAX = 1 << 20, EXIT_USAGE = 2 };

typedef struct guest_options {
	const char *port;
	uint64_t fd;
	bool fd_given;
} guest_options;

static error_t option_parse(int key, char *value, struct argp_state *state)
{
	guest_options *options = state->input;
	switch (key) {
	case KEY_PORT:
		options->port = value;
		return 0;
	case KEY_FD:
		options->fd_given = true;
		if (!hv_parse_bytes(value, &options->fd) || options->fd > FD_MAX)
			argp_error(state, "--fd must be an open descriptor, not %s", value);
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num > 0 || strcmp(value, "agent") != 0)
			argp_error(state, "unknown command %s; there are: agent, bench", value);
		return 0;
	case ARGP_KEY_END:
		if (state->arg_num == 0)
			argp_error(state, "say what to do: agent or bench");
		if (options->port != NULL && options->fd_given)
			argp_error(state, "the agent serves either --port or --fd");
		if (options->port == NULL && !options->fd_given)
			options->port = USUAL_PORT;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int main(int argc, char **argv)
{
	static const struct argp_option known[] = {
		{ "port", KEY_PORT, "NAME", 0,
		  "Serve the virtio-serial port of this name (default " USUAL_PORT "), for ever, and own the machine",
		  0 },
		{ "fd", KEY_FD, "FD", 0, "Serve this descriptor until its other end is gone; leave the machine alone",
		  0 },
		{ 0 },
	};
	static const struct argp argp = {
		known,
		option_parse,
		"agent\nbench [OPTION...]",
		"Works in a guest. agent: for llfree-qemu, one JSON object a line each way; the options "
		"below are its. bench: allocation inside the guest's kernel, see bench --help.",
		NULL,
		NULL,
		NULL
	};
	static char bench_name[] = "llfree-guest bench";
	guest_options options = { 0 };
	argp_err_exit_status = EXIT_USAGE;
	if (argc > 1 && strcmp(argv[1], "bench") == 0) {
		argv[1] = bench_name;
		return bench_command(argc - 1, argv + 1);
	}
	if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0)
		return EXIT_USAGE;
	return agent_run(options.port, (int)options.fd);
}
