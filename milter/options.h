/*
 * The global keywords.  A stage's own stand in its file.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_OPTIONS_H
#define MILTER_OPTIONS_H

#include "lib/conf/conf.h"

struct conf;
struct dataset;
struct errlist;
struct errmsg;
struct log_options;

extern const struct conf_table options_global;

/* What Mode is. */
struct options_mode {
	bool signs, verifies;
};

/* Decode how to log.  o_r->name is conf's. */
void options_log(const struct conf *conf, struct log_options *o_r);

/* AutoRestartRate: at most `count` restarts in `seconds` seconds. */
struct options_rate {
	long count, seconds;
};

/* Report the mistakes of a data set as mistakes of the keyword that names it:
 * add them to the conf's list, or put the first into *msg_r if the conf has no
 * list. */
void options_mistakes(const struct conf *c, const char *keyword,
    struct errlist *list, struct errmsg *msg_r);

/* Open the data set that a keyword names, or `otherwise` if the keyword is not
 * given (both NULL: *set_r stays as it is).  The set is the caller's.  0, or a
 * negative ERR_ and in *msg_r the keyword's place and what is wrong. */
int options_set(const struct conf *c, const char *keyword,
    const char *otherwise, struct dataset **set_r, struct errmsg *msg_r);
/* The same for a set whose keys are domains; warns of keys that can't be. */
int options_domains(const struct conf *c, const char *keyword,
    struct dataset **set_r, struct errmsg *msg_r);
/* The same for a set whose keys are names of header fields. */
int options_fields(const struct conf *c, const char *keyword,
    struct dataset **set_r, struct errmsg *msg_r);
/* The same without warnings, for a keyword that is read a second time. */
int options_set_too(const struct conf *c, const char *keyword,
    struct dataset **set_r, struct errmsg *msg_r);

/* Warn of something odd: by conf_odd while c is being loaded; in the log at
 * once if c is NULL, because the configuration is in force already. */
void options_odd(const struct conf *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Warn of what is odd in the global keywords, once nothing is wrong. */
void options_warn(const struct conf *c);

#endif
