/* SPDX-License-Identifier: GPL-2.0
 *
 * The guest driver: one ivshmem-doorbell device whose BAR 2 is memory that the monitor shares with this guest; a
 * character device that hands its frames to processes; a balloon of 2 MiB pages; statistics; a bench. What lies in
 * BAR 2 says qvm_protocol.h. Order of locks: mmap_lock, i_mmap_rwsem of a space, lock of a window; nothing is allocated
 * under the last two. No function here trusts the monitor to answer. */
#ifndef LLFREE_GUEST_H
#define LLFREE_GUEST_H

#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/percpu.h>
#include <linux/srcu.h>
#include <linux/wait.h>
#include <linux/xarray.h>

#include <llfree/llfree.h>
#include "qvm_protocol.h"

#include "lg_ring.h"

#undef pr_fmt
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

/* --- statistics: counted per CPU, summed by who reads ---------------------------------------------------------- */

#define LG_STATS(X)                                                      \
	X(faults_4k, "pages handed out by fault, 4 KiB each")            \
	X(faults_2m, "runs handed out by fault, 2 MiB each")             \
	X(faults_failed, "faults that ended in SIGBUS")                  \
	X(frames_got, "frames taken from the allocator, ever")           \
	X(frames_put, "frames given back to it, ever")                   \
	X(puts_refused, "frames that the allocator did not take back")   \
	X(zeroed_bytes, "written before a process saw the frame")        \
	X(installs, "huge frames that the host was asked for")           \
	X(install_failures, "of these, refused or not answered in time") \
	X(install_ns, "time that these took, in all")                    \
	X(port_waits, "installs that found all ports busy")              \
	X(interrupts, "from the host")                                   \
	X(balloon_inflated, "2 MiB pages handed to the host, ever")      \
	X(balloon_deflated, "of these, taken back")                      \
	X(balloon_short, "targets that the guest had not the memory for")

enum lg_stat {
#define LG_STAT_ENUM(name, text) LG_STAT_##name,
	LG_STATS(LG_STAT_ENUM)
#undef LG_STAT_ENUM
		LG_STAT_COUNT
};

struct lg_counters {
	u64 value[LG_STAT_COUNT];
};

extern struct lg_counters __percpu *lg_counters;
#define lg_count(stat, n) this_cpu_add(lg_counters->value[LG_STAT_##stat], n)
u64 lg_counted(enum lg_stat stat);

/* --- the device ------------------------------------------------------------------------------------------------- */

struct lg_port {
	wait_queue_head_t answered;
	u32 sequence; /* of whoever has claimed the port */
};

struct lg_balloon {
	struct task_struct *thread;
	wait_queue_head_t changed;
	struct list_head pages;
	unsigned long n_pages;
	u32 settled_number;
	struct lg_ring rings[QVM_RINGS];
};

struct lg_device {
	struct kref ref;
	struct pci_dev *pdev;
	struct miscdevice misc;
	void __iomem *registers;  /* BAR 0 */
	u8 *shared;               /* BAR 2 of the memory's device, write-back */
	resource_size_t phys;     /* of that */
	u64 bytes;                /* of that */
	struct qvm_header header; /* a copy, checked */
	int n_vectors;
	bool answers; /* interrupts are set up */

	/* LLFree; absent where the monitor shares no frames */
	bool has_frames;
	llfree_t view;
	u64 frames_offset, n_frames;

	/* installs */
	struct qvm_port *ports_shared;
	struct lg_port *ports;
	unsigned long *ports_busy;
	wait_queue_head_t ports_free;
	bool host_silent; /* it did not answer the last request: the next are not waited for as long */

	struct lg_balloon balloon;

	/* users of the frames: readers hold srcu, removal clears alive and waits for them */
	struct srcu_struct srcu;
	bool alive;
	struct mutex spaces_lock;
	struct list_head spaces;
};

/* lg_device.c */
int lg_device_register(void);
void lg_device_unregister(void);
void lg_device_put(struct lg_device *dev);
void lg_doorbell(struct lg_device *dev, unsigned int vector);
/* A reader of the device's memory until lg_leave(). Returns false when the device is gone. */
bool lg_enter(struct lg_device *dev, int *idx);
void lg_leave(struct lg_device *dev, int idx);

/* lg_install.c */
int lg_install_open(struct lg_device *dev);
void lg_install_close(struct lg_device *dev);
bool lg_install(void *context, uint64_t huge_idx);
void lg_install_answered(struct lg_device *dev);

/* lg_space.c: the frames of one open file, by page of the file. */

/* 2 MiB of a space. Lives as long as a mapping covers a part of it. */
struct lg_window {
	struct mutex lock;
	bool whole; /* one run of order 9, all of it still here */
	unsigned int n_present;
	DECLARE_BITMAP(present, LLFREE_HUGE_FRAMES);
	u32 frame[LLFREE_HUGE_FRAMES];
};

struct lg_space {
	struct lg_device *dev;
	struct list_head link;        /* in dev->spaces */
	struct address_space mapping; /* who maps this file: the kernel keeps it */
	struct xarray windows;        /* by page offset >> 9 */
	atomic_long_t held_frames;
};

struct lg_space *lg_space_create(struct lg_device *dev, struct inode *inode);
void lg_space_destroy(struct lg_space *space);
/* The window, made when there is none. NULL: the kernel is out of memory. */
struct lg_window *lg_window_of(struct lg_space *space, pgoff_t pgoff);
/* A frame for one page of a window, or with huge for all of an empty one, zeroed. Under the window's lock. */
llfree_err lg_window_fill(struct lg_space *space, struct lg_window *window, unsigned int idx, bool huge);
/* Pages [first, last] lost a mapping: those that no other covers go back to the allocator. */
void lg_space_uncover(struct lg_space *space, pgoff_t first, pgoff_t last);

/* lg_file.c */
extern const struct file_operations lg_file_operations;
void lg_file_revoke(struct lg_device *dev);

/* lg_balloon.c */
int lg_balloon_start(struct lg_device *dev);
void lg_balloon_stop(struct lg_device *dev);
void lg_balloon_notify(struct lg_device *dev);

/* lg_sysfs.c */
extern const struct attribute_group *lg_sysfs_groups[];

/* lg_bench_file.c */
int lg_bench_register(void);
void lg_bench_unregister(void);

#endif
