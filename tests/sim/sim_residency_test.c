/* SPDX-License-Identifier: MIT
 *
 * The oracle against memory whose state is known, by PAGEMAP_SCAN and by the fallback. */
#define _GNU_SOURCE
#include "t_sim.h"

#include "memory/private_tmpfs.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HUGE = 8 };

typedef struct t_oracle {
	hv_vm vm;
	hv_residency residency;
	hv_residency_map map;
} t_oracle;

static void oracle_open(t_oracle *self, const char *backing, bool fallback)
{
	hv_vm_config config = t_vm_config(backing, HUGE, 1);
	assert_int_equal(hv_vm_create(&self->vm, &config), HV_OK);
	assert_int_equal(hv_residency_open(&self->residency, &self->vm.memory, fallback), HV_OK);
	if (fallback)
		assert_int_equal(self->residency.way, HV_RESIDENCY_MINCORE);
	assert_int_equal(hv_residency_map_create(&self->map, HUGE), HV_OK);
}

static void oracle_look(t_oracle *self)
{
	assert_int_equal(hv_residency_look(&self->residency, &self->vm.memory, &self->map), HV_OK);
}

static void oracle_close(t_oracle *self)
{
	hv_residency_map_destroy(&self->map);
	hv_residency_close(&self->residency);
	hv_vm_destroy(&self->vm);
}

static void frames_are_counted_one_by_one(void **state)
{
	(void)state;
	static t_oracle self;
	for (unsigned fallback = 0; fallback < 2; fallback++) {
		oracle_open(&self, "anon-4k", fallback == 1);
		oracle_look(&self);
		assert_int_equal(self.map.resident_bytes, 0);
		/* every frame of 1, the odd ones of 3, the last of 6 and the first of 7 */
		t_touch(&self.vm.memory, 1);
		for (size_t frame = 1; frame < HV_HUGE_FRAMES; frame += 2)
			hv_memory_huge(&self.vm.memory, 3)[frame * HV_FRAME_BYTES] = 1;
		hv_memory_huge(&self.vm.memory, 7)[-1] = 1;
		hv_memory_huge(&self.vm.memory, 7)[0] = 1;
		oracle_look(&self);
		static const uint16_t expected[HUGE] = { 0, 512, 0, 256, 0, 0, 1, 1 };
		for (unsigned idx = 0; idx < HUGE; idx++)
			assert_int_equal(self.map.resident_frames[idx], expected[idx]);
		assert_int_equal(self.map.resident_bytes, (512 + 256 + 2) * HV_FRAME_BYTES);
		assert_int_equal(self.map.huge_page_bytes, 0);
		oracle_close(&self);
	}
}

static void huge_pages_are_told_apart(void **state)
{
	(void)state;
	static t_oracle self;
	char why[160];
	if (!hv_backing_available(hv_backing_find("anon-thp"), why, sizeof(why)))
		skip();
	for (unsigned fallback = 0; fallback < 2; fallback++) {
		oracle_open(&self, "anon-thp", fallback == 1);
		t_touch(&self.vm.memory, 0);
		t_touch(&self.vm.memory, 5);
		oracle_look(&self);
		assert_int_equal(self.map.resident_bytes, 2 * HV_HUGE_BYTES);
		/* the kernel may be out of huge pages, but never tells of more than there are */
		assert_true(self.map.huge_page_bytes <= 2 * HV_HUGE_BYTES);
		oracle_close(&self);
	}
}

static void discarded_memory_is_absent(void **state)
{
	(void)state;
	static t_oracle self;
	for (unsigned fallback = 0; fallback < 2; fallback++) {
		oracle_open(&self, "anon-thp", fallback == 1);
		for (uint64_t idx = 0; idx < HUGE; idx++)
			t_touch(&self.vm.memory, idx);
		assert_int_equal(madvise(hv_memory_huge(&self.vm.memory, 2), 2 * HV_HUGE_BYTES, MADV_DONTNEED), 0);
		oracle_look(&self);
		for (unsigned idx = 0; idx < HUGE; idx++)
			assert_int_equal(self.map.resident_frames[idx], idx == 2 || idx == 3 ? 0 : HV_HUGE_FRAMES);
		oracle_close(&self);
	}
}

/* Rss of the mappings that lie in this memory: the kernel's other account. */
static uint64_t smaps_rss_bytes(const hv_memory *memory)
{
	uint64_t base = (uint64_t)(uintptr_t)memory->base, end = base + (memory->huge_count << HV_HUGE_SHIFT);
	uint64_t kib = 0, first, last, value;
	bool inside = false;
	char line[512];
	FILE *file = fopen("/proc/self/smaps", "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &first, &last) == 2)
			inside = first < end && last > base;
		else if (inside && sscanf(line, "Rss: %" SCNu64, &value) == 1)
			kib += value;
	}
	fclose(file);
	return kib << 10;
}

