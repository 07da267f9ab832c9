/* SPDX-License-Identifier: MIT
 *
 * R and batches as state machines: every transition, and every interleaving of a withdrawal that direct calls reach. */
#include "t_sim.h"

#include <pthread.h>
#include <stdatomic.h>

static void every_frame_is_installed_at_first(void **state)
{
	(void)state;
	hv_frames frames;
	assert_int_equal(hv_frames_create(&frames, 100), HV_OK);
	for (uint64_t idx = 0; idx < 100; idx++)
		assert_int_equal(hv_frames_state(&frames, idx), HV_R_INSTALLED);
	assert_int_equal(hv_frames_count(&frames, HV_R_INSTALLED), 100);
	hv_frames_destroy(&frames);
}

static void transition_goes_through_busy_and_leaves_neighbours_alone(void **state)
{
	(void)state;
	static const hv_r all[] = { HV_R_INSTALLED, HV_R_SOFT, HV_R_HARD };
	hv_frames frames;
	assert_int_equal(hv_frames_create(&frames, 70), HV_OK);
	for (uint64_t idx = 30; idx < 34; idx++) { /* across a word */
		for (unsigned from = 0; from < 3; from++) {
			for (unsigned to = 0; to < 3; to++) {
				hv_r now = hv_frames_state(&frames, idx);
				assert_true(hv_frames_begin(&frames, idx, now));
				assert_int_equal(hv_frames_state(&frames, idx), HV_R_BUSY);
				hv_frames_end(&frames, idx, all[from]);
				assert_true(hv_frames_begin(&frames, idx, all[from]));
				hv_frames_end(&frames, idx, all[to]);
				assert_int_equal(hv_frames_state(&frames, idx), all[to]);
				assert_int_equal(hv_frames_state(&frames, 29), HV_R_INSTALLED);
				assert_int_equal(hv_frames_state(&frames, 34), HV_R_INSTALLED);
			}
		}
	}
	hv_frames_destroy(&frames);
}

static void busy_frame_has_one_owner(void **state)
{
	(void)state;
	hv_frames frames;
	assert_int_equal(hv_frames_create(&frames, 8), HV_OK);
	assert_true(hv_frames_begin(&frames, 3, HV_R_INSTALLED));
	assert_false(hv_frames_begin(&frames, 3, HV_R_INSTALLED));
	assert_false(hv_frames_begin(&frames, 3, HV_R_SOFT));
	assert_false(hv_frames_begin(&frames, 3, HV_R_HARD));
	hv_frames_end(&frames, 3, HV_R_HARD);
	assert_false(hv_frames_begin(&frames, 3, HV_R_SOFT));
	assert_int_equal(hv_frames_state(&frames, 3), HV_R_HARD);
	hv_frames_destroy(&frames);
}

static void count_and_find_stop_at_the_last_frame(void **state)
{
	(void)state;
	for (uint64_t huge = 1; huge <= 97; huge++) {
		hv_frames frames;
		assert_int_equal(hv_frames_create(&frames, huge), HV_OK);
		assert_int_equal(hv_frames_count(&frames, HV_R_INSTALLED), huge);
		assert_int_equal(hv_frames_find(&frames, HV_R_HARD, 0), huge);
		assert_true(hv_frames_begin(&frames, huge - 1, HV_R_INSTALLED));
		hv_frames_end(&frames, huge - 1, HV_R_HARD);
		for (uint64_t begin = 0; begin < huge; begin++)
			assert_int_equal(hv_frames_find(&frames, HV_R_HARD, begin), huge - 1);
		assert_int_equal(hv_frames_find(&frames, HV_R_HARD, huge), huge);
		assert_int_equal(hv_frames_count(&frames, HV_R_HARD), 1);
		hv_frames_destroy(&frames);
	}
}

enum { RACE_ROUNDS = 20000, RACE_FRAMES = 32 };
typedef struct race {
	hv_frames frames;
	_Atomic int owners[RACE_FRAMES];
	_Atomic uint64_t violations, won;
} race;

static void *race_thread(void *context)
{
	race *self = context;
	for (unsigned round = 0; round < RACE_ROUNDS; round++) {
		unsigned idx = round % RACE_FRAMES;
		hv_r from = hv_frames_state(&self->frames, idx);
		if (from == HV_R_BUSY || !hv_frames_begin(&self->frames, idx, from))
			continue;
		if (atomic_fetch_add(&self->owners[idx], 1) != 0)
			atomic_fetch_add(&self->violations, 1);
		atomic_fetch_add(&self->won, 1);
		atomic_fetch_sub(&self->owners[idx], 1);
		hv_frames_end(&self->frames, idx, from == HV_R_INSTALLED ? HV_R_SOFT : HV_R_INSTALLED);
	}
	return NULL;
}

static void racing_threads_never_share_a_transition(void **state)
{
	(void)state;
	static race self;
	pthread_t threads[4];
	assert_int_equal(hv_frames_create(&self.frames, RACE_FRAMES), HV_OK);
	for (unsigned at = 0; at < 4; at++)
		assert_int_equal(pthread_create(&threads[at], NULL, race_thread, &self), 0);
	for (unsigned at = 0; at < 4; at++)
		pthread_join(threads[at], NULL);
	assert_int_equal(self.violations, 0);
	assert_true(self.won > 0);
	assert_int_equal(hv_frames_count(&self.frames, HV_R_BUSY), 0);
	hv_frames_destroy(&self.frames);
}

