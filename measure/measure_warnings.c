/* SPDX-License-Identifier: MIT
 *
 * What spoils figures, or changes what they mean; see measure.h. A load average alone may be what this user's own
 * earlier work has left behind: it counts when some CPU is still busy with it. */
#include "measure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct warning_list {
	measure_warning *warnings;
	size_t n_warnings;
} warning_list;

__attribute__((format(printf, 4, 5))) static void warn_if(warning_list *list, bool applies, const char *name,
							  const char *format, ...)
{
	measure_warning *warning = &list->warnings[list->n_warnings];
	va_list arguments;

	if (!applies)
		return;
	warning->name = name;
	va_start(arguments, format);
	vsnprintf(warning->detail, sizeof(warning->detail), format, arguments);
	va_end(arguments);
	list->n_warnings++;
}

static bool is_noisy(const measure_machine *machine)
{
	double half = machine->cores / 2.0;

	return machine->busy_cpus > half || (machine->load > half && machine->busy_cpus > machine->cores / 10.0);
}

static bool built_to_measure(void)
{
#if defined(__OPTIMIZE__) && !defined(LLF_DEBUG) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#if defined(__has_feature)
	return !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer);
#else
	return true;
#endif
#else
	return false;
#endif
}

size_t measure_warnings(const measure_machine *machine, bool asks_numa, measure_warning warnings[MEASURE_WARNINGS])
{
	warning_list list = { .warnings = warnings };
	bool emulated = strcmp(machine->virtual_by, "TCG") == 0;

	warn_if(&list, !built_to_measure(), "slow-build", "assertions, sanitizers or no optimisation");
	warn_if(&list, emulated, "emulated", "by %s: times mean nothing", machine->virtual_by);
	warn_if(&list, !emulated && strcmp(machine->virtual_by, "none") != 0, "virtualised", "under %s",
		machine->virtual_by);
	warn_if(&list, is_noisy(machine), "noisy-machine", "load %.1f, %.1f of %u CPUs busy at the start",
		machine->load, machine->busy_cpus, machine->cpus);
	bool thp_off = strcmp(machine->thp, "never") == 0 || strcmp(machine->thp, "absent") == 0 ||
		       strcmp(machine->thp, MEASURE_THP_DISABLED) == 0;
	warn_if(&list, thp_off, "thp-off", "transparent huge pages: %s", machine->thp);
	warn_if(&list, strcmp(machine->governor, "powersave") == 0, "powersave-governor",
		"the CPU frequency follows the load");
	warn_if(&list, strcmp(machine->turbo, "on") == 0, "turbo-on",
		"the CPU frequency depends on heat and neighbours");
	warn_if(&list, strcmp(machine->numa_balancing, "on") == 0 && machine->numa_nodes > 1, "numa-balancing",
		"the kernel moves pages between nodes while they are measured");
	warn_if(&list, asks_numa && machine->numa_nodes < 2, "no-numa", "one node: nothing is remote");
	return list.n_warnings;
}

const char *measure_warnings_line(const measure_warning *warnings, size_t n_warnings, char *text, size_t text_bytes)
{
	size_t used = 0;

	text[0] = '\0';
	for (size_t at = 0; at < n_warnings && used < text_bytes; at++)
		used += (size_t)snprintf(text + used, text_bytes - used, "%s%s (%s)", at > 0 ? ", " : "",
					 warnings[at].name, warnings[at].detail);
	if (used >= text_bytes && text_bytes > 4)
		memcpy(text + text_bytes - 4, "...", 4);
	return text;
}
