/* SPDX-License-Identifier: MIT
 *
 * A file on a tmpfs mount of our own, in huge pages whatever shmem_enabled says. The mount lives in a mount namespace
 * (without privilege: and a user namespace) of a child process that ends at once; only the descriptor remains. The
 * caller's namespaces, mounts and identity stay as they are. */
#ifndef HV_PRIVATE_TMPFS_H
#define HV_PRIVATE_TMPFS_H

#include "base/hv_base.h"

/** @return a descriptor of an unnamed file of this size; -1 with errno, and which step failed in *failed_call */
int hv_private_tmpfs_file(uint64_t bytes, const char **failed_call);

#endif
