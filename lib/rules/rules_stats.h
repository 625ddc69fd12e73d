/*
 * How often each rule hit and what it cost, over reloads and restarts: a small
 * file that is mapped into memory.  SPDX-License-Identifier: BSD-2-Clause
 *
 * Running a rule counts in private memory only (rules_info).  What has come up
 * since the last time is added to the file by rules_stats_flush, with relaxed
 * atomics and without a lock: mail never waits for the file, and when it can't
 * be had, what was counted waits until it can.  A killed process loses what it
 * had not yet added.
 *
 * A rule is found by its name together with its definition (its line, and
 * `tflags multiple`; not its score or description, nor other rules, lists and
 * replace_tags that it refers to), so one that was changed starts anew.
 * Any number of processes, and of sets of rules in one process, may share a
 * file, even with different rules of one name: each has a place of its own, and
 * equal rules add up.  Whoever removes the file begins all counts anew.
 *
 *	header   magic, version, sizes, and a check over these; 128 octets
 *	slots    a power of two, of 64 octets each: eight words, the first of
 *	         which is the rule's key and 0 where nobody is; linear probing
 *
 * A slot that has its key is never given to another rule.  When there is no
 * room the file is built anew, larger or without what was long not seen, and
 * takes the other one's name (lib/base/mapfile.h).  The file is 0600 and allocated
 * in full, so that a full disk is found when it is opened.
 */
#ifndef LIB_RULES_RULES_STATS_H
#define LIB_RULES_RULES_STATS_H

#include <stdint.h>
#include <time.h>

struct errmsg;
struct rules;
struct rules_stats;

#define RULES_STATS_PATH_MAX 3900 /* octets */

enum rules_stats_event {
	RULES_STATS_SAME,    /* nothing happened, or it was opened */
	RULES_STATS_CREATED, /* there was none, or it was removed */
	RULES_STATS_RENEWED, /* what was there is none of ours, or torn: it is
			      * now called bad_path */
	RULES_STATS_GROWN,   /* the rules did not fit */
};

/* What rules_stats_flush found and did, for the log. */
struct rules_stats_report {
	enum rules_stats_event event;
	const char *why;     /* RENEWED: what is wrong with it */
	char bad_path[4096]; /* RENEWED */
};

/* Could the daemon open or make the file at path?  Nothing stays of the
 * attempt.  0, ERR_SYSTEM (errno) or ERR_CONFIG, and *msg_r.  *foreign_r: what
 * is wrong with what is there, which would be set aside; NULL: nothing. */
int rules_stats_try(
    const char *path, const char **foreign_r, struct errmsg *msg_r);

/* Opens nothing yet.  rules is borrowed; path, which is not, has at most
 * RULES_STATS_PATH_MAX octets.  NULL: no memory. */
struct rules_stats *rules_stats_new(
    const char *path, const struct rules *rules);
/* NULL is fine.  Flush before, or what came up since the last time is lost. */
void rules_stats_free(struct rules_stats *s);

/*
 * Add to the file what has been counted since the last time.  Opens or makes
 * the file where that has not been done, and where another one has its name
 * now.  One thread at a time; mail may be counted meanwhile.  now: wall clock.
 * 0; or, with cause and cure in msg_r (may be NULL) and nothing lost:
 * ERR_SYSTEM  a call failed, errno is set,
 * ERR_CONFIG  owner, mode or kind make the file unsafe,
 * ERR_NOMEM.
 */
int rules_stats_flush(struct rules_stats *s, time_t now,
    struct rules_stats_report *report_r, struct errmsg *msg_r);

/* What became of a rule in live mail. */
struct rules_stats_count {
	uint64_t since; /* wall clock: the first count; 0: never loaded */
	uint64_t tried, hits, limited;
	uint64_t ns, timed; /* so long took so many of the tries */
};

/*
 * The counts of the file, for each rule in the order of rules_info.  *list_r is
 * the caller's (free).  0, ERR_NOTFOUND (no file), ERR_FORMAT (it is none of
 * ours, or torn), ERR_SYSTEM, ERR_CONFIG (not a regular file), ERR_NOMEM.
 */
int rules_stats_read(const char *path, const struct rules *rules,
    struct rules_stats_count **list_r, struct errmsg *msg_r);

#endif
