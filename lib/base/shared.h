/*
 * A file of one kind that several processes map and write to: found by its
 * name, looked at before it is trusted, made where there is none.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 *	header   4,096 octets: magic, version, sizes, a random key, when it was
 *	         made, and a check over these
 *	body     what the kind keeps there, all zero at first
 *
 * The file is 0600 and allocated in full, so that a full disk is found when it
 * is opened.  One that is damaged or none of ours is given another name; one of
 * a later version is let alone.  A file changes its size by being built anew
 * under another name (mapfile.h): whoever has the old one mapped goes on in it
 * until shared_is_there says that another has its name.
 */
#ifndef LIB_BASE_SHARED_H
#define LIB_BASE_SHARED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct errmsg;
struct mapguard;

#define SHARED_PATH_MAX 3900 /* octets */
#define SHARED_HEADER_SIZE 4096

/* Constant. */
struct shared_kind {
	char magic[16];   /* the file begins with these octets */
	const char *what; /* "decision ring": for the words of a mistake */
	uint32_t version;
	size_t body_min, body_max; /* octets; a body's size is a multiple of
	    4,096 */
};

/* An open one.  Zero: none is open. */
struct shared {
	void *body; /* NULL: not open */
	size_t size; /* of the body */
	uint64_t key[2]; /* nobody who can't read the file knows it */
	uint64_t made; /* wall clock, seconds */

	struct shared_header *header;
	struct mapguard *guard;
	dev_t dev;
	ino_t ino;
};

enum shared_event {
	SHARED_OPENED,  /* it was there */
	SHARED_CREATED, /* there was none */
	SHARED_RENEWED, /* what was there is none of ours, or damaged: it is now
	                   called bad_path */
	SHARED_RESIZED, /* it had another size */
};

/* What shared_open found and did, for the log. */
struct shared_report {
	enum shared_event event;
	const char *why; /* RENEWED: what is wrong with it */
	char bad_path[SHARED_PATH_MAX + 64];
};

/*
 * Open the file with a body of that size for reading and writing; make it where
 * it is not there, or not so.  fill (may be NULL) may put something into a new
 * body, before any other process sees it: `old` is the file of another size,
 * or NULL.  now: wall clock.  0; or, with cause and cure in msg_r (may be NULL):
 * ERR_SYSTEM (errno), ERR_CONFIG (owner, mode or kind of the file make it
 * unsafe), ERR_FORMAT (a later version's), ERR_NOMEM.
 */
int shared_open(struct shared *m, const struct shared_kind *kind,
    const char *path, size_t size, time_t now,
    void (*fill)(void *arg, struct shared *made, const struct shared *old),
    void *arg, struct shared_report *report_r, struct errmsg *msg_r);
/* Open it for reading only, whatever size its body has.  0, ERR_NOTFOUND,
 * ERR_FORMAT, or as above. */
int shared_open_read(struct shared *m, const struct shared_kind *kind,
    const char *path, struct errmsg *msg_r);
/* Could the daemon open or make it?  Nothing stays of the attempt.  *foreign_r:
 * what is wrong with what is there and would be set aside; NULL: nothing. */
int shared_try(const struct shared_kind *kind, const char *path, size_t size,
    const char **foreign_r, struct errmsg *msg_r);
/* Is it all there, whatever its name is? */
bool shared_is_whole(const struct shared *m);
/* Is it also still the file of that name? */
bool shared_is_there(const struct shared *m, const char *path);
/* Of one that is not open: nothing. */
void shared_close(struct shared *m);

#endif
