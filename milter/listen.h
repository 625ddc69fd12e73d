/*
 * The daemon's socket: what may be wrong with it, said before libmilter fails
 * without a word.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_LISTEN_H
#define MILTER_LISTEN_H

#include <stdbool.h>

struct errmsg;
struct privileges;
struct sockspec;

/* What a check is made for. */
struct listen_for {
	bool start; /* really about to: a socket in use is a mistake, whoever
		       has it */
	const char *config; /* otherwise not if the daemon of this one has it */
};

/*
 * Could we listen there?  EX_OK, or another of sysexits and *msg_r with cause
 * and cure.
 */
int listen_check(const struct sockspec *spec, const struct privileges *p,
    const struct listen_for *f, struct errmsg *msg_r);
/* Log a warning if others than this machine's users can reach it, or Postfix
 * can't. */
void listen_warn(const struct sockspec *spec, const struct privileges *p);
/* Listen.  A local socket belongs to the group that p names, so that UMask can
 * open it for that group. */
int listen_open(const struct sockspec *spec, const struct privileges *p,
    int debug, struct errmsg *msg_r);

#endif
