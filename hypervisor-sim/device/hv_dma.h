/* SPDX-License-Identifier: MIT
 *
 * The DMA device: reads and writes guest memory behind the CPU's back, as a passthrough device does. It is io_uring
 * with fixed buffers, one slot of 2 MiB per huge frame: mapping a slot pins the pages that are there at that moment
 * (an absent one is faulted in, as VFIO does), and transfers go to those pages whatever happens to the mapping of the
 * CPU. So a technique that discards pinned memory corrupts here as it would on hardware, and one that unmaps first does
 * not (H2). Where RLIMIT_MEMLOCK allows few pins, the device sees a window of that many huge frames and says so.
 *
 * Threads: transfers any; map and unmap any, beside transfers, for frames whose transition the caller owns. */
#ifndef HV_DMA_H
#define HV_DMA_H

#include "memory/hv_memory.h"

typedef struct hv_dma hv_dma;

enum { HV_DMA_HUGE_MAX = 16384 /**< slots that io_uring has: 32 GiB */ };

typedef enum hv_dma_direction {
	HV_DMA_WRITES_MEMORY, /**< medium to memory (READ_FIXED) */
	HV_DMA_READS_MEMORY   /**< memory to medium (WRITE_FIXED) */
} hv_dma_direction;

typedef enum hv_dma_state { HV_DMA_IDLE, HV_DMA_IN_FLIGHT, HV_DMA_DONE } hv_dma_state;

/** One transfer. Belongs to the device while it is in flight. */
typedef struct hv_dma_transfer {
	hv_dma_direction direction;
	uint64_t memory_offset; /**< from frame 0; the transfer lies in one huge frame */
	uint32_t bytes;
	int medium_fd;
	uint64_t medium_offset; /**< UINT64_MAX: a medium without positions, such as a pipe */
	bool queued;            /**< by a worker of the kernel instead of at once: longer in flight */
	/** Called on the device's thread when it is done; NULL = nobody is told. The transfer is the callee's then. */
	void (*completed)(struct hv_dma_transfer *transfer);
	/* outcome */
	_Atomic uint32_t state; /**< an hv_dma_state */
	int32_t result;         /**< when done: bytes, or -errno; -EFAULT = the slot is not mapped */
} hv_dma_transfer;

typedef struct hv_dma_counters {
	_Atomic uint64_t mapped, unmapped;   /**< huge frames, since the start */
	_Atomic uint64_t unmapped_in_flight; /**< of these, with transfers in flight that had to be waited for */
	_Atomic uint64_t completed, faults;  /**< transfers; of these, on slots that were not mapped */
} hv_dma_counters;

/** @return false with the reason in why: built without liburing, or the kernel does not let us */
HV_MUST_CHECK bool hv_dma_available(char *why, size_t why_bytes);
/** Make the device and map all it may see. memory.base must stay mapped until hv_dma_destroy().
 *  @param window_huge  0 = all of the memory, or as much as RLIMIT_MEMLOCK allows; else this many huge frames, spread
 *  @return HV_OK; HV_ERR_INVAL more than HV_DMA_HUGE_MAX; HV_ERR_UNAVAILABLE; HV_ERR_SYSTEM (errno) */
HV_MUST_CHECK hv_err hv_dma_create(hv_dma **dma, const hv_memory *memory, uint64_t window_huge);
/** Wait for all transfers, unmap, end. NULL is allowed. */
void hv_dma_destroy(hv_dma *dma);

/** Huge frames that the device may see, and whether this one is among them. */
uint64_t hv_dma_window(const hv_dma *dma);
bool hv_dma_sees(const hv_dma *dma, uint64_t huge_idx);
/** The same for a window of this size in so much memory: it is spread evenly. */
static inline bool hv_dma_window_sees(uint64_t huge_count, uint64_t window_huge, uint64_t huge_idx)
{
	uint64_t at = (huge_idx * window_huge + huge_count - 1) / huge_count;
	return huge_idx < huge_count && at < window_huge && at * huge_count / window_huge == huge_idx;
}
/** Is the window smaller than the memory because RLIMIT_MEMLOCK is? */
bool hv_dma_limited(const hv_dma *dma);
bool hv_dma_mapped(const hv_dma *dma, uint64_t huge_idx);
uint64_t hv_dma_mapped_huge(const hv_dma *dma);
const hv_dma_counters *hv_dma_count(const hv_dma *dma);

/** Pin and map; what is mapped or outside of the window is passed over. @return HV_OK; HV_ERR_SYSTEM (errno) not all */
HV_MUST_CHECK hv_err hv_dma_map(hv_dma *dma, const uint64_t *huge_idx, size_t n_huge);
/** Unmap and unpin; returns after the last transfer that uses these slots. Those not mapped are passed over.
 *  @return HV_OK; HV_ERR_SYSTEM (errno) some may be mapped still */
HV_MUST_CHECK hv_err hv_dma_unmap(hv_dma *dma, const uint64_t *huge_idx, size_t n_huge);

/** Begin transfers; each is in flight when this returns. @return HV_OK; HV_ERR_INVAL one leaves its huge frame (none
 *  began); HV_ERR_SYSTEM (errno) */
HV_MUST_CHECK hv_err hv_dma_submit(hv_dma *dma, hv_dma_transfer *const *transfers, size_t n_transfers);
/** Wait until this one is done. */
void hv_dma_wait(hv_dma *dma, const hv_dma_transfer *transfer);
static inline hv_dma_state hv_dma_transfer_state(const hv_dma_transfer *transfer)
{
	/* pairs with the release of the device's thread: what it wrote before is seen */
	return (hv_dma_state)__atomic_load_n((const uint32_t *)&transfer->state, __ATOMIC_ACQUIRE);
}

#endif
