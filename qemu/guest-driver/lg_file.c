// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/llfree: memory for processes out of the frames that the monitor shares. Pages come by fault, zeroed, 2 MiB at a
 * time where the mapping allows it; when there are none, or the host does not install one in time, the process gets
 * SIGBUS. An open file is the owner: the same offset of the same open file is the same memory, also after fork.
 */
#include "llfree_guest.h"

#include <linux/huge_mm.h>
#include <linux/module.h>
#include <linux/pfn_t.h>
#include <linux/version.h>

static bool huge_pages = true;
module_param(huge_pages, bool, 0644);
MODULE_PARM_DESC(huge_pages, "serve aligned faults of new mappings with 2 MiB (MADV_NOHUGEPAGE takes one out)");

static int lg_open(struct inode *inode, struct file *file)
{
	struct lg_device *dev = container_of(file->private_data, struct lg_device, misc);
	struct lg_space *space;

	if (!dev->has_frames)
		return -ENODEV;
	kref_get(&dev->ref);
	space = lg_space_create(dev, inode);
	if (!space) {
		lg_device_put(dev);
		return -ENOMEM;
	}
	file->private_data = space;
	file->f_mapping = &space->mapping;
	return nonseekable_open(inode, file);
}

static int lg_release(struct inode *inode, struct file *file)
{
	struct lg_space *space = file->private_data;

	file->f_mapping = inode->i_mapping;
	lg_space_destroy(space);
	return 0;
}

/* Can the 2 MiB around the fault be one entry of the page table? The mapping must hold them all, at an address that is
 * aligned as the offset is. All faults of a mapping find the same here, so that two at once never want an entry of
 * 2 MiB and a table in one place. */
static bool huge_fits(const struct vm_fault *vmf)
{
	const struct vm_area_struct *vma = vmf->vma;
	unsigned long start = vmf->address & PMD_MASK;
	pgoff_t pgoff = vmf->pgoff - ((vmf->address - start) >> PAGE_SHIFT);

	return !(vma->vm_flags & VM_NOHUGEPAGE) && start >= vma->vm_start && start + PMD_SIZE <= vma->vm_end &&
	       (pgoff & (LLFREE_HUGE_FRAMES - 1)) == 0;
}

/* A frame with a device mark that belongs to no known device memory: whoever wants to pin it looks that up, finds
 * nothing and gives up. There is no struct page behind it. */
static vm_fault_t insert_huge(struct vm_fault *vmf, unsigned long pfn)
{
	return vmf_insert_pfn_pmd(vmf, __pfn_to_pfn_t(pfn, PFN_DEV | PFN_MAP), vmf->vma->vm_flags & VM_WRITE);
}

/* Another fault of these 2 MiB may have been here since ours began. first: the frame of the window's first page. */
static vm_fault_t insert(struct vm_fault *vmf, unsigned long first, unsigned long own, bool huge)
{
	pmd_t pmd = READ_ONCE(*vmf->pmd);

	if (pmd_trans_huge(pmd) || pmd_devmap(pmd))
		return VM_FAULT_NOPAGE;
	if (huge && pmd_none(pmd))
		return insert_huge(vmf, first);
	return vmf_insert_pfn(vmf->vma, vmf->address, own);
}

static vm_fault_t fault_failed(struct lg_space *space, llfree_err err)
{
	lg_count(faults_failed, 1);
	if (err != LLFREE_ERR_INSTALL) /* said already */
		pr_warn_ratelimited("%s[%d] gets SIGBUS: %s\n", current->comm, task_pid_nr(current),
				    llfree_err_text(err));
	return VM_FAULT_SIGBUS;
}

/* A frame for the page, if it has none. Under the window's lock. */
static llfree_err fill(struct lg_space *space, struct lg_window *window, unsigned int idx, bool huge)
{
	llfree_err err = LLFREE_ERR_NOMEM;

	if (test_bit(idx, window->present))
		return LLFREE_OK;
	if (huge && !window->n_present)
		err = lg_window_fill(space, window, idx, true);
	if (err == LLFREE_OK)
		lg_count(faults_2m, 1);
	if (err != LLFREE_ERR_NOMEM)
		return err;
	err = lg_window_fill(space, window, idx, false);
	if (err == LLFREE_OK)
		lg_count(faults_4k, 1);
	return err;
}

/* The frame stays the page's after the lock is gone: the mapping that faults covers it. */
static vm_fault_t serve(struct lg_space *space, struct vm_fault *vmf)
{
	struct lg_device *dev = space->dev;
	unsigned long base = (dev->phys + dev->frames_offset) >> PAGE_SHIFT, first, own;
	struct lg_window *window = lg_window_of(space, vmf->pgoff);
	unsigned int idx = vmf->pgoff & (LLFREE_HUGE_FRAMES - 1);
	bool huge = huge_fits(vmf);
	llfree_err err;

	if (!window)
		return VM_FAULT_OOM;
	if (mutex_lock_killable(&window->lock))
		return VM_FAULT_SIGBUS; /* being killed */
	err = fill(space, window, idx, huge);
	huge = huge && window->whole;
	first = base + window->frame[0];
	own = base + window->frame[idx];
	mutex_unlock(&window->lock);
	return err == LLFREE_OK ? insert(vmf, first, own, huge) : fault_failed(space, err);
}

static vm_fault_t lg_fault(struct vm_fault *vmf)
{
	struct lg_space *space = vmf->vma->vm_file->private_data;
	vm_fault_t result = VM_FAULT_SIGBUS;
	int idx;

	if (lg_enter(space->dev, &idx)) {
		result = serve(space, vmf);
		lg_leave(space->dev, idx);
	}
	return result;
}

static void lg_vma_close(struct vm_area_struct *vma)
{
	lg_space_uncover(vma->vm_file->private_data, vma->vm_pgoff, vma->vm_pgoff + vma_pages(vma) - 1);
}

static const struct vm_operations_struct lg_vma_operations = {
	.fault = lg_fault,
	.close = lg_vma_close,
};

static int lg_mmap(struct file *file, struct vm_area_struct *vma)
{
	unsigned long flags = VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP;

	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (!READ_ONCE(huge_pages))
		flags |= VM_NOHUGEPAGE;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_set(vma, flags);
#else
	vma->vm_flags |= flags;
#endif
	vma->vm_ops = &lg_vma_operations;
	return 0;
}

/* The device goes away under its users: no page of it stays in a page table, and no new one comes. */
void lg_file_revoke(struct lg_device *dev)
{
	struct lg_space *space;

	mutex_lock(&dev->spaces_lock);
	list_for_each_entry(space, &dev->spaces, link) unmap_mapping_range(&space->mapping, 0, 0, 1);
	mutex_unlock(&dev->spaces_lock);
}

const struct file_operations lg_file_operations = {
	.owner = THIS_MODULE,
	.open = lg_open,
	.release = lg_release,
	.mmap = lg_mmap,
	.get_unmapped_area = thp_get_unmapped_area,
};
