/* SPDX-License-Identifier: MIT
 *
 * The commands of llfree-qemu. argv[0] is "llfree-qemu COMMAND"; each returns the exit code. */
#ifndef QVM_COMMANDS_H
#define QVM_COMMANDS_H

int qvm_run_command(int argc, char **argv);
int qvm_image_command(int argc, char **argv);
int qvm_list_command(int argc, char **argv);
int qvm_validate_command(int argc, char **argv);

#endif
