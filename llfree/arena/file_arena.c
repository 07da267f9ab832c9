/* SPDX-License-Identifier: MIT
 *
 * An arena in a file: superblock, region, memory. Includes the public headers and the OS only.
 * Order of writes: create writes the magic last; open marks the file as in use after it has recovered it; close marks
 * it clean after everything else is written. So a crash at any point leaves a file that is refused, or recovered once
 * more.
 */
#define _GNU_SOURCE
#include "arena/arena_map.h"
#include "arena/superblock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static llfree_err file_failed(llfree_file *file, const char *call)
{
	file->arena.failed_call = call;
	return LLFREE_ERR_SYSTEM;
}

static void file_reset(llfree_file *file)
{
	memset(file, 0, sizeof(*file));
	file->arena.memory_fd = -1;
	file->arena.region_fd = -1;
}

/* Unmap and close what there is; errno and failed_call stay. */
static void file_release(llfree_file *file)
{
	const char *call = file->arena.failed_call;
	int saved_errno = errno;

	if (file->arena.memory)
		munmap(file->arena.memory, file->arena.memory_bytes);
	if (file->metadata)
		munmap(file->metadata, file->metadata_bytes);
	if (file->arena.memory_fd >= 0)
		close(file->arena.memory_fd); /* with it goes the lock */
	file_reset(file);
	file->arena.failed_call = call;
	errno = saved_errno;
}

static llf_superblock *superblock_of(const llfree_file *file)
{
	return file->metadata;
}

/* --- opening ---------------------------------------------------------------------------------------------------- */

/* A lock belongs to an open file, not to a process, and ends with its last descriptor: kill, or close by everyone. */
static llfree_err file_lock(llfree_file *file)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(file->arena.memory_fd, F_OFD_SETLK, &lock) == 0)
		return LLFREE_OK;
	return errno == EAGAIN || errno == EACCES ? LLFREE_ERR_BUSY : file_failed(file, "fcntl(F_OFD_SETLK)");
}

/* The caller's descriptor is opened anew: a duplicate would share its lock with everyone who has one. */
static llfree_err file_get(llfree_file *file, const llfree_file_config *config, int flags)
{
	char link[64];
	struct stat status;

	if (!config->path)
		(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", config->fd);
	file->arena.memory_fd = open(config->path ? config->path : link, O_RDWR | O_CLOEXEC | O_NOCTTY | flags, 0600);
	if (file->arena.memory_fd < 0)
		return file_failed(file, "open");
	if (fstat(file->arena.memory_fd, &status) != 0)
		return file_failed(file, "fstat");
	return S_ISREG(status.st_mode) ? file_lock(file) : LLFREE_ERR_INVAL;
}

/* MAP_SYNC works on DAX only; where it is refused the page cache lies between store and medium. */
static int map_flags(llfree_file *file)
{
	void *page = mmap(NULL, LLF_SUPERBLOCK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED_VALIDATE | MAP_SYNC,
			  file->arena.memory_fd, 0);

	file->dax = page != MAP_FAILED;
	if (!file->dax)
		return MAP_SHARED;
	munmap(page, LLF_SUPERBLOCK_BYTES);
	return MAP_SHARED_VALIDATE | MAP_SYNC;
}

static llfree_err file_map(llfree_file *file, const llf_superblock *block, bool small_frames)
{
	int flags = map_flags(file);
	llfree_arena *arena = &file->arena;
	size_t metadata_bytes = block->region_offset + block->region_bytes;
	void *metadata = mmap(NULL, metadata_bytes, PROT_READ | PROT_WRITE, flags, arena->memory_fd, 0);

	if (metadata == MAP_FAILED)
		return file_failed(file, "mmap (metadata)");
	file->metadata = metadata;
	file->metadata_bytes = metadata_bytes;
	arena->region = (uint8_t *)metadata + block->region_offset;
	arena->region_bytes = block->region_bytes;
	arena->memory = llf_map_aligned(block->memory_bytes, flags, arena->memory_fd, block->memory_offset);
	if (!arena->memory)
		return file_failed(file, "mmap (memory)");
	arena->memory_bytes = block->memory_bytes;
	int advised = madvise(arena->memory, arena->memory_bytes, small_frames ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);

	arena->huge_advised = !small_frames && advised == 0;
	return LLFREE_OK;
}

static llfree_err superblock_write_out(llfree_file *file)
{
	return msync(file->metadata, LLF_SUPERBLOCK_BYTES, MS_SYNC) == 0 ? LLFREE_OK
									 : file_failed(file, "msync (superblock)");
}

static llfree_err write_all_out(llfree_file *file)
{
	return fsync(file->arena.memory_fd) == 0 ? LLFREE_OK : file_failed(file, "fsync");
}

/* From here on what get and put do survives a power failure; everything before is written out now. */
static void flush_begin(llfree_file *file)
{
	llfree_flush_fn cache = file->dax ? llfree_flush_cache() : NULL;

	llfree_set_flush(&file->arena.allocator, cache ? cache : llfree_flush_msync,
			 &superblock_of(file)->flush_errors);
}

/* From here on, until a close has ended, the next one to open it recovers it. The boot is not written when it is the
 * same: a kill in the middle must not make it another one. */
static llfree_err mark_in_use(llfree_file *file)
{
	llf_superblock *block = superblock_of(file);
	char now[LLF_BOOT_ID_BYTES];

	llf_boot_id(now);
	if (memcmp(now, block->boot_id, sizeof(now)) != 0)
		memcpy(block->boot_id, now, sizeof(now));
	llf_u32_store_relaxed(&block->flush_errors, 0);
	llfree_err err = superblock_write_out(file);

	if (err)
		return err;
	llf_u32_store_relaxed(&block->state, LLF_FILE_IN_USE);
	return superblock_write_out(file);
}

/* --- create ----------------------------------------------------------------------------------------------------- */

/* The name of a new file is durable when its folder is. */
static llfree_err folder_write_out(llfree_file *file, const char *path)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t n_bytes = slash ? (size_t)(slash - path) + 1 : 0;

	if (n_bytes >= sizeof(folder)) {
		errno = ENAMETOOLONG;
		return file_failed(file, "open (folder)");
	}
	memcpy(folder, path, n_bytes);
	memcpy(folder + n_bytes, n_bytes ? "" : ".", n_bytes ? 1 : 2);
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return file_failed(file, "open (folder)");
	bool ok = fsync(fd) == 0 || errno == EINVAL; /* EINVAL: a file system that keeps nothing */
	int saved_errno = errno;

	close(fd);
	errno = saved_errno;
	return ok ? LLFREE_OK : file_failed(file, "fsync (folder)");
}

