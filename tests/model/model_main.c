/* SPDX-License-Identifier: MIT
 *
 * Runs the sequential model on many seeds. usage: model [ROUNDS [OPERATIONS [FIRST_SEED]]] */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>

#include "../support/t_rand.h"

int main(int argc, char **argv)
{
	uint64_t rounds = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000;
	uint64_t max_ops = argc > 2 ? strtoull(argv[2], NULL, 0) : 4000;
	uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 0) : t_seed(1), ops = 0;
	printf("model: %d huge frames per tree, seeds %llu to %llu, %llu operations each\n", LLFREE_TREE_HUGE,
	       (unsigned long long)seed, (unsigned long long)(seed + rounds - 1), (unsigned long long)max_ops);
	(void)fflush(stdout);
	for (uint64_t i = 0; i < rounds; i++)
		ops += t_model_run(NULL, 0, seed + i, max_ops);
	printf("%llu operations agree with the model\n", (unsigned long long)ops);
	return ops == rounds * max_ops ? 0 : 1;
}
