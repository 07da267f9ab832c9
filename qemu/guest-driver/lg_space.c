// SPDX-License-Identifier: GPL-2.0
/*
 * The frames of one open file. A page of the file has a frame from its first touch until no mapping covers it: who
 * maps what is read from the kernel's own interval tree of the file's mappings (fork, split, mremap and exit keep it
 * right), so there is no count that could go wrong. A page whose mapping went away is looked up there under
 * i_mmap_rwsem, which excludes every change of the tree; a fault runs inside a mapping that covers its page.
 */
#include "llfree_guest.h"

#include <linux/interval_tree_generic.h>
#include <linux/slab.h>

#define COVER_START(vma) ((vma)->vm_pgoff)
#define COVER_LAST(vma)  ((vma)->vm_pgoff + vma_pages(vma) - 1)
/* The kernel's tree (mm/interval_tree.c), whose search it does not export. */
INTERVAL_TREE_DEFINE(struct vm_area_struct, shared.rb, unsigned long, shared.rb_subtree_last, COVER_START, COVER_LAST,
		     static __maybe_unused, lg_cover)

static bool covered(struct lg_space *space, pgoff_t first, pgoff_t last)
{
	return lg_cover_iter_first(&space->mapping.i_mmap, first, last) != NULL;
}

static const struct address_space_operations no_operations;

struct lg_space *lg_space_create(struct lg_device *dev, struct inode *inode)
{
	struct lg_space *space = kzalloc(sizeof(*space), GFP_KERNEL);

	if (!space)
		return NULL;
	space->dev = dev;
	xa_init(&space->windows);
	address_space_init_once(&space->mapping);
	space->mapping.host = inode;
	space->mapping.a_ops = &no_operations;
	mutex_lock(&dev->spaces_lock);
	list_add(&space->link, &dev->spaces);
	mutex_unlock(&dev->spaces_lock);
	return space;
}

static llfree_request request_of(unsigned int order)
{
	return (llfree_request){ .cpu = raw_smp_processor_id(),
				 .order = order,
				 .class_idx = order >= LLFREE_HUGE_ORDER ? LLFREE_CLASS_HUGE : LLFREE_CLASS_MOVABLE };
}

static void give_back(struct lg_space *space, const u64 *frames, size_t n_frames)
{
	llfree_err err = LLFREE_OK;
	size_t done = 0;

	while (done < n_frames) {
		done += llfree_put_batch(&space->dev->view, request_of(0), frames + done, n_frames - done, &err);
		if (done < n_frames) {
			pr_err_ratelimited("frame %llu was not taken back: %s\n", frames[done], llfree_err_text(err));
			lg_count(puts_refused, 1);
			done++;
		}
	}
	lg_count(frames_put, n_frames);
	atomic_long_sub(n_frames, &space->held_frames);
}

static void give_back_whole(struct lg_space *space, u64 frame)
{
	llfree_err err = llfree_put(&space->dev->view, request_of(LLFREE_HUGE_ORDER), frame);

	if (err != LLFREE_OK) {
		pr_err_ratelimited("huge frame at %llu was not taken back: %s\n", frame, llfree_err_text(err));
		lg_count(puts_refused, LLFREE_HUGE_FRAMES);
	}
	lg_count(frames_put, LLFREE_HUGE_FRAMES);
	atomic_long_sub(LLFREE_HUGE_FRAMES, &space->held_frames);
}

/* Give back the present pages from first to last that nobody covers, in runs that share rows of the allocator. */
static void window_trim(struct lg_space *space, struct lg_window *window, pgoff_t base, unsigned int first,
			unsigned int last, bool check)
{
	u64 frames[LLFREE_ROW_FRAMES];
	size_t n_frames = 0;
	unsigned int idx = first;

	for_each_set_bit_from(idx, window->present, last + 1)
	{
		if (check && covered(space, base + idx, base + idx))
			continue;
		__clear_bit(idx, window->present);
		window->n_present--;
		window->whole = false;
		frames[n_frames++] = window->frame[idx];
		if (n_frames == ARRAY_SIZE(frames)) {
			give_back(space, frames, n_frames);
			n_frames = 0;
		}
	}
	if (n_frames)
		give_back(space, frames, n_frames);
}

/* Nobody else can reach the window any more. */
static void window_destroy(struct lg_space *space, struct lg_window *window)
{
	int idx;

	if (lg_enter(space->dev, &idx)) {
		if (window->whole)
			give_back_whole(space, window->frame[0]);
		else
			window_trim(space, window, 0, 0, LLFREE_HUGE_FRAMES - 1, false);
		lg_leave(space->dev, idx);
	}
	mutex_destroy(&window->lock);
	kvfree(window);
}

