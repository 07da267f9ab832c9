/* SPDX-License-Identifier: MIT
 *
 * Coroutines: the threads of the schedule explorer. One switch is a few instructions, since millions of schedules are
 * run; where there is no assembly for the machine, ucontext does it. May include nothing of the library. */
#ifndef T_CO_H
#define T_CO_H

#include <stddef.h>

typedef struct t_co t_co;

/* A coroutine that will run entry(argument) when it is first switched to. entry must not return. */
t_co *t_co_new(size_t stack_bytes);
void t_co_free(t_co *co);
/* Make it begin anew, whatever it was doing. */
void t_co_prepare(t_co *co, void (*entry)(void *), void *argument);
/* Leave from (saved) and go on in to. */
void t_co_switch(t_co *from, t_co *to);
/* The coroutine that stands for the caller's own stack. */
t_co *t_co_main(void);

#endif