static llfree_err file_extend(llfree_file *file, uint64_t file_bytes)
{
	struct stat status;

	if (fstat(file->arena.memory_fd, &status) != 0)
		return file_failed(file, "fstat");
	if (status.st_size != 0) {
		errno = EEXIST;
		return file_failed(file, "fstat (the file is not empty)");
	}
	const char *call = llf_file_lacks_space(file->arena.memory_fd, file_bytes);

	if (!call && ftruncate(file->arena.memory_fd, (off_t)file_bytes) != 0)
		call = "ftruncate";
	return call ? file_failed(file, call) : LLFREE_OK;
}

static llfree_err file_fill(llfree_file *file, const llfree_file_config *config, const llfree_config *allocator,
			    const llf_superblock *block)
{
	llfree_err err = file_extend(file, llf_file_bytes(block));

	if (!err)
		err = file_map(file, block, config->small_frames);
	if (!err)
		err = llfree_init(&file->arena.allocator, allocator, file->arena.region, file->arena.region_bytes,
				  false);
	if (err)
		return err;
	flush_begin(file);
	*superblock_of(file) = *block;
	superblock_of(file)->magic = 0;
	err = mark_in_use(file);
	if (!err)
		err = write_all_out(file);
	if (err)
		return err;
	superblock_of(file)->magic = LLF_SUPERBLOCK_MAGIC;
	err = superblock_write_out(file);
	return err || !config->path ? err : folder_write_out(file, config->path);
}

llfree_err llfree_file_create(llfree_file *file, const llfree_file_config *config)
{
	int saved_errno = errno;
	llf_superblock block;

	file_reset(file);
	if (!config->memory_bytes || config->memory_bytes > INT64_MAX / 4 || (!config->path && config->fd < 0))
		return LLFREE_ERR_INVAL;
	llfree_config allocator = config->allocator;
	uint64_t memory_bytes = llf_huge_round_up(config->memory_bytes);

	if (llf_allocator_complete(&allocator, memory_bytes) || !llf_superblock_make(&block, &allocator, memory_bytes))
		return LLFREE_ERR_INVAL;
	llfree_err err = file_get(file, config, config->path ? O_CREAT | O_EXCL : 0);
	bool ours = file->arena.memory_fd >= 0 && !err;

	if (!err)
		err = file_fill(file, config, &allocator, &block);
	if (err) {
		int failed_errno = errno;

		if (ours && config->path)
			unlink(config->path);
		else if (ours && file->metadata && ftruncate(file->arena.memory_fd, 0) != 0)
			failed_errno = errno; /* the file keeps its new size: say so instead */
		errno = failed_errno;
		file_release(file);
	}
	if (err != LLFREE_ERR_SYSTEM)
		errno = saved_errno;
	return err;
}

