/*
 * Two ways of doing something, measured in turns: what the rest of the machine
 * does meets both alike.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef T_BENCH_TURNS_H
#define T_BENCH_TURNS_H

/* The head of a table whose rows turns_compare prints. */
void turns_head(const char *product);
/* Do `floor` and `product` for `seconds` in all, and print the medians of their
 * CPU time in us, and product over floor. */
void turns_compare(const char *name, double seconds, void (*floor)(void *arg),
    void (*product)(void *arg), void *arg);

#endif
