/* SPDX-License-Identifier: MIT
 *
 * What every room of the simulator shares: errors with their text, the clock, sizes as people write them, a seeded
 * generator. No state; may include nothing but libc. */
#ifndef HV_BASE_H
#define HV_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HV_ERRORS(X)                                                                      \
	X(HV_OK, "success")                                                               \
	X(HV_ERR_INVAL, "argument out of range")                                          \
	X(HV_ERR_SYSTEM, "a system call failed")                                          \
	X(HV_ERR_UNAVAILABLE, "this machine lacks it")                                    \
	X(HV_ERR_EXISTS, "the file exists already; results are never overwritten")        \
	X(HV_ERR_SHORT, "the guest has not that much free memory")                        \
	X(HV_ERR_DISCARD, "the kernel refused to discard memory")                         \
	X(HV_ERR_GUEST, "the guest wrote nonsense into the shared state and was stopped") \
	X(HV_ERR_GONE, "the guest is gone")                                               \
	X(HV_ERR_TIMEOUT, "the guest did not answer in time")                             \
	X(HV_ERR_REFUSED, "the guest or QEMU refused")                                    \
	X(HV_ERR_INTERRUPTED, "interrupted by the user")                                  \
	X(HV_ERR_LIBRARY, "the allocator refused the memory or its region")

typedef enum hv_err {
#define HV_ERR_ENUM(name, text) name,
	HV_ERRORS(HV_ERR_ENUM)
#undef HV_ERR_ENUM
		HV_ERR_COUNT
} hv_err;

#define HV_MUST_CHECK                    __attribute__((warn_unused_result))
#define HV_PRINTF(format_idx, first_idx) __attribute__((format(printf, format_idx, first_idx)))

/** Built with a thread sanitizer? */
#if defined(__SANITIZE_THREAD__)
#define HV_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HV_THREAD_SANITIZER 1
#endif
#endif
#ifndef HV_THREAD_SANITIZER
#define HV_THREAD_SANITIZER 0
#endif

enum { HV_HUGE_SHIFT = 21, HV_HUGE_BYTES = 1 << HV_HUGE_SHIFT, HV_HUGE_FRAMES = 512, HV_FRAME_BYTES = 4096 };

const char *hv_err_text(hv_err err);

/** Monotonic time. */
uint64_t hv_now_ns(void);
void hv_sleep_ns(uint64_t ns);

/** A size as people write it: digits and an optional K, M, G or T (powers of 1024, "iB" or "B" may follow).
 *  @return false when it is anything else or too large for 64 bits */
HV_MUST_CHECK bool hv_parse_bytes(const char *text, uint64_t *bytes);
/** "512 MiB", "1.5 GiB"; returns text. */
const char *hv_format_bytes(uint64_t bytes, char *text, size_t text_bytes);

/** One step of a seeded generator (splitmix64), and its mixing function. */
uint64_t hv_random(uint64_t *state);
uint64_t hv_mix(uint64_t value);

/** The first line of a small file, without its newline. @return false when it can't be read */
HV_MUST_CHECK bool hv_read_line(const char *path, char *line, size_t line_bytes);
/** The word between [ and ] in such a file, as in the transparent_hugepage switches. */
HV_MUST_CHECK bool hv_read_choice(const char *path, char *word, size_t word_bytes);
/** A field of /proc/meminfo in bytes; 0 when absent. */
uint64_t hv_meminfo_bytes(const char *field);

#endif
