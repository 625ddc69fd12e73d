/*
 * The clock that deadlines go by: it never steps, and stands while the machine
 * sleeps (CLOCK_MONOTONIC).  SPDX-License-Identifier: BSD-2-Clause
 *
 * For the time of day see time(2); the table of quotas has clocks of its own.
 */
#ifndef LIB_BASE_CLOCK_H
#define LIB_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t
clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static inline int64_t
clock_ms(void)
{
	return clock_ns() / 1000000;
}

/* A moment in milliseconds, for calls that wait until then. */
static inline struct timespec
clock_timespec(int64_t ms)
{
	return (struct timespec){
	    .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
}

#endif
