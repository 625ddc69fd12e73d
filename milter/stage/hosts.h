/*
 * Hosts that a keyword lists, such as InternalHosts (opendkim.conf(5),
 * PeerList).  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_STAGE_HOSTS_H
#define MILTER_STAGE_HOSTS_H

#include <stdbool.h>

struct conf;
struct dataset;
struct errmsg;
struct peerlist;
struct session;

/* {0}: no host. */
struct hosts {
	struct dataset *set;
	struct peerlist *list;
};

/* Load what the keyword lists, or `otherwise` if it is not given (NULL: no
 * host).  Warns of entries that match nothing.  0, or a negative ERR_ and
 * *msg_r.  Call hosts_fini in either case. */
int hosts_load(const struct conf *c, const char *keyword,
    const char *otherwise, struct hosts *h, struct errmsg *msg_r);
void hosts_fini(struct hosts *h);

/* Is the session's client among them, by its verified name or its address? */
bool hosts_match(const struct hosts *h, const struct session *s);

#endif
