// SPDX-License-Identifier: GPL-2.0
/*
 * The install call: a port is claimed for each request, so that no task waits for another's, whichever CPU it is moved
 * to meanwhile; the doorbell rings in the monitor; its interrupt wakes whoever waits. A host that does not answer costs
 * the timeout and a line in the log; after that the next requests are not waited for as long, until one is answered.
 */
#include "llfree_guest.h"

#include <linux/bitmap.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

enum { TIMEOUT_MS = 5000, TIMEOUT_LEAST_MS = 10, SILENT_SHARE = 20, RING_AGAIN_MS = 200 };

static unsigned int install_timeout_ms;
module_param(install_timeout_ms, uint, 0644);
MODULE_PARM_DESC(install_timeout_ms,
		 "how long to wait for the host to install memory (0: what the host says, or 5000)");

int lg_install_open(struct lg_device *dev)
{
	u32 idx, n_ports = dev->header.n_ports;

	dev->ports_shared = (struct qvm_port *)(dev->shared + dev->header.ports_offset);
	dev->ports = kvcalloc(n_ports, sizeof(*dev->ports), GFP_KERNEL);
	dev->ports_busy = bitmap_zalloc(n_ports, GFP_KERNEL);
	if (!dev->ports || !dev->ports_busy) {
		lg_install_close(dev);
		return -ENOMEM;
	}
	init_waitqueue_head(&dev->ports_free);
	for (idx = 0; idx < n_ports; idx++) {
		init_waitqueue_head(&dev->ports[idx].answered);
		/* go on where an earlier driver of this guest stopped: an answer to it is none to us */
		dev->ports[idx].sequence = READ_ONCE(dev->ports_shared[idx].request) >> QVM_PORT_IDX_BITS;
	}
	return 0;
}

void lg_install_close(struct lg_device *dev)
{
	kvfree(dev->ports);
	bitmap_free(dev->ports_busy);
	dev->ports = NULL;
	dev->ports_busy = NULL;
}

void lg_install_answered(struct lg_device *dev)
{
	unsigned int idx;

	for_each_set_bit(idx, dev->ports_busy, dev->header.n_ports) wake_up(&dev->ports[idx].answered);
}

static bool port_claim(struct lg_device *dev, u32 *port_idx)
{
	u32 n_ports = dev->header.n_ports, first = raw_smp_processor_id(), at;

	for (at = 0; at < n_ports; at++) {
		*port_idx = (first + at) % n_ports;
		if (!test_bit(*port_idx, dev->ports_busy) && !test_and_set_bit_lock(*port_idx, dev->ports_busy))
			return true;
	}
	return false;
}

static void port_release(struct lg_device *dev, u32 port_idx)
{
	clear_bit_unlock(port_idx, dev->ports_busy);
	smp_mb__after_atomic(); /* pairs with the waiter's: it claims, or it is in the queue */
	if (waitqueue_active(&dev->ports_free))
		wake_up(&dev->ports_free);
}

static bool answered(struct lg_device *dev, u32 port_idx, u32 *answer)
{
	*answer = smp_load_acquire(&dev->ports_shared[port_idx].answer);
	return *answer >> QVM_PORT_ANSWER_BITS == dev->ports[port_idx].sequence;
}

static unsigned int patience_ms(struct lg_device *dev)
{
	unsigned int timeout_ms = READ_ONCE(install_timeout_ms);

	if (!timeout_ms)
		timeout_ms = dev->header.install_timeout_ms ? dev->header.install_timeout_ms : TIMEOUT_MS;
	if (READ_ONCE(dev->host_silent))
		timeout_ms /= SILENT_SHARE;
	return max_t(unsigned int, timeout_ms, TIMEOUT_LEAST_MS);
}

/* Ask on this port and wait. Returns the answer, 0 when there was none. */
static u32 ask(struct lg_device *dev, u32 port_idx, u64 huge_idx, unsigned int timeout_ms)
{
	struct lg_port *port = &dev->ports[port_idx];
	unsigned long deadline = jiffies + msecs_to_jiffies(timeout_ms) + 1;
	u32 answer;

	port->sequence = (port->sequence + 1) & QVM_PORT_SEQUENCE_MASK;
	if (!port->sequence)
		port->sequence = 1;
	smp_store_release(&dev->ports_shared[port_idx].request,
			  (u64)port->sequence << QVM_PORT_IDX_BITS | (huge_idx & ((1ull << QVM_PORT_IDX_BITS) - 1)));
	do {
		long slice = min_t(long, max_t(long, deadline - jiffies, 1), msecs_to_jiffies(RING_AGAIN_MS));

		lg_doorbell(dev, QVM_VECTOR_INSTALL);
		wait_event_killable_timeout(port->answered, answered(dev, port_idx, &answer), slice);
		if (answered(dev, port_idx, &answer))
			return answer & ((1u << QVM_PORT_ANSWER_BITS) - 1);
	} while (time_before(jiffies, deadline) && !fatal_signal_pending(current));
	return 0;
}

static void complain(struct lg_device *dev, u64 huge_idx, u32 answer, unsigned int timeout_ms)
{
	lg_count(install_failures, 1);
	if (answer)
		pr_warn_ratelimited("the host refused to install huge frame %llu for %s[%d]\n", huge_idx, current->comm,
				    task_pid_nr(current));
	else if (!fatal_signal_pending(current))
		pr_warn_ratelimited("the host did not install huge frame %llu for %s[%d] within %u ms\n", huge_idx,
				    current->comm, task_pid_nr(current), timeout_ms);
	if (!answer && !fatal_signal_pending(current))
		WRITE_ONCE(dev->host_silent, true);
}

bool lg_install(void *context, uint64_t huge_idx)
{
	struct lg_device *dev = context;
	unsigned int timeout_ms = patience_ms(dev);
	u64 begin_ns = ktime_get_ns();
	u32 port_idx, answer = 0;
	bool claimed = port_claim(dev, &port_idx);

	lg_count(installs, 1);
	if (!claimed) {
		lg_count(port_waits, 1);
		claimed = wait_event_killable_timeout(dev->ports_free, port_claim(dev, &port_idx),
						      msecs_to_jiffies(timeout_ms)) > 0;
	}
	if (claimed) {
		answer = ask(dev, port_idx, huge_idx, timeout_ms);
		port_release(dev, port_idx);
	}
	lg_count(install_ns, ktime_get_ns() - begin_ns);
	if (answer)
		WRITE_ONCE(dev->host_silent, false);
	if (answer != QVM_PORT_DONE)
		complain(dev, huge_idx, answer, timeout_ms);
	return answer == QVM_PORT_DONE;
}
