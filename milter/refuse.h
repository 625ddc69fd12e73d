/*
 * What refuses mail, and when: the keywords Refuse and RefuseAt.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_REFUSE_H
#define MILTER_REFUSE_H

#include "lib/conf/conf.h"
#include "verdict.h"

struct errmsg;
struct message;
struct snapshot;
struct stage;
struct symbol;

/* The moments there are, in their order. */
enum when { WHEN_CONNECT, WHEN_MAIL, WHEN_RCPT, WHEN_END };

extern const struct conf_table options_refuse;

/* Set snap->refuse and snap->refuse_at.  0, or a negative ERR_ and *msg_r. */
int refuse_load(struct snapshot *snap, struct errmsg *msg_r);

/* When all stages are loaded: warn of symbols in Refuse that nobody finds. */
void refuse_warn(const struct snapshot *snap);

/*
 * What a stage says when one of the symbols from `first` on, which it has just
 * found, is among those that refuse: a verdict, or none.
 */
struct verdict refuse_symbols(
    struct message *m, const struct stage *st, const struct symbol *first);

/*
 * The words of a refusal as a data set's value has them, `[CODE] words`, CODE
 * being 450 or 550, for example.  `value` may be "": then the words are
 * `otherwise`.  The text is the value's own.
 */
struct verdict refuse_verdict(const char *value, const char *otherwise);
/* Can a client be told so?  Printable ASCII, and not too long.  0, or
 * ERR_CONFIG and what was expected. */
int refuse_check(const char *value, struct errmsg *msg_r);

#endif
