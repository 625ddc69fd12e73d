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

/* One mistake in words, cut off at its size, always terminated. */
struct errmsg {
	char text[1024];
};

/* Replace the text.  A NULL msg is fine.  Returns ERR_CONFIG, so that a check
 * can end in `return errmsg_set(...)`. */
int errmsg_set(struct errmsg *msg, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
