// SPDX-License-Identifier: GPL-2.0
/*
 * The two ivshmem devices: that of the memory is only bound; that of the doorbells is what serves, once the memory is
 * there, and the kernel unbinds it first when the memory's device goes. The memory is mapped write-back for as long as
 * the driver has it (else pages of it would be mapped uncached), its header is copied and checked once, the interrupts
 * wake who waits. Both may go away (unplugged, or unbound) under open files: these keep the lg_device, and get SIGBUS.
 */
#include "llfree_guest.h"
#include "lg_bench.h"

#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/slab.h>

static DEFINE_MUTEX(single_lock);
static struct lg_device *single; /* one serves a guest; under single_lock */
static struct pci_dev *memory;   /* its memory's device; under single_lock */

static void shm_release(struct kref *ref)
{
	struct lg_device *dev = container_of(ref, struct lg_device, ref);

	cleanup_srcu_struct(&dev->srcu);
	mutex_destroy(&dev->spaces_lock);
	kfree(dev);
}

void lg_device_put(struct lg_device *dev)
{
	kref_put(&dev->ref, shm_release);
}

bool lg_enter(struct lg_device *dev, int *idx)
{
	*idx = srcu_read_lock(&dev->srcu);
	if (READ_ONCE(dev->alive))
		return true;
	srcu_read_unlock(&dev->srcu, *idx);
	return false;
}

void lg_leave(struct lg_device *dev, int idx)
{
	srcu_read_unlock(&dev->srcu, idx);
}

void lg_doorbell(struct lg_device *dev, unsigned int vector)
{
	iowrite32((u32)QVM_PEER_MONITOR << 16 | vector, dev->registers + QVM_REGISTER_DOORBELL);
}

static struct lg_device *bench_device;
static int bench_idx;

bool lg_bench_region_get(llfree_t *view)
{
	struct lg_device *dev;
	bool alive;

	mutex_lock(&single_lock);
	dev = single;
	if (dev)
		kref_get(&dev->ref);
	mutex_unlock(&single_lock);
	if (!dev)
		return false;
	alive = dev->has_frames && lg_enter(dev, &bench_idx);
	if (!alive) {
		lg_device_put(dev);
		return false;
	}
	bench_device = dev;
	*view = dev->view;
	return true;
}

void lg_bench_region_put(void)
{
	lg_leave(bench_device, bench_idx);
	lg_device_put(bench_device);
	bench_device = NULL;
}

static irqreturn_t install_interrupt(int irq, void *context)
{
	lg_count(interrupts, 1);
	lg_install_answered(context);
	return IRQ_HANDLED;
}

static irqreturn_t channel_interrupt(int irq, void *context)
{
	lg_count(interrupts, 1);
	lg_balloon_notify(context);
	return IRQ_HANDLED;
}

static void interrupts_close(struct lg_device *dev)
{
	while (dev->n_vectors > 0)
		free_irq(pci_irq_vector(dev->pdev, --dev->n_vectors), dev);
	pci_free_irq_vectors(dev->pdev);
}

static int interrupts_open(struct lg_device *dev)
{
	int err = pci_alloc_irq_vectors(dev->pdev, QVM_VECTORS, QVM_VECTORS, PCI_IRQ_MSIX);

	if (err < 0)
		return err;
	pci_set_master(dev->pdev);
	for (dev->n_vectors = 0; dev->n_vectors < QVM_VECTORS; dev->n_vectors++) {
		bool install = dev->n_vectors == QVM_VECTOR_INSTALL;

		err = request_irq(pci_irq_vector(dev->pdev, dev->n_vectors),
				  install ? install_interrupt : channel_interrupt, 0, KBUILD_MODNAME, dev);
		if (err) {
			interrupts_close(dev);
			return err;
		}
	}
	return 0;
}

static bool lies_in(u64 offset, u64 bytes, u64 align, u64 end)
{
	return offset % align == 0 && offset >= sizeof(struct qvm_header) && offset <= end && bytes <= end - offset;
}

