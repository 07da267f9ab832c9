/* SPDX-License-Identifier: MIT
 *
 * Memory, region and allocator in one: the hosted part that maps. Includes the public headers and the OS only.
 * Create and attach are a list of steps that write what they made into the arena; when one fails, everything made so
 * far is taken back, errno is that of the step that failed and failed_call names it.
 * Memory is real memory here: more than RAM and swap together is refused at once (ENOMEM) instead of ending the
 * process at some later touch; so is a file that its file system could not hold (ENOSPC). Within that, nothing is
 * reserved ahead: pages come with the first touch. */
#define _GNU_SOURCE
#include "arena/arena_map.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

_Static_assert(sizeof(size_t) == sizeof(uint64_t), "an arena needs a 64-bit address space");

enum { ARENA_SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL };

/* What a create did to the file system, so that a later failure can take it back. */
typedef struct file_undo {
	const char *path;
	off_t old_bytes; /* size before it was extended; -1 = not extended */
	off_t new_bytes;
	bool created;
} file_undo;

static void arena_reset(llfree_arena *arena)
{
	memset(arena, 0, sizeof(*arena));
	arena->memory_fd = -1;
	arena->region_fd = -1;
}

static llfree_err arena_failed(llfree_arena *arena, const char *call)
{
	arena->failed_call = call;
	return LLFREE_ERR_SYSTEM;
}

/* Unmap and close what there is; errno and failed_call stay. */
static void arena_release(llfree_arena *arena)
{
	const char *call = arena->failed_call;
	int saved_errno = errno;

	if (arena->memory)
		munmap(arena->memory, llf_huge_round_up(arena->memory_bytes));
	if (arena->region)
		munmap(arena->region, arena->region_bytes);
	if (arena->memory_fd >= 0)
		close(arena->memory_fd);
	if (arena->region_fd >= 0)
		close(arena->region_fd);
	arena_reset(arena);
	arena->failed_call = call;
	errno = saved_errno;
}

/* Remove a file that this create made; give an extended one its old size back, unless somebody resized it since. */
static void file_take_back(const file_undo *undo, int fd)
{
	int saved_errno = errno;
	struct stat now;

	if (undo->created)
		unlink(undo->path);
	else if (undo->old_bytes >= 0 && fstat(fd, &now) == 0 && now.st_size == undo->new_bytes &&
		 ftruncate(fd, undo->old_bytes) != 0)
		saved_errno = errno; /* the file keeps its new size: say so instead */
	errno = saved_errno;
}

static int sealable_memfd(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL) /* before Linux 6.3 */
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd;
}

static llfree_err memory_map(llfree_arena *arena, uint64_t memory_bytes, bool small_frames)
{
	int flags = arena->memory_fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;

	arena->memory = llf_map_aligned(llf_huge_round_up(memory_bytes), flags, arena->memory_fd, 0);
	if (!arena->memory)
		return arena_failed(arena, "mmap (memory)");
	arena->memory_bytes = memory_bytes;
	/* Advice: a kernel without huge pages refuses it, and the arena works all the same. */
	int advised = madvise(arena->memory, memory_bytes, small_frames ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);

	arena->huge_advised = !small_frames && advised == 0;
	return LLFREE_OK;
}

static llfree_err memory_check_machine(llfree_arena *arena, uint64_t memory_bytes)
{
	struct sysinfo machine;

	if (sysinfo(&machine) != 0)
		return arena_failed(arena, "sysinfo");
	if (memory_bytes / machine.mem_unit > (uint64_t)machine.totalram + machine.totalswap) {
		errno = ENOMEM;
		return arena_failed(arena, "sysinfo (more than RAM and swap)");
	}
	return LLFREE_OK;
}

