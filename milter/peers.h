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
 * Look the names of SocketPeers up in the user database.  Without SocketPeers:
 * the users of MTAs that exist, root, and the user we run as.  0 and *peers_r
 * (the caller's, peers_free), or a negative ERR_ and *msg_r.
 */
int peers_load(
    const struct conf *conf, struct peers **peers_r, struct errmsg *msg_r);
void peers_free(struct peers *peers);

/* May every user connect? */
bool peers_everybody(const struct peers *peers);
bool peers_has(const struct peers *peers, uid_t uid);

/* To be called before a chroot, inside which there may be no user database:
 * look up what peers_load will need, and keep it for peers_load to fall back
 * on.  Once, before any thread. */
void peers_remember(const struct conf *conf);

#endif
