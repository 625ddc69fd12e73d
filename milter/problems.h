/*
 * What is not well in the running daemon, with its cure.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Stages (chain.h) and services (service.h) tell it by their problems hooks,
 * each what it knows itself.
 */
#ifndef MILTER_PROBLEMS_H
#define MILTER_PROBLEMS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct problem {
	bool fatal;       /* mail can't be handled as configured: /health
	    fails */
	const char *what; /* a constant word: "resolver" */
	const char *text; /* what is wrong.  May have text from files and the
	    DNS, which is escaped for the log, not for HTML */
	const char *cure; /* what a person can do */
};

struct problems {
	struct problem *list;
	size_t count, room;
	bool failed; /* no memory: there are more */
};

#define PROBLEMS_INIT {0}

/* Append all problems of the daemon in this process, fatal ones first.  May be
 * called from any thread; no mail waits for it. */
void problems_collect(struct problems *p);
void problems_fini(struct problems *p);

/* For problems hooks.  what is constant, cure and text are copied. */
void problems_add(struct problems *p, bool fatal, const char *what,
    const char *cure, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* What goes wrong for somebody until it goes well again: set by one thread, told
 * by another.  Lasts. */
#define TROUBLE_TEXT_MAX 1024

struct trouble {
	pthread_mutex_t lock;
	char text[TROUBLE_TEXT_MAX]; /* "": nothing */
};

#define TROUBLE_INIT {.lock = PTHREAD_MUTEX_INITIALIZER}

void trouble_set(struct trouble *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void trouble_clear(struct trouble *t);
/* problems_add with its text, if it has one. */
void problems_add_trouble(struct problems *p, bool fatal, const char *what,
    const char *cure, struct trouble *t);

#endif
