/* SPDX-License-Identifier: MIT
 *
 * The base page of this machine: what its kernel maps, counts and discards at least. A frame of a guest has 4 KiB
 * everywhere; the host's pages may hold 4 or 16 of them. */
#ifndef HV_BASE_PAGE_H
#define HV_BASE_PAGE_H

#include "base/hv_base.h"

/** 4096, 16384 or 65536. */
size_t hv_base_page_bytes(void);
/** Bytes that an entry of mincore() stands for: the base page, but in emulators of programs that pretend to have larger
 *  pages, which pass the call on. */
size_t hv_mincore_bytes(void);
/** Is this base page, of private memory, present? */
bool hv_page_present(void *page);

#endif