/* Create the file or open an existing one; extend it when it is shorter, never shrink it. */
static llfree_err file_open(llfree_arena *arena, uint64_t memory_bytes, file_undo *undo)
{
	struct stat file;

	arena->memory_fd = open(undo->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0600);
	undo->created = arena->memory_fd >= 0;
	if (!undo->created && errno == EEXIST)
		arena->memory_fd = open(undo->path, O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (arena->memory_fd < 0)
		return arena_failed(arena, "open");
	if (fstat(arena->memory_fd, &file) != 0)
		return arena_failed(arena, "fstat");
	if (!S_ISREG(file.st_mode))
		return LLFREE_ERR_INVAL;
	const char *call = llf_file_lacks_space(arena->memory_fd, memory_bytes);

	if (call)
		return arena_failed(arena, call);
	if ((uint64_t)file.st_size >= memory_bytes)
		return LLFREE_OK;
	if (ftruncate(arena->memory_fd, (off_t)memory_bytes) != 0)
		return arena_failed(arena, "ftruncate (memory)");
	undo->old_bytes = file.st_size;
	undo->new_bytes = (off_t)memory_bytes;
	return LLFREE_OK;
}

static llfree_err memfd_open(llfree_arena *arena, uint64_t memory_bytes)
{
	arena->memory_fd = sealable_memfd("llfree-memory");
	if (arena->memory_fd < 0)
		return arena_failed(arena, "memfd_create (memory)");
	if (ftruncate(arena->memory_fd, (off_t)memory_bytes) != 0)
		return arena_failed(arena, "ftruncate (memory)");
	if (fcntl(arena->memory_fd, F_ADD_SEALS, ARENA_SEALS) != 0)
		return arena_failed(arena, "fcntl(F_ADD_SEALS) (memory)");
	return LLFREE_OK;
}

static llfree_err memory_create(llfree_arena *arena, const llfree_arena_config *config, uint64_t memory_bytes,
				file_undo *undo)
{
	llfree_err err = LLFREE_OK;

	if (config->backing == LLFREE_BACKING_FILE)
		err = file_open(arena, memory_bytes, undo);
	else
		err = memory_check_machine(arena, memory_bytes);
	if (!err && config->backing == LLFREE_BACKING_MEMFD)
		err = memfd_open(arena, memory_bytes);
	return err ? err : memory_map(arena, memory_bytes, config->small_frames);
}

static llfree_err region_map(llfree_arena *arena, size_t region_bytes)
{
	void *region = mmap(NULL, region_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, arena->region_fd, 0);

	if (region == MAP_FAILED)
		return arena_failed(arena, "mmap (region)");
	arena->region = region;
	arena->region_bytes = region_bytes;
	return LLFREE_OK;
}

static llfree_err region_create(llfree_arena *arena, const llfree_config *allocator)
{
	size_t region_bytes = llfree_metadata_bytes(allocator);

	arena->region_fd = sealable_memfd("llfree-region");
	if (arena->region_fd < 0)
		return arena_failed(arena, "memfd_create (region)");
	if (ftruncate(arena->region_fd, (off_t)region_bytes) != 0)
		return arena_failed(arena, "ftruncate (region)");
	if (fcntl(arena->region_fd, F_ADD_SEALS, ARENA_SEALS) != 0)
		return arena_failed(arena, "fcntl(F_ADD_SEALS) (region)");
	llfree_err err = region_map(arena, region_bytes);

	return err ? err : llfree_init(&arena->allocator, allocator, arena->region, region_bytes, false);
}

/* Fill in the allocator's part; refuse what no step could do. */
static llfree_err config_complete(const llfree_arena_config *config, llfree_config *allocator, uint64_t *memory_bytes)
{
	if (!config || config->memory_bytes == 0 || config->memory_bytes > INT64_MAX - LLFREE_HUGE_BYTES)
		return LLFREE_ERR_INVAL;
	if (config->backing != LLFREE_BACKING_ANON && config->backing != LLFREE_BACKING_MEMFD &&
	    config->backing != LLFREE_BACKING_FILE)
		return LLFREE_ERR_INVAL;
	if ((config->backing == LLFREE_BACKING_FILE) != (config->path != NULL))
		return LLFREE_ERR_INVAL;
	*memory_bytes = llf_huge_round_up(config->memory_bytes);
	*allocator = config->allocator;
	return llf_allocator_complete(allocator, *memory_bytes);
}

llfree_err llfree_arena_create(llfree_arena *arena, const llfree_arena_config *config)
{
	int saved_errno = errno;
	llfree_config allocator;
	uint64_t memory_bytes;

	arena_reset(arena);
	llfree_err err = config_complete(config, &allocator, &memory_bytes);

	if (err)
		return err;
	file_undo undo = { .path = config->path, .old_bytes = -1 };

	err = memory_create(arena, config, memory_bytes, &undo);
	if (!err)
		err = region_create(arena, &allocator);
	if (err) {
		file_take_back(&undo, arena->memory_fd);
		arena_release(arena);
	}
	if (err != LLFREE_ERR_SYSTEM)
		errno = saved_errno;
	return err;
}

/* The region of another process, which may be hostile: nothing of it is believed before llfree_attach() checked it,
 * and without the seal the file could shrink under this mapping, where the next access raises SIGBUS. */
static llfree_err region_attach(llfree_arena *arena, int region_fd)
{
	struct stat file;

	arena->region_fd = fcntl(region_fd, F_DUPFD_CLOEXEC, 0);
	if (arena->region_fd < 0)
		return arena_failed(arena, "fcntl(F_DUPFD_CLOEXEC) (region)");
	int seals = fcntl(arena->region_fd, F_GET_SEALS);

	if (seals < 0 && errno != EINVAL) /* EINVAL: a file that can't be sealed */
		return arena_failed(arena, "fcntl(F_GET_SEALS) (region)");
	if (fstat(arena->region_fd, &file) != 0) /* after the seals: the size is final now */
		return arena_failed(arena, "fstat (region)");
	if (!S_ISREG(file.st_mode))
		return LLFREE_ERR_INVAL;
	if ((uint64_t)file.st_size < sizeof(llfree_header))
		return LLFREE_ERR_TOO_SMALL;
	if (seals < 0 || !(seals & F_SEAL_SHRINK))
		return LLFREE_ERR_INVAL;
	llfree_err err = region_map(arena, (size_t)file.st_size);

	return err ? err : llfree_attach(&arena->allocator, arena->region, arena->region_bytes);
}

static llfree_err memory_attach(llfree_arena *arena, int memory_fd)
{
	uint64_t memory_bytes = arena->allocator.frames << LLFREE_FRAME_SHIFT;
	struct stat file;

	arena->memory_fd = fcntl(memory_fd, F_DUPFD_CLOEXEC, 0);
	if (arena->memory_fd < 0)
		return arena_failed(arena, "fcntl(F_DUPFD_CLOEXEC) (memory)");
	if (fstat(arena->memory_fd, &file) != 0)
		return arena_failed(arena, "fstat (memory)");
	if (!S_ISREG(file.st_mode))
		return LLFREE_ERR_INVAL;
	if ((uint64_t)file.st_size < memory_bytes)
		return LLFREE_ERR_TOO_SMALL;
	return memory_map(arena, memory_bytes, false);
}

llfree_err llfree_arena_attach(llfree_arena *arena, int region_fd, int memory_fd)
{
	int saved_errno = errno;

	arena_reset(arena);
	llfree_err err = region_attach(arena, region_fd);

	if (!err && memory_fd != -1)
		err = memory_attach(arena, memory_fd);
	if (err)
		arena_release(arena);
	if (err != LLFREE_ERR_SYSTEM)
		errno = saved_errno;
	return err;
}

void llfree_arena_destroy(llfree_arena *arena)
{
	arena->failed_call = NULL;
	arena_release(arena);
}

bool llfree_arena_contains(const llfree_arena *arena, const void *address)
{
	return (uintptr_t)address - (uintptr_t)arena->memory < arena->memory_bytes;
}
