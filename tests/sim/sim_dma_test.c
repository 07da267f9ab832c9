/* SPDX-License-Identifier: MIT
 *
 * The DMA device by itself: what it maps it pins, what it does not map it can't reach, a slot is left only after its
 * last transfer, and memory that is discarded while pinned goes stale. Skipped where io_uring is not to be had. */
#define _GNU_SOURCE
#include "t_sim.h"

#include "device/hv_dma.h"
#include "guest/pattern.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HUGE = 8, BYTES = 4 * HV_FRAME_BYTES };

typedef struct t_device {
	hv_vm vm;
	hv_dma *dma;
	int medium_fd;
} t_device;

static bool device_here(void)
{
	char why[160];
	if (hv_dma_available(why, sizeof(why)))
		return true;
	print_message("skipped: %s\n", why);
	return false;
}

static void device_open(t_device *self, const char *backing, uint64_t window_huge)
{
	hv_vm_config config = t_vm_config(backing, HUGE, 1);
	assert_int_equal(hv_vm_create(&self->vm, &config), HV_OK);
	assert_int_equal(hv_dma_create(&self->dma, &self->vm.memory, window_huge), HV_OK);
	self->medium_fd = memfd_create("medium", MFD_CLOEXEC);
	assert_true(self->medium_fd >= 0);
	assert_int_equal(ftruncate(self->medium_fd, HV_HUGE_BYTES), 0);
}

static void device_close(t_device *self)
{
	hv_dma_destroy(self->dma);
	close(self->medium_fd);
	hv_vm_destroy(&self->vm);
	assert_true(hv_pinned_becomes(0));
}

static int32_t transfer(t_device *self, hv_dma_direction direction, uint64_t huge_idx, bool queued)
{
	hv_dma_transfer transfer = { .direction = direction,
				     .memory_offset = (huge_idx << HV_HUGE_SHIFT) + 7 * HV_FRAME_BYTES,
				     .bytes = BYTES,
				     .medium_fd = self->medium_fd,
				     .queued = queued };
	hv_dma_transfer *transfers[] = { &transfer };
	assert_int_equal(hv_dma_submit(self->dma, transfers, 1), HV_OK);
	hv_dma_wait(self->dma, &transfer);
	return transfer.result;
}

static uint8_t *place(t_device *self, uint64_t huge_idx)
{
	return hv_memory_huge(&self->vm.memory, huge_idx) + 7 * HV_FRAME_BYTES;
}

static void all_of_the_memory_is_mapped_and_pinned_from_the_start(void **state)
{
	(void)state;
	static t_device self;
	if (!device_here())
		skip();
	uint64_t before_bytes = hv_pinned_bytes();
	device_open(&self, "anon-thp", 0);
	assert_int_equal(hv_dma_window(self.dma), HUGE);
	assert_int_equal(hv_dma_mapped_huge(self.dma), HUGE);
	assert_true(hv_pinned_becomes(before_bytes + HUGE * (uint64_t)HV_HUGE_BYTES));
	assert_int_equal(t_resident(&self.vm.memory, HUGE - 1), HV_HUGE_FRAMES);
	device_close(&self);
	assert_true(hv_pinned_becomes(before_bytes));
}

static void transfers_carry_data_both_ways(void **state)
{
	(void)state;
	static t_device self;
	char why[160];
	if (!device_here())
		skip();
	for (const hv_backing *const *backing = hv_backings; *backing != NULL; backing++) {
		if (!hv_backing_available(*backing, why, sizeof(why)))
			continue;
		device_open(&self, (*backing)->name, 0);
		for (unsigned queued = 0; queued < 2; queued++) {
			uint8_t sent[BYTES], got[BYTES];
			memset(sent, 0x51 + (int)queued, BYTES);
			memcpy(place(&self, 3), sent, BYTES);
			assert_int_equal(transfer(&self, HV_DMA_READS_MEMORY, 3, queued == 1), BYTES);
			assert_int_equal(pread(self.medium_fd, got, BYTES, 0), BYTES);
			assert_memory_equal(got, sent, BYTES);
			assert_int_equal(transfer(&self, HV_DMA_WRITES_MEMORY, 6, queued == 1), BYTES);
			assert_memory_equal(place(&self, 6), sent, BYTES);
		}
		device_close(&self);
	}
}

static void unmapped_slot_can_not_be_reached(void **state)
{
	(void)state;
	static t_device self;
	static const uint64_t gone[] = { 2, 3, 5 };
	if (!device_here())
		skip();
	device_open(&self, "anon-thp", 0);
	uint64_t before_bytes = hv_pinned_bytes();
	assert_int_equal(hv_dma_unmap(self.dma, gone, 3), HV_OK);
	assert_true(hv_pinned_becomes(before_bytes - 3 * (uint64_t)HV_HUGE_BYTES));
	for (uint64_t idx = 0; idx < HUGE; idx++) {
		bool away = idx == 2 || idx == 3 || idx == 5;
		assert_int_equal(hv_dma_mapped(self.dma, idx), !away);
		assert_int_equal(transfer(&self, HV_DMA_READS_MEMORY, idx, false), away ? -EFAULT : BYTES);
		assert_int_equal(transfer(&self, HV_DMA_WRITES_MEMORY, idx, true), away ? -EFAULT : BYTES);
	}
	assert_int_equal(hv_dma_count(self.dma)->faults, 6);
	assert_int_equal(hv_dma_unmap(self.dma, gone, 3), HV_OK); /* again: nothing to do */
	assert_int_equal(hv_dma_map(self.dma, gone, 3), HV_OK);
	assert_int_equal(hv_dma_map(self.dma, gone, 3), HV_OK);
	assert_true(hv_pinned_becomes(before_bytes));
	assert_int_equal(transfer(&self, HV_DMA_READS_MEMORY, 3, false), BYTES);
	device_close(&self);
}

