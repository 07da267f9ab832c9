/* SPDX-License-Identifier: MIT
 *
 * The link to the guest driver; see qvm_link.h. */
#define _GNU_SOURCE
#include "monitor/qvm_link.h"
#include "host/balloon_device.h"
#include "host/install_service.h"
#include "memory/bus_guard.h"
#include "monitor/qvm_bar.h"
#include "monitor/qvm_ivshmem.h"
#include "techniques/qvm_technique.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* One page of 2 MiB may be long in coming, where a guest is emulated and has to compact its memory. */
#define BALLOON_PATIENCE_NS UINT64_C(30000000000)

enum { BATCH_HUGE = 256, INSTALL_TIMEOUT_MS = 5000 };

typedef struct qvm_link {
	qvm_bar bar;
	qvm_ivshmem bells;
	bool bells_open, host_open;
	hv_install_service installs;
	hv_channel channel;
	hv_channel_service channel_service;
	uint8_t *ram; /**< of the balloon: the guest's RAM */
	uint64_t ram_bytes;
} qvm_link;

/* The driver's words are those of the simulator's guests. */
_Static_assert(sizeof(hv_port) == sizeof(qvm_port), "ports");
_Static_assert((int)HV_PORT_IDX_BITS == (int)QVM_PORT_IDX_BITS, "ports");
_Static_assert((int)HV_PORT_ANSWER_DONE == (int)QVM_PORT_DONE, "ports");
_Static_assert(offsetof(hv_channel_registers, settled_number) == offsetof(qvm_channel, settled_number), "channel");
_Static_assert(offsetof(hv_channel_registers, ready) == offsetof(qvm_channel, ready), "channel");
_Static_assert(offsetof(hv_channel_registers, rings) == offsetof(qvm_channel, rings), "channel");
_Static_assert(sizeof(hv_channel_registers) == sizeof(qvm_channel), "channel");

static hv_err fail(qvm_rig *rig, hv_err err, const char *what, const char *why)
{
	snprintf(rig->why, sizeof(rig->why), "%s: %s", what, why);
	return err;
}

static hv_err link_prepare(qvm_rig *rig, const qvm_bar_config *config)
{
	qvm_link *self = rig->own = calloc(1, sizeof(qvm_link));
	if (!rig->image.driver)
		return fail(rig, HV_ERR_UNAVAILABLE, "the image of the guest", "it has no llfree_guest.ko");
	if (self == NULL)
		return HV_ERR_SYSTEM;
	hv_err err = qvm_bar_open(&self->bar, config);
	if (err != HV_OK)
		return fail(rig, err, "memory shared with the guest driver", self->bar.file.why);
	err = qvm_ivshmem_open(&self->bells, self->bar.page_fd);
	if (err != HV_OK)
		return fail(rig, err, "bells of the guest driver", strerror(errno));
	self->bells_open = true;
	qvm_rig_file(rig, self->bar.file.fd);
	/* the memory first: the driver is offered its device first then */
	qvm_args_add(&rig->vm.args, "-object");
	qvm_args_add(&rig->vm.args,
		     "memory-backend-file,id=llfree,size=%" PRIu64 "M,mem-path=/proc/self/fd/%d,share=on,align=2M",
		     self->bar.file.bytes >> 20, qvm_args_fd(&rig->vm.args, self->bar.file.fd));
	qvm_args_add(&rig->vm.args, "-device");
	qvm_args_add(&rig->vm.args, "ivshmem-plain,memdev=llfree");
	qvm_args_add(&rig->vm.args, "-chardev");
	qvm_args_add(&rig->vm.args, "socket,id=ivshmem,fd=%d", qvm_args_fd(&rig->vm.args, self->bells.client));
	qvm_args_add(&rig->vm.args, "-device");
	qvm_args_add(&rig->vm.args, "ivshmem-doorbell,chardev=ivshmem,vectors=%u", (unsigned)QVM_VECTORS);
	return HV_OK;
}

hv_err qvm_link_frames_prepare(qvm_rig *rig)
{
	const qvm_bar_config config = { .frames_bytes = rig->config.memory_bytes,
					.cpus = (uint32_t)rig->options->cpus,
					.install_timeout_ms = INSTALL_TIMEOUT_MS,
					.backing = rig->options->backing };
	return link_prepare(rig, &config);
}

hv_err qvm_link_balloon_prepare(qvm_rig *rig)
{
	const qvm_bar_config config = { .cpus = (uint32_t)rig->options->cpus,
					.channel = true,
					.backing = rig->options->backing };
	return link_prepare(rig, &config);
}

/* From now on host->memory is what the technique moves. Nothing of it is mapped by page tables of ours that matter: a
 * hole in the file takes it away from everybody, so discards are holes. QEMU has the files, too, and may shrink them.
 */
static hv_err host_open(qvm_rig *rig, qvm_link *self, const hv_host_config *config)
{
	const qvm_bar *bar = &self->bar;
	hv_err err = hv_host_open(&rig->host, config);
	self->host_open = err == HV_OK;
	rig->host.name = rig->vm.config.name;
	if (err == HV_OK)
		err = hv_host_guard(&rig->host, bar->base, bar->mapped, bar->file.fd);
	if (err == HV_OK && self->ram != NULL)
		err = hv_host_guard(&rig->host, self->ram, self->ram_bytes, rig->vm.ram.fd);
	return err == HV_OK ? HV_OK : fail(rig, err, "the host's view of the guest", hv_err_text(err));
}

