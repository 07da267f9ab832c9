/* SPDX-License-Identifier: MIT
 *
 * A folder of what is added to the initramfs: programs of this machine with the shared libraries that they need. The
 * image that holds it is cached by its content, so the folder itself may go when the image is there. */
#ifndef QVM_OVERLAY_H
#define QVM_OVERLAY_H

#include "image/qvm_image.h"

typedef struct qvm_overlay {
	char folder[256]; /**< in TMPDIR, else /tmp; "" = there is none */
	char why[400];    /**< what failed, for people */
} qvm_overlay;

/** Each program becomes /bin/NAME in the guest. @return HV_OK; HV_ERR_UNAVAILABLE, HV_ERR_SYSTEM: self->why */
HV_MUST_CHECK hv_err qvm_overlay_make(qvm_overlay *self, const char *const *programs, size_t n_programs);
/** Idempotent. */
void qvm_overlay_remove(qvm_overlay *self);

#endif
