/* SPDX-License-Identifier: BSD-2-Clause */
#include "t/bench/turns.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TURNS 21

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double
measure(void (*once)(void *arg), void *arg, int count)
{
	double begun = now();

	for (int i = 0; i < count; i++)
		once(arg);
	return (now() - begun) / count;
}

static int
ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void
turns_head(const char *product)
{
	printf("%-34s %9s %9s %7s\n", "us of CPU a message", "floor", product,
	    "ratio");
}

void
turns_compare(const char *name, double seconds, void (*floor)(void *arg),
    void (*product)(void *arg), void *arg)
{
	double floors[TURNS], products[TURNS];
	double once = measure(product, arg, 3);
	int count = (int)(seconds * 1e6 / (2 * TURNS) / once) + 1;

	for (int i = 0; i < TURNS; i++) {
		floors[i] = measure(floor, arg, count);
		products[i] = measure(product, arg, count);
	}
	qsort(floors, TURNS, sizeof(*floors), ascending);
	qsort(products, TURNS, sizeof(*products), ascending);
	printf("%-34s %9.1f %9.1f %7.2f\n", name, floors[TURNS / 2],
	    products[TURNS / 2], products[TURNS / 2] / floors[TURNS / 2]);
}
