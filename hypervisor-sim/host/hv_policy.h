/* SPDX-License-Identifier: MIT
 *
 * A policy decides when memory is taken from a VM and given again, and how much. In this tree: one file in policies/
 * with one descriptor hv_policy_NAME. Outside of it: include this header alone, build a shared object that exports the
 * symbol `hv_policy_plugin`, and run `hvsim footprint --policy ./FILE.so`; docs/hvsim.md has an example.
 * A policy sees numbers only. It keeps what it must remember in the state it is given, calls nothing that blocks, and
 * is asked by one thread per VM: by several at once for several VMs. Plain C11 and C++17, nothing but the C library. */
#ifndef HV_POLICY_H
#define HV_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { HV_POLICY_ABI = 1 };
#define HV_POLICY_HUGE_BYTES (UINT64_C(2) << 20)

/** A number of the input that nobody could tell. */
#define HV_POLICY_UNKNOWN UINT64_MAX

/** What a policy wants to be told beside the numbers that cost nothing; else they are HV_POLICY_UNKNOWN. */
enum {
	HV_POLICY_NEEDS_RESIDENT = 1 << 0, /**< resident_bytes */
	HV_POLICY_NEEDS_USED = 1 << 1,     /**< used_bytes, wanted_bytes */
	HV_POLICY_NEEDS_FREE = 1 << 2,     /**< free_huge */
	HV_POLICY_NEEDS_PRESSURE = 1 << 3, /**< some_*, full_*; without PSI the policy is unavailable */
	HV_POLICY_NEEDS_HOST = 1 << 4,     /**< host_available_bytes */
	HV_POLICY_NEEDS_TARGET = 1 << 5    /**< target_bytes; --target-file must be given */
};

typedef struct hv_policy_input {
	uint64_t now_ns;    /**< monotonic */
	uint64_t last_ns;   /**< end of the last pass or change of the limit; before: when the policy was switched on */
	uint64_t period_ns; /**< --period, or the usual one of the technique */
	uint64_t memory_bytes;   /**< of the VM */
	uint64_t limit_bytes;    /**< that the guest may use now; of automatic techniques always memory_bytes */
	uint64_t resident_bytes; /**< that the kernel holds memory for, exact */
	uint64_t free_huge;      /**< free huge frames with memory behind them, as the host sees them in shared state */
	uint64_t used_bytes;     /**< what the guest has allocated, as an agent in it would tell */
	uint64_t wanted_bytes;   /**< that somebody in the guest waits for: 0 = nobody does */
	uint64_t some_us, full_us;     /**< PSI: microseconds in which some task, or all, waited for memory */
	double some_avg10, full_avg10; /**< PSI: percent of the last ten seconds; 0 when not asked for */
	uint64_t host_available_bytes; /**< MemAvailable of the host */
	uint64_t target_bytes;         /**< the last good figure of --target-file */
	/* what the user set; UNKNOWN: nothing */
	uint64_t low_bytes, high_bytes; /**< --low, --high */
	uint64_t slack_bytes;           /**< --slack; 0 where there is none */
	double threshold_percent;       /**< --threshold */
	bool takes_limits;              /**< the technique is given limits; else it makes passes */
} hv_policy_input;

/** Zero when the policy is switched on, then the policy's own; one per VM. */
typedef struct hv_policy_state {
	uint64_t words[8];
} hv_policy_state;

typedef enum hv_policy_action {
	HV_POLICY_WAIT,  /**< nothing now */
	HV_POLICY_PASS,  /**< techniques that take no limits: one pass over what the guest does not use */
	HV_POLICY_LIMIT, /**< techniques that take limits: go to this one. Down in slices, so that a guest that grows is
			    never behind a long reclaim: the policy is asked between them, WAIT lets the host go on,
			    another LIMIT is the new goal. last_ns moves when the goal is reached or out of reach */
} hv_policy_action;

typedef struct hv_policy_decision {
	hv_policy_action action;
	uint64_t wait_ns;     /**< WAIT: ask again after this time */
	uint64_t limit_bytes; /**< LIMIT; rounded up to huge frames, at most the memory of the VM */
} hv_policy_decision;

typedef struct hv_policy {
	uint32_t abi;   /**< HV_POLICY_ABI */
	uint32_t needs; /**< HV_POLICY_NEEDS_*; a need that can't be met makes the policy unavailable, visibly */
	const char *name, *summary;
	hv_policy_decision (*decide)(const hv_policy_input *input, hv_policy_state *state);
} hv_policy;

/** The symbol that `--policy FILE.so` looks up. */
#ifdef HV_POLICY_EXPORT
extern __attribute__((visibility("default"))) const hv_policy hv_policy_plugin;
#endif

/* What policies share. */

/** How often a policy that watches something asks to be asked. */
#define HV_POLICY_POLL_NS UINT64_C(1000000)

static inline hv_policy_decision hv_policy_wait(uint64_t ns)
{
	hv_policy_decision decision = { HV_POLICY_WAIT, ns, 0 };
	return decision;
}

static inline hv_policy_decision hv_policy_pass(void)
{
	hv_policy_decision decision = { HV_POLICY_PASS, 0, 0 };
	return decision;
}

static inline hv_policy_decision hv_policy_limit(uint64_t bytes)
{
	hv_policy_decision decision = { HV_POLICY_LIMIT, 0, bytes };
	return decision;
}

/** The limit of a guest that uses this much and shall have some slack: whole huge frames, at most its memory. */
static inline uint64_t hv_policy_limit_for(uint64_t memory_bytes, uint64_t used_bytes, uint64_t slack_bytes)
{
	uint64_t limit_bytes = used_bytes + slack_bytes + HV_POLICY_HUGE_BYTES - 1;
	limit_bytes -= limit_bytes % HV_POLICY_HUGE_BYTES;
	return limit_bytes < memory_bytes ? limit_bytes : memory_bytes;
}

/** Has a period passed since the last action? */
static inline bool hv_policy_due(const hv_policy_input *input)
{
	return input->now_ns - input->last_ns >= input->period_ns;
}

/** Until the period has passed, but no longer than a poll. */
static inline hv_policy_decision hv_policy_watch(const hv_policy_input *input)
{
	uint64_t since_ns = input->now_ns - input->last_ns;
	uint64_t left_ns = since_ns < input->period_ns ? input->period_ns - since_ns : HV_POLICY_POLL_NS;
	return hv_policy_wait(left_ns < HV_POLICY_POLL_NS ? left_ns : HV_POLICY_POLL_NS);
}

/** Somebody in the guest waits for memory that the limit keeps from it. */
static inline bool hv_policy_starves(const hv_policy_input *input)
{
	return input->takes_limits && input->wanted_bytes != 0 && input->wanted_bytes != HV_POLICY_UNKNOWN &&
	       input->limit_bytes < input->memory_bytes;
}

/** What to do then: raise the limit by a step, at least a huge frame. */
static inline hv_policy_decision hv_policy_feed(const hv_policy_input *input, uint64_t step_bytes)
{
	uint64_t step = step_bytes > HV_POLICY_HUGE_BYTES ? step_bytes : HV_POLICY_HUGE_BYTES;
	return hv_policy_limit(hv_policy_limit_for(input->memory_bytes, input->limit_bytes, step));
}

#ifdef __cplusplus
}
#endif
#endif
