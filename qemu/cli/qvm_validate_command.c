/* SPDX-License-Identifier: MIT
 *
 * validate: the part of that name, where it was built. */
#include "cli/hv_options.h"
#include "cli/qvm_commands.h"

#include <stdio.h>

#ifdef QVM_HAVE_VALIDATE
#include "validate/qvm_validate.h"

int qvm_validate_command(int argc, char **argv)
{
	return qvm_validate_run(argc, argv);
}
#else
int qvm_validate_command(int argc, char **argv)
{
	(void)argc;
	fprintf(stderr, "%s: this build is without it\n", argv[0]);
	return HV_EXIT_USAGE;
}
#endif
