/* SPDX-License-Identifier: GPL-2.0
 *
 * What the library's core needs of this header, from the kernel's types. */
#ifndef LG_STDINT_H
#define LG_STDINT_H

#include <linux/limits.h>
#include <linux/types.h>

#define UINT64_C(c) c##ULL
#define UINT32_MAX  U32_MAX
#define UINT64_MAX  U64_MAX

#endif
