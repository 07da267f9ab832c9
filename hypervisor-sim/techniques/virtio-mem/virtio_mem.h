/* SPDX-License-Identifier: MIT
 *
 * virtio-mem: the two halves, see virtio_mem_host.c, and the requests between them (as in virtio: type, first byte,
 * number of blocks), in 32-bit words. */
#ifndef HV_VIRTIO_MEM_H
#define HV_VIRTIO_MEM_H

#include "techniques/hv_technique.h"

enum { HV_VIRTIO_MEM_PLUG = 0, HV_VIRTIO_MEM_UNPLUG = 1 };
enum { HV_VIRTIO_MEM_ACK = 0, HV_VIRTIO_MEM_NACK = 1, HV_VIRTIO_MEM_BUSY = 2 };
/** Request: word 0 type, words 2 and 3 address, word 4 number of blocks. Response: word 0. */
enum { HV_VIRTIO_MEM_REQUEST_WORDS = 6, HV_VIRTIO_MEM_RESPONSE_WORDS = 3 };

extern const hv_guest_half hv_virtio_mem_guest;

#endif
