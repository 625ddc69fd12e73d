/*
 * Failures and mistakes.  SPDX-License-Identifier: BSD-2-Clause
 *
 * A failure of an operation is an int: 0, or one of the negative ERR_ codes
 * below.  A mistake by the person who configures gets words: a struct errmsg.
 * The outcome of a standard (an SPF softfail, say) is neither; it is a value of
 * that engine's own enum.
 */
#ifndef LIB_BASE_ERR_H
#define LIB_BASE_ERR_H

#include <stdarg.h>
#include <stddef.h>

enum {
	ERR_OK = 0,
	ERR_NOMEM = -1,   /* no memory */
	ERR_SYSTEM = -2,  /* a system call failed; errno says which way */
	ERR_SYNTAX = -3,  /* the input is not what its standard says */
	ERR_LIMIT = -4,   /* the input exceeds a limit of ours */
	ERR_NOTFOUND = -5, /* there is no such thing */
	ERR_CRYPTO = -6,  /* the cryptographic library refused */
	ERR_CONFIG = -7,  /* a configuration mistake; an errmsg says which */
	ERR_FULL = -8,    /* no room left */
	ERR_TIMEOUT = -9, /* the deadline passed */
	ERR_FORMAT = -10, /* a file is foreign, torn or of another version */
};

/* The English words of a code; never NULL. */
const char *err_text(int code);

/* What there is to do about a mistake, for who prints it. */
enum errmsg_kind {
	ERRMSG_PLAIN,  /* what the words say */
	ERRMSG_CLOSED, /* a file, or the way to it, is closed to this process */
	ERRMSG_NO_ROOM, /* the disk has no room for a file of that size */
};

/* One mistake in words, cut off at its size, always terminated. */
struct errmsg {
	char text[1024];
	enum errmsg_kind kind;
	size_t cure;     /* where in the text a command that mends it begins,
	                    with what joins it to the cause; 0: it has none */
	char path[1024]; /* of ERRMSG_CLOSED: which file; "": it is too long */
};

/* Replace it by a text.  In all of these a NULL msg is fine.  Returns
 * ERR_CONFIG, so that a check can end in `return errmsg_set(...)`. */
int errmsg_set(struct errmsg *msg, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void errmsg_vset(struct errmsg *msg, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
/* Replace it by the words of another behind some in front of it, and by what
 * else that one says. */
int errmsg_wrap(struct errmsg *msg, const struct errmsg *why, const char *fmt,
    ...) __attribute__((format(printf, 3, 4)));
/* Its text is there, and ends with that of another: it is about the same. */
int errmsg_about(struct errmsg *msg, const struct errmsg *why);
/* Its text is there, and came of that errno about a file. */
void errmsg_of_file(struct errmsg *msg, const char *path, int error);
/* Its text is there, and is the cause: add what mends it. */
void errmsg_cure(struct errmsg *msg, const char *joint, const char *cure);

#endif
