/* SPDX-License-Identifier: MIT
 *
 * Discards in batches; see discard.h. The guest keeps running beside all of this: nothing here may assume that its
 * memory stands still, only that the frames given are not the guest's (H1 is the caller's). */
#define _GNU_SOURCE
#include "memory/discard.h"
#include "memory/base_page.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
enum { HV_PIDFD_SELF = -10000 };

/* A run of neighbours, and where its first frame stands in the caller's array. */
typedef struct discard_range {
	size_t first_pos, n_huge;
} discard_range;

static ssize_t process_madvise_self(int pidfd, const struct iovec *ranges, size_t n_ranges, int advice)
{
	return syscall(SYS_process_madvise, pidfd, ranges, n_ranges, advice, 0u);
}

/* Two base pages, both written: after a working call both read as zero. */
static bool vectored_works(int pidfd)
{
	size_t page_bytes = hv_base_page_bytes();
	uint8_t *probe = mmap(NULL, 3 * page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (probe == MAP_FAILED)
		return false;
	probe[0] = probe[2 * page_bytes] = 1;
	struct iovec ranges[2] = { { probe, page_bytes }, { probe + 2 * page_bytes, page_bytes } };
	ssize_t done = process_madvise_self(pidfd, ranges, 2, MADV_DONTNEED);
	bool works = done == (ssize_t)(2 * page_bytes) && probe[0] == 0 && probe[2 * page_bytes] == 0;
	munmap(probe, 3 * page_bytes);
	return works;
}

void hv_discarder_open(hv_discarder *self, hv_discard_way wanted)
{
	*self = (hv_discarder){ .way = wanted, .pidfd = HV_PIDFD_SELF };
	if (wanted != HV_DISCARD_VECTORED || vectored_works(HV_PIDFD_SELF))
		return;
	self->pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0u);
	if (self->pidfd >= 0 && vectored_works(self->pidfd)) {
		self->pidfd_owned = true;
		return;
	}
	if (self->pidfd >= 0)
		close(self->pidfd);
	self->way = HV_DISCARD_COALESCED;
}

void hv_discarder_close(hv_discarder *self)
{
	if (self->pidfd_owned)
		close(self->pidfd);
	self->pidfd_owned = false;
}

const char *hv_discard_way_text(hv_discard_way way)
{
	static const char *const text[] = { "process_madvise, vectored", "madvise, coalesced",
					    "madvise, one call each" };
	return text[way];
}

/* Neighbours in the array that are neighbours in memory become one range. */
static size_t ranges_coalesce(const hv_memory *memory, const uint64_t *huge_idx, size_t n_huge, bool merge,
			      struct iovec *iov, discard_range *ranges)
{
	size_t n_ranges = 0;
	for (size_t pos = 0; pos < n_huge; pos++) {
		if (merge && pos > 0 && huge_idx[pos] == huge_idx[pos - 1] + 1) {
			iov[n_ranges - 1].iov_len += HV_HUGE_BYTES;
			ranges[n_ranges - 1].n_huge++;
			continue;
		}
		iov[n_ranges] = (struct iovec){ hv_memory_huge(memory, huge_idx[pos]), HV_HUGE_BYTES };
		ranges[n_ranges++] = (discard_range){ pos, 1 };
	}
	return n_ranges;
}

static void range_failed(const discard_range *range, bool *failed)
{
	for (size_t pos = 0; pos < range->n_huge; pos++)
		failed[range->first_pos + pos] = true;
}

/* Resume after a short byte count; a range that the kernel refuses gets a plain call, then counts as failed. */
static void advise_vectored(int pidfd, struct iovec *iov, const discard_range *ranges, size_t n_ranges, bool *failed,
			    uint64_t *calls)
{
	size_t at = 0;
	while (at < n_ranges) {
		ssize_t done = process_madvise_self(pidfd, iov + at, n_ranges - at, MADV_DONTNEED);
		++*calls;
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0) {
			++*calls;
			if (madvise(iov[at].iov_base, iov[at].iov_len, MADV_DONTNEED) != 0)
				range_failed(&ranges[at], failed);
			at++;
			continue;
		}
		size_t left = (size_t)done;
		while (at < n_ranges && left >= iov[at].iov_len)
			left -= iov[at++].iov_len;
		if (at < n_ranges && left > 0) {
			iov[at].iov_base = (uint8_t *)iov[at].iov_base + left;
			iov[at].iov_len -= left;
		}
	}
}

