/* SPDX-License-Identifier: MIT
 *
 * Recorder of a process tree; see process_tree.h. A look reads the parent and start of every process of the machine,
 * finds the descendants, and reads their statm. */
#define _GNU_SOURCE
#include "trace/process_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct process {
	pid_t pid, parent;
	uint64_t start; /**< with the pid: which process it is */
	uint64_t first_ns, anon_frames, file_frames, peak_frames;
	bool in_tree, seen, known;
} process;

typedef struct table {
	process *all;
	size_t n_all, room;
} table;

typedef struct recorder {
	table now, before;
	hv_trace_writer *writer;
	hv_tree_summary *summary;
	char cache_path[512]; /**< memory.stat of the cgroup; empty: /proc/meminfo */
	uint64_t cache_before, last_ns;
	uint64_t anon_frames, exited_frames;
} recorder;

static process *table_add(table *self)
{
	if (self->n_all == self->room) {
		size_t room = self->room == 0 ? 256 : 2 * self->room;
		process *all = realloc(self->all, room * sizeof(*all));
		if (all == NULL)
			return NULL;
		self->all = all;
		self->room = room;
	}
	self->all[self->n_all] = (process){ 0 };
	return &self->all[self->n_all++];
}

static process *table_find(const table *self, pid_t pid)
{
	for (size_t at = 0; at < self->n_all; at++)
		if (self->all[at].pid == pid)
			return &self->all[at];
	return NULL;
}

static bool read_file(const char *path, char *text, size_t text_bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n_bytes = read(fd, text, text_bytes - 1);
	close(fd);
	text[n_bytes > 0 ? n_bytes : 0] = '\0';
	return n_bytes > 0;
}

/* Parent and start time: behind the name, which may hold anything, even parentheses. */
static bool process_stat(process *self)
{
	char path[64], text[1024], state;
	int parent;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)self->pid);
	if (!read_file(path, text, sizeof(text)))
		return false;
	const char *at = strrchr(text, ')');
	if (at == NULL || sscanf(at + 1, " %c %d", &state, &parent) != 2)
		return false;
	self->parent = parent;
	at++;
	for (unsigned field = 3; field < 22 && at != NULL; field++)
		at = strchr(at + 1, ' ');
	self->start = at != NULL ? strtoull(at, NULL, 10) : 0;
	return true;
}

static void process_memory(process *self)
{
	char path[64], text[256];
	uint64_t total, resident, shared;
	snprintf(path, sizeof(path), "/proc/%d/statm", (int)self->pid);
	if (!read_file(path, text, sizeof(text)) ||
	    sscanf(text, "%" SCNu64 " %" SCNu64 " %" SCNu64, &total, &resident, &shared) != 3)
		return; /* just ended */
	uint64_t frames_a_page = (uint64_t)sysconf(_SC_PAGESIZE) / HV_FRAME_BYTES;
	self->anon_frames = (resident > shared ? resident - shared : 0) * frames_a_page;
	self->file_frames = shared * frames_a_page;
}

static hv_err table_read(table *self)
{
	self->n_all = 0;
	DIR *proc = opendir("/proc");
	if (proc == NULL)
		return HV_ERR_SYSTEM;
	for (struct dirent *entry; (entry = readdir(proc)) != NULL;) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		process *each = pid > 0 ? table_add(self) : NULL;
		if (each == NULL)
			continue;
		each->pid = pid;
		if (!process_stat(each))
			self->n_all--;
	}
	closedir(proc);
	return HV_OK;
}

/* Children of what is in the tree are in it; parents may stand behind their children in the table. */
static void tree_mark(table *self, pid_t root)
{
	bool more = true;
	while (more) {
		more = false;
		for (size_t at = 0; at < self->n_all; at++) {
			process *each = &self->all[at], *parent;
			if (each->in_tree || each->pid == root)
				continue;
			parent = each->parent != root ? table_find(self, each->parent) : NULL;
			each->in_tree = each->parent == root || (parent != NULL && parent->in_tree);
			more = more || each->in_tree;
		}
	}
}

static uint64_t cache_frames(const recorder *self)
{
	char text[4096];
	if (self->cache_path[0] != '\0' && read_file(self->cache_path, text, sizeof(text))) {
		const char *line = strncmp(text, "file ", 5) == 0 ? text : strstr(text, "\nfile ");
		if (line != NULL)
			return strtoull(strchr(line, ' '), NULL, 10) / HV_FRAME_BYTES;
	}
	uint64_t files = hv_meminfo_bytes("Cached") + hv_meminfo_bytes("Buffers"), shm = hv_meminfo_bytes("Shmem");
	return (files > shm ? files - shm : 0) / HV_FRAME_BYTES;
}

static void cache_source(recorder *self)
{
	char text[4096];
	self->summary->cache_source = "the whole machine";
	if (!read_file("/proc/self/cgroup", text, sizeof(text)))
		return;
	char *line = strncmp(text, "0::/", 4) == 0 ? text : strstr(text, "\n0::/");
	if (line == NULL)
		return;
	char *group = strchr(line, '/');
	group[strcspn(group, "\n")] = '\0';
	snprintf(self->cache_path, sizeof(self->cache_path), "/sys/fs/cgroup%s/memory.stat", group);
	if (read_file(self->cache_path, text, sizeof(text)))
		self->summary->cache_source = "its cgroup";
	else
		self->cache_path[0] = '\0';
}

