/*
 * The keywords Refuse and RefuseAt: for which symbols mail is refused, with
 * which reply, and in which phase.  disposition.h carries refusals out.
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
 * The refusal, if the set (NULL: none) has one of the symbols from `first` on,
 * which the stage st has just added; otherwise NONE.  Its strings are in the
 * message's arena.
 */
struct verdict refuse_symbols(const struct dataset *set, struct message *m,
    const struct stage *st, const struct symbol *first);

/*
 * The refusal that a value of a data set describes: `[CODE] text`.  Without a
 * CODE (450 to 459, 550 to 559) the reply has the usual one, and without a text
 * that of `otherwise`.  The verdict points into value or otherwise.
 */
struct verdict refuse_verdict(const char *value, const char *otherwise);
/* Can the value be a reply: printable ASCII, and not too long?  0, or
 * ERR_CONFIG and in *msg_r what was expected. */
int refuse_check(const char *value, struct errmsg *msg_r);

#endif
