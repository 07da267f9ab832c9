/* SPDX-License-Identifier: MIT
 *
 * A handle: order-0 frames of one class, cached for one thread, got and put without an atomic operation.
 * Its frames count as allocated by its owner. It gives them back on close, on drain, when a get runs dry, and at its
 * next use after the region's drain epoch was raised (drain of all, a tree taken offline). */
#ifndef LLFREE_HANDLE_H
#define LLFREE_HANDLE_H

#include <llfree/llfree.h>

LLFREE_BEGIN_DECLS

/** One thread's cache. Fields are private. */
typedef struct llfree_handle {
	const llfree_t *allocator; /**< where frames come from */
	uint64_t mask;             /**< cached frames of the row */
	uint64_t row;              /**< row of the region, UINT64_MAX = none */
	uint64_t last_put_row;     /**< a second put in a row into it makes it the row */
	uint32_t cpu;              /**< slot to refill from */
	uint32_t epoch;            /**< drain epoch as last seen */
	uint8_t class_idx;         /**< of all its frames */
} llfree_handle;

/** Threads: a handle belongs to one thread at a time; different handles are independent. cpu selects the slot to refill
 *  from. @return LLFREE_OK; LLFREE_ERR_INVAL (class). */
LLFREE_API LLFREE_MUST_CHECK llfree_err llfree_handle_open(llfree_handle *handle, const llfree_t *allocator,
							   uint32_t cpu, uint8_t class_idx);
/** Get one frame. Errors as llfree_get(). */
LLFREE_API LLFREE_MUST_CHECK llfree_err llfree_handle_get(llfree_handle *handle, uint64_t *frame);
/** Put one frame that was got anywhere: from this handle, another one or llfree_get(). Errors as llfree_put(). */
LLFREE_API LLFREE_MUST_CHECK llfree_err llfree_handle_put(llfree_handle *handle, uint64_t frame);
/** Give the cached frames back. */
LLFREE_API void llfree_handle_drain(llfree_handle *handle);
/** Drain; the handle is closed and can be opened again. */
LLFREE_API void llfree_handle_close(llfree_handle *handle);
/** Frames cached now. */
LLFREE_API uint32_t llfree_handle_cached(const llfree_handle *handle);

LLFREE_END_DECLS
#endif
