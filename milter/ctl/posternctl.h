/*
 * posternctl's commands, one per posternctl_*.c.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_CTL_POSTERNCTL_H
#define MILTER_CTL_POSTERNCTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct conf;
struct errlist;
struct errmsg;
struct snapshot;

struct command {
	const char *name;
	const char *args;    /* for the usage line */
	const char *summary; /* one line */
	/* argv[0] is the command's name.  config is what -x said before the
	 * command, or NULL.  Returns an exit code of sysexits. */
	int (*run)(int argc, char **argv, const char *config);
	const char *help; /* options, one a line */
};

extern const struct command command_check;
extern const struct command command_key;
extern const struct command command_quota;
extern const struct command command_rules;

/* The file that -x names, or the installed one if there is one (what may not
 * be looked for is there); NULL: the defaults count. */
const char *posternctl_config(const char *config);
/*
 * The configuration, with nothing opened that it names: 0 or a negative ERR_.
 * What can be had of it is in *conf_r all the same (NULL: no memory), with a
 * list that takes the mistakes of who looks at the values (conf_also).
 */
int posternctl_conf(const char *config, struct conf **conf_r);
/* Say all mistakes that the list has, and end it.  rc is what the steps came
 * to.  EX_OK when there is none. */
int posternctl_conf_end(struct conf *conf, int rc);
/* The configuration with all that it names, read off line; inbound: but for
 * what mail that goes out needs.  EX_OK, or another exit code after saying
 * why. */
int posternctl_load(const char *config, bool inbound, struct snapshot **snap_r);
/* Say it on standard error; EX_NOPERM if it is that this user may not read
 * something, or EX_CONFIG. */
int posternctl_mistake(const struct errmsg *msg);
/* Say them all; EX_NOPERM when all are of that kind. */
int posternctl_mistakes(struct errlist *list);
/* Messages through the chain as `check` does it, with nothing printed of them;
 * paths NULL-ended.  An exit code. */
int posternctl_walk(struct snapshot *snap, char *const *paths);
/* Say how the command is used; returns EX_USAGE. */
int posternctl_usage(const struct command *c);
/* Say first what is wrong with which word. */
int posternctl_misused(
    const struct command *c, const char *what, const char *why);

/* A JSON string of text from outside: octets that are not UTF-8 become
 * U+FFFD.  NULL text: JSON null. */
json_t *posternctl_string(const char *text);
json_t *posternctl_stringn(const char *text, size_t len);
/* Print one object on one line. */
void posternctl_print(json_t *object);

#endif
