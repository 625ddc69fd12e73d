/*
 * Stands in the place of top_screen.c where there is no ncurses.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <sysexits.h>

#include "top.h"

int
top_screen_check(const struct call *c)
{
	(void)c;
	fprintf(stderr, "posternctl: this was built without ncurses, so there "
	    "is no screen; --once prints what goes on\n");
	return EX_UNAVAILABLE;
}

/* Not reached. */
int
top_screen(struct call *c)
{
	return top_screen_check(c);
}
