/* SPDX-License-Identifier: MIT
 *
 * Coroutines on x86-64 by hand, elsewhere by ucontext. Only callee-saved registers are kept: a switch is a call. */
#define _GNU_SOURCE
#include "co.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define T_CO_ASAN
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(T_CO_ASAN)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes) ((void)(address), (void)(bytes))
#endif

#if defined(__x86_64__) && defined(__ELF__)

struct t_co {
	void *stack_pointer;
	unsigned char *stack;
	size_t stack_bytes;
};

void t_co_switch_asm(void **save, void *restore);
__asm__(".text\n"
	".globl t_co_switch_asm\n"
	".type t_co_switch_asm,@function\n"
	"t_co_switch_asm:\n"
	"	pushq %rbp\n"
	"	pushq %rbx\n"
	"	pushq %r12\n"
	"	pushq %r13\n"
	"	pushq %r14\n"
	"	pushq %r15\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n"
	"	popq %r15\n"
	"	popq %r14\n"
	"	popq %r13\n"
	"	popq %r12\n"
	"	popq %rbx\n"
	"	popq %rbp\n"
	"	ret\n"
	".size t_co_switch_asm, .-t_co_switch_asm\n");

/* First return of a new coroutine: r12 holds the entry, r13 its argument. */
void t_co_start_asm(void);
__asm__(".text\n"
	".globl t_co_start_asm\n"
	".type t_co_start_asm,@function\n"
	"t_co_start_asm:\n"
	"	movq %r13, %rdi\n"
	"	xorl %ebp, %ebp\n"
	"	call *%r12\n"
	"	ud2\n"
	".size t_co_start_asm, .-t_co_start_asm\n"
	".section .note.GNU-stack,\"\",@progbits\n"
	".text\n");

t_co *t_co_main(void)
{
	static t_co main_co;
	return &main_co;
}

static void co_init(t_co *co)
{
	(void)co;
}

void t_co_prepare(t_co *co, void (*entry)(void *), void *argument)
{
	ASAN_UNPOISON_MEMORY_REGION(co->stack, co->stack_bytes); /* an abandoned run left its frames there */
	uintptr_t top = ((uintptr_t)co->stack + co->stack_bytes) & ~(uintptr_t)63;
	void **sp = (void **)top;
	*--sp = NULL; /* two words keep the stack 16-byte aligned at the call */
	*--sp = NULL;
	*--sp = (void *)(uintptr_t)t_co_start_asm;
	*--sp = NULL;                     /* rbp */
	*--sp = NULL;                     /* rbx */
	*--sp = (void *)(uintptr_t)entry; /* r12 */
	*--sp = argument;                 /* r13 */
	*--sp = NULL;                     /* r14 */
	*--sp = NULL;                     /* r15 */
	co->stack_pointer = sp;
}

void t_co_switch(t_co *from, t_co *to)
{
	t_co_switch_asm(&from->stack_pointer, to->stack_pointer);
}

#else
#include <ucontext.h>

struct t_co {
	ucontext_t context;
	unsigned char *stack;
	size_t stack_bytes;
	void (*entry)(void *);
	void *argument;
};

t_co *t_co_main(void)
{
	static t_co main_co;
	return &main_co;
}

static t_co *starting;

static void co_trampoline(void)
{
	t_co *self = starting;
	self->entry(self->argument);
	abort();
}

static void co_init(t_co *co)
{
	if (getcontext(&co->context))
		abort();
}

void t_co_prepare(t_co *co, void (*entry)(void *), void *argument)
{
	ASAN_UNPOISON_MEMORY_REGION(co->stack, co->stack_bytes);
	co->entry = entry;
	co->argument = argument;
	if (getcontext(&co->context))
		abort();
	co->context.uc_stack.ss_sp = co->stack;
	co->context.uc_stack.ss_size = co->stack_bytes;
	co->context.uc_link = NULL;
	makecontext(&co->context, co_trampoline, 0);
}

void t_co_switch(t_co *from, t_co *to)
{
	starting = to;
	if (swapcontext(&from->context, &to->context))
		abort();
}

#endif

t_co *t_co_new(size_t stack_bytes)
{
	t_co *co = calloc(1, sizeof(*co));
	unsigned char *stack = malloc(stack_bytes);
	if (!co || !stack) {
		fprintf(stderr, "no memory for a coroutine\n");
		exit(2);
	}
	co->stack = stack;
	co->stack_bytes = stack_bytes;
	co_init(co);
	return co;
}

void t_co_free(t_co *co)
{
	free(co->stack);
	free(co);
}
