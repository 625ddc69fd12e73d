/*
 * Who is signed for, and with which keys: Domain, KeyFile and Selector, or
 * KeyTable and SigningTable, as opendkim.conf(5) has them.  The rows of these
 * keywords stand in stage_sign.c.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Tables are read and checked against each other when the configuration is
 * loaded, and keys decoded then (of a very large table, or one whose paths hold
 * `%`, each when it is first wanted).  Afterwards everything may be used by any
 * number of threads.
 */
#ifndef MILTER_STAGE_SIGNING_H
#define MILTER_STAGE_SIGNING_H

#include <stdbool.h>
#include <stddef.h>

struct addr;
struct arena;
struct conf;
struct dkim_key;
struct errmsg;
struct signing;

#define SIGNING_MATCHES_MAX 16 /* signatures for one message */

/*
 * 0 and *s_r (the caller's, signing_free), NULL when the configuration names no
 * key at all.  Otherwise a negative ERR_ and *msg_r: keywords that contradict
 * each other, a table entry that leads nowhere, a key that is unreadable,
 * unsafe or wrong, each with its place.
 */
int signing_load(
    const struct conf *c, struct signing **s_r, struct errmsg *msg_r);
void signing_free(struct signing *s);

struct signing_match {
	const char *domain, *selector; /* d=, s= */
	const char *identity;          /* i=; NULL: none */
	const struct dkim_key *key;    /* the signing's, as long as it lives */
};

/*
 * With which keys mail from this address is signed: at most
 * SIGNING_MATCHES_MAX, none when it is not ours.  Text is in the arena.  0, or
 * a negative ERR_ and *msg_r when a key that is called for can't be had.
 */
int signing_find(struct signing *s, struct arena *a, const struct addr *from,
    struct signing_match *matches_r, size_t *count_r, struct errmsg *msg_r);

/*
 * Call `each` for every key that signs as that domain, in lower case: those of
 * KeyTable, or the one of KeyFile.  file: NULL where KeyTable has the key
 * itself.  What is handed out is lent for the call.  Ends at the first that
 * returns other than 0.  0, that, or a negative ERR_ and *msg_r when a key
 * can't be had.
 */
int signing_keys(struct signing *s, const char *domain,
    int (*each)(const struct signing_match *m, const char *file, void *arg),
    void *arg, struct errmsg *msg_r);

/* Whether others can read the keys: false where UserID, for whom that would be
 * judged, is not there, or is not the ordinary user that we are. */
bool signing_judged(const struct signing *s);

#endif
