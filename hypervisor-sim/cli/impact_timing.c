/* SPDX-License-Identifier: MIT
 *
 * Options of windows; see impact_timing.h. */
#define _GNU_SOURCE
#include "cli/impact_timing.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

enum { KEY_DURATION = 'd', KEY_QUANTUM = 0x4000, KEY_BUFFER, KEY_BURST };
enum { DURATION_MAX_S = 3600 };

static const struct argp_option option_table[] = {
	{ "duration", KEY_DURATION, "SECONDS", 0,
	  "Length of each window, resized or left alone; longer where its resizes are (default 2.5)", 0 },
	{ "quantum", KEY_QUANTUM, "MS", 0, "Step of the series, and of what is counted, in milliseconds (default 10)",
	  0 },
	{ "buffer", KEY_BUFFER, "SIZE", 0,
	  "Memory that each vCPU works in (default: of stream 64M, of ftq 2M; less when the target is small)", 0 },
	{ "burst", KEY_BURST, "SIZE", 0,
	  "Automatic techniques: what the guest allocates, writes and frees in each period (default: an eighth of the "
	  "target)",
	  0 },
	{ 0 }
};

hv_impact_timing hv_impact_timing_default(void)
{
	return (hv_impact_timing){ .duration_s = 2.5, .quantum_ms = 10, .burst_bytes = UINT64_MAX };
}

void hv_impact_timing_check(hv_impact_timing *timing, const struct argp_state *state, uint64_t usual_bytes,
			    uint64_t part_bytes, uint64_t room_bytes, uint64_t n_vcpus, uint64_t target_bytes)
{
	char low[32], high[32];
	uint64_t max_bytes = room_bytes / n_vcpus / part_bytes * part_bytes;
	hv_format_bytes(part_bytes, low, sizeof(low));
	hv_format_bytes(max_bytes, high, sizeof(high));
	if (max_bytes == 0)
		argp_error(state, "--target is too small for the buffers of %" PRIu64 " vCPUs, %s each at least",
			   n_vcpus, low);
	if (timing->buffer_bytes == 0)
		timing->buffer_bytes = usual_bytes < max_bytes ? usual_bytes : max_bytes;
	if (timing->buffer_bytes > max_bytes || timing->buffer_bytes % part_bytes != 0)
		argp_error(state,
			   "--buffer does not fit; allowed for this --target and --vcpus: multiples of %s up to %s",
			   low, high);
	if (timing->burst_bytes == UINT64_MAX)
		timing->burst_bytes = target_bytes / 8 & ~(uint64_t)(HV_HUGE_BYTES - 1);
	if (timing->burst_bytes > target_bytes / 2)
		argp_error(state, "--burst is too large; allowed: up to half of the target");
	if ((double)timing->quantum_ms > timing->duration_s * 1000)
		argp_error(state, "--quantum is longer than --duration");
}

static void duration_parse(hv_impact_timing *timing, const char *text, const struct argp_state *state)
{
	char *end;
	errno = 0;
	timing->duration_s = strtod(text, &end);
	if (end == text || *end != '\0' || errno != 0 || !(timing->duration_s >= 0.1) ||
	    timing->duration_s > DURATION_MAX_S)
		argp_error(state, "--duration is '%s'; allowed: 0.1 to %d", text, DURATION_MAX_S);
}

static uint64_t size(const struct argp_state *state, const char *name, const char *text)
{
	uint64_t value = hv_options_size(state, name, text);
	if (value % HV_HUGE_BYTES != 0)
		argp_error(state, "--%s is '%s'; allowed: multiples of 2M", name, text);
	return value;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	hv_impact_timing *timing = state->input;
	uint64_t number = 0;
	switch (key) {
	case KEY_DURATION:
		duration_parse(timing, text, state);
		return 0;
	case KEY_QUANTUM:
		if (!hv_parse_bytes(text, &number) || number == 0 || number > 1000)
			argp_error(state, "--quantum is '%s'; allowed: 1 to 1000", text);
		timing->quantum_ms = number;
		return 0;
	case KEY_BUFFER:
		timing->buffer_bytes = size(state, "buffer", text);
		if (timing->buffer_bytes == 0)
			argp_error(state, "--buffer is '%s'; allowed: a size above zero", text);
		return 0;
	case KEY_BURST:
		timing->burst_bytes = size(state, "burst", text);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp hv_impact_timing_argp = { .options = option_table, .parser = parse };
