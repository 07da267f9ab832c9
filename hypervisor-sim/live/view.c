/* SPDX-License-Identifier: MIT
 *
 * Drawing; see view.h. Each line is cut at the width of the screen and followed by a sequence that clears its rest, so
 * that nothing of the last frame stays. Every row of the screen is written, the last one without a line feed. */
#define _GNU_SOURCE
#include "live/view.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_CHARS = 1000, EVENTS_SHOWN = 5, HEAD_ROWS = 2, VM_TEXT_ROWS = 2 };

static const struct {
	char letter;
	const char *name, *colour;
} states[HV_VIEW_STATES] = {
	[HV_VIEW_USED] = { '#', "in use", "\033[32m" },
	[HV_VIEW_RESERVED] = { '=', "reserved", "\033[36m" },
	[HV_VIEW_FREE] = { '.', "free", "" },
	[HV_VIEW_SOFT] = { 's', "evicted soft", "\033[33m" },
	[HV_VIEW_HARD] = { 'H', "evicted hard", "\033[31m" },
};

typedef struct canvas {
	FILE *file;
	unsigned columns, rows, row;
	uint64_t cell_bytes; /**< the largest of all maps, rounded up to huge frames */
	bool colours;
} canvas;

char hv_view_letter(hv_view_state state)
{
	return states[state].letter;
}

void hv_view_count(const hv_view_vm *vm, uint64_t counts[HV_VIEW_STATES])
{
	memset(counts, 0, HV_VIEW_STATES * sizeof(*counts));
	for (uint64_t idx = 0; idx < vm->huge_count; idx++)
		counts[vm->states[idx]]++;
}

void hv_view_map(const hv_view_vm *vm, char *cells, size_t n_cells)
{
	for (size_t cell = 0; cell < n_cells; cell++) {
		uint64_t begin = cell * vm->huge_count / n_cells, end = (cell + 1) * vm->huge_count / n_cells;
		uint64_t counts[HV_VIEW_STATES] = { 0 };
		unsigned most = 0;
		for (uint64_t idx = begin; idx < end; idx++)
			counts[vm->states[idx]]++;
		for (unsigned state = 1; state < HV_VIEW_STATES; state++)
			if (counts[state] > counts[most])
				most = state;
		cells[cell] = states[most].letter;
	}
}

static void HV_PRINTF(2, 3) row_add(canvas *self, const char *format, ...)
{
	char text[LINE_CHARS];
	va_list arguments;
	if (self->row >= self->rows)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	fprintf(self->file, "%s%.*s\033[K", self->row > 0 ? "\r\n" : "", (int)self->columns, text);
	self->row++;
}

static unsigned state_of(char letter)
{
	unsigned state = 0;
	while (state + 1 < HV_VIEW_STATES && states[state].letter != letter)
		state++;
	return state;
}

static void cells_add(canvas *self, const char *cells, size_t n_cells)
{
	if (self->row >= self->rows)
		return;
	fprintf(self->file, "%s", self->row > 0 ? "\r\n" : "");
	unsigned last = HV_VIEW_STATES;
	for (size_t at = 0; at < n_cells; at++) {
		unsigned state = state_of(cells[at]);
		if (self->colours && state != last)
			fprintf(self->file, "\033[0m%s", states[state].colour);
		fputc(cells[at], self->file);
		last = state;
	}
	fprintf(self->file, "%s\033[K", self->colours ? "\033[0m" : "");
	self->row++;
}

static void legend_add(canvas *self)
{
	char text[LINE_CHARS] = "";
	size_t used = 0;
	for (unsigned state = 0; state < HV_VIEW_STATES; state++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%c %s", state > 0 ? "  " : "",
					 states[state].letter, states[state].name);
	char cell[32];
	row_add(self, "%s   a cell: %s", text, hv_format_bytes(self->cell_bytes, cell, sizeof(cell)));
}

