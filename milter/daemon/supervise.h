/*
 * AutoRestart: a parent that starts the serving child again when it ends.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The parent has no thread of libmilter, so it can handle HUP itself: it sends
 * USR1 to the child for HUP, passes USR1 and USR2 on, and ends the child on
 * TERM and INT.  The socket stays open in the parent, so that connections wait
 * while a child is replaced.
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
