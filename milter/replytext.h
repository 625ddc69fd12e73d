/*
 * Texts of replies from the configuration, with placeholders such as %zone%.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_REPLYTEXT_H
#define MILTER_REPLYTEXT_H

struct arena;
struct errmsg;

#define REPLYTEXT_MAX 500 /* octets of a text, before placeholders are filled
    in */

/* What a placeholder stands for; text NULL leaves it empty.  A list of these
 * ends with {NULL, NULL}. */
struct replytext_word {
	const char *name; /* without the % */
	const char *text;
};

/* Can the text be a reply in SMTP, and has it no placeholders but these?  0, or
 * ERR_CONFIG and *msg_r. */
int replytext_check(const char *value, const struct replytext_word *words,
    struct errmsg *msg_r);
/* The text in the arena, with the placeholders filled in; NULL: no memory. */
const char *replytext_fill(struct arena *a, const char *value,
    const struct replytext_word *words);

#endif
