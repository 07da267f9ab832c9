/* SPDX-License-Identifier: MIT
 *
 * The numbers of a policy; see policy_source.h. */
#define _GNU_SOURCE
#include "host/policy_source.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A shell that writes a file empties it first: that is not yet a mistake. */
#define BAD_TOLD_AFTER_NS UINT64_C(200000000)

void hv_policy_source_open(hv_policy_source *self, const hv_host *host, bool shared_state, const hv_policy_setup *setup)
{
	*self = (hv_policy_source){ .host = host, .shared_state = shared_state, .target_bytes = HV_POLICY_UNKNOWN };
	self->residency.pagemap_fd = -1;
	if (setup != NULL)
		self->setup = *setup;
}

void hv_policy_source_close(hv_policy_source *self)
{
	if (self->residency_open)
		hv_residency_close(&self->residency);
	self->residency_open = false;
}

bool hv_psi_read(const char *path, hv_psi *psi, char *why, size_t why_bytes)
{
	char line[200];
	FILE *file = fopen(path, "re");
	if (file == NULL) {
		snprintf(why, why_bytes, "%s: %s", path, strerror(errno));
		return false;
	}
	unsigned seen = 0;
	errno = 0;
	while (fgets(line, sizeof(line), file) != NULL) {
		double avg10, avg60, avg300;
		uint64_t total;
		char kind[8];
		if (sscanf(line, "%7s avg10=%lf avg60=%lf avg300=%lf total=%" SCNu64, kind, &avg10, &avg60, &avg300,
			   &total) != 5)
			continue;
		bool some = strcmp(kind, "some") == 0;
		if (!some && strcmp(kind, "full") != 0)
			continue;
		*(some ? &psi->some_avg10 : &psi->full_avg10) = avg10;
		*(some ? &psi->some_us : &psi->full_us) = total;
		seen |= some ? 1u : 2u;
	}
	int error = ferror(file) ? errno : 0;
	fclose(file);
	if (seen != 3)
		snprintf(why, why_bytes, "%s: %s", path,
			 error != 0 ? strerror(error) : "not pressure stall information (lines some and full)");
	return seen == 3;
}

bool hv_target_read(const char *path, uint64_t *bytes, char *why, size_t why_bytes)
{
	char line[64];
	errno = 0;
	if (!hv_read_line(path, line, sizeof(line))) {
		snprintf(why, why_bytes, "%s: %s", path, errno != 0 ? strerror(errno) : "it is empty");
		return false;
	}
	line[strcspn(line, " \t\r")] = '\0';
	if (strcmp(line, "max") == 0) {
		*bytes = HV_POLICY_UNKNOWN - 1;
		return true;
	}
	uint64_t figure = 0;
	if (!hv_parse_bytes(line, &figure) || figure == 0) {
		snprintf(why, why_bytes, "%s: '%s' is no figure; allowed: a size above zero such as 512M, or max", path,
			 line);
		return false;
	}
	*bytes = figure;
	return true;
}

static void target_look(hv_policy_source *self, uint64_t now_ns)
{
	char why[300], text[400];
	if (self->setup.target_path == NULL)
		return;
	if (hv_target_read(self->setup.target_path, &self->target_bytes, why, sizeof(why))) {
		self->bad_since_ns = 0;
		self->bad_told = false;
		return;
	}
	if (self->bad_since_ns == 0)
		self->bad_since_ns = now_ns;
	if (self->bad_told || now_ns - self->bad_since_ns < BAD_TOLD_AFTER_NS)
		return;
	self->bad_told = true;
	bool none = self->target_bytes == HV_POLICY_UNKNOWN;
	snprintf(text, sizeof(text), "target %s; %s", why,
		 none ? "nothing is done until there is one" : "the last good figure stays");
	if (self->setup.report != NULL)
		self->setup.report(self->setup.report_context, text);
}

/* The cheapest exact means: a file system counts blocks; a page table has to be walked. */
static uint64_t resident_bytes(hv_policy_source *self)
{
	uint64_t bytes;
	const hv_memory *memory = &self->host->memory;
	if (!self->residency_open)
		self->residency_open = hv_residency_open(&self->residency, memory, false) == HV_OK;
	bool known = self->residency_open && hv_residency_bytes(&self->residency, memory, &bytes) == HV_OK;
	return known ? bytes : HV_POLICY_UNKNOWN;
}

static uint64_t free_huge(const hv_host *host)
{
	enum { FIND_HUGE = 256 };
	uint64_t found[FIND_HUGE], cursor = 0, count = 0;
	while (cursor < host->frames.huge_count)
		count += llfree_find_free_huge(&host->view, true, false, &cursor, found, FIND_HUGE);
	return count;
}

static void pressure_look(const hv_policy_source *self, hv_policy_input *input)
{
	hv_psi psi;
	char why[200];
	const char *path = self->setup.pressure_path != NULL ? self->setup.pressure_path : HV_PSI_HOST;
	if (!hv_psi_read(path, &psi, why, sizeof(why)))
		return;
	input->some_avg10 = psi.some_avg10;
	input->full_avg10 = psi.full_avg10;
	input->some_us = psi.some_us;
	input->full_us = psi.full_us;
}

void hv_policy_source_look(hv_policy_source *self, uint32_t needs, hv_policy_input *input)
{
	const hv_policy_setup *setup = &self->setup;
	input->resident_bytes = input->free_huge = input->used_bytes = input->wanted_bytes = HV_POLICY_UNKNOWN;
	input->some_us = input->full_us = input->host_available_bytes = HV_POLICY_UNKNOWN;
	input->some_avg10 = input->full_avg10 = 0;
	input->low_bytes = setup->has_marks ? setup->low_bytes : HV_POLICY_UNKNOWN;
	input->high_bytes = setup->has_marks ? setup->high_bytes : HV_POLICY_UNKNOWN;
	input->slack_bytes = setup->slack_bytes;
	input->threshold_percent = setup->threshold_percent;
	input->memory_bytes = self->host->memory.huge_count << HV_HUGE_SHIFT;
	if ((needs & HV_POLICY_NEEDS_RESIDENT) != 0)
		input->resident_bytes = resident_bytes(self);
	if ((needs & HV_POLICY_NEEDS_USED) != 0 && self->guest != NULL)
		self->guest(self->guest_context, &input->used_bytes, &input->wanted_bytes);
	if ((needs & HV_POLICY_NEEDS_FREE) != 0 && self->shared_state)
		input->free_huge = free_huge(self->host);
	if ((needs & HV_POLICY_NEEDS_PRESSURE) != 0)
		pressure_look(self, input);
	if ((needs & HV_POLICY_NEEDS_HOST) != 0)
		input->host_available_bytes = hv_meminfo_bytes("MemAvailable");
	input->now_ns = hv_now_ns();
	if ((needs & HV_POLICY_NEEDS_TARGET) != 0)
		target_look(self, input->now_ns);
	input->target_bytes = self->target_bytes;
}
