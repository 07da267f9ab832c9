/* SPDX-License-Identifier: MIT
 *
 * Tests of the guest driver that run inside a guest: what they share. Each test is a function that returns NULL or what
 * went wrong; around each, the driver's counter of held frames must come back to where it was. */
#ifndef GUEST_FAULTS_H
#define GUEST_FAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GF_PAGE = 4096, GF_HUGE = 2 << 20, GF_PAGES_PER_HUGE = 512 };
#define GF_DEVICE "/dev/llfree"

typedef const char *(*gf_test)(void);
typedef struct gf_entry {
	const char *name;
	gf_test run;
} gf_entry;

extern const gf_entry gf_mapping_tests[], gf_process_tests[], gf_module_tests[], gf_timeout_tests[];

/** Open the device. Ends the program when it can't. */
int gf_open(void);
/** Map bytes of an open device at an offset; huge: whether 2 MiB may be used. NULL on failure. */
uint8_t *gf_map(int fd, size_t bytes, uint64_t offset, bool huge);
/** Write a word that depends on seed into each page, or check it. */
void gf_fill(uint8_t *base, size_t bytes, uint64_t seed);
bool gf_check(const uint8_t *base, size_t bytes, uint64_t seed);
bool gf_is_zero(const uint8_t *base, size_t bytes);
/** One of the driver's numbers in /sys. -1 when it can't be read. */
long long gf_stat(const char *name);
/** Wait up to 30 s until a number is what it should be. */
bool gf_stat_becomes(const char *name, long long value);
/** Wait for a child: its status, as of waitpid. */
int gf_reap(int pid);
/** Touch a byte; whether that raised SIGBUS. */
bool gf_touch_faults(uint8_t *byte);
/** The text of a failure, printf-like; in a static buffer. */
const char *gf_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
