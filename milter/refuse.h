/*
 * The keywords Refuse and RefuseAt: what refuses mail, with which words, and
 * when.  What comes of a refusal is disposition.h's.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_REFUSE_H
#define MILTER_REFUSE_H

#include "lib/conf/conf.h"
#include "verdict.h"

struct dataset;
struct errmsg;
struct message;
struct stage;
struct symbol;

extern const struct conf_table options_refuse;

/* Open the symbols of Refuse; *symbols_r stays as it is where there are none.
 * 0, or a negative ERR_ and *msg_r.  (RefuseAt is a value of its row: an enum
 * phase for each stage.) */
int refuse_load(
    const struct conf *c, struct dataset **symbols_r, struct errmsg *msg_r);

/*
 * What a stage says when one of the symbols from `first` on, which it has just
 * found, is in the set, which may be NULL: a verdict, or none.
 */
struct verdict refuse_symbols(const struct dataset *set, struct message *m,
    const struct stage *st, const struct symbol *first);

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
