/*
 * The token that opens the page: a file with a secret, and the cookie that a
 * browser gets for it.  SPDX-License-Identifier: BSD-2-Clause
 *
 * The file has one line.  The cookie is `EXPIRES-MAC`: when it ends to be valid,
 * and a MAC of that keyed by the token.  So it does not tell the token, nothing
 * is kept of it, and another token ends all cookies.
 */
#ifndef MILTER_HTTP_TOKEN_H
#define MILTER_HTTP_TOKEN_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

struct buf;
struct conf;
struct errmsg;

#define TOKEN_MAX 255         /* octets */
#define TOKEN_MIN 16          /* what is shorter can be guessed */
#define TOKEN_COOKIE_SIZE 100 /* with a NUL */
#define TOKEN_COOKIE_S (7 * 86400)

struct token {
	char text[TOKEN_MAX + 1]; /* "": none was read */
	/* The file that it was read from. */
	dev_t dev;
	ino_t ino;
	struct timespec changed;
};

/* Append the path of the file: HttpToken, or http-token in StateDirectory. */
void token_path(const struct conf *c, struct buf *path_r);
/* Make the file, 0600 and with a new secret, unless there is one.  0, or a
 * negative ERR_ and *msg_r. */
int token_make(const char *path, struct errmsg *msg_r);
/* Put a new secret in its place, at once and whole; owner (uid_t)-1: whoever
 * runs this. */
int token_renew(
    const char *path, uid_t owner, gid_t group, struct errmsg *msg_r);
/* Read it, unless it is the file that was read last.  ERR_CONFIG: others can
 * read it, or it is too short; then and after any other error there is no
 * token. */
int token_read(struct token *t, const char *path, struct errmsg *msg_r);
/* Is it the token?  Takes as long for a wrong one as for the right one.  False
 * for NULL, and where there is none. */
bool token_is(const struct token *t, const char *text);

/* A cookie that begins to be valid now. */
void token_cookie(
    const struct token *t, time_t now, char cookie_r[TOKEN_COOKIE_SIZE]);
bool token_cookie_ok(const struct token *t, time_t now, const char *cookie);

#endif
