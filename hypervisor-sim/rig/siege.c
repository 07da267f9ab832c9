/* SPDX-License-Identifier: MIT
 *
 * A siege; see siege.h. Whoever waits here for the host waits without an end: that is what the parent's watchdog is
 * for. */
#include "rig/siege.h"

#include <inttypes.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { MEMORY_HUGE = 32, ALICE_EVERY = 32, WRITES_MAX = 8, MOVES = 3, ALICE_GIVES_HUGE = 4 };
/* Alice frees nothing while she works: no pass of reports begins, and none is waited for long. */
#define ALICE_BEGIN_NS UINT64_C(20000000)

typedef struct siege {
	const hv_siege_config *config;
	hv_siege_board *board;
	hv_rig alice, mallory;
	hv_attacker attacker;
	const hv_attack_kind *kind;
	uint64_t random; /**< of the input */
	bool late;
	uint64_t begin_ns; /**< of the step */
	_Atomic bool racing;
	pthread_t racer;
} siege;

const char *hv_siege_step_text(hv_siege_step step)
{
	static const char *const texts[] = { "boot of the VM",
					     "attack",
					     "resize of the hostile VM",
					     "answer of the channel service",
					     "answer of the install service",
					     "end of all transitions of huge frames",
					     "end of the VM",
					     "resize of the honest VM" };
	return step < HV_SIEGE_STEPS ? texts[step] : "unknown step";
}

static void step(siege *self, hv_siege_step now)
{
	uint64_t now_ns = hv_now_ns();
	uint64_t before = atomic_load(&self->board->step);
	bool host = before != HV_SIEGE_BOOT && before != HV_SIEGE_ATTACK;
	if (host && now_ns - self->begin_ns > self->board->longest_ns)
		self->board->longest_ns = now_ns - self->begin_ns;
	self->begin_ns = now_ns;
	atomic_store(&self->board->step, now);
	atomic_fetch_add(&self->board->heartbeat, 1);
}

static void failed(siege *self, const char *what, const char *detail)
{
	hv_siege_board *board = self->board;
	if (board->failures++ == 0) {
		board->failure_input = atomic_load(&board->input);
		snprintf(board->failure, sizeof(board->failure), "%s: %s", what, detail);
	}
}

static bool rig_open(siege *self, hv_rig *rig, const char *name, uint32_t n_vcpus, uint64_t seed)
{
	const char *failed_step;
	hv_rig_config config = { .vm = { .name = name,
					 .memory_bytes = MEMORY_HUGE * (uint64_t)HV_HUGE_BYTES,
					 .backing = self->config->backing,
					 .allocator = hv_guest_allocator_find(self->config->technique->allocator),
					 .n_vcpus = n_vcpus,
					 .fill_order = 3,
					 .install_timeout_ns = UINT64_C(10000000000),
					 .seed = seed },
				 .technique = self->config->technique,
				 .discard = HV_DISCARD_VECTORED,
				 .batch_huge = 8,
				 .one_mapping = self->config->one_mapping };
	config.vm.tuning =
		(hv_tuning){ .report_order = LLFREE_HUGE_ORDER, .report_delay_ns = 1000000, .report_batch = 8 };
	hv_err err = hv_rig_create(rig, &config, &failed_step);
	if (err != HV_OK)
		failed(self, failed_step, hv_err_text(err));
	return err == HV_OK;
}

/* What the host does with mallory while she misbehaves: a resize or a pass, errors and all. */
static void host_moves(siege *self)
{
	bool automatic = self->config->technique->automatic;
	for (unsigned at = 0; at < MOVES; at++) {
		uint64_t limit_huge = 4 + hv_random(&self->random) % (MEMORY_HUGE - 4);
		hv_command command = at % 2 != 0 ? HV_COMMAND_GROW : HV_COMMAND_SHRINK;
		if (at % 2 != 0)
			limit_huge = MEMORY_HUGE;
		step(self, HV_SIEGE_RESIZE);
		hv_move move = hv_monitor_do(&self->mallory.monitor, automatic ? HV_COMMAND_PASS : command,
					     limit_huge << HV_HUGE_SHIFT);
		self->late = self->late || move.err == HV_ERR_TIMEOUT;
	}
}

static void *race(void *context)
{
	siege *self = context;
	while (atomic_load_explicit(&self->racing, memory_order_relaxed)) {
		self->kind->write(&self->attacker);
		sched_yield();
	}
	return NULL;
}

/* Does the channel's thread still look? */
static void channel_answers(siege *self)
{
	hv_channel_service *service = &self->mallory.channel_service;
	uint64_t seen = atomic_load(&service->n_served);
	step(self, HV_SIEGE_CHANNEL);
	while (service->running && atomic_load(&service->n_served) == seen) {
		hv_bell_ring(self->mallory.channel.changed_by_guest);
		hv_sleep_ns(50000);
	}
}

