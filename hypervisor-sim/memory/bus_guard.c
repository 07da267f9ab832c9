/* SPDX-License-Identifier: MIT
 *
 * The guard; see bus_guard.h. The handler reads a fixed table of words, so it needs no lock. */
#define _GNU_SOURCE
#include "memory/bus_guard.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum { RANGES_MAX = 64 };

typedef struct guarded_range {
	_Atomic uintptr_t base; /* 0: free; written last when it is taken, first when it is given back */
	_Atomic size_t bytes;
	void (*_Atomic hit)(void *context);
	void *_Atomic context;
} guarded_range;

static guarded_range ranges[RANGES_MAX];
static pthread_mutex_t ranges_lock = PTHREAD_MUTEX_INITIALIZER; /* add and remove only */
static struct sigaction before;

static guarded_range *range_of(uintptr_t address)
{
	for (unsigned at = 0; at < RANGES_MAX; at++) {
		uintptr_t base = atomic_load_explicit(&ranges[at].base, memory_order_acquire);
		if (base != 0 && address - base < atomic_load_explicit(&ranges[at].bytes, memory_order_relaxed))
			return &ranges[at];
	}
	return NULL;
}

/* The access is done again when the handler returns: on zeros, or, when nobody here knows the address, with whatever
 * handled the signal before. */
static void on_bus_error(int number, siginfo_t *info, void *context)
{
	int saved = errno;
	guarded_range *range = range_of((uintptr_t)info->si_addr);
	if (range != NULL) {
		void *base = (void *)atomic_load_explicit(&range->base, memory_order_relaxed);
		size_t bytes = atomic_load_explicit(&range->bytes, memory_order_relaxed);
		if (mmap(base, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE,
			 -1, 0) == base) {
			atomic_load_explicit(&range->hit, memory_order_relaxed)(
				atomic_load_explicit(&range->context, memory_order_relaxed));
			errno = saved;
			return;
		}
	}
	if ((before.sa_flags & SA_SIGINFO) != 0)
		before.sa_sigaction(number, info, context);
	else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN)
		before.sa_handler(number);
	else
		signal(number, SIG_DFL);
	errno = saved;
}

static hv_err handler_install(void)
{
	struct sigaction now, action = { .sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO };
	sigemptyset(&action.sa_mask);
	if (sigaction(SIGBUS, NULL, &now) != 0)
		return HV_ERR_SYSTEM;
	if ((now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == on_bus_error)
		return HV_OK;
	before = now;
	return sigaction(SIGBUS, &action, NULL) == 0 ? HV_OK : HV_ERR_SYSTEM;
}

hv_err hv_bus_guard_add(void *base, size_t bytes, void (*hit)(void *context), void *context)
{
	hv_err err = HV_ERR_UNAVAILABLE;
	pthread_mutex_lock(&ranges_lock);
	for (unsigned at = 0; at < RANGES_MAX && err == HV_ERR_UNAVAILABLE; at++) {
		guarded_range *range = &ranges[at];
		if (atomic_load_explicit(&range->base, memory_order_relaxed) != 0)
			continue;
		err = handler_install();
		if (err != HV_OK)
			break;
		atomic_store_explicit(&range->bytes, bytes, memory_order_relaxed);
		atomic_store_explicit(&range->hit, hit, memory_order_relaxed);
		atomic_store_explicit(&range->context, context, memory_order_relaxed);
		atomic_store_explicit(&range->base, (uintptr_t)base, memory_order_release);
	}
	pthread_mutex_unlock(&ranges_lock);
	return err;
}

void hv_bus_guard_remove(const void *base)
{
	pthread_mutex_lock(&ranges_lock);
	for (unsigned at = 0; at < RANGES_MAX; at++)
		if (base != NULL && atomic_load_explicit(&ranges[at].base, memory_order_relaxed) == (uintptr_t)base)
			atomic_store_explicit(&ranges[at].base, 0, memory_order_release);
	pthread_mutex_unlock(&ranges_lock);
}
