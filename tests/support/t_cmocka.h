/* SPDX-License-Identifier: MIT
 *
 * CMocka with the headers that it wants first. */
#ifndef T_CMOCKA_H
#define T_CMOCKA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define assert_ok(expression)         assert_int_equal((expression), LLFREE_OK)
#define assert_err(expression, error) assert_int_equal((expression), (error))
#define T_COUNT(array)                (sizeof(array) / sizeof((array)[0]))

#endif
