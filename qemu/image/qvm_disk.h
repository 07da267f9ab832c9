/* SPDX-License-Identifier: MIT
 *
 * A disk of a guest: a file that qemu/image/make-disk made and cached by content, or one of the user's. It is never
 * written: each VM has a copy of it without a name, which goes with the VM. */
#ifndef QVM_DISK_H
#define QVM_DISK_H

#include "image/qvm_image.h"

/** Make it or find it. @param path  of the file  @param why  what failed, for people
 *  @return HV_OK; HV_ERR_UNAVAILABLE */
HV_MUST_CHECK hv_err qvm_disk_get(char *path, size_t path_bytes, bool verbose, char *why, size_t why_bytes);
/** A copy in TMPDIR, else /tmp, holes kept. @return a descriptor; -1 with errno */
HV_MUST_CHECK int qvm_disk_copy(const char *path);

#endif
