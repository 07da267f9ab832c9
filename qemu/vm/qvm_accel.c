/* SPDX-License-Identifier: MIT
 *
 * What this machine and this QEMU offer: the accelerator, devices. */
#define _GNU_SOURCE
#include "vm/qvm_program.h"
#include "vm/qvm_vm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PROBE_NS UINT64_C(30000000000)

/* Hardware that runs a guest's kernel as it is: without it a /dev/kvm takes special kernels only. */
static bool cpu_virtualises(void)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	char *line = NULL;
	size_t room = 0;
	bool found = false;
	while (file != NULL && !found && getline(&line, &room, file) > 0)
		found = strncmp(line, "flags", 5) == 0 &&
			(strstr(line, " vmx") != NULL || strstr(line, " svm") != NULL);
	free(line);
	if (file != NULL)
		fclose(file);
	return found;
}

static bool kvm_opens(char *why, size_t why_bytes)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm = -1;
	if (fd < 0) {
		snprintf(why, why_bytes, "/dev/kvm: %s", strerror(errno));
		return false;
	}
	if (ioctl(fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		snprintf(why, why_bytes, "/dev/kvm speaks another version of its interface");
	else if ((vm = ioctl(fd, KVM_CREATE_VM, 0)) < 0)
		snprintf(why, why_bytes, "KVM makes no VM: %s", strerror(errno));
	if (vm >= 0)
		close(vm);
	close(fd);
	return vm >= 0;
}

hv_err qvm_accel_choose(qvm_accel wanted, qvm_accel *chosen, char *why, size_t why_bytes)
{
	why[0] = '\0';
	*chosen = QVM_ACCEL_TCG;
	if (wanted == QVM_ACCEL_TCG)
		return HV_OK;
	bool kvm = kvm_opens(why, why_bytes);
	if (kvm && wanted == QVM_ACCEL_AUTO && !cpu_virtualises()) {
		snprintf(why, why_bytes, "the CPU has neither vmx nor svm: this KVM boots no stock kernel");
		kvm = false;
	}
	if (kvm)
		*chosen = QVM_ACCEL_KVM;
	return kvm || wanted == QVM_ACCEL_AUTO ? HV_OK : HV_ERR_UNAVAILABLE;
}

const char *qvm_accel_text(qvm_accel accel)
{
	return accel == QVM_ACCEL_KVM ? "kvm" : "tcg";
}

bool qvm_device_known(const char *qemu, const char *device)
{
	enum { TEXT_BYTES = 256 * 1024 };
	qvm_args args = { 0 };
	char wanted[80], *text = malloc(TEXT_BYTES);
	qvm_args_add(&args, "%s", qemu != NULL ? qemu : "qemu-system-x86_64");
	qvm_args_add(&args, "-device");
	qvm_args_add(&args, "help");
	snprintf(wanted, sizeof(wanted), "name \"%s\"", device);
	bool known = text != NULL && qvm_program_read(&args, text, TEXT_BYTES, PROBE_NS) == 0 &&
		     strstr(text, wanted) != NULL;
	free(text);
	qvm_args_clear(&args);
	return known;
}
