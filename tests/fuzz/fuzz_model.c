/* SPDX-License-Identifier: MIT
 *
 * libFuzzer target: the bytes are operations of the sequential model. */
#include "../model/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
	if (n_bytes)
		(void)t_model_run(bytes, n_bytes, 0, UINT64_MAX);
	return 0;
}