/* --- open ------------------------------------------------------------------------------------------------------- */

static llfree_err superblock_read(llfree_file *file, llf_superblock *block)
{
	struct stat status;

	memset(block, 0, sizeof(*block));
	if (fstat(file->arena.memory_fd, &status) != 0)
		return file_failed(file, "fstat");
	ssize_t n_bytes = pread(file->arena.memory_fd, block, sizeof(*block), 0);

	if (n_bytes < 0)
		return file_failed(file, "pread");
	if ((size_t)n_bytes < sizeof(*block))
		return block->magic == LLF_SUPERBLOCK_MAGIC ? LLFREE_ERR_TRUNCATED : LLFREE_ERR_MAGIC;
	return llf_superblock_check(block, (uint64_t)status.st_size);
}

static llfree_file_found how_left(const llf_superblock *block, bool distrust)
{
	char now[LLF_BOOT_ID_BYTES];

	if (block->state.word_ == LLF_FILE_CLEAN)
		return LLFREE_FILE_CLEAN;
	llf_boot_id(now);
	bool same_boot = now[0] && memcmp(now, block->boot_id, sizeof(now)) == 0;

	return same_boot && !distrust ? LLFREE_FILE_KILLED : LLFREE_FILE_LOST;
}

/* The region against its own header first, then against the superblock: nothing is written before both agree. */
static llfree_err region_check(llfree_file *file, const llf_superblock *block)
{
	llfree_arena *arena = &file->arena;
	llfree_err err = llfree_attach(&arena->allocator, arena->region, arena->region_bytes);

	if (err)
		return err;
	const llfree_t *allocator = &arena->allocator;

	return allocator->flags == block->flags && allocator->header->region_bytes == block->region_bytes &&
			       allocator->frames << LLFREE_FRAME_SHIFT == block->memory_bytes
		       ? LLFREE_OK
		       : LLFREE_ERR_CORRUPT;
}

llfree_err llfree_file_open(llfree_file *file, const llfree_file_config *config)
{
	int saved_errno = errno;
	llf_superblock block;

	file_reset(file);
	if (!config->path && config->fd < 0)
		return LLFREE_ERR_INVAL;
	llfree_err err = file_get(file, config, 0);

	if (!err)
		err = superblock_read(file, &block);
	llfree_file_found found = err ? LLFREE_FILE_NEW : how_left(&block, config->distrust);

	if (found == LLFREE_FILE_LOST && !(block.flags & LLFREE_FLAG_DURABLE) && !config->accept_lost_stores)
		err = LLFREE_ERR_LOST;
	if (!err)
		err = file_map(file, &block, config->small_frames);
	if (!err)
		err = region_check(file, &block);
	if (!err) /* after a clean close this finds what it leaves */
		err = llfree_recover(&file->arena.allocator, file->arena.region, file->arena.region_bytes,
				     found == LLFREE_FILE_LOST);
	if (!err) {
		flush_begin(file);
		err = write_all_out(file);
	}
	if (!err)
		err = mark_in_use(file);
	if (err)
		file_release(file);
	else
		file->found = found;
	if (err != LLFREE_ERR_SYSTEM)
		errno = saved_errno;
	return err;
}

/* --- close ------------------------------------------------------------------------------------------------------ */

llfree_err llfree_file_close(llfree_file *file)
{
	int saved_errno = errno;

	file->arena.failed_call = NULL;
	llfree_close(&file->arena.allocator);
	llfree_err err = write_all_out(file);

	if (!err && llf_u32_load_relaxed(&superblock_of(file)->flush_errors)) {
		errno = EIO;
		err = file_failed(file, "msync (an earlier flush)");
	}
	if (!err) {
		llf_u32_store_relaxed(&superblock_of(file)->state, LLF_FILE_CLEAN);
		err = superblock_write_out(file);
	}
	file_release(file);
	if (err != LLFREE_ERR_SYSTEM)
		errno = saved_errno;
	return err;
}
