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

/* How to log. */
void options_log(const struct conf *conf, struct log_options *o_r);

/* What AutoRestartRate is: so many restarts in so many seconds. */
struct options_rate {
	long count, seconds;
};

/* The mistakes of a data set, as those of the keyword that names it: into the
 * conf's list, or where it has none the first into *msg_r. */
void options_mistakes(const struct conf *c, const char *keyword,
    struct errlist *list, struct errmsg *msg_r);

/* Open the data set that a keyword names, or `otherwise` when it names none
 * (both NULL: *set_r stays as it is).  0, or a negative ERR_ and in *msg_r
 * where the keyword stands and what is wrong. */
int options_set(const struct conf *c, const char *keyword,
    const char *otherwise, struct dataset **set_r, struct errmsg *msg_r);
/* The same of a set whose keys are domains: the log says which can't be one. */
int options_domains(const struct conf *c, const char *keyword,
    struct dataset **set_r, struct errmsg *msg_r);
/* The same of a set whose keys are names of header fields. */
int options_fields(const struct conf *c, const char *keyword,
    struct dataset **set_r, struct errmsg *msg_r);
/* The same of a keyword that another reads too, who warns of what is odd. */
int options_set_too(const struct conf *c, const char *keyword,
    struct dataset **set_r, struct errmsg *msg_r);

/* What is odd, found while c is loaded, as conf_odd says it; NULL: c serves
 * already, and the log has it at once. */
void options_odd(const struct conf *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Where nothing is wrong: say what is odd. */
void options_warn(const struct conf *c);

#endif
