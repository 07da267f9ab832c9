/* SPDX-License-Identifier: MIT OR GPL-2.0
 *
 * What the monitor and the guest driver share: the memory behind BAR 2 of an ivshmem-plain device, and the vectors of
 * an ivshmem-doorbell device. These are two, since QEMU maps the memory of a doorbell device where it likes, which is
 * not at a multiple of 2 MiB: no page table of the host's could map a huge frame by one entry then, and each discard
 * would unmap 512. The doorbell device has a page of its own, with a copy of the header, so that a driver knows it. The
 * monitor makes the file (a power of two), writes the header and formats the region before the guest starts; the header
 * does not change after. Little-endian, offsets from the start of BAR 2, no pointers. Neither side trusts a word that
 * the other can write: the monitor keeps its own copy of the header. Freestanding: stdint and stddef only. */
#ifndef QVM_PROTOCOL_H
#define QVM_PROTOCOL_H

#include <stddef.h>
#include <stdint.h>

#define QVM_MAGIC UINT64_C(0x01004d5645524c4c) /**< the bytes "LLREVM", 0, 1 */
enum {
	QVM_VERSION = 3,
	QVM_PCI_VENDOR = 0x1af4,
	QVM_PCI_DEVICE = 0x1110, /**< both devices; the one with MSI-X has the doorbells */
	QVM_BAR_REGISTERS = 0,
	QVM_BAR_MEMORY = 2,
	QVM_REGISTER_ID = 8,        /**< BAR 0: the guest's own id */
	QVM_REGISTER_DOORBELL = 12, /**< BAR 0: write peer << 16 | vector */
	QVM_PEER_MONITOR = 0        /**< the monitor's id */
};

/** Vectors, the same numbers both ways. */
enum {
	QVM_VECTOR_INSTALL = 0, /**< to the monitor: a port has a request; to the guest: a port has an answer */
	QVM_VECTOR_CHANNEL = 1, /**< registers of the channel changed */
	QVM_VECTOR_RING0 = 2,   /**< to the monitor: ring 0 has an element; to the guest: one is used */
	QVM_VECTOR_RING1 = 3,
	QVM_VECTORS = 4
};

/** What there is; an offset below means something only with its flag. */
enum {
	QVM_HAS_FRAMES = 1u << 0, /**< region, ports and frames: LLFree over /dev/llfree */
	QVM_HAS_CHANNEL = 1u << 1 /**< channel and rings: the balloon of 2 MiB pages */
};

/** At offset 0 of BAR 2, of both devices. */
typedef struct qvm_header {
	uint64_t magic;              /**<  0 QVM_MAGIC */
	uint32_t version;            /**<  8 QVM_VERSION */
	uint32_t header_bytes;       /**< 12 sizeof(qvm_header) */
	uint64_t bytes;              /**< 16 of the memory */
	uint32_t flags;              /**< 24 QVM_HAS_* */
	uint32_t install_timeout_ms; /**< 28 what a guest waits for an install; 0: its own choice */
	uint64_t region_offset;      /**< 32 the shared region of llfree, formatted; 4 KiB aligned */
	uint64_t region_bytes;       /**< 40 */
	uint64_t ports_offset;       /**< 48 qvm_port[n_ports], 64-byte aligned */
	uint32_t n_ports;            /**< 56 any vCPU may use any port; more than vCPUs, for tasks that wait */
	uint32_t n_rings;            /**< 60 QVM_RINGS */
	uint64_t channel_offset;     /**< 64 qvm_channel, 4 KiB aligned */
	uint64_t rings_offset;       /**< 72 room for rings and buffers, where the driver puts them; 4 KiB aligned */
	uint64_t rings_bytes;        /**< 80 */
	uint64_t frames_offset;      /**< 88 frame 0; 2 MiB aligned */
	uint64_t n_frames;           /**< 96 whole huge frames, as in the region */
	uint64_t unused[3];          /**< 104 */
} qvm_header;

/** An install: the words of hypervisor-sim/transport/install_port.h. The guest writes request and rings
 *  QVM_VECTOR_INSTALL; the monitor answers with the same sequence, then rings. Sequence 0 is never used. */
enum {
	QVM_PORT_IDX_BITS = 40,   /**< request: sequence:24, huge frame:40 */
	QVM_PORT_ANSWER_BITS = 2, /**< answer: sequence:24, QVM_PORT_*:2 */
	QVM_PORT_SEQUENCE_MASK = 0xffffff,
	QVM_PORT_DONE = 1,
	QVM_PORT_REFUSED = 2
};

typedef struct qvm_port {
	uint64_t request; /**< by the guest, store-release */
	uint32_t answer;  /**< by the monitor, store-release */
	uint32_t unused[13];
} qvm_port;

/** The registers of hypervisor-sim/transport/channel.h. Ring 0 inflates, ring 1 deflates; an element is an array of
 *  32-bit numbers of 4 KiB pages of guest memory (GPA >> 12), each the first of 2 MiB. Rings and buffers lie in
 *  [rings_offset, rings_offset + rings_bytes), and their addresses are offsets from rings_offset. */
enum { QVM_RINGS = 2, QVM_RING_INFLATE = 0, QVM_RING_DEFLATE = 1, QVM_BALLOON_NUMBERS_MAX = 256 };

typedef struct qvm_channel {
	/* written by the monitor */
	uint64_t target_bytes;  /**<  0 what the balloon shall hold */
	uint32_t target_number; /**<  8 a new one for each target, written last */
	uint32_t reporting;     /**< 12 not used here */
	/* written by the guest */
	uint32_t settled_number; /**< 16 of the target that the guest is done with, reached or not */
	uint32_t pass_number;    /**< 20 not used here */
	uint32_t ready;          /**< 24 1 = the rings stand */
	uint32_t unused;         /**< 28 */
	struct {
		uint64_t address;
		uint32_t size; /**< descriptors, a power of two */
		uint32_t unused;
	} rings[QVM_RINGS]; /**< 32 */
} qvm_channel;

_Static_assert(sizeof(qvm_header) == 128, "header layout");
_Static_assert(offsetof(qvm_header, region_offset) == 32, "header layout");
_Static_assert(offsetof(qvm_header, frames_offset) == 88, "header layout");
_Static_assert(sizeof(qvm_port) == 64, "a port is one cache line");
_Static_assert(sizeof(qvm_channel) == 64, "channel layout");
_Static_assert(offsetof(qvm_channel, settled_number) == 16, "channel layout");
_Static_assert(offsetof(qvm_channel, rings) == 32, "channel layout");

#endif
