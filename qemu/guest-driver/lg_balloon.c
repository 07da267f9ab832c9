// SPDX-License-Identifier: GPL-2.0
/*
 * The balloon of 2 MiB pages: a thread allocates them from the guest kernel until it holds the target, tells the host
 * which, and gives them back the same way. A page is free again only after the host has used the element that names it.
 * It stops before the guest runs out: what must stay available is a parameter; a target that can't be reached counts
 * as settled where it is, and the host asks again if it wants.
 */
#include "llfree_guest.h"

#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/swap.h>

enum {
	NUMBERS = QVM_BALLOON_NUMBERS_MAX,
	RING_SIZE = 16,
	LEAST_RESERVE_MIB = 32,
	RING_AGAIN_MS = 200,
	STOP_SECONDS = 2
};

static unsigned int balloon_reserve_mib;
module_param(balloon_reserve_mib, uint, 0644);
MODULE_PARM_DESC(balloon_reserve_mib, "memory that the balloon leaves available (0: a sixteenth, at least 32 MiB)");

static struct qvm_channel *channel_of(struct lg_device *dev)
{
	return (struct qvm_channel *)(dev->shared + dev->header.channel_offset);
}

/* The room of rings and buffers; their addresses are offsets in it. */
static u8 *rings_of(struct lg_device *dev)
{
	return dev->shared + dev->header.rings_offset;
}

/* The buffer of a ring lies behind both rings. */
static u64 buffer_of(unsigned int ring_idx)
{
	u64 rings_bytes = ALIGN(lg_ring_bytes(RING_SIZE), 64) * QVM_RINGS;

	return rings_bytes + (u64)ring_idx * NUMBERS * sizeof(u32);
}

static bool may_take(void)
{
	unsigned long reserve_mib = READ_ONCE(balloon_reserve_mib);

	if (!reserve_mib)
		reserve_mib = max_t(unsigned long, totalram_pages() >> (20 - PAGE_SHIFT) >> 4, LEAST_RESERVE_MIB);
	return si_mem_available() > (long)((reserve_mib << (20 - PAGE_SHIFT)) + LLFREE_HUGE_FRAMES);
}

/* Without effort first; then with reclaim and compaction, but never by the reserves or the OOM killer. */
static struct page *take_page(void)
{
	gfp_t gfp = (GFP_HIGHUSER & ~__GFP_RECLAIM) | __GFP_NOWARN | __GFP_NOMEMALLOC;
	struct page *page;

	if (!may_take())
		return NULL;
	page = alloc_pages(gfp, LLFREE_HUGE_ORDER);
	if (page)
		return page;
	return alloc_pages(gfp | __GFP_RECLAIM | __GFP_RETRY_MAYFAIL, LLFREE_HUGE_ORDER);
}

/* Name the first n pages of a list to the host and wait until it has used them. False: the thread is to end, and the
 * host did not answer: whether it has seen the pages is not known. */
static bool tell_host(struct lg_device *dev, unsigned int ring_idx, const struct list_head *pages, unsigned int n_pages)
{
	struct lg_ring *ring = &dev->balloon.rings[ring_idx];
	u64 buffer = buffer_of(ring_idx);
	u32 *numbers = (u32 *)(rings_of(dev) + buffer), at = 0;
	unsigned long give_up = jiffies + STOP_SECONDS * HZ;
	struct page *page;

	list_for_each_entry(page, pages, lru)
	{
		if (at == n_pages)
			break;
		WRITE_ONCE(numbers[at], (u32)page_to_pfn(page));
		at++;
	}
	lg_ring_send(ring, buffer, n_pages * sizeof(u32));
	while (!lg_ring_used(ring)) {
		if (!kthread_should_stop())
			give_up = jiffies + STOP_SECONDS * HZ;
		else if (time_after(jiffies, give_up))
			return false;
		lg_doorbell(dev, QVM_VECTOR_RING0 + ring_idx);
		wait_event_interruptible_timeout(dev->balloon.changed, lg_ring_waiting(ring),
						 msecs_to_jiffies(RING_AGAIN_MS));
	}
	return true;
}

static void free_list(struct list_head *pages)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, pages, lru)
	{
		list_del(&page->lru);
		__free_pages(page, LLFREE_HUGE_ORDER);
		cond_resched();
	}
}

/* One array more, or what came in a while: a page may cost the guest compaction, and the host waits for signs of
 * progress. What was named counts as the host's from the moment that it may have seen it. */
static bool inflate(struct lg_device *dev, u64 max_pages, unsigned int *n_pages)
{
	struct lg_balloon *balloon = &dev->balloon;
	unsigned long while_end = jiffies + HZ / 4;
	LIST_HEAD(taken);
	struct page *page;
	bool more;

	for (*n_pages = 0; *n_pages < max_pages && *n_pages < NUMBERS && time_before(jiffies, while_end);
	     (*n_pages)++) {
		page = take_page();
		if (!page)
			break;
		list_add_tail(&page->lru, &taken);
	}
	if (!*n_pages)
		return true;
	more = tell_host(dev, QVM_RING_INFLATE, &taken, *n_pages);
	list_splice(&taken, &balloon->pages);
	WRITE_ONCE(balloon->n_pages, balloon->n_pages + *n_pages);
	lg_count(balloon_inflated, *n_pages);
	return more;
}