/* Does the install service still answer, with whatever? */
static void installs_answer(siege *self)
{
	hv_port *port = &self->mallory.vm.ports->ports[0];
	uint64_t asked_ns = 0;
	uint32_t sequence = 0;
	step(self, HV_SIEGE_INSTALL);
	while (sequence == 0 || atomic_load(&port->answer) >> 2 != sequence) {
		if (hv_now_ns() - asked_ns > UINT64_C(100000000)) {
			sequence = hv_attacker_request(&self->attacker, 0, 0);
			asked_ns = hv_now_ns();
		}
		hv_sleep_ns(20000);
	}
}

/* An install that is under way ends, and no frame stays in between. */
static void frames_settle(siege *self)
{
	step(self, HV_SIEGE_SETTLE);
	while (hv_frames_count(&self->mallory.host.frames, HV_R_BUSY) != 0)
		hv_sleep_ns(20000);
}

static void reason_note(siege *self)
{
	char text[160];
	hv_host_fault_text(&self->mallory.host, text, sizeof(text));
	for (unsigned at = 0; at < HV_SIEGE_REASONS_MAX; at++) {
		if (self->board->reasons[at].times == 0)
			snprintf(self->board->reasons[at].text, sizeof(text), "%s", text);
		if (strcmp(self->board->reasons[at].text, text) != 0)
			continue;
		self->board->reasons[at].times++;
		return;
	}
}

static void outcome_note(siege *self, hv_siege_counts *counts)
{
	counts->tried++;
	if (hv_host_fault(&self->mallory.host) != NULL) {
		counts->stopped++;
		reason_note(self);
	} else if (self->late) {
		counts->late++;
	} else if (atomic_load(&self->mallory.host.counters.refused) > 0) {
		counts->refused++;
	} else {
		counts->no_effect++;
	}
	if (hv_rig_out_bytes(&self->mallory) > MEMORY_HUGE * (uint64_t)HV_HUGE_BYTES)
		failed(self, "hostile VM", "more memory is out than there is");
}

static void attack(siege *self, bool racing)
{
	step(self, HV_SIEGE_ATTACK);
	if (!racing) {
		for (uint64_t left = 1 + hv_random(&self->random) % WRITES_MAX; left > 0; left--)
			self->kind->write(&self->attacker);
		host_moves(self);
		return;
	}
	atomic_store(&self->racing, true);
	if (pthread_create(&self->racer, NULL, race, self) != 0) {
		failed(self, "hostile VM", "no thread for its attack");
		return;
	}
	host_moves(self);
	atomic_store(&self->racing, false);
	pthread_join(self->racer, NULL);
}

static void patience_short(hv_channel_service *service)
{
	service->timeout_ns = 30000000;
	service->begin_timeout_ns = 10000000;
}

/* One bad input: a VM with some memory in use and, half of the time, resized before. */
static void input_run(siege *self, uint64_t input, const uint32_t *kinds, uint32_t n_kinds)
{
	bool racing = input / n_kinds % 2 != 0;
	self->kind = &hv_attack_kinds[kinds[input % n_kinds]];
	self->random = hv_mix(self->config->seed ^ hv_mix(input));
	self->late = false;
	atomic_store(&self->board->input, input);
	step(self, HV_SIEGE_BOOT);
	if (!rig_open(self, &self->mallory, "mallory", 2, self->random))
		return;
	hv_rig *rig = &self->mallory;
	self->attacker = (hv_attacker){ .vm = &rig->vm,
					.channel = rig->config.technique->guest->drive != NULL ? &rig->channel : NULL,
					.n_rings = rig->config.technique->guest->n_rings,
					.random = hv_random(&self->random) };
	hv_vm_fill_base(&rig->vm, hv_random(&self->random) % 5 * HV_HUGE_BYTES);
	patience_short(&rig->channel_service);
	if (hv_random(&self->random) % 2 != 0)
		host_moves(self);
	self->late = false;
	attack(self, racing);
	channel_answers(self);
	installs_answer(self);
	frames_settle(self);
	outcome_note(self, &self->board->counts[self->kind - hv_attack_kinds][racing]);
	step(self, HV_SIEGE_END);
	hv_rig_destroy(rig);
	step(self, HV_SIEGE_BOOT);
	atomic_fetch_add(&self->board->tried, 1);
}