/* Most kernels answer a read with the shared zero page, which is no memory; some give a page of its own. */
static void memory_only_read_counts_as_in_smaps(void **state)
{
	(void)state;
	static t_oracle self;
	oracle_open(&self, "anon-4k", false);
	if (self.residency.way != HV_RESIDENCY_PAGEMAP_SCAN) {
		oracle_close(&self);
		skip();
	}
	volatile uint8_t *memory = self.vm.memory.base;
	for (size_t frame = 0; frame < HV_HUGE_FRAMES; frame++)
		assert_int_equal(memory[frame * HV_FRAME_BYTES], 0);
	oracle_look(&self);
	assert_int_equal(self.map.resident_bytes, smaps_rss_bytes(&self.vm.memory));
	oracle_close(&self);
}

static void unmapped_file_memory_is_still_resident(void **state)
{
	(void)state;
	static t_oracle self;
	oracle_open(&self, "memfd", false);
	t_touch(&self.vm.memory, 4);
	assert_int_equal(madvise(hv_memory_huge(&self.vm.memory, 4), HV_HUGE_BYTES, MADV_DONTNEED), 0);
	oracle_look(&self);
	assert_int_equal(self.map.resident_frames[4], HV_HUGE_FRAMES);
	oracle_close(&self);
}

/* Of every file backing: page cache and file system agree, with what is mapped and what is not. */
static void file_system_agrees_with_the_oracle(void **state)
{
	(void)state;
	static t_oracle self;
	char why[160];
	for (const hv_backing *const *backing = hv_backings; *backing != NULL; backing++) {
		if (!(*backing)->shared || !hv_backing_available(*backing, why, sizeof(why)))
			continue;
		oracle_open(&self, (*backing)->name, false);
		oracle_look(&self);
		assert_int_equal(self.map.file_bytes, 0);
		t_touch(&self.vm.memory, 1);
		t_touch(&self.vm.memory, 4);
		assert_int_equal(madvise(hv_memory_huge(&self.vm.memory, 4), HV_HUGE_BYTES, MADV_DONTNEED), 0);
		oracle_look(&self);
		assert_int_equal(self.map.file_bytes, 2 * HV_HUGE_BYTES);
		oracle_close(&self);
	}
}

static void huge_backings_are_huge(void **state)
{
	(void)state;
	static t_oracle self;
	char why[160];
	if (!hv_backing_available(hv_backing_find("tmpfs-huge"), why, sizeof(why)))
		skip();
	oracle_open(&self, "tmpfs-huge", false);
	t_touch(&self.vm.memory, 0);
	t_touch(&self.vm.memory, 5);
	oracle_look(&self);
	assert_int_equal(self.map.resident_bytes, 2 * HV_HUGE_BYTES);
	assert_int_equal(self.map.huge_page_bytes, 2 * HV_HUGE_BYTES);
	oracle_close(&self);
}

static void link_read(const char *path, char *text, size_t text_bytes)
{
	ssize_t chars = readlink(path, text, text_bytes - 1);
	assert_true(chars > 0);
	text[chars] = '\0';
}

/* Mounts are made by a child in namespaces of its own: ours, and who we are, stay. */
static void private_mount_leaves_the_caller_alone(void **state)
{
	(void)state;
	char before[2][64], after[2][64], why[160];
	const char *failed_call;
	uid_t user = geteuid();
	link_read("/proc/self/ns/mnt", before[0], sizeof(before[0]));
	link_read("/proc/self/ns/user", before[1], sizeof(before[1]));
	if (!hv_backing_available(hv_backing_find("tmpfs-huge"), why, sizeof(why))) {
		print_message("skipped: %s\n", why);
		skip();
	}
	int fd = hv_private_tmpfs_file(HV_HUGE_BYTES, &failed_call);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	link_read("/proc/self/ns/mnt", after[0], sizeof(after[0]));
	link_read("/proc/self/ns/user", after[1], sizeof(after[1]));
	assert_string_equal(before[0], after[0]);
	assert_string_equal(before[1], after[1]);
	assert_int_equal(geteuid(), user);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
}

static void map_of_another_size_is_refused(void **state)
{
	(void)state;
	static t_oracle self;
	hv_residency_map other;
	oracle_open(&self, "anon-4k", false);
	assert_int_equal(hv_residency_map_create(&other, HUGE + 1), HV_OK);
	assert_int_equal(hv_residency_look(&self.residency, &self.vm.memory, &other), HV_ERR_INVAL);
	hv_residency_map_destroy(&other);
	oracle_close(&self);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_are_counted_one_by_one),
		cmocka_unit_test(huge_pages_are_told_apart),
		cmocka_unit_test(discarded_memory_is_absent),
		cmocka_unit_test(memory_only_read_counts_as_in_smaps),
		cmocka_unit_test(unmapped_file_memory_is_still_resident),
		cmocka_unit_test(file_system_agrees_with_the_oracle),
		cmocka_unit_test(huge_backings_are_huge),
		cmocka_unit_test(private_mount_leaves_the_caller_alone),
		cmocka_unit_test(map_of_another_size_is_refused),
	};
	return T_RUN(tests);
}