static void transfer_that_leaves_its_huge_frame_is_refused(void **state)
{
	(void)state;
	static t_device self;
	if (!device_here())
		skip();
	device_open(&self, "anon-thp", 0);
	static const struct {
		uint64_t offset;
		uint32_t bytes;
	} bad[] = { { 0, 0 },
		    { 0, HV_HUGE_BYTES + 1 },
		    { HV_HUGE_BYTES - 4, 8 },
		    { HUGE * (uint64_t)HV_HUGE_BYTES, 8 },
		    { UINT64_MAX - 7, 8 } };
	for (size_t at = 0; at < sizeof(bad) / sizeof(bad[0]); at++) {
		hv_dma_transfer one = { .memory_offset = bad[at].offset, .bytes = bad[at].bytes };
		hv_dma_transfer *transfers[] = { &one };
		assert_int_equal(hv_dma_submit(self.dma, transfers, 1), HV_ERR_INVAL);
		assert_int_equal(hv_dma_transfer_state(&one), HV_DMA_IDLE);
	}
	device_close(&self);
}

/* An unmap beside a transfer that the test holds in flight. */
typedef struct t_unmap {
	hv_dma *dma;
	_Atomic bool over;
} t_unmap;

static void *unmap_thread(void *context)
{
	t_unmap *self = context;
	uint64_t huge_idx = 4;
	bool ok = hv_dma_unmap(self->dma, &huge_idx, 1) == HV_OK;
	atomic_store(&self->over, true);
	return ok ? context : NULL;
}

static void unmap_returns_after_the_last_transfer_in_flight(void **state)
{
	(void)state;
	static t_device self;
	int ends[2];
	if (!device_here())
		skip();
	device_open(&self, "anon-thp", 0);
	assert_int_equal(pipe(ends), 0);
	hv_dma_transfer waiting = { .direction = HV_DMA_WRITES_MEMORY,
				    .memory_offset = 4u * (uint64_t)HV_HUGE_BYTES,
				    .bytes = 4,
				    .medium_fd = ends[0],
				    .medium_offset = UINT64_MAX };
	hv_dma_transfer *transfers[] = { &waiting };
	assert_int_equal(hv_dma_submit(self.dma, transfers, 1), HV_OK);
	t_unmap unmap = { .dma = self.dma };
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, unmap_thread, &unmap), 0);
	hv_sleep_ns(50000000);
	assert_false(atomic_load(&unmap.over)); /* nothing was written to the pipe yet */
	assert_int_equal(hv_dma_transfer_state(&waiting), HV_DMA_IN_FLIGHT);
	assert_true(hv_dma_mapped(self.dma, 4));
	assert_int_equal(transfer(&self, HV_DMA_READS_MEMORY, 4, false), -EFAULT); /* no new one gets in */
	assert_int_equal(transfer(&self, HV_DMA_READS_MEMORY, 5, false), BYTES);   /* others go on */
	assert_int_equal(write(ends[1], "late", 4), 4);
	void *ok;
	pthread_join(thread, &ok);
	assert_non_null(ok);
	/* and the transfer did land, in the memory that was not gone yet */
	hv_dma_wait(self.dma, &waiting);
	assert_int_equal(waiting.result, 4);
	assert_memory_equal(hv_memory_huge(&self.vm.memory, 4), "late", 4);
	assert_false(hv_dma_mapped(self.dma, 4));
	assert_int_equal(hv_dma_count(self.dma)->unmapped_in_flight, 1);
	close(ends[0]);
	close(ends[1]);
	device_close(&self);
}

