/* SPDX-License-Identifier: MIT
 *
 * What the fuzz targets of the simulated host share: a host without a guest. Guest memory lies between two areas that
 * may not be touched, the region is exactly as large as it must be, so an access out of bounds ends the program. */
#ifndef FUZZ_SIM_H
#define FUZZ_SIM_H

#include "host/hv_host.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { FUZZ_HUGE = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

#define FUZZ_CHECK(condition)     \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

/* The bytes of an input, one number after the other; zeros after its end. */
typedef struct fuzz_input {
	const uint8_t *bytes;
	size_t n_bytes, at;
} fuzz_input;

static inline uint64_t fuzz_take(fuzz_input *input, unsigned n_bytes)
{
	uint64_t value = 0;
	for (unsigned idx = 0; idx < n_bytes; idx++, input->at++)
		value |= (uint64_t)(input->at < input->n_bytes ? input->bytes[input->at] : 0) << 8 * idx;
	return value;
}

static inline bool fuzz_more(const fuzz_input *input)
{
	return input->at < input->n_bytes;
}

/* As a guest writes: other threads read the word meanwhile. */
static inline void fuzz_store32(void *at, uint64_t value)
{
	__atomic_store_n((uint32_t *)at, (uint32_t)value, __ATOMIC_RELEASE);
}

/* Guest memory, made once; zeros again for each input. */
static inline hv_memory fuzz_memory(void)
{
	static uint8_t *base;
	size_t bytes = (size_t)FUZZ_HUGE << HV_HUGE_SHIFT, guard = (size_t)HV_HUGE_BYTES * 2;
	if (base == NULL) {
		uint8_t *area =
			mmap(NULL, bytes + 2 * guard, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		FUZZ_CHECK(area != MAP_FAILED);
		base = (uint8_t *)(((uintptr_t)area + guard) / HV_HUGE_BYTES * HV_HUGE_BYTES);
		FUZZ_CHECK(mprotect(base, bytes, PROT_READ | PROT_WRITE) == 0);
		/* the area ends with another mapping, maybe: what lies behind the memory is cut off */
		FUZZ_CHECK(mprotect(base + bytes, HV_HUGE_BYTES, PROT_NONE) == 0);
	}
	FUZZ_CHECK(madvise(base, bytes, MADV_DONTNEED) == 0);
	return (hv_memory){ .base = base, .huge_count = FUZZ_HUGE, .fd = -1, .backing = hv_backing_find("anon-4k") };
}

typedef struct fuzz_host {
	uint8_t *region;
	size_t region_bytes;
	llfree_t guest;
	hv_host host;
} fuzz_host;

static inline void fuzz_host_open(fuzz_host *self)
{
	llfree_config config = { .frames = FUZZ_HUGE * (uint64_t)HV_HUGE_FRAMES, .cpus = 2 };
	self->region_bytes = llfree_metadata_bytes(&config);
	self->region = aligned_alloc(64, (self->region_bytes + 63) / 64 * 64);
	FUZZ_CHECK(self->region != NULL);
	FUZZ_CHECK(llfree_init(&self->guest, &config, self->region, self->region_bytes, false) == LLFREE_OK);
	hv_host_config host = {
		.view = self->guest, .memory = fuzz_memory(), .discard = HV_DISCARD_VECTORED, .batch_huge = 4
	};
	FUZZ_CHECK(hv_host_open(&self->host, &host) == HV_OK);
}

static inline void fuzz_host_close(fuzz_host *self)
{
	hv_host_close(&self->host);
	free(self->region);
}

#endif