static bool deflate(struct lg_device *dev, u64 max_pages)
{
	struct lg_balloon *balloon = &dev->balloon;
	unsigned int n_pages = min_t(u64, min_t(u64, max_pages, NUMBERS), balloon->n_pages), at;
	LIST_HEAD(given);

	if (!tell_host(dev, QVM_RING_DEFLATE, &balloon->pages, n_pages))
		return false;
	for (at = 0; at < n_pages; at++)
		list_move_tail(balloon->pages.next, &given);
	WRITE_ONCE(balloon->n_pages, balloon->n_pages - n_pages);
	lg_count(balloon_deflated, n_pages);
	free_list(&given);
	return true;
}

/* Work for one target, as long as it stands. False: the thread is to end. */
static bool pursue(struct lg_device *dev, u32 number)
{
	struct lg_balloon *balloon = &dev->balloon;
	struct qvm_channel *channel = channel_of(dev);
	u64 target;
	unsigned int n_pages = 0;
	bool more = true;

	while (more && smp_load_acquire(&channel->target_number) == number) {
		target = READ_ONCE(channel->target_bytes) / LLFREE_HUGE_BYTES;
		if (balloon->n_pages < target)
			more = inflate(dev, target - balloon->n_pages, &n_pages);
		else if (balloon->n_pages > target)
			more = deflate(dev, balloon->n_pages - target);
		if (!more)
			return false;
		if (balloon->n_pages < target && n_pages)
			continue;
		if (balloon->n_pages > target)
			continue;
		if (balloon->n_pages < target)
			lg_count(balloon_short, 1);
		balloon->settled_number = number;
		smp_store_release(&channel->settled_number, number);
		lg_doorbell(dev, QVM_VECTOR_CHANNEL);
		return true;
	}
	return true;
}

static bool target_waits(struct lg_device *dev)
{
	return smp_load_acquire(&channel_of(dev)->target_number) != dev->balloon.settled_number;
}

/* All goes back, so that the guest has its memory when the driver is unloaded. What the host does not answer for
 * stays: it may be gone. */
static void empty(struct lg_device *dev)
{
	while (dev->balloon.n_pages && deflate(dev, dev->balloon.n_pages))
		;
	if (dev->balloon.n_pages)
		pr_err("the host does not answer: %lu pages of 2 MiB stay in the balloon\n", dev->balloon.n_pages);
}

static int balloon_main(void *context)
{
	struct lg_device *dev = context;
	bool more = true;

	while (more && !kthread_should_stop()) {
		wait_event_interruptible_timeout(dev->balloon.changed, target_waits(dev) || kthread_should_stop(), HZ);
		if (!kthread_should_stop() && target_waits(dev))
			more = pursue(dev, READ_ONCE(channel_of(dev)->target_number));
	}
	if (more)
		empty(dev);
	else
		pr_err("the host does not answer: %lu pages of 2 MiB stay in the balloon\n", dev->balloon.n_pages);
	return 0;
}

/* The host opens the rings once. A driver that was unloaded left them at rest, and we go on where it stopped. */
static int rings_open(struct lg_device *dev)
{
	struct qvm_channel *channel = channel_of(dev);
	u64 ring_bytes = ALIGN(lg_ring_bytes(RING_SIZE), 64);
	bool again = READ_ONCE(channel->ready);
	unsigned int idx;

	for (idx = 0; idx < QVM_RINGS; idx++) {
		struct lg_ring *ring = &dev->balloon.rings[idx];
		u64 address = idx * ring_bytes;

		if (again && !lg_ring_resume(ring, rings_of(dev), address, RING_SIZE)) {
			pr_err("an earlier driver of this guest left the balloon's rings in use: boot anew\n");
			return -EBUSY;
		}
		if (again)
			continue;
		lg_ring_open(ring, rings_of(dev), address, RING_SIZE);
		WRITE_ONCE(channel->rings[idx].address, address);
		WRITE_ONCE(channel->rings[idx].size, RING_SIZE);
	}
	dev->balloon.settled_number = READ_ONCE(channel->settled_number);
	smp_store_release(&channel->ready, 1);
	return 0;
}

int lg_balloon_start(struct lg_device *dev)
{
	struct lg_balloon *balloon = &dev->balloon;
	struct task_struct *thread;
	int err;

	INIT_LIST_HEAD(&balloon->pages);
	if (buffer_of(QVM_RINGS) > dev->header.rings_bytes) {
		pr_err("the host left too little room for the rings of the balloon\n");
		return -EINVAL;
	}
	err = rings_open(dev);
	if (err)
		return err;
	thread = kthread_run(balloon_main, dev, "llfree-balloon");
	if (IS_ERR(thread))
		return PTR_ERR(thread);
	balloon->thread = thread;
	lg_doorbell(dev, QVM_VECTOR_CHANNEL);
	return 0;
}

void lg_balloon_stop(struct lg_device *dev)
{
	if (dev->balloon.thread)
		kthread_stop(dev->balloon.thread);
	dev->balloon.thread = NULL;
}

void lg_balloon_notify(struct lg_device *dev)
{
	wake_up(&dev->balloon.changed);
}
