/* SPDX-License-Identifier: MIT
 *
 * Frames that outlive the process: a counter in an arena in a file. Each run adds one; a run that is killed, or a power
 * failure, loses nothing but what it was just doing. Usage: kept [FILE]; without a file: two runs on a temporary one.
 */
#define _POSIX_C_SOURCE 200809L
#include <llfree/file_arena.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ROOT = 0 }; /* the frame where everything else begins: got by its number when the file is made */

static int run(const char *path)
{
	static const char *const found[] = { "new", "clean", "left by a kill", "left by a power failure" };
	llfree_file file;
	llfree_file_config config = { .path = path, .memory_bytes = 16 << 20, .allocator.durable = true };
	llfree_err err = llfree_file_create(&file, &config);
	if (err == LLFREE_ERR_SYSTEM && errno == EEXIST)
		err = llfree_file_open(&file, &config);
	if (err) {
		fprintf(stderr, "%s: %s\n", path, llfree_err_text(err));
		return 1;
	}
	/* A kill between create and here leaves a file without its root: got now, if it is not there. */
	if (llfree_is_free(&file.arena.allocator, ROOT) &&
	    llfree_get_at(&file.arena.allocator, (llfree_request){ .class_idx = LLFREE_CLASS_FIXED }, ROOT))
		return 1;
	unsigned long *counter = llfree_arena_address(&file.arena, ROOT);
	printf("%s (%s): run number %lu\n", path, found[file.found], ++*counter);
	return llfree_file_close(&file) != LLFREE_OK;
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return run(argv[1]);
	char folder[] = "/tmp/llfree-kept-XXXXXX", path[64];
	if (!mkdtemp(folder))
		return 1;
	(void)snprintf(path, sizeof(path), "%s/arena", folder);
	int failed = run(path) || run(path);
	unlink(path);
	rmdir(folder);
	return failed;
}
