/*
 * What a stage may return.  SPDX-License-Identifier: BSD-2-Clause
 *
 * verdict.c alone turns configuration words into verdicts and back; callbacks.c
 * alone turns a verdict into values of libmilter.
 */
#ifndef MILTER_VERDICT_H
#define MILTER_VERDICT_H

#include <stdbool.h>

enum verdict_action {
	VERDICT_NONE,       /* nothing is decided; the walk goes on */
	VERDICT_ACCEPT,     /* accept the message; no further stage is called */
	VERDICT_REJECT,     /* refuse for good */
	VERDICT_TEMPFAIL,   /* refuse for now */
	VERDICT_DISCARD,    /* accept the message, and drop it */
	VERDICT_QUARANTINE, /* accept the message, and hold it; the walk goes
	    on */
	VERDICT_ERROR,      /* a check could not be made; the chain replaces it
	    by what On-... names */
};

/* What failed, for VERDICT_ERROR: which On- keyword decides. */
enum verdict_error {
	VERDICT_E_INTERNAL, /* On-InternalError */
	VERDICT_E_DNS,      /* On-DNSError */
	VERDICT_E_COUNT,
};

struct verdict {
	enum verdict_action action;
	enum verdict_error error; /* for VERDICT_ERROR */
	int code;          /* the SMTP reply code; 0: the action's usual one */
	const char *xcode; /* the enhanced code (RFC 3463); NULL: usual */
	const char *text;  /* the reply's text, a quarantine's reason, or an
	    error's cause; constant, or in the arena of the message or
	    session */
	const char *symbol; /* the symbol for which it is; NULL: none */
	const char *why;   /* the reason in words for the admin: the limit, the
	    entry of a list ...; NULL: `by` and `symbol` suffice.  Lives as long
	    as text */
	const char *by;    /* the stage that decided; set by the chain */
};

/* Nothing is decided. */
extern const struct verdict verdict_none;

/* A verdict of that action; text NULL: the usual one. */
struct verdict verdict_make(enum verdict_action action, const char *text);
struct verdict verdict_error(enum verdict_error error, const char *cause);

/* Does it end the walk? */
bool verdict_decides(const struct verdict *v);
/* Is the message (or recipient) refused or dropped by it? */
bool verdict_refuses(const struct verdict *v);

/* accept, reject ...; "accept" for VERDICT_NONE too. */
const char *verdict_word(enum verdict_action action);
/* The words for configuration rows, NULL-ended; and the action of one of them,
 * as conf_word counts them. */
extern const char *const verdict_words[];
enum verdict_action verdict_of_choice(int word);

/* Octets of a text that fits into one line with its codes (RFC 5321 section
 * 4.5.3.1.5), and a NUL. */
#define VERDICT_TEXT_SIZE 499

/* The text as it may stand in a reply: what is not printable ASCII becomes `?`,
 * what is too long is cut.  Returns text_r. */
char *verdict_text(const char *words, char text_r[VERDICT_TEXT_SIZE]);

struct buf;
/* Append in words: what is done, by which stage, for which symbol. */
void verdict_outcome(const struct verdict *v, struct buf *b);
/* The same, and the reason or else the reply's text.  As printable as these
 * are. */
void verdict_explain(const struct verdict *v, struct buf *b);

/* The reply to the client: code, enhanced code and text, with the action's
 * usual ones filled in.  false: the action has no reply. */
bool verdict_reply(const struct verdict *v, int *code_r, const char **xcode_r,
    char text_r[VERDICT_TEXT_SIZE]);

#endif
