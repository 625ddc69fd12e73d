/*
 * SocketPeers: the users who may connect.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_PEERS_H
#define MILTER_PEERS_H

#include <stdbool.h>
#include <sys/types.h>

struct conf;
struct errmsg;
struct peers;

/*
 * Look the names up, as the user database has them at this moment; without
 * SocketPeers the MTAs' own users as far as there are such, root, and who we
 * run as.  0 and *peers_r (the caller's, peers_free), or a negative ERR_ and
 * *msg_r.
 */
int peers_load(
    const struct conf *conf, struct peers **peers_r, struct errmsg *msg_r);
void peers_free(struct peers *peers);

/* Is nobody kept out? */
bool peers_everybody(const struct peers *peers);
bool peers_has(const struct peers *peers, uid_t uid);

/* Before a chroot that may hold no user database: keep what peers_load will
 * look up, for it to fall back on.  Once, before any thread. */
void peers_remember(const struct conf *conf);

#endif
