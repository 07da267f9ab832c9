/* SPDX-License-Identifier: MIT
 *
 * The options that say which kernel a guest boots, as an argp child: of `image` and of everything that boots one. */
#ifndef QVM_IMAGE_OPTIONS_H
#define QVM_IMAGE_OPTIONS_H

#include "image/qvm_image.h"

#include <argp.h>

/** Child parser; its input is a qvm_image_wish. */
extern const struct argp qvm_image_options_argp;
/** Check what no single option can; ends the program with a usage error. */
void qvm_image_options_check(const qvm_image_wish *wish, const struct argp_state *state);

#endif
