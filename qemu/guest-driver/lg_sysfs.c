// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/class/misc/llfree/: one value a file. The counters of llfree_guest.h; what the allocator counts; audit, which
 * checks the whole region and means something only while nothing is taken or given back; drain, which a write gives
 * the slots of all CPUs back.
 */
#include "llfree_guest.h"

#include <linux/device.h>
#include <linux/sysfs.h>

static struct lg_device *device_of(struct device *device)
{
	return container_of(dev_get_drvdata(device), struct lg_device, misc);
}

#define LG_COUNTER_SHOW(name, text)                                                                  \
	static ssize_t name##_show(struct device *device, struct device_attribute *attr, char *page) \
	{                                                                                            \
		return sysfs_emit(page, "%llu\n", lg_counted(LG_STAT_##name));                       \
	}                                                                                            \
	static DEVICE_ATTR_RO(name);
LG_STATS(LG_COUNTER_SHOW)

#define LG_REGION_SHOW(name)                                                                         \
	static ssize_t name##_show(struct device *device, struct device_attribute *attr, char *page) \
	{                                                                                            \
		return region_show(device, page, offsetof(llfree_stats, name));                      \
	}                                                                                            \
	static DEVICE_ATTR_RO(name)

static ssize_t region_show(struct device *device, char *page, size_t offset)
{
	struct lg_device *dev = device_of(device);
	llfree_stats stats;

	if (!dev->has_frames)
		return -ENODEV;
	llfree_stats_fast(&dev->view, &stats);
	return sysfs_emit(page, "%llu\n", *(u64 *)((u8 *)&stats + offset));
}

LG_REGION_SHOW(frames);
LG_REGION_SHOW(free_frames);
LG_REGION_SHOW(cached_frames);
LG_REGION_SHOW(free_huge);
LG_REGION_SHOW(taken_huge);
LG_REGION_SHOW(evicted_huge);

static ssize_t held_frames_show(struct device *device, struct device_attribute *attr, char *page)
{
	u64 put = lg_counted(LG_STAT_frames_put); /* first, so that the difference is not below 0 */

	return sysfs_emit(page, "%lld\n", (s64)(lg_counted(LG_STAT_frames_got) - put));
}
static DEVICE_ATTR_RO(held_frames);

static ssize_t balloon_bytes_show(struct device *device, struct device_attribute *attr, char *page)
{
	return sysfs_emit(page, "%llu\n", (u64)READ_ONCE(device_of(device)->balloon.n_pages) * LLFREE_HUGE_BYTES);
}
static DEVICE_ATTR_RO(balloon_bytes);

static ssize_t audit_show(struct device *device, struct device_attribute *attr, char *page)
{
	struct lg_device *dev = device_of(device);
	llfree_audit_report report;

	if (!dev->has_frames)
		return -ENODEV;
	if (llfree_audit(&dev->view, &report))
		return sysfs_emit(page, "ok free %llu cached %llu\n", report.free_frames, report.cached_frames);
	return sysfs_emit(page,
			  "wrong first %llu child %llu huge %llu tree %llu slot %llu claim %llu tail %llu word %llu\n",
			  report.first_bad, report.child_count_wrong, report.huge_rows_open, report.tree_count_wrong,
			  report.reservation_wrong, report.claim_wrong, report.tail_open, report.word_invalid);
}
static struct device_attribute dev_attr_audit = __ATTR(audit, 0400, audit_show, NULL);

static ssize_t drain_store(struct device *device, struct device_attribute *attr, const char *text, size_t bytes)
{
	struct lg_device *dev = device_of(device);

	if (!dev->has_frames)
		return -ENODEV;
	llfree_drain_all(&dev->view);
	return bytes;
}
static DEVICE_ATTR_WO(drain);

static struct attribute *lg_sysfs_attrs[] = {
#define LG_COUNTER_ATTR(name, text) &dev_attr_##name.attr,
	LG_STATS(LG_COUNTER_ATTR)
#undef LG_COUNTER_ATTR
		& dev_attr_frames.attr,
	&dev_attr_free_frames.attr,
	&dev_attr_cached_frames.attr,
	&dev_attr_free_huge.attr,
	&dev_attr_taken_huge.attr,
	&dev_attr_evicted_huge.attr,
	&dev_attr_held_frames.attr,
	&dev_attr_balloon_bytes.attr,
	&dev_attr_audit.attr,
	&dev_attr_drain.attr,
	NULL,
};

static const struct attribute_group lg_sysfs_group = { .attrs = lg_sysfs_attrs };
const struct attribute_group *lg_sysfs_groups[] = { &lg_sysfs_group, NULL };
