/* SPDX-License-Identifier: MIT
 *
 * BAR 2; see qvm_bar.h. */
#define _GNU_SOURCE
#include "monitor/qvm_bar.h"
#include "base/hv_socket.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, RINGS_BYTES = 64 << 10, PORTS_PER_CPU = 4, PORTS_LEAST = 16 };

uint8_t *qvm_map_aligned(int fd, uint64_t bytes)
{
	size_t room = (size_t)bytes + HV_HUGE_BYTES;
	uint8_t *place = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (place == MAP_FAILED)
		return NULL;
	uint8_t *base = place + (HV_HUGE_BYTES - (uintptr_t)place % HV_HUGE_BYTES) % HV_HUGE_BYTES;
	if (mmap(base, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
		munmap(place, room);
		return NULL;
	}
	size_t before = (size_t)(base - place), after = room - before - (size_t)bytes;
	if (before > 0)
		munmap(place, before);
	if (after > 0)
		munmap(base + bytes, after);
	return base;
}

static uint64_t up(uint64_t value, uint64_t align)
{
	return (value + align - 1) / align * align;
}

/* Where everything lies; sizes first, then a power of two that holds them. */
static void layout(qvm_header *header, const qvm_bar_config *config, const llfree_config *allocator)
{
	uint64_t at = PAGE;
	*header = (qvm_header){ .magic = QVM_MAGIC,
				.version = QVM_VERSION,
				.header_bytes = sizeof(*header),
				.install_timeout_ms = config->install_timeout_ms };
	if (config->frames_bytes != 0) {
		header->flags |= QVM_HAS_FRAMES;
		header->region_offset = at;
		header->region_bytes = up(llfree_metadata_bytes(allocator), PAGE);
		at += header->region_bytes;
		header->ports_offset = at;
		header->n_ports =
			config->cpus * PORTS_PER_CPU > PORTS_LEAST ? config->cpus * PORTS_PER_CPU : PORTS_LEAST;
		at = up(at + header->n_ports * sizeof(qvm_port), PAGE);
	}
	if (config->channel) {
		header->flags |= QVM_HAS_CHANNEL;
		header->n_rings = QVM_RINGS;
		header->channel_offset = at;
		at += PAGE;
		header->rings_offset = at;
		header->rings_bytes = RINGS_BYTES;
		at += RINGS_BYTES;
	}
	header->frames_offset = up(at, HV_HUGE_BYTES);
	header->n_frames = config->frames_bytes / HV_FRAME_BYTES;
	for (header->bytes = HV_HUGE_BYTES; header->bytes < header->frames_offset + config->frames_bytes;)
		header->bytes *= 2;
}

static hv_err fail(qvm_bar *self, const char *what, const char *why)
{
	char text[120];
	snprintf(text, sizeof(text), "%s: %s", what, why);
	qvm_bar_close(self);
	snprintf(self->file.why, sizeof(self->file.why), "%s", text);
	return HV_ERR_SYSTEM;
}

hv_err qvm_bar_open(qvm_bar *self, const qvm_bar_config *config)
{
	const llfree_config allocator = { .frames = config->frames_bytes / HV_FRAME_BYTES, .cpus = config->cpus };
	*self = (qvm_bar){ .file = { .fd = -1 }, .page_fd = -1 };
	if (config->frames_bytes % HV_HUGE_BYTES != 0)
		return HV_ERR_INVAL;
	layout(&self->header, config, &allocator);
	hv_err err = qvm_memory_open(&self->file, self->header.bytes, config->backing);
	if (err != HV_OK)
		return err;
	self->base = qvm_map_aligned(self->file.fd, self->header.bytes);
	if (self->base == NULL)
		return fail(self, "mapping BAR 2", strerror(errno));
	self->mapped = self->header.bytes;
	if (config->frames_bytes != 0) {
		llfree_err made = llfree_init(&self->view, &allocator, self->base + self->header.region_offset,
					      (size_t)self->header.region_bytes, false);
		if (made != LLFREE_OK)
			return fail(self, "the region of BAR 2", llfree_err_text(made));
	}
	memcpy(self->base, &self->header, sizeof(self->header));
	self->page_fd = hv_shared_file("llfree-doorbells", PAGE);
	if (self->page_fd < 0 ||
	    pwrite(self->page_fd, &self->header, sizeof(self->header), 0) != (ssize_t)sizeof(self->header))
		return fail(self, "a page for the doorbells", strerror(errno));
	return HV_OK;
}

void qvm_bar_close(qvm_bar *self)
{
	if (self->base != NULL) {
		munmap(self->base, (size_t)self->mapped);
		if (self->page_fd >= 0)
			close(self->page_fd);
	}
	self->base = NULL;
	qvm_memory_close(&self->file);
}

hv_memory qvm_bar_frames(const qvm_bar *self)
{
	const char *backing = self->file.backing;
	return (hv_memory){ .base = self->base + self->header.frames_offset,
			    .huge_count = self->header.n_frames / HV_HUGE_FRAMES,
			    .fd = self->file.fd,
			    .file_offset = self->header.frames_offset,
			    .backing = hv_backing_find(backing) };
}
