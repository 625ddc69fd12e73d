/*
 * Which key signs for which author: Domain, KeyFile and Selector, or KeyTable
 * and SigningTable, as in opendkim.conf(5).  The rows of these keywords are in
 * sign.c.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Tables are read and checked, and keys decoded, when the configuration is
 * loaded.  Exceptions are very large tables, and paths with `%`: such a key is
 * decoded when it is first needed.  After the load any thread may use
 * everything.
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

#define SIGNING_MATCHES_MAX 16 /* most signatures of one message */

/*
 * Load keys and tables.  0 and *s_r (the caller's, signing_free), NULL if the
 * configuration names no key.  Otherwise a negative ERR_ and *msg_r: keywords
 * that contradict each other, a table entry that leads nowhere, a key that is
 * unreadable, unsafe or wrong, each with its place.
 */
int signing_load(
    const struct conf *c, struct signing **s_r, struct errmsg *msg_r);
void signing_free(struct signing *s);

struct signing_match {
	const char *domain, *selector; /* d=, s= */
	const char *identity;          /* i=; NULL: none */
	const struct dkim_key *key;    /* the struct signing's, as long as that
	    lasts */
};

/*
 * Find the keys for mail from this address: at most SIGNING_MATCHES_MAX; none
 * if it is not to be signed.  Text is in the arena.  0, or a negative ERR_ and
 * *msg_r when a key that is called for can't be had.
 */
int signing_find(struct signing *s, struct arena *a, const struct addr *from,
    struct signing_match *matches_r, size_t *count_r, struct errmsg *msg_r);

/*
 * Call `each` for every key that signs as that domain, in lower case: those of
 * KeyTable, or the one of KeyFile.  file: NULL where KeyTable has the key
 * itself.  The match is valid during the call only.  Ends at the first that
 * returns other than 0.  0, that, or a negative ERR_ and *msg_r when a key
 * can't be had.
 */
int signing_keys(struct signing *s, const char *domain,
    int (*each)(const struct signing_match *m, const char *file, void *arg),
    void *arg, struct errmsg *msg_r);

/* Did the load judge whether others can read the keys?  Not if the user of
 * UserID does not exist, or if we are another ordinary user. */
bool signing_judged(const struct signing *s);

#endif
