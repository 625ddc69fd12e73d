/*
 * cmocka, with what it wants included first.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef T_SUPPORT_DRIVERS_TEST_H
#define T_SUPPORT_DRIVERS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Under a sanitizer, large memory is moved octet by octet: a test that is about
 * large numbers takes fewer then. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FEWER 1
#else
#define FEWER 0
#endif

#endif
