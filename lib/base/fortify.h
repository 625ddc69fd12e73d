/*
 * Checked string functions, where nobody says otherwise.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Included by the compiler in front of every file (-include).  A level that
 * flags from outside or the compiler itself set stands, 0 as well; and libc
 * checks in optimised code only.
 */
#if defined(__OPTIMIZE__) && !defined(_FORTIFY_SOURCE)
#define _FORTIFY_SOURCE 2
#endif
