// SPDX-License-Identifier: GPL-2.0
/*
 * The module: counters, the bench, the driver of the device. It loads without a device too, for the bench. It can't be
 * unloaded while a file of it is open or mapped: the kernel counts these as users of the module.
 */
#include "llfree_guest.h"

#include <linux/module.h>

struct lg_counters __percpu *lg_counters;

u64 lg_counted(enum lg_stat stat)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu) sum += READ_ONCE(per_cpu_ptr(lg_counters, cpu)->value[stat]);
	return sum;
}

static int __init lg_init(void)
{
	int err;

	lg_counters = alloc_percpu(struct lg_counters);
	if (!lg_counters)
		return -ENOMEM;
	err = lg_bench_register();
	if (err)
		goto free_counters;
	err = lg_device_register();
	if (err)
		goto unregister_bench;
	return 0;

unregister_bench:
	lg_bench_unregister();
free_counters:
	free_percpu(lg_counters);
	return err;
}

static void __exit lg_exit(void)
{
	lg_device_unregister();
	lg_bench_unregister();
	free_percpu(lg_counters);
}

module_init(lg_init);
module_exit(lg_exit);

MODULE_DESCRIPTION("LLFree in a guest: frames shared with the host, a balloon of huge pages");
MODULE_LICENSE("GPL");
