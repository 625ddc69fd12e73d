/*
 * X-Spam-Flag, X-Spam-Status and their kin, as SpamAssassin writes them, so
 * that rules of Sieve and mail programs go on working.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_STAGE_SPAM_FIELDS_H
#define MILTER_STAGE_SPAM_FIELDS_H

#include <stdbool.h>

struct message;

struct spam_mark {
	bool spam;
	double score;
	double required;    /* from which score on it is spam */
	const char *tag;    /* to put before the subject; NULL: nothing */
};

/* Ask for the fields; 0, or ERR_NOMEM. */
int spam_fields_add(struct message *m, const struct spam_mark *mark);
/* Ask for the removal of those that came with the message.  *count_r: how
 * many. */
int spam_fields_remove(struct message *m, unsigned *count_r);
/* Put the tag before the subject. */
int spam_fields_subject(struct message *m, const struct spam_mark *mark);

#endif
