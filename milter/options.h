/*
 * The global keywords.  A stage's own stand in its file.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_OPTIONS_H
#define MILTER_OPTIONS_H

#include "lib/conf/conf.h"
struct errmsg;
struct log_options;
struct snapshot;

extern const struct conf_option options_global[];

/* Decode the global keywords of snap->conf into snap. */
int options_decode(struct snapshot *snap, struct errmsg *msg_r);
/* How to log. */
void options_log(const struct snapshot *snap, struct log_options *o_r);

#endif