static const char *frames_wrong(const struct qvm_header *header, u64 end)
{
	if (!lies_in(header->region_offset, header->region_bytes, PAGE_SIZE, end))
		return "the region";
	if (!header->n_ports || !lies_in(header->ports_offset, (u64)header->n_ports * sizeof(struct qvm_port), 64, end))
		return "the ports";
	if (header->n_frames >> 32 || header->n_frames % LLFREE_HUGE_FRAMES ||
	    !lies_in(header->frames_offset, header->n_frames << PAGE_SHIFT, LLFREE_HUGE_BYTES, end))
		return "the frames";
	return NULL;
}

/* What in the header can't be; NULL: nothing. */
static const char *header_wrong(const struct qvm_header *header, u64 bar_bytes)
{
	const char *wrong = NULL;

	if (header->version != QVM_VERSION || header->header_bytes != sizeof(*header))
		return "the version";
	if (header->bytes > bar_bytes)
		return "the length";
	if (header->flags & QVM_HAS_FRAMES)
		wrong = frames_wrong(header, header->bytes);
	if (!wrong && header->flags & QVM_HAS_CHANNEL &&
	    (header->n_rings != QVM_RINGS ||
	     !lies_in(header->channel_offset, sizeof(struct qvm_channel), PAGE_SIZE, header->bytes) ||
	     !lies_in(header->rings_offset, header->rings_bytes, PAGE_SIZE, header->bytes)))
		wrong = "the channel";
	return wrong;
}

static int header_read(struct lg_device *dev)
{
	const char *wrong;

	if (dev->bytes < sizeof(dev->header))
		return -ENODEV;
	memcpy(&dev->header, dev->shared, sizeof(dev->header));
	if (dev->header.magic != QVM_MAGIC)
		return -ENODEV; /* another use of ivshmem */
	wrong = header_wrong(&dev->header, dev->bytes);
	if (!wrong)
		return 0;
	pci_err(dev->pdev, "%s in the host's header makes no sense to this driver\n", wrong);
	return -EINVAL;
}

static int frames_open(struct lg_device *dev)
{
	llfree_err err = llfree_attach(&dev->view, dev->shared + dev->header.region_offset, dev->header.region_bytes);

	if (err != LLFREE_OK) {
		pci_err(dev->pdev, "the region that the host shares: %s\n", llfree_err_text(err));
		return -EINVAL;
	}
	if (dev->view.frames != dev->header.n_frames) {
		pci_err(dev->pdev, "the region has %llu frames, the header %llu\n", dev->view.frames,
			dev->header.n_frames);
		return -EINVAL;
	}
	dev->frames_offset = dev->header.frames_offset;
	dev->n_frames = dev->header.n_frames;
	llfree_set_install(&dev->view, lg_install, dev);
	return lg_install_open(dev);
}

/* Everything from the mapping on; undone by shm_close(), also half of it. */
static int shm_open(struct lg_device *dev)
{
	int err;

	dev->shared = memremap(dev->phys, dev->bytes, MEMREMAP_WB);
	if (!dev->shared)
		return -ENOMEM;
	err = header_read(dev);
	if (!err && dev->header.flags & QVM_HAS_FRAMES)
		err = frames_open(dev);
	if (!err)
		err = interrupts_open(dev);
	if (err)
		return err;
	dev->has_frames = dev->header.flags & QVM_HAS_FRAMES;
	WRITE_ONCE(dev->alive, true);
	if (dev->header.flags & QVM_HAS_CHANNEL)
		err = lg_balloon_start(dev);
	return err;
}

static void shm_close(struct lg_device *dev)
{
	lg_balloon_stop(dev);
	WRITE_ONCE(dev->alive, false);
	synchronize_srcu(&dev->srcu);
	lg_file_revoke(dev);
	if (dev->has_frames)
		llfree_drain_all(&dev->view); /* the host can reach all of it */
	if (dev->n_vectors)
		interrupts_close(dev);
	lg_install_close(dev);
	if (dev->shared)
		memunmap(dev->shared);
	dev->shared = NULL;
}

static struct lg_device *shm_create(struct pci_dev *pdev)
{
	struct lg_device *dev = kzalloc(sizeof(*dev), GFP_KERNEL);

