/* SPDX-License-Identifier: MIT
 *
 * The live view; see live.h. Two locks: one for the VMs that are shown, held while they are looked at; one for what
 * monitors and scenarios tell, held for moments only, so that nobody who works waits for a look. */
#define _GNU_SOURCE
#include "live/live.h"
#include "live/live_look.h"
#include "live/screen.h"

#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EVENTS_MAX = 16, SCREEN_MS = 200, LOG_MS = 1000 };
#define MERGE_NS UINT64_C(1000000000)

typedef struct told {
	hv_view_event shown;
	hv_command command; /**< NONE: a text */
	uint64_t last_ns, count, bytes, elapsed_ns;
	bool fresh; /**< a log has not printed it */
} told;

static struct {
	_Atomic bool on;
	bool screen, colours;
	const char *scenario;
	uint64_t begin_ns;
	pthread_t thread;
	pthread_mutex_t vms_lock; /**< protects the next two */
	hv_look vms[HV_LIVE_VMS_MAX];
	size_t n_vms;
	pthread_mutex_t told_lock; /**< protects all below; taken inside of the other */
	pthread_cond_t changed;
	bool quit;
	told events[EVENTS_MAX];
	size_t n_events;
	struct {
		const hv_monitor *monitor;
		unsigned number;
		uint64_t taken_bytes, given_bytes;
	} moves[HV_LIVE_VMS_MAX];
	char progress[200];
} live = { .vms_lock = PTHREAD_MUTEX_INITIALIZER, .told_lock = PTHREAD_MUTEX_INITIALIZER };

bool hv_live_on(void)
{
	return atomic_load_explicit(&live.on, memory_order_acquire);
}

static double seconds(uint64_t now_ns)
{
	return (double)(now_ns - live.begin_ns) / 1e9;
}

/* With the lock: a new last event; the oldest goes. */
static told *event_new(unsigned vm)
{
	if (live.n_events == EVENTS_MAX)
		memmove(&live.events[0], &live.events[1], --live.n_events * sizeof(live.events[0]));
	told *event = &live.events[live.n_events++];
	*event = (told){ .shown = { .vm = vm }, .last_ns = hv_now_ns(), .fresh = true };
	event->shown.at_s = seconds(event->last_ns);
	return event;
}

static void event_tell(unsigned vm, const char *text)
{
	told *event = event_new(vm);
	snprintf(event->shown.text, sizeof(event->shown.text), "%s", text);
}

/* With the lock: what the VM did just now and does again is one event. */
static told *move_event(unsigned vm, hv_command command)
{
	uint64_t now_ns = hv_now_ns();
	for (size_t at = live.n_events; at-- > 0;) {
		told *event = &live.events[at];
		if (event->shown.vm != vm)
			continue;
		if (event->command != command || now_ns - event->last_ns > MERGE_NS)
			break;
		event->last_ns = now_ns;
		event->fresh = event->fresh || command != HV_COMMAND_PASS; /* rates tell enough of passes */
		return event;
	}
	told *event = event_new(vm);
	event->command = command;
	return event;
}

static void move_text(told *event, uint64_t limit_bytes, hv_err err)
{
	char bytes[32], limit[32];
	char *text = event->shown.text;
	size_t text_bytes = sizeof(event->shown.text);
	hv_format_bytes(event->bytes, bytes, sizeof(bytes));
	hv_format_bytes(limit_bytes, limit, sizeof(limit));
	double ms = (double)event->elapsed_ns / 1e6;
	if (event->command == HV_COMMAND_PASS)
		snprintf(text, text_bytes, "%" PRIu64 " %s took %s in %.1f ms", event->count,
			 event->count == 1 ? "pass" : "passes", bytes, ms);
	else
		snprintf(text, text_bytes, "limit %s: %s %s in %.1f ms%s", limit,
			 event->command == HV_COMMAND_SHRINK ? "took" : "gave", bytes, ms,
			 err == HV_ERR_SHORT ? "; the guest has no more free" : "");
}

