/*
 * cmocka, with what it wants included first.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef T_SUPPORT_TEST_H
#define T_SUPPORT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