struct lg_window *lg_window_of(struct lg_space *space, pgoff_t pgoff)
{
	struct lg_window *window = xa_load(&space->windows, pgoff >> LLFREE_HUGE_ORDER), *other;

	if (window)
		return window;
	window = kvzalloc(sizeof(*window), GFP_KERNEL);
	if (!window)
		return NULL;
	mutex_init(&window->lock);
	other = xa_cmpxchg(&space->windows, pgoff >> LLFREE_HUGE_ORDER, NULL, window, GFP_KERNEL);
	if (!other)
		return window;
	mutex_destroy(&window->lock);
	kvfree(window);
	return xa_is_err(other) ? NULL : other;
}

/* What a region that runs dry can still have in the slots of idle CPUs is worth one more try. */
static llfree_err get_frames(struct lg_device *dev, unsigned int order, u64 *frame)
{
	llfree_err err = llfree_get(&dev->view, request_of(order), frame);

	if (err != LLFREE_ERR_NOMEM)
		return err;
	llfree_drain_all(&dev->view);
	return llfree_get(&dev->view, request_of(order), frame);
}

llfree_err lg_window_fill(struct lg_space *space, struct lg_window *window, unsigned int idx, bool huge)
{
	struct lg_device *dev = space->dev;
	unsigned int order = huge ? LLFREE_HUGE_ORDER : 0, n_frames = 1u << order, first = huge ? 0 : idx, at;
	u64 frame;
	llfree_err err = get_frames(dev, order, &frame);

	if (err != LLFREE_OK)
		return err;
	memset(dev->shared + dev->frames_offset + (frame << PAGE_SHIFT), 0, (size_t)n_frames << PAGE_SHIFT);
	lg_count(zeroed_bytes, (u64)n_frames << PAGE_SHIFT);
	lg_count(frames_got, n_frames);
	atomic_long_add(n_frames, &space->held_frames);
	for (at = 0; at < n_frames; at++) {
		window->frame[first + at] = frame + at;
		__set_bit(first + at, window->present);
	}
	window->n_present += n_frames;
	window->whole = huge;
	return LLFREE_OK;
}

/* One window of the pages that lost a mapping. A fault may be in a window that a part of a mapping covers, and holds
 * its lock then; in one that is not covered at all there is none, and whoever erases it has it alone. */
static void window_uncover(struct lg_space *space, unsigned long window_idx, pgoff_t first, pgoff_t last)
{
	pgoff_t base = window_idx << LLFREE_HUGE_ORDER;
	struct lg_window *window;
	int idx;

	i_mmap_lock_read(&space->mapping);
	if (!covered(space, base, base + LLFREE_HUGE_FRAMES - 1)) {
		window = xa_erase(&space->windows, window_idx);
		i_mmap_unlock_read(&space->mapping);
		if (window)
			window_destroy(space, window);
		return;
	}
	window = xa_load(&space->windows, window_idx);
	if (window && lg_enter(space->dev, &idx)) {
		mutex_lock(&window->lock);
		window_trim(space, window, base, first > base ? first - base : 0,
			    min_t(pgoff_t, last - base, LLFREE_HUGE_FRAMES - 1), true);
		mutex_unlock(&window->lock);
		lg_leave(space->dev, idx);
	}
	i_mmap_unlock_read(&space->mapping);
}

void lg_space_uncover(struct lg_space *space, pgoff_t first, pgoff_t last)
{
	unsigned long window_idx = first >> LLFREE_HUGE_ORDER, last_idx = last >> LLFREE_HUGE_ORDER;
	void *window;

	xa_for_each_range(&space->windows, window_idx, window, window_idx, last_idx)
	{
		window_uncover(space, window_idx, first, last);
		cond_resched();
	}
}

void lg_space_destroy(struct lg_space *space)
{
	struct lg_device *dev = space->dev;
	struct lg_window *window;
	unsigned long window_idx;
	long held;

	mutex_lock(&dev->spaces_lock);
	list_del(&space->link);
	mutex_unlock(&dev->spaces_lock);
	xa_for_each(&space->windows, window_idx, window) window_destroy(space, window);
	xa_destroy(&space->windows);
	held = atomic_long_read(&space->held_frames);
	if (held && dev->alive)
		pr_err("a closed file kept %ld frames\n", held);
	kfree(space);
	lg_device_put(dev);
}
