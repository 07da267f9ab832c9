/* SPDX-License-Identifier: MIT
 *
 * The image of a guest: kernel, initramfs with modules, guest program and guest driver, made by qemu/image/make-image
 * and cached by content. Getting it takes seconds when nothing changed. */
#ifndef QVM_IMAGE_H
#define QVM_IMAGE_H

#include "base/hv_base.h"

enum { QVM_PATH_BYTES = 1024 };

typedef struct qvm_image {
	char folder[QVM_PATH_BYTES]; /**< in the cache */
	char kernel[QVM_PATH_BYTES], initrd[QVM_PATH_BYTES];
	char release[128]; /**< of the kernel */
	bool driver;       /**< llfree_guest.ko is in it */
	bool program;      /**< llfree-guest is in it */
} qvm_image;

/** What is asked for; NULL = the usual. */
typedef struct qvm_image_wish {
	const char *image;   /**< a folder made by `llfree-qemu image --output` */
	const char *kernel;  /**< bzImage, instead of Debian's; with modules */
	const char *modules; /**< lib/modules/RELEASE of that kernel */
	const char *headers; /**< its headers, for the guest driver */
	const char *overlay; /**< a folder whose files are added to the initramfs */
	bool disk;           /**< also with the modules that mount a disk */
	bool verbose;
} qvm_image_wish;

/** Make it or find it. @return HV_OK; HV_ERR_UNAVAILABLE, told to the user */
HV_MUST_CHECK hv_err qvm_image_get(qvm_image *self, const qvm_image_wish *wish);
/** Copy it to a folder that does not exist yet. @return as above */
HV_MUST_CHECK hv_err qvm_image_copy(const qvm_image *self, const char *folder);
/** Where a file of ours lies: beside the program where that is installed, wherever to; else in the tree that it was
 * built in; else where it was to be installed.
 *  @param installed  below the prefix  @param built  in the tree */
void qvm_own_path(char *path, size_t bytes, const char *installed, const char *built);

#endif