/* On the monitor's thread. */
static void moved(void *context, hv_command command, const hv_move *move, uint64_t limit_bytes)
{
	const hv_monitor *monitor = context;
	size_t at = 0;
	pthread_mutex_lock(&live.told_lock);
	while (at < HV_LIVE_VMS_MAX && live.moves[at].monitor != monitor)
		at++;
	if (at < HV_LIVE_VMS_MAX) {
		unsigned number = live.moves[at].number;
		*(command == HV_COMMAND_GROW ? &live.moves[at].given_bytes : &live.moves[at].taken_bytes) +=
			move->bytes;
		if (move->bytes > 0 || command != HV_COMMAND_PASS) {
			told *event = move_event(number, command);
			event->count++;
			event->bytes += move->bytes;
			event->elapsed_ns += move->elapsed_ns;
			move_text(event, limit_bytes, move->err);
		}
		if (move->err != HV_OK && move->err != HV_ERR_SHORT)
			event_tell(number, hv_err_text(move->err));
	}
	pthread_mutex_unlock(&live.told_lock);
}

void hv_live_event(const char *text)
{
	if (!hv_live_on())
		return;
	pthread_mutex_lock(&live.told_lock);
	event_tell(0, text);
	pthread_mutex_unlock(&live.told_lock);
}

void hv_live_progress(const char *text)
{
	pthread_mutex_lock(&live.told_lock);
	snprintf(live.progress, sizeof(live.progress), "%s", text != NULL ? text : "");
	pthread_mutex_unlock(&live.told_lock);
}

/* With the lock of the VMs. */
static void look(hv_look *vm)
{
	uint64_t taken_bytes = 0, given_bytes = 0;
	pthread_mutex_lock(&live.told_lock);
	for (size_t at = 0; at < HV_LIVE_VMS_MAX; at++) {
		if (live.moves[at].monitor != vm->monitor)
			continue;
		taken_bytes = live.moves[at].taken_bytes;
		given_bytes = live.moves[at].given_bytes;
	}
	pthread_mutex_unlock(&live.told_lock);
	hv_look_take(vm, taken_bytes, given_bytes);
}

/* Lines of what is new; with the lock of the VMs, so that lines keep their order. */
static void log_events(void)
{
	pthread_mutex_lock(&live.told_lock);
	for (size_t at = 0; at < live.n_events; at++) {
		told *event = &live.events[at];
		if (event->fresh && event->shown.vm != 0)
			fprintf(stderr, "live %.1f s: VM %u: %s\n", event->shown.at_s, event->shown.vm,
				event->shown.text);
		else if (event->fresh)
			fprintf(stderr, "live %.1f s: %s\n", event->shown.at_s, event->shown.text);
		event->fresh = false;
	}
	pthread_mutex_unlock(&live.told_lock);
}

static void log_vm(hv_look *vm)
{
	char line[400];
	look(vm);
	log_events();
	fprintf(stderr, "%s\n", hv_view_line(&vm->view, seconds(hv_now_ns()), line, sizeof(line)));
}

static void draw(void)
{
	hv_view_vm vms[HV_LIVE_VMS_MAX];
	hv_view_event events[EVENTS_MAX];
	char progress[200];
	for (size_t at = 0; at < live.n_vms; at++) {
		look(&live.vms[at]);
		vms[at] = live.vms[at].view;
	}
	pthread_mutex_lock(&live.told_lock);
	size_t n_events = live.n_events;
	for (size_t at = 0; at < n_events; at++)
		events[at] = live.events[at].shown;
	memcpy(progress, live.progress, sizeof(progress));
	pthread_mutex_unlock(&live.told_lock);
	hv_view view = {
		live.scenario, progress, seconds(hv_now_ns()), vms, live.n_vms, events, n_events, live.colours
	};
	unsigned columns, rows;
	hv_screen_size(&columns, &rows);
	char *frame = hv_view_screen(&view, columns, rows);
	if (frame != NULL && !hv_screen_draw(frame, strlen(frame)))
		hv_sleep_ns(UINT64_C(1000000) * SCREEN_MS); /* stopped, or over: no hurry */
	free(frame);
}

static void show(void)
{
	pthread_mutex_lock(&live.vms_lock);
	if (live.screen)
		draw();
	for (size_t at = 0; !live.screen && at < live.n_vms; at++)
		log_vm(&live.vms[at]);
	if (!live.screen)
		log_events();
	pthread_mutex_unlock(&live.vms_lock);
}

