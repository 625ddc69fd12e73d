/*
 * X-Spam-Flag, X-Spam-Status and the like, as SpamAssassin writes them, so that
 * existing rules of Sieve and mail programs work.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_STAGE_SPAM_FIELDS_H
#define MILTER_STAGE_SPAM_FIELDS_H

#include <stdbool.h>

struct message;

struct spam_mark {
	bool spam;
	double score;
	double required;    /* the score from which on mail is spam */
	const char *tag;    /* text to put before the subject; NULL: none */
};

/* Add the edits for the fields; 0, or ERR_NOMEM. */
int spam_fields_add(struct message *m, const struct spam_mark *mark);
/* Add the edits that delete such fields of the message.  *count_r: how many.
 * 0, or ERR_NOMEM. */
int spam_fields_remove(struct message *m, unsigned *count_r);
/* Add the edit that puts the tag before the subject; 0, or ERR_NOMEM. */
int spam_fields_subject(struct message *m, const struct spam_mark *mark);

#endif
