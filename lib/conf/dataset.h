/*
 * Data sets: keys, some with a value, as OpenDKIM's configuration names them
 * (opendkim(8), DATA SETS).  SPDX-License-Identifier: BSD-2-Clause
 *
 *     file:PATH    one `key value` a line, `#` begins a comment; also what
 *                  begins with / or ./
 *     refile:PATH  the same with patterns for keys: * stands for any text, and
 *                  the first line that matches counts
 *     mdb:PATH     an LMDB directory or file, read anew at each look-up
 *     csl:LIST     the list itself, `a,b` or `a=x,b=y`; also anything else
 *
 * Keys are compared without case.  Of two equal keys the first counts.
 * A set is read-only once open (but for what another process writes into an
 * LMDB) and may be used by many threads.
 */
#ifndef LIB_CONF_DATASET_H
#define LIB_CONF_DATASET_H

#include <stdbool.h>
#include <stddef.h>

struct errlist;
struct errmsg;
struct dataset;

#define DATASET_FILE_MAX (256 << 20) /* octets in one file */
#define DATASET_LINE_MAX (64 << 10)  /* octets in one line */

struct dataset_type; /* a type of sets; those in memory by name */
extern const struct dataset_type dataset_file, dataset_refile, dataset_csl;

/* What a set is opened for. */
enum dataset_use {
	DATASET_SERVES, /* for who serves mail: makes an LMDB's lock file */
	DATASET_LOOKS,	/* for who only looks: makes no file */
};

/* Judge what was written, without opening it; fits struct conf_option.check. */
int dataset_check(const char *spec, struct errmsg *msg_r);

/* The path behind the prefix of a type that has one; anything else as it is. */
const char *dataset_path(const char *spec);

/*
 * Open for who serves, and but for mdb: load.  0 and *set_r (the caller's,
 * dataset_free), or a negative ERR_ and in *msg_r the file, the line, and what
 * is wrong: a file that is missing, unreadable or writable by everyone, a line
 * that is no text.
 * Types that postern lacks are mistakes that say what to do instead.
 */
int dataset_open(
    const char *spec, struct dataset **set_r, struct errmsg *msg_r);
/* The same with all mistakes, in a list.  Where lines are wrong *set_r is set
 * (the caller's) as well, without them. */
int dataset_open_list(const char *spec, enum dataset_use use,
    struct errlist *list, struct dataset **set_r);
/* As dataset_open from memory, for file, refile and csl; `name` is for
 * messages. */
int dataset_open_text(const struct dataset_type *type, const char *name,
    const char *text, size_t len, struct dataset **set_r, struct errmsg *msg_r);
void dataset_free(struct dataset *set);

/* Do its entries stand in the configuration itself (csl:)? */
bool dataset_is_listed(const struct dataset *set);
/* Is it read anew at each look-up (mdb:)?  It may be large, changes, and is not
 * walked to judge its entries. */
bool dataset_is_live(const struct dataset *set);
/* Are its keys patterns (refile:)?  Then it is asked by key, and not copied. */
bool dataset_has_patterns(const struct dataset *set);
/* The path, or the list, for messages. */
const char *dataset_name(const struct dataset *set);

/* One entry.  Its strings are borrowed from the set, or with mdb: from
 * `owned`, which dataset_entry_fini releases. */
struct dataset_entry {
	const char *key;   /* as written: in refile the pattern */
	const char *value; /* "" when there is none */
	size_t index;	   /* its place among the entries, from 0 */
	int line;	   /* of the file; 0: has no lines */
	char *owned;
};

/* Find a key.  0 and the entry (the caller's, dataset_entry_fini),
 * ERR_NOTFOUND, or with mdb: another ERR_. */
int dataset_get(
    const struct dataset *set, const char *key, struct dataset_entry *entry_r);
/* Is the key in the set, which may be NULL?  1 or 0, or with mdb: an ERR_. */
int dataset_has(const struct dataset *set, const char *key);
/* Find it at the entry `from` or after it, so that all that match can be had.
 * mdb: keeps one value for a key: ERR_NOTFOUND unless from is 0. */
int dataset_get_from(const struct dataset *set, const char *key, size_t from,
    struct dataset_entry *entry_r);
void dataset_entry_fini(struct dataset_entry *entry);

/* Call `each` for every entry in order (LMDB's, by key, with mdb:), until one
 * returns other than 0, which is returned.  The entry is lent for the call,
 * and `each` must not look into an mdb: set. */
int dataset_walk(const struct dataset *set,
    int (*each)(const struct dataset_entry *entry, void *arg), void *arg);

struct dataset_field {
	const char *text; /* not terminated */
	size_t len;
};

/* Split a value at its colons into at most n fields, the last of which takes
 * the rest.  Returns how many there are; those missing are set empty. */
size_t dataset_fields(
    const char *value, struct dataset_field *fields_r, size_t n);

#endif