static const char *rate(double bytes_per_s, char *text, size_t text_bytes)
{
	char bytes[32];
	hv_format_bytes((uint64_t)bytes_per_s, bytes, sizeof(bytes));
	snprintf(text, text_bytes, "%s/s", bytes);
	return text;
}

static const char *give_rate(const hv_view_vm *vm, char *text, size_t text_bytes)
{
	return vm->gives ? rate(vm->give_rate, text, text_bytes) : "at touch";
}

static void title_add(canvas *self, const hv_view_vm *vm)
{
	char resident[32], limit[32], memory[32];
	bool limited = vm->limit_bytes < vm->huge_count << HV_HUGE_SHIFT;
	hv_format_bytes(vm->limit_bytes, limit, sizeof(limit));
	row_add(self, "VM %u %s: resident %s of %s%s%s%s%s", vm->number, vm->technique,
		hv_format_bytes(vm->resident_bytes, resident, sizeof(resident)),
		hv_format_bytes(vm->huge_count << HV_HUGE_SHIFT, memory, sizeof(memory)), limited ? ", limit " : "",
		limited ? limit : "", vm->fault != NULL ? "; STOPPED: " : "", vm->fault != NULL ? vm->fault : "");
}

static void counts_add(canvas *self, const hv_view_vm *vm)
{
	uint64_t counts[HV_VIEW_STATES];
	hv_view_count(vm, counts);
	row_add(self,
		"  MiB: in use %" PRIu64 ", reserved %" PRIu64 ", free %" PRIu64 ", soft %" PRIu64 ", hard %" PRIu64,
		counts[HV_VIEW_USED] * 2, counts[HV_VIEW_RESERVED] * 2, counts[HV_VIEW_FREE] * 2,
		counts[HV_VIEW_SOFT] * 2, counts[HV_VIEW_HARD] * 2);
}

/* Rates, and resident memory against the limit over the memory of the VM. */
static void rates_add(canvas *self, const hv_view_vm *vm)
{
	char title[120], reclaim[40], give[40], bar[LINE_CHARS] = "";
	size_t used =
		(size_t)snprintf(title, sizeof(title), "  reclaim %s, give %s  ",
				 rate(vm->reclaim_rate, reclaim, sizeof(reclaim)), give_rate(vm, give, sizeof(give)));
	size_t columns = self->columns < LINE_CHARS ? self->columns : LINE_CHARS - 1;
	size_t width = columns > used + 12 ? columns - used - 2 : 0;
	double memory = (double)(vm->huge_count << HV_HUGE_SHIFT);
	size_t resident = (size_t)((double)width * (double)vm->resident_bytes / memory + 0.5);
	size_t limit = (size_t)((double)width * (double)vm->limit_bytes / memory + 0.5);
	for (size_t at = 0; at < width; at++)
		bar[at] = at + 1 == limit ? '|' : at < resident ? '=' : at < limit ? ' ' : 'x';
	bar[width] = '\0';
	row_add(self, "%s%s%s%s", title, width > 0 ? "[" : "", bar, width > 0 ? "]" : "");
}

/* A VM in the rows that it may take: numbers, a bar if there is room, then the map in what is left. */
static void vm_add(canvas *self, const hv_view_vm *vm, unsigned rows)
{
	unsigned before = self->row;
	title_add(self, vm);
	if (rows > 1)
		rates_add(self, vm);
	if (rows > VM_TEXT_ROWS + 1)
		counts_add(self, vm);
	unsigned text_rows = self->row - before;
	if (rows <= text_rows)
		return;
	uint64_t room = (uint64_t)(rows - text_rows) * self->columns;
	size_t n_cells = (size_t)(vm->huge_count < room ? vm->huge_count : room);
	char *cells = malloc(n_cells + 1);
	if (cells == NULL || n_cells == 0) {
		free(cells);
		return;
	}
	uint64_t cell_huge = (vm->huge_count + n_cells - 1) / n_cells;
	self->cell_bytes =
		cell_huge << HV_HUGE_SHIFT > self->cell_bytes ? cell_huge << HV_HUGE_SHIFT : self->cell_bytes;
	hv_view_map(vm, cells, n_cells);
	for (size_t at = 0; at < n_cells; at += self->columns)
		cells_add(self, cells + at, n_cells - at < self->columns ? n_cells - at : self->columns);
	free(cells);
}