/* What ended since the last look, with what it had then. */
static void exits_add(recorder *self, uint64_t now_ns, uint64_t *freed_frames)
{
	for (size_t at = 0; at < self->before.n_all; at++) {
		const process *each = &self->before.all[at];
		if (!each->in_tree || each->seen)
			continue;
		*freed_frames += each->anon_frames;
		hv_trace_event event = { HV_TRACE_EXITED, { (now_ns - each->first_ns) / 1000, each->peak_frames } };
		hv_trace_add(self->writer, &event);
	}
}

static void process_compare(recorder *self, process *each, uint64_t now_ns, uint64_t *grown, uint64_t *freed)
{
	process *old = table_find(&self->before, each->pid);
	process_memory(each);
	each->known = old != NULL && old->in_tree && old->start == each->start;
	each->first_ns = each->known ? old->first_ns : now_ns;
	each->peak_frames = each->known && old->peak_frames > each->anon_frames ? old->peak_frames : each->anon_frames;
	uint64_t had_frames = each->known ? old->anon_frames : 0;
	if (each->known)
		old->seen = true;
	*grown += each->anon_frames > had_frames ? each->anon_frames - had_frames : 0;
	*freed += had_frames > each->anon_frames ? had_frames - each->anon_frames : 0;
}

static void look(recorder *self)
{
	uint64_t now_ns = hv_now_ns(), grown = 0, freed = 0, files = 0, n_now = 0, n_new = 0;
	if (table_read(&self->now) != HV_OK)
		return;
	tree_mark(&self->now, getpid());
	for (size_t at = 0; at < self->now.n_all; at++) {
		process *each = &self->now.all[at];
		if (!each->in_tree)
			continue;
		process_compare(self, each, now_ns, &grown, &freed);
		files += each->file_frames;
		n_now++;
		n_new += !each->known;
	}
	exits_add(self, now_ns, &freed);
	uint64_t cache = cache_frames(self), cache_grown = cache > self->cache_before ? cache - self->cache_before : 0;
	hv_trace_event event = { HV_TRACE_SAMPLE,
				 { (now_ns - self->last_ns) / 1000, grown, freed, files, cache_grown, n_now, n_new } };
	hv_trace_add(self->writer, &event);
	self->last_ns = now_ns;
	self->anon_frames += grown - freed;
	hv_tree_summary *summary = self->summary;
	summary->n_samples++;
	summary->n_processes += n_new;
	summary->max_processes = n_now > summary->max_processes ? n_now : summary->max_processes;
	if (self->anon_frames > summary->peak_anon_frames)
		summary->peak_anon_frames = self->anon_frames;
	if (cache_grown > summary->peak_cache_frames)
		summary->peak_cache_frames = cache_grown;
	uint64_t look_ns = hv_now_ns() - now_ns;
	summary->slowest_look_ns = look_ns > summary->slowest_look_ns ? look_ns : summary->slowest_look_ns;
	table swap = self->before;
	self->before = self->now;
	self->now = swap;
}

/* The command, with an exec failure told through a pipe that closes on success. */
static pid_t command_start(char **argv, int *exec_errno)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) != 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		signal(SIGINT, SIG_DFL);
		execvp(argv[0], argv);
		int why = errno;
		ssize_t written = write(ends[1], &why, sizeof(why));
		_exit(written > 0 ? 127 : 126);
	}
	close(ends[1]);
	*exec_errno = 0;
	if (pid > 0 && read(ends[0], exec_errno, sizeof(*exec_errno)) > 0)
		waitpid(pid, NULL, 0);
	else
		*exec_errno = 0;
	close(ends[0]);
	return pid;
}

/* Whatever has ended, orphans too. @return true: the command itself has */
static bool reap(pid_t command, int *status)
{
	bool ended = false;
	int each_status;
	for (pid_t pid; (pid = waitpid(-1, &each_status, WNOHANG)) > 0;) {
		if (pid == command) {
			*status = each_status;
			ended = true;
		}
	}
	return ended;
}

hv_err hv_tree_record(char **argv, uint64_t period_ns, bool (*stop)(void), hv_trace_writer *writer,
		      hv_tree_summary *summary)
{
	*summary = (hv_tree_summary){ 0 };
	recorder self = { .writer = writer, .summary = summary };
	int exec_errno = 0;
	bool told = false;
	cache_source(&self);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	self.cache_before = cache_frames(&self);
	uint64_t begin_ns = hv_now_ns();
	self.last_ns = begin_ns;
	pid_t command = command_start(argv, &exec_errno);
	if (command < 0 || exec_errno != 0) {
		errno = command < 0 ? errno : exec_errno;
		return HV_ERR_SYSTEM;
	}
	for (bool ended = false; !ended;) {
		uint64_t next_ns = hv_now_ns() + period_ns;
		look(&self);
		if (stop() && !told) {
			kill(command, SIGTERM);
			told = true;
		}
		ended = reap(command, &summary->status);
		uint64_t now_ns = hv_now_ns();
		if (!ended && now_ns < next_ns)
			hv_sleep_ns(next_ns - now_ns);
	}
	look(&self); /* what the command leaves behind */
	summary->elapsed_ns = hv_now_ns() - begin_ns;
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	free(self.now.all);
	free(self.before.all);
	return HV_OK;
}