/* @return false: it is over */
static bool pause_ns(uint64_t ns)
{
	uint64_t until_ns = hv_now_ns() + ns;
	struct timespec until = { (time_t)(until_ns / 1000000000u), (long)(until_ns % 1000000000u) };
	pthread_mutex_lock(&live.told_lock);
	int err = 0;
	while (!live.quit && err == 0)
		err = pthread_cond_timedwait(&live.changed, &live.told_lock, &until);
	bool quit = live.quit;
	pthread_mutex_unlock(&live.told_lock);
	return !quit;
}

static void *live_thread(void *context)
{
	(void)context;
	do
		show();
	while (pause_ns(UINT64_C(1000000) * (live.screen ? SCREEN_MS : LOG_MS)));
	return NULL;
}

hv_err hv_live_open(const char *scenario)
{
	sigset_t all, before;
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&live.changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	live.scenario = scenario;
	live.begin_ns = hv_now_ns();
	live.quit = false;
	live.n_events = 0;
	live.colours = getenv("NO_COLOR") == NULL;
	live.screen = hv_screen_open();
	sigfillset(&all); /* signals are for the others: none of their handlers waits for this thread's own frame */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int err = pthread_create(&live.thread, NULL, live_thread, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	atomic_store_explicit(&live.on, err == 0, memory_order_release);
	if (err == 0)
		return HV_OK;
	hv_screen_close();
	return HV_ERR_SYSTEM;
}

void hv_live_close(void)
{
	if (!hv_live_on())
		return;
	pthread_mutex_lock(&live.told_lock);
	live.quit = true;
	pthread_cond_signal(&live.changed);
	pthread_mutex_unlock(&live.told_lock);
	pthread_join(live.thread, NULL);
	atomic_store_explicit(&live.on, false, memory_order_release);
	if (live.screen)
		hv_screen_close();
	else
		log_events();
	pthread_cond_destroy(&live.changed);
}

/* The lowest number that no VM has. */
static unsigned number_free(void)
{
	unsigned number = 1;
	for (size_t at = 0; at < live.n_vms; at++)
		number = live.vms[at].view.number >= number ? live.vms[at].view.number + 1 : number;
	return number;
}

void hv_live_vm_add(hv_monitor *monitor, const hv_residency *residency)
{
	hv_look vm;
	if (!hv_live_on())
		return;
	pthread_mutex_lock(&live.vms_lock);
	if (live.n_vms < HV_LIVE_VMS_MAX && hv_look_open(&vm, monitor, residency, number_free())) {
		live.vms[live.n_vms++] = vm;
		pthread_mutex_lock(&live.told_lock);
		for (size_t at = 0; at < HV_LIVE_VMS_MAX; at++) {
			if (live.moves[at].monitor != NULL)
				continue;
			live.moves[at].monitor = monitor;
			live.moves[at].number = vm.view.number;
			live.moves[at].taken_bytes = live.moves[at].given_bytes = 0;
			break;
		}
		pthread_mutex_unlock(&live.told_lock);
		hv_monitor_watch(monitor, moved, monitor);
	}
	pthread_mutex_unlock(&live.vms_lock);
}

void hv_live_vm_remove(hv_monitor *monitor)
{
	pthread_mutex_lock(&live.vms_lock);
	for (size_t at = 0; at < live.n_vms; at++) {
		if (live.vms[at].monitor != monitor)
			continue;
		hv_monitor_watch(monitor, NULL, NULL);
		if (!live.screen)
			log_vm(&live.vms[at]); /* also of VMs that lived for less than a second */
		hv_look_close(&live.vms[at]);
		live.vms[at] = live.vms[--live.n_vms];
		break;
	}
	pthread_mutex_lock(&live.told_lock);
	for (size_t at = 0; at < HV_LIVE_VMS_MAX; at++)
		if (live.moves[at].monitor == monitor)
			live.moves[at].monitor = NULL;
	pthread_mutex_unlock(&live.told_lock);
	pthread_mutex_unlock(&live.vms_lock);
}
