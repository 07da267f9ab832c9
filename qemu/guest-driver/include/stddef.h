/* SPDX-License-Identifier: GPL-2.0
 *
 * What the library's core needs of this header, from the kernel's types. */
#ifndef LG_STDDEF_H
#define LG_STDDEF_H

#include <linux/stddef.h>
#include <linux/types.h>

#endif