static void advise_each(const struct iovec *iov, const discard_range *ranges, size_t n_ranges, bool *failed,
			uint64_t *calls)
{
	for (size_t at = 0; at < n_ranges; at++) {
		++*calls;
		if (madvise(iov[at].iov_base, iov[at].iov_len, MADV_DONTNEED) != 0)
			range_failed(&ranges[at], failed);
	}
}

static void punch_each(const hv_memory *memory, const struct iovec *iov, const discard_range *ranges, size_t n_ranges,
		       bool *failed, uint64_t *calls)
{
	for (size_t at = 0; at < n_ranges; at++) {
		off_t offset = (off_t)memory->file_offset + ((uint8_t *)iov[at].iov_base - memory->base);
		int status;
		do {
			++*calls;
			status = fallocate(memory->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset,
					   (off_t)iov[at].iov_len);
		} while (status != 0 && errno == EINTR);
		if (status != 0)
			range_failed(&ranges[at], failed);
	}
}

hv_err hv_discard(const hv_discarder *self, const hv_memory *memory, const uint64_t *huge_idx, size_t n_huge,
		  bool *failed, uint64_t *calls)
{
	if (n_huge > HV_DISCARD_MAX)
		return HV_ERR_INVAL;
	struct iovec iov[HV_DISCARD_MAX];
	discard_range ranges[HV_DISCARD_MAX];
	uint64_t made = 0;
	for (size_t pos = 0; pos < n_huge; pos++)
		failed[pos] = false;
	bool merge = self->way != HV_DISCARD_SINGLE;
	size_t n_ranges = ranges_coalesce(memory, huge_idx, n_huge, merge, iov, ranges);
	if (self->way == HV_DISCARD_VECTORED)
		advise_vectored(self->pidfd, iov, ranges, n_ranges, failed, &made);
	else if (memory->backing->discard == HV_DISCARD_DONTNEED)
		advise_each(iov, ranges, n_ranges, failed, &made);
	if (memory->backing->discard == HV_DISCARD_PUNCH) {
		/* the vectored call may have moved a resumed range; where it failed the hole drops the mapping too */
		for (size_t pos = 0; pos < n_huge; pos++)
			failed[pos] = false;
		n_ranges = ranges_coalesce(memory, huge_idx, n_huge, merge, iov, ranges);
		punch_each(memory, iov, ranges, n_ranges, failed, &made);
	}
	if (calls != NULL)
		*calls += made;
	for (size_t pos = 0; pos < n_huge; pos++)
		if (failed[pos])
			return HV_ERR_DISCARD;
	return HV_OK;
}

hv_err hv_discard_frames(const hv_memory *memory, uint64_t first_frame, uint64_t n_frames, uint64_t *calls)
{
	/* whole base pages: of the others the kernel has neighbours' frames as well, which it would take with them */
	uint64_t page_bytes = hv_base_page_bytes(), first_byte = first_frame * HV_FRAME_BYTES;
	uint64_t end_byte = (first_byte + n_frames * HV_FRAME_BYTES) & ~(page_bytes - 1);
	first_byte = (first_byte + page_bytes - 1) & ~(page_bytes - 1);
	if (first_byte >= end_byte)
		return HV_OK;
	struct iovec iov = { memory->base + first_byte, end_byte - first_byte };
	discard_range range = { 0, 1 };
	bool failed = false;
	if (memory->backing->discard == HV_DISCARD_DONTNEED)
		advise_each(&iov, &range, 1, &failed, calls);
	else
		punch_each(memory, &iov, &range, 1, &failed, calls);
	return failed ? HV_ERR_DISCARD : HV_OK;
}
