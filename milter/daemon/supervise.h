/*
 * AutoRestart: a parent that keeps a child serving.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The parent has no libmilter thread in it, so that HUP is its own.  It turns
 * HUP into USR1, hands on USR1 and USR2, and ends the child on TERM and INT.
 * The socket stays open in it, so while a child is replaced connections wait
 * instead of being refused.
 */
#ifndef MILTER_DAEMON_SUPERVISE_H
#define MILTER_DAEMON_SUPERVISE_H

#include "milter/options.h"

struct supervise_options {
	long count;               /* AutoRestartCount; 0: no limit */
	struct options_rate rate; /* AutoRestartRate; .count 0: no limit */
};

/*
 * Run child(arg) in a child process, again and again, until asked to stop
 * (EX_OK), until the limits forbid it (EX_SOFTWARE), or until the first child
 * fails before it was ready (its status).  Signals must be blocked.
 */
int supervise(const struct supervise_options *o, int (*child)(void *arg),
    void *arg);

#endif
