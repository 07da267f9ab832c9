/* SPDX-License-Identifier: MIT
 *
 * Frames, orders, classes, errors: the vocabulary that every public header shares.
 * Freestanding: stdint, stddef, stdbool only. Compiles as C11, C17 and C++17. */
#ifndef LLFREE_TYPES_H
#define LLFREE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__SIZEOF_POINTER__) && __SIZEOF_POINTER__ < 8
#error "llfree needs a 64-bit machine: the words that threads share have 64 bits and have to be lock-free"
#endif

/** Huge frames per tree: 1, 2, 4, 8, 16 or 32. A build option of the library; a region that was built with another
 *  value is refused at attach and recover. The CMake target and pkg-config carry the value of the installed build. */
#ifndef LLFREE_TREE_HUGE
#define LLFREE_TREE_HUGE 8
#endif

enum {
	LLFREE_FRAME_SHIFT = 12,                      /**< log2 of the bytes in a frame */
	LLFREE_FRAME_BYTES = 1 << LLFREE_FRAME_SHIFT, /**< a frame is 4 KiB */
	LLFREE_HUGE_ORDER = 9,                        /**< a huge frame is 2^9 frames: 2 MiB */
	LLFREE_HUGE_FRAMES = 1 << LLFREE_HUGE_ORDER,  /**< frames in a huge frame */
	LLFREE_HUGE_BYTES = LLFREE_HUGE_FRAMES << LLFREE_FRAME_SHIFT,
	LLFREE_TREE_FRAMES = LLFREE_TREE_HUGE * LLFREE_HUGE_FRAMES, /**< frames in a tree */
	LLFREE_TREE_ORDER = LLFREE_HUGE_ORDER + (LLFREE_TREE_HUGE >= 2) + (LLFREE_TREE_HUGE >= 4) +
			    (LLFREE_TREE_HUGE >= 8) + (LLFREE_TREE_HUGE >= 16) + (LLFREE_TREE_HUGE >= 32),
	LLFREE_MAX_ORDER = LLFREE_TREE_ORDER, /**< the largest run that get and put know: a whole tree */
	LLFREE_MAX_CLASSES = 8,
	LLFREE_MAX_CPUS = 4096
};

/** Classes keep allocations of unlike lifetimes in different trees. Three are built in, others are numbers up to 7. */
enum {
	LLFREE_CLASS_FIXED = 0,   /**< can't be moved: kernel objects, pinned memory */
	LLFREE_CLASS_MOVABLE = 1, /**< can be migrated: user memory */
	LLFREE_CLASS_HUGE = 2     /**< order 9 and above */
};

/** What a request of one class may do with a tree of another (llfree_policy.rule[request][tree]). */
enum {
	LLFREE_NEVER = 0, /**< not allowed, also not as a last resort */
	LLFREE_MATCH = 1, /**< the tree is as good as one of its own class */
	LLFREE_STEAL = 2, /**< allowed when nothing matches; the tree keeps its class */
	LLFREE_DEMOTE = 3 /**< allowed when nothing matches; the tree takes the class of the request */
};

/** Every error with its text: the one table behind llfree_err and llfree_err_text(). */
#define LLFREE_ERRORS(X)                                                                           \
	X(LLFREE_OK, "success")                                                                    \
	X(LLFREE_ERR_NOMEM, "no free run of that order in a tree that the class may use")          \
	X(LLFREE_ERR_INVAL, "argument out of range, misaligned or contradictory")                  \
	X(LLFREE_ERR_STATE, "the frames are not in the state that the operation needs")            \
	X(LLFREE_ERR_OFFLINE, "the tree is offline")                                               \
	X(LLFREE_ERR_INSTALL, "the host did not install an evicted huge frame")                    \
	X(LLFREE_ERR_TOO_SMALL, "the memory given for the metadata is too small or misaligned")    \
	X(LLFREE_ERR_MAGIC, "not an llfree region")                                                \
	X(LLFREE_ERR_VERSION, "the region has another format version")                             \
	X(LLFREE_ERR_GEOMETRY, "the region was built with another frame, huge frame or tree size") \
	X(LLFREE_ERR_CORRUPT, "the region contradicts itself")                                     \
	X(LLFREE_ERR_SYSTEM, "a system call failed; errno says why")                               \
	X(LLFREE_ERR_BUSY, "the arena's file is open already, here or in another process")         \
	X(LLFREE_ERR_TRUNCATED, "the arena's file is shorter than it says")                        \
	X(LLFREE_ERR_LOST, "the machine went down while the file was in use: stores may be lost")

/** What functions return; names and texts in LLFREE_ERRORS. */
typedef enum llfree_err {
#define LLFREE_ERR_ENUM(name, text) name,
	LLFREE_ERRORS(LLFREE_ERR_ENUM)
#undef LLFREE_ERR_ENUM
		LLFREE_ERR_COUNT
} llfree_err;

#ifdef __cplusplus
#define LLFREE_BEGIN_DECLS extern "C" {
#define LLFREE_END_DECLS   }
#else
#define LLFREE_BEGIN_DECLS
#define LLFREE_END_DECLS
#endif

#if defined(LLFREE_STATIC) || defined(__KERNEL__)
#define LLFREE_API
#else
#define LLFREE_API __attribute__((visibility("default")))
#endif
#define LLFREE_MUST_CHECK __attribute__((warn_unused_result))

#endif