static void withdrawn_frame_is_not_taken_for_the_discard(void **state)
{
	(void)state;
	static hv_batch batch;
	uint64_t huge_idx[HV_DISCARD_MAX];
	hv_r to[HV_DISCARD_MAX];
	for (unsigned at = 0; at < 5; at++) { /* each position */
		hv_batch_init(&batch);
		for (uint64_t idx = 10; idx < 15; idx++)
			hv_batch_add(&batch, idx, HV_R_SOFT);
		assert_true(hv_batch_withdraw(&batch, 10 + at));
		assert_false(hv_batch_withdraw(&batch, 10 + at));
		assert_int_equal(hv_batch_take(&batch, huge_idx, to), 4);
		for (unsigned pos = 0; pos < 4; pos++) {
			assert_int_equal(huge_idx[pos], 10 + pos + (pos >= at));
			assert_int_equal(to[pos], HV_R_SOFT);
		}
		assert_int_equal(hv_batch_count(&batch), 0);
	}
}

static void frame_is_not_withdrawn_before_its_add_or_after_its_take(void **state)
{
	(void)state;
	static hv_batch batch;
	uint64_t huge_idx[HV_DISCARD_MAX];
	hv_r to[HV_DISCARD_MAX];
	hv_batch_init(&batch);
	assert_false(hv_batch_withdraw(&batch, 0));
	hv_batch_add(&batch, 0, HV_R_SOFT);
	assert_int_equal(hv_batch_take(&batch, huge_idx, to), 1);
	assert_false(hv_batch_withdraw(&batch, 0));
	/* nor by what an earlier batch left in its place */
	hv_batch_add(&batch, 1, HV_R_SOFT);
	assert_false(hv_batch_withdraw(&batch, 0));
	assert_true(hv_batch_withdraw(&batch, 1));
	assert_int_equal(hv_batch_take(&batch, huge_idx, to), 0);
}

static void hard_reclaimed_frame_is_never_withdrawn(void **state)
{
	(void)state;
	static hv_batch batch;
	hv_batch_init(&batch);
	hv_batch_add(&batch, 7, HV_R_HARD);
	assert_false(hv_batch_withdraw(&batch, 7));
}

enum { WITHDRAW_ROUNDS = 3000, WITHDRAW_HUGE = 64 };
typedef struct withdrawal {
	hv_batch batch;
	_Atomic int owners[WITHDRAW_HUGE]; /* who got it: must end at one each round */
	_Atomic bool stop;
} withdrawal;

static void *withdraw_thread(void *context)
{
	withdrawal *self = context;
	uint64_t seed = 7;
	while (!atomic_load(&self->stop)) {
		uint64_t idx = hv_random(&seed) % WITHDRAW_HUGE;
		if (hv_batch_withdraw(&self->batch, idx))
			atomic_fetch_add(&self->owners[idx], 1);
	}
	return NULL;
}

static void racing_withdrawal_and_issue_give_each_frame_one_owner(void **state)
{
	(void)state;
	static withdrawal self;
	uint64_t huge_idx[HV_DISCARD_MAX];
	hv_r to[HV_DISCARD_MAX];
	pthread_t thread;
	hv_batch_init(&self.batch);
	assert_int_equal(pthread_create(&thread, NULL, withdraw_thread, &self), 0);
	for (unsigned round = 0; round < WITHDRAW_ROUNDS; round++) {
		for (uint64_t idx = 0; idx < WITHDRAW_HUGE; idx++)
			hv_batch_add(&self.batch, idx, HV_R_SOFT);
		size_t n_taken = hv_batch_take(&self.batch, huge_idx, to);
		for (size_t pos = 0; pos < n_taken; pos++)
			atomic_fetch_add(&self.owners[huge_idx[pos]], 1);
		for (uint64_t idx = 0; idx < WITHDRAW_HUGE; idx++)
			while (atomic_load(&self.owners[idx]) != (int)round + 1)
				assert_true(atomic_load(&self.owners[idx]) <= (int)round + 1);
	}
	atomic_store(&self.stop, true);
	pthread_join(thread, NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_frame_is_installed_at_first),
		cmocka_unit_test(transition_goes_through_busy_and_leaves_neighbours_alone),
		cmocka_unit_test(busy_frame_has_one_owner),
		cmocka_unit_test(count_and_find_stop_at_the_last_frame),
		cmocka_unit_test(racing_threads_never_share_a_transition),
		cmocka_unit_test(withdrawn_frame_is_not_taken_for_the_discard),
		cmocka_unit_test(frame_is_not_withdrawn_before_its_add_or_after_its_take),
		cmocka_unit_test(hard_reclaimed_frame_is_never_withdrawn),
		cmocka_unit_test(racing_withdrawal_and_issue_give_each_frame_one_owner),
	};
	return T_RUN(tests);
}