/* The hazard itself: what a technique does that discards without telling the device. */
static void discard_of_pinned_memory_goes_stale_both_ways(void **state)
{
	(void)state;
	static t_device self;
	char why[160];
	if (!device_here())
		skip();
	for (const hv_backing *const *backing = hv_backings; *backing != NULL; backing++) {
		uint64_t huge_idx = 2;
		hv_discarder discarder;
		bool failed;
		uint8_t got[BYTES];
		if (!hv_backing_available(*backing, why, sizeof(why)))
			continue;
		device_open(&self, (*backing)->name, 0);
		uint64_t pinned_bytes = hv_pinned_bytes();
		memset(place(&self, 2), 0x11, BYTES);
		hv_discarder_open(&discarder, HV_DISCARD_VECTORED);
		assert_int_equal(hv_discard(&discarder, &self.vm.memory, &huge_idx, 1, &failed, NULL), HV_OK);
		hv_discarder_close(&discarder);
		assert_int_equal(t_resident(&self.vm.memory, 2), 0); /* it looks gone, and is not */
		assert_int_equal(hv_pinned_bytes(), pinned_bytes);
		memset(place(&self, 2), 0x22, BYTES);
		assert_int_equal(transfer(&self, HV_DMA_READS_MEMORY, 2, false), BYTES); /* "success" */
		assert_int_equal(pread(self.medium_fd, got, BYTES, 0), BYTES);
		assert_int_equal(got[BYTES - 1], 0x11); /* the device sends what is long gone */
		memset(got, 0x33, BYTES);
		assert_int_equal(pwrite(self.medium_fd, got, BYTES, 0), BYTES);
		assert_int_equal(transfer(&self, HV_DMA_WRITES_MEMORY, 2, false), BYTES);
		assert_int_equal(place(&self, 2)[0], 0x22); /* the CPU sees nothing of it */
		/* unmapping and mapping again heals it */
		assert_int_equal(hv_dma_unmap(self.dma, &huge_idx, 1), HV_OK);
		assert_int_equal(hv_dma_map(self.dma, &huge_idx, 1), HV_OK);
		assert_int_equal(transfer(&self, HV_DMA_WRITES_MEMORY, 2, false), BYTES);
		assert_int_equal(place(&self, 2)[0], 0x33);
		device_close(&self);
	}
}

static void window_limits_what_the_device_sees(void **state)
{
	(void)state;
	static t_device self;
	static const uint64_t all[HUGE] = { 0, 1, 2, 3, 4, 5, 6, 7 };
	if (!device_here())
		skip();
	uint64_t before_bytes = hv_pinned_bytes(), n_seen = 0;
	device_open(&self, "anon-thp", 3);
	assert_int_equal(hv_dma_window(self.dma), 3);
	assert_false(hv_dma_limited(self.dma));
	assert_true(hv_pinned_becomes(before_bytes + 3 * (uint64_t)HV_HUGE_BYTES));
	for (uint64_t idx = 0; idx < HUGE; idx++) {
		bool seen = hv_dma_sees(self.dma, idx);
		n_seen += seen;
		assert_int_equal(transfer(&self, HV_DMA_READS_MEMORY, idx, false), seen ? BYTES : -EFAULT);
	}
	assert_int_equal(n_seen, 3);
	assert_int_equal(hv_dma_unmap(self.dma, all, HUGE), HV_OK);
	assert_true(hv_pinned_becomes(before_bytes));
	assert_int_equal(hv_dma_map(self.dma, all, HUGE), HV_OK);
	assert_int_equal(hv_dma_mapped_huge(self.dma), 3);
	device_close(&self);
}

/* In a child without privilege: 0 = as it should be, 77 = can't be tried here. */
static int limited_child(void)
{
	static hv_vm vm;
	struct rlimit limit = { 8 << 20, 8 << 20 };
	hv_vm_config config = t_vm_config("anon-thp", HUGE, 1);
	hv_dma *dma;
	char why[160];
	if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0 || (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0))
		return 77;
	if (!hv_dma_available(why, sizeof(why)) || hv_vm_create(&vm, &config) != HV_OK)
		return 77;
	if (hv_dma_create(&dma, &vm.memory, 0) != HV_OK)
		return 1;
	bool fine = hv_dma_limited(dma) && hv_dma_window(dma) >= 1 && hv_dma_window(dma) <= 3 &&
		    hv_dma_mapped_huge(dma) == hv_dma_window(dma);
	hv_dma_destroy(dma);
	hv_vm_destroy(&vm);
	return fine ? 0 : 2;
}

static void few_pins_make_a_small_window(void **state)
{
	(void)state;
	int status;
	if (!device_here() || T_THREAD_SANITIZER)
		skip();
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(limited_child());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void memory_beyond_the_slots_of_io_uring_is_refused(void **state)
{
	(void)state;
	hv_dma *dma;
	hv_memory memory = { .huge_count = HV_DMA_HUGE_MAX + 1, .fd = -1, .backing = hv_backing_find("anon-thp") };
	if (!device_here())
		skip();
	assert_int_equal(hv_dma_create(&dma, &memory, 0), HV_ERR_INVAL);
	assert_null(dma);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_the_memory_is_mapped_and_pinned_from_the_start),
		cmocka_unit_test(transfers_carry_data_both_ways),
		cmocka_unit_test(unmapped_slot_can_not_be_reached),
		cmocka_unit_test(transfer_that_leaves_its_huge_frame_is_refused),
		cmocka_unit_test(unmap_returns_after_the_last_transfer_in_flight),
		cmocka_unit_test(discard_of_pinned_memory_goes_stale_both_ways),
		cmocka_unit_test(window_limits_what_the_device_sees),
		cmocka_unit_test(few_pins_make_a_small_window),
		cmocka_unit_test(memory_beyond_the_slots_of_io_uring_is_refused),
	};
	return T_RUN(tests);
}
