/*
 * Texts of replies that the admin words, with placeholders in them: `%zone%`.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_REPLYTEXT_H
#define MILTER_REPLYTEXT_H

struct arena;
struct errmsg;

#define REPLYTEXT_MAX 500 /* octets of a text, placeholders unfilled */

/* What a placeholder stands for; text NULL leaves it empty.  A list of these
 * ends with {NULL, NULL}. */
struct replytext_word {
	const char *name; /* without the % */
	const char *text;
};

/* Can it be said in SMTP, and does it have no other placeholders?  0, or
 * ERR_CONFIG and *msg_r. */
int replytext_check(const char *value, const struct replytext_word *words,
    struct errmsg *msg_r);
/* The text filled in, in the arena; NULL: no memory. */
const char *replytext_fill(struct arena *a, const char *value,
    const struct replytext_word *words);

#endif
