/*
 * The Authentication-Results field (RFC 8601): writing ours, and telling whose
 * one is that somebody else wrote.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Writing:
 *	struct authres ar;
 *	authres_begin(&ar, &buf, "mx.example.org", NULL, false);
 *	authres_result(&ar, "spf", "pass");
 *	authres_property(&ar, "smtp", "mailfrom", "bob@example.com");
 *	authres_end(&ar);
 * makes "mx.example.org;\n\tspf=pass smtp.mailfrom=bob@example.com" in the
 * buffer, folded.  Values may be any text: they are addresses or domains as
 * lib/mail/addrtext.h shows them, quoted where they must be.
 */
#ifndef LIB_MAIL_AUTHRES_H
#define LIB_MAIL_AUTHRES_H

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct buf;

#define AUTHRES_COMMENT_MAX 320 /* octets written of a comment */

struct authres {
	struct buf *buf;
	size_t line;  /* where the present line began in the buffer */
	size_t count; /* results so far */
	bool utf8;
};

/* id: the authserv-id; job: a job id to follow it after a slash, or NULL.
 * utf8: the header may hold UTF-8 (RFC 6532).  Memory: see lib/base/buf.h. */
void authres_begin(struct authres *w, struct buf *b, const char *id,
    const char *job, bool utf8);
/* A method and its result; both words of the standard. */
void authres_result(
    struct authres *w, const char *method, const char *result);
/* The words in parentheses behind the result.  Parentheses and backslashes in
 * them become `?`: not every reader knows how comments quote. */
void authres_comment(struct authres *w, const char *text);
/* reason="text"; nothing where that is too long, as in authres_property. */
void authres_reason(struct authres *w, const char *text);
/* Nothing is written where a value can't be shown with the whole of its
 * domain. */
void authres_property(struct authres *w, const char *type,
    const char *property, const char *value);
/* Without a result that says `none`. */
void authres_end(struct authres *w);

/* What a field of others says of itself. */
struct authres_head {
	const char *id; /* the authserv-id in lower case, without a job id,
	    A-labels, no final dots; "" when there is none; in the arena */
	bool clear;     /* all readers see this id: what stands there up to the
	    first `;` is as RFC 8601 has it, without controls, quotes in
	    comments and the like */
	bool checks;    /* it has a result of dkim, spf, dmarc or iprev */
};

/*
 * Look at a value as it came.  Whatever stands there is understood as the most
 * credulous reader would: comments anywhere, quotes, versions, words too many,
 * a name in front; an id ends at the first octet that can't be in a token, and
 * controls are blanks.  0, or ERR_NOMEM.
 */
int authres_look(struct arena *a, const char *value, size_t len,
    struct authres_head *head_r);
/*
 * Might a reader take the field for that of `id` (as authres_id has it)?  It
 * has that id, in front or in the place of a result; or it is not clear whose it
 * is, and the id stands anywhere in it but in another id in quotes: in any case
 * and form (RFC 5890), across blanks, folds and comments, or in an encoded word,
 * which can't be told.  0, or ERR_NOMEM.
 */
int authres_claims(struct arena *a, const char *value, size_t len,
    const char *id, bool *claims_r);
/* An authserv-id from the configuration or the MTA, in the same form. */
const char *authres_id(struct arena *a, const char *id);

#endif
