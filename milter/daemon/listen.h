/*
 * The daemon's socket.  Mistakes are reported here, because libmilter fails
 * without a reason.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_DAEMON_LISTEN_H
#define MILTER_DAEMON_LISTEN_H

struct errlist;
struct errmsg;
struct holder_for;
struct privileges;
struct sockspec;

/*
 * Could we listen there?  EX_OK, and in *msg_r perhaps a warning
 * (holder_passes) or ""; or another of sysexits and *msg_r with cause and cure.
 */
int listen_check(const struct sockspec *spec, const struct privileges *p,
    const struct holder_for *f, struct errmsg *msg_r);
/* Add a warning if others than this machine's users can reach it, or Postfix
 * can't; `where` is Socket's place. */
void listen_warn(const struct sockspec *spec, const struct privileges *p,
    const char *where, struct errlist *warnings);
/* Listen.  A local socket belongs to the group that p names, so that UMask can
 * open it for that group. */
int listen_open(const struct sockspec *spec, const struct privileges *p,
    int debug, struct errmsg *msg_r);

#endif
