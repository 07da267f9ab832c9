/* SPDX-License-Identifier: MIT
 *
 * --isolation; see isolation_options.h. */
#include "cli/isolation_options.h"

#include <stdio.h>
#include <string.h>

enum { KEY_ISOLATION = 0x3000 };

static const struct argp_option option_table[] = {
	{ "isolation", KEY_ISOLATION, "NAME", 0,
	  "Guest and host are threads of one process (thread, default), or the guest has a process of its own "
	  "(process): "
	  "then its memory is a file, tmpfs-huge or else memfd unless --backing names one",
	  0 },
	{ 0 }
};

static error_t parse(int key, char *text, struct argp_state *state)
{
	hv_isolation_options *options = state->input;
	if (key != KEY_ISOLATION)
		return ARGP_ERR_UNKNOWN;
	if (strcmp(text, "thread") != 0 && strcmp(text, "process") != 0)
		argp_error(state, "unknown isolation '%s'; known: thread, process", text);
	options->isolation = strcmp(text, "process") == 0 ? HV_ISOLATION_PROCESS : HV_ISOLATION_THREAD;
	return 0;
}

const struct argp hv_isolation_argp = { .options = option_table, .parser = parse };

bool hv_isolation_allows(const hv_isolation_options *options, const hv_backing *backing)
{
	return options->isolation == HV_ISOLATION_THREAD || backing->shared;
}

static const char *backing_choose(void)
{
	char why[160];
	const hv_backing *huge = hv_backing_find("tmpfs-huge");
	return huge != NULL && hv_backing_available(huge, why, sizeof(why)) ? huge->name : "memfd";
}

void hv_isolation_check(hv_isolation_options *options, const struct argp_state *state)
{
	char allowed[128] = "all";
	if (options->isolation == HV_ISOLATION_THREAD)
		return;
	if (!options->common->backing_given) {
		options->common->backing = backing_choose();
		options->backing_chosen = true;
		return;
	}
	if (strcmp(options->common->backing, "all") == 0)
		return;
	for (const hv_backing *const *each = hv_backings; *each != NULL; each++) {
		size_t used = strlen(allowed);
		if ((*each)->shared)
			snprintf(allowed + used, sizeof(allowed) - used, ", %s", (*each)->name);
	}
	for (const hv_backing *const *each = hv_backings; *each != NULL; each++)
		if (!(*each)->shared && hv_options_wants(options->common->backing, (*each)->name))
			argp_error(state,
				   "--backing %s is private to one process, --isolation process shares a file; "
				   "allowed: %s",
				   (*each)->name, allowed);
}

const char *hv_isolation_text(hv_isolation isolation)
{
	return isolation == HV_ISOLATION_PROCESS ? "process" : "thread";
}

const char *hv_isolation_note(const hv_isolation_options *options)
{
	return options->backing_chosen ? "backing chosen for process isolation" : NULL;
}