hv_err qvm_link_frames_serve(qvm_rig *rig)
{
	qvm_link *self = rig->own;
	const hv_host_config config = { .view = self->bar.view,
					.memory = qvm_bar_frames(&self->bar),
					.discard = HV_DISCARD_COALESCED,
					.batch_huge = BATCH_HUGE };
	hv_err err = host_open(rig, self, &config);
	if (err != HV_OK)
		return err;
	hv_port *ports = (hv_port *)(void *)(self->bar.base + self->bar.header.ports_offset);
	err = hv_install_service_start_bells(&self->installs, &rig->host, ports, self->bar.header.n_ports,
					     self->bells.to_monitor[QVM_VECTOR_INSTALL],
					     self->bells.to_guest[QVM_VECTOR_INSTALL]);
	if (err != HV_OK)
		return fail(rig, err, "the install service", strerror(errno));
	return HV_OK;
}

hv_err qvm_link_frames_attach(qvm_rig *rig)
{
	hv_err err = qvm_link_frames_serve(rig);
	return err == HV_OK ? qvm_rig_modprobe(rig, "llfree_guest", NULL) : err;
}

void qvm_link_frames_numbers(void *context, uint64_t *used_bytes, uint64_t *wanted_bytes)
{
	const qvm_rig *rig = context;
	llfree_stats stats;
	llfree_stats_fast(&rig->host.view, &stats);
	*used_bytes = stats.free_frames < stats.frames ? (stats.frames - stats.free_frames) * HV_FRAME_BYTES : 0;
	*wanted_bytes = 0;
}

/* Guest frames to frames of the RAM file, as QEMU told. */
static bool ram_place(hv_host *host, uint64_t guest_frame, uint64_t n_frames, uint64_t *frame)
{
	const qvm_rig *rig = qvm_rig_of(host);
	uint64_t offset;
	if (!qvm_gpa_offset(&rig->vm.gpa, "ram0", guest_frame * HV_FRAME_BYTES, n_frames * HV_FRAME_BYTES, &offset))
		return false;
	*frame = offset / HV_FRAME_BYTES;
	return true;
}

static hv_err balloon_element(hv_channel_service *service, unsigned ring_idx, const hv_ring_element *element,
			      uint32_t *written_bytes)
{
	(void)written_bytes;
	return hv_balloon_element_at(service, ring_idx, element, LLFREE_HUGE_ORDER, ram_place);
}

static void channel_of_bells(hv_channel *channel, const qvm_bar *bar, const qvm_ivshmem *bells)
{
	*channel = (hv_channel){
		.registers = (hv_channel_registers *)(void *)(bar->base + bar->header.channel_offset),
		.registers_fd = -1,
		.to_host = { bells->to_monitor[QVM_VECTOR_RING0], bells->to_monitor[QVM_VECTOR_RING1] },
		.changed_by_guest = bells->to_monitor[QVM_VECTOR_CHANNEL],
		.to_guest = { bells->to_guest[QVM_VECTOR_RING0], bells->to_guest[QVM_VECTOR_RING1] },
		.changed_by_host = bells->to_guest[QVM_VECTOR_CHANNEL],
		.from_host = { -1, -1 },
		.changes_from_host = -1,
	};
}

hv_err qvm_link_balloon_serve(qvm_rig *rig)
{
	qvm_link *self = rig->own;
	self->ram_bytes = rig->vm.ram.bytes;
	self->ram = qvm_map_aligned(rig->vm.ram.fd, self->ram_bytes);
	if (self->ram == NULL)
		return fail(rig, HV_ERR_SYSTEM, "mapping the guest's RAM", strerror(errno));
	const hv_host_config config = { .without_view = true,
					.memory = { .base = self->ram,
						    .huge_count = self->ram_bytes >> HV_HUGE_SHIFT,
						    .fd = rig->vm.ram.fd,
						    .backing = hv_backing_find(rig->vm.ram.backing) },
					.discard = HV_DISCARD_COALESCED,
					.batch_huge = BATCH_HUGE };
	hv_err err = host_open(rig, self, &config);
	if (err != HV_OK)
		return err;
	channel_of_bells(&self->channel, &self->bar, &self->bells);
	const hv_ring_memory rings = { self->bar.base + self->bar.header.rings_offset, self->bar.header.rings_bytes };
	err = hv_channel_service_start_in(&self->channel_service, &rig->host, &self->channel, QVM_RINGS,
					  balloon_element, rings);
	if (err != HV_OK)
		return fail(rig, err, "the balloon's service", strerror(errno));
	self->channel_service.timeout_ns = BALLOON_PATIENCE_NS;
	return HV_OK;
}

hv_err qvm_link_balloon_attach(qvm_rig *rig)
{
	hv_err err = qvm_link_balloon_serve(rig);
	return err == HV_OK ? qvm_rig_modprobe(rig, "llfree_guest", NULL) : err;
}

void qvm_link_hush(qvm_rig *rig)
{
	qvm_link *self = rig->own;
	hv_install_service_stop(&self->installs);
}

void qvm_link_leave(qvm_rig *rig)
{
	qvm_link *self = rig->own;
	if (self != NULL)
		hv_channel_service_leave(&self->channel_service);
}

void qvm_link_detach(qvm_rig *rig)
{
	qvm_link *self = rig->own;
	if (self == NULL)
		return;
	hv_install_service_stop(&self->installs);
	hv_channel_service_stop(&self->channel_service);
	if (self->host_open)
		hv_host_close(&rig->host);
	if (self->bells_open)
		qvm_ivshmem_close(&self->bells);
	hv_bus_guard_remove(self->ram);
	hv_bus_guard_remove(self->bar.base);
	if (self->ram != NULL)
		munmap(self->ram, (size_t)self->ram_bytes);
	qvm_bar_close(&self->bar);
	free(self);
	rig->own = NULL;
}