static void vms_add(canvas *self, const hv_view *view, unsigned rows)
{
	size_t n_shown = view->n_vms, fit = rows / VM_TEXT_ROWS;
	if (n_shown > fit)
		n_shown = rows > 0 ? (rows - 1) / VM_TEXT_ROWS : 0;
	unsigned left = n_shown < view->n_vms && rows > 0 ? rows - 1 : rows;
	for (size_t at = 0; at < n_shown; at++) {
		unsigned share = left / (unsigned)(n_shown - at), before = self->row;
		vm_add(self, &view->vms[at], share);
		left -= self->row - before;
	}
	if (n_shown < view->n_vms)
		row_add(self, "and %zu more VMs, for which the screen is too small", view->n_vms - n_shown);
}

static void events_add(canvas *self, const hv_view *view, size_t n_shown)
{
	for (size_t at = view->n_events - n_shown; at < view->n_events; at++) {
		const hv_view_event *event = &view->events[at];
		char vm[32] = "";
		if (event->vm != 0)
			snprintf(vm, sizeof(vm), "VM %u: ", event->vm);
		row_add(self, "%7.1f s  %s%s", event->at_s, vm, event->text);
	}
}

char *hv_view_screen(const hv_view *view, unsigned columns, unsigned rows)
{
	char *text = NULL;
	size_t text_bytes = 0;
	canvas self = { open_memstream(&text, &text_bytes), columns, rows, 0, HV_HUGE_BYTES, view->colours };
	if (self.file == NULL)
		return NULL;
	size_t n_events = view->n_events < EVENTS_SHOWN ? view->n_events : EVENTS_SHOWN;
	/* the VMs come first: on a small screen events and legend go */
	while (n_events > 0 && HEAD_ROWS + n_events + 3 * view->n_vms > rows)
		n_events--;
	unsigned below = HEAD_ROWS + (unsigned)n_events;
	fprintf(self.file, "\033[H\033[0m");
	row_add(&self, "hvsim %s  %.1f s  %s", view->scenario, view->now_s, view->progress);
	vms_add(&self, view, rows > below ? rows - below : 0);
	while (self.row + n_events + 1 < rows)
		row_add(&self, "%s", "");
	legend_add(&self);
	events_add(&self, view, n_events);
	if (fclose(self.file) == 0)
		return text;
	free(text);
	return NULL;
}

const char *hv_view_line(const hv_view_vm *vm, double now_s, char *text, size_t text_bytes)
{
	char resident[32], limit[32], reclaim[40], give[40];
	uint64_t counts[HV_VIEW_STATES];
	hv_view_count(vm, counts);
	snprintf(text, text_bytes,
		 "live %.1f s: VM %u %s: resident %s, limit %s; MiB in use %" PRIu64 ", reserved %" PRIu64
		 ", free %" PRIu64 ", soft %" PRIu64 ", hard %" PRIu64 "; reclaim %s, give %s%s%s",
		 now_s, vm->number, vm->technique, hv_format_bytes(vm->resident_bytes, resident, sizeof(resident)),
		 hv_format_bytes(vm->limit_bytes, limit, sizeof(limit)), counts[HV_VIEW_USED] * 2,
		 counts[HV_VIEW_RESERVED] * 2, counts[HV_VIEW_FREE] * 2, counts[HV_VIEW_SOFT] * 2,
		 counts[HV_VIEW_HARD] * 2, rate(vm->reclaim_rate, reclaim, sizeof(reclaim)),
		 give_rate(vm, give, sizeof(give)), vm->fault != NULL ? "; STOPPED: " : "",
		 vm->fault != NULL ? vm->fault : "");
	return text;
}