	if (!dev)
		return NULL;
	if (init_srcu_struct(&dev->srcu)) {
		kfree(dev);
		return NULL;
	}
	kref_init(&dev->ref);
	mutex_init(&dev->spaces_lock);
	INIT_LIST_HEAD(&dev->spaces);
	init_waitqueue_head(&dev->balloon.changed);
	dev->pdev = pdev;
	dev->phys = pci_resource_start(memory, QVM_BAR_MEMORY);
	dev->bytes = pci_resource_len(memory, QVM_BAR_MEMORY);
	dev->misc = (struct miscdevice){ .minor = MISC_DYNAMIC_MINOR,
					 .name = "llfree",
					 .fops = &lg_file_operations,
					 .parent = &pdev->dev,
					 .groups = lg_sysfs_groups };
	return dev;
}

static int shm_add(struct lg_device *dev)
{
	int err = pcim_iomap_regions(dev->pdev, BIT(QVM_BAR_REGISTERS), KBUILD_MODNAME);

	if (err)
		return err;
	if (!device_link_add(&dev->pdev->dev, &memory->dev, DL_FLAG_AUTOREMOVE_CONSUMER))
		return -ENOMEM;
	dev->registers = pcim_iomap_table(dev->pdev)[QVM_BAR_REGISTERS];
	err = shm_open(dev);
	if (!err)
		err = misc_register(&dev->misc);
	if (err)
		shm_close(dev);
	return err;
}

/* Is it this driver's? ivshmem has other uses. */
static bool is_ours(struct pci_dev *pdev)
{
	const u64 *magic = memremap(pci_resource_start(pdev, QVM_BAR_MEMORY), PAGE_SIZE, MEMREMAP_WB);
	bool ours = magic && *magic == QVM_MAGIC;

	if (magic)
		memunmap((void *)magic);
	return ours;
}

static int memory_probe(struct pci_dev *pdev)
{
	int err = pci_request_region(pdev, QVM_BAR_MEMORY, KBUILD_MODNAME);

	if (!err)
		memory = pdev;
	return err;
}

static int doorbells_probe(struct pci_dev *pdev)
{
	struct lg_device *dev;
	int err;

	if (!memory)
		return -EPROBE_DEFER;
	dev = shm_create(pdev);
	if (!dev)
		return -ENOMEM;
	err = shm_add(dev);
	if (err) {
		lg_device_put(dev);
		return err;
	}
	single = dev;
	pci_set_drvdata(pdev, dev);
	pci_info(pdev, "%llu MiB of frames%s\n", dev->n_frames >> (20 - PAGE_SHIFT),
		 dev->header.flags & QVM_HAS_CHANNEL ? ", a balloon" : "");
	return 0;
}

static int lg_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	int err = pcim_enable_device(pdev);

	if (err)
		return err;
	if (pci_resource_len(pdev, QVM_BAR_MEMORY) < PAGE_SIZE || !is_ours(pdev))
		return -ENODEV;
	mutex_lock(&single_lock);
	if (pdev->msix_cap ? !!single : !!memory) {
		pci_err(pdev, "there is one such device already\n");
		err = -EBUSY;
	} else {
		err = pdev->msix_cap ? doorbells_probe(pdev) : memory_probe(pdev);
	}
	mutex_unlock(&single_lock);
	return err;
}

static void lg_remove(struct pci_dev *pdev)
{
	struct lg_device *dev = pci_get_drvdata(pdev);

	mutex_lock(&single_lock);
	if (pdev == memory) {
		memory = NULL;
		mutex_unlock(&single_lock);
		return;
	}
	single = NULL;
	mutex_unlock(&single_lock);
	misc_deregister(&dev->misc);
	shm_close(dev);
	lg_device_put(dev);
}

static const struct pci_device_id lg_ids[] = { { PCI_DEVICE(QVM_PCI_VENDOR, QVM_PCI_DEVICE) }, {} };
MODULE_DEVICE_TABLE(pci, lg_ids);

static struct pci_driver lg_driver = {
	.name = KBUILD_MODNAME,
	.id_table = lg_ids,
	.probe = lg_probe,
	.remove = lg_remove,
};

int lg_device_register(void)
{
	return pci_register_driver(&lg_driver);
}

void lg_device_unregister(void)
{
	pci_unregister_driver(&lg_driver);
}