/* Alice gives a little and gets it back, while her vCPUs go on. */
static void alice_moves(siege *self)
{
	const uint64_t limits[2] = { (MEMORY_HUGE - ALICE_GIVES_HUGE) * (uint64_t)HV_HUGE_BYTES,
				     MEMORY_HUGE * (uint64_t)HV_HUGE_BYTES };
	bool automatic = self->config->technique->automatic;
	for (unsigned at = 0; at < (automatic ? 1 : 2); at++) {
		step(self, HV_SIEGE_ALICE);
		hv_move move = hv_monitor_do(&self->alice.monitor,
					     automatic ? HV_COMMAND_PASS
					     : at == 0 ? HV_COMMAND_SHRINK
						       : HV_COMMAND_GROW,
					     limits[at]);
		if (move.err != HV_OK)
			failed(self, "honest VM, resize", hv_err_text(move.err));
		self->board->alice_moves++;
	}
	step(self, HV_SIEGE_BOOT);
}

/* Every frame that alice holds is resident: nobody has discarded it. */
static void alice_resident(siege *self)
{
	hv_rig *rig = &self->alice;
	uint64_t n_gone = 0;
	if (hv_residency_look(&rig->residency, &rig->vm.memory, &rig->after) != HV_OK) {
		failed(self, "honest VM", "the residency oracle failed");
		return;
	}
	for (uint32_t idx = 0; idx < rig->config.vm.n_vcpus; idx++) {
		for (size_t at = 0; at < rig->vm.vcpus[idx].n_held; at++) {
			hv_run run = hv_held_lock(&rig->vm.vcpus[idx].held[at]);
			for (uint64_t frame = run.frame; frame < run.frame + (UINT64_C(1) << run.order); frame++)
				n_gone += (~rig->after.frame_words[frame / 64] >> frame % 64) & 1;
			self->board->alice_frames += UINT64_C(1) << run.order;
			hv_held_unlock(&rig->vm.vcpus[idx].held[at], run);
		}
	}
	if (n_gone != 0) {
		char detail[80];
		snprintf(detail, sizeof(detail), "%" PRIu64 " of its frames were discarded", n_gone);
		failed(self, "honest VM", detail);
	}
}

/* Each of her frames is read once more, then everything is counted. */
static void alice_checked(siege *self)
{
	char detail[200];
	hv_rig *rig = &self->alice;
	step(self, HV_SIEGE_ALICE);
	for (uint32_t idx = 0; idx < rig->config.vm.n_vcpus; idx++) {
		uint64_t rounds = atomic_load(&rig->vm.vcpus[idx].rounds);
		while (atomic_load(&rig->vm.vcpus[idx].rounds) < rounds + 2)
			hv_sleep_ns(1000000);
	}
	self->board->alice_rounds = hv_vm_result(&rig->vm).rounds;
	hv_vm_begin(&rig->vm, HV_JOB_IDLE, 0);
	hv_vm_wait(&rig->vm);
	if (!hv_rig_sound(rig, detail, sizeof(detail)))
		failed(self, "honest VM", detail);
	alice_resident(self);
}

static uint32_t kinds_choose(const hv_technique *technique, uint32_t *kinds)
{
	uint32_t n_kinds = 0;
	for (uint32_t at = 0; hv_attack_kinds[at].name != NULL; at++) {
		hv_attack_needs needs = hv_attack_kinds[at].needs;
		if (needs == HV_ATTACK_ANY || (needs == HV_ATTACK_SHARED && technique->shared_state) ||
		    (needs == HV_ATTACK_DRIVER && technique->guest->drive != NULL))
			kinds[n_kinds++] = at;
	}
	return n_kinds;
}

void hv_siege_run(const hv_siege_config *config, hv_siege_board *board)
{
	static siege self;
	uint32_t kinds[HV_ATTACK_KINDS_MAX], n_kinds = kinds_choose(config->technique, kinds);
	self = (siege){ .config = config, .board = board, .begin_ns = hv_now_ns() };
	if (!rig_open(&self, &self.alice, "alice", 1, config->seed))
		return;
	self.alice.channel_service.begin_timeout_ns = ALICE_BEGIN_NS;
	hv_vm_fill_base(&self.alice.vm, MEMORY_HUGE / 4 * (uint64_t)HV_HUGE_BYTES);
	hv_vm_begin(&self.alice.vm, HV_JOB_WORK, 0);
	alice_moves(&self);
	for (uint64_t at = 0; at < config->n_inputs && !atomic_load(&board->stop); at++) {
		input_run(&self, config->first_input + at, kinds, n_kinds);
		if (at % ALICE_EVERY == ALICE_EVERY - 1)
			alice_moves(&self);
	}
	alice_moves(&self);
	alice_checked(&self);
	hv_rig_destroy(&self.alice);
	board->over = true;
}
