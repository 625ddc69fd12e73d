/*
 * posternctl's commands, one per posternctl_*.c.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_POSTERNCTL_H
#define MILTER_POSTERNCTL_H

#include <jansson.h>
#include <stddef.h>

struct errlist;
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

/* The configuration, read off line; NULL after saying why.  config NULL: the
 * installed file if there is one, the defaults otherwise. */
struct snapshot *posternctl_load(const char *config);
/* Say them on standard error. */
void posternctl_mistakes(struct errlist *list);
/* Messages through the chain as `check` does it, with nothing printed of them;
 * paths NULL-ended.  An exit code. */
int posternctl_walk(struct snapshot *snap, char *const *paths);
/* Say how the command is used; returns EX_USAGE. */
int posternctl_usage(const struct command *c);

/* A JSON string of text from outside: octets that are not UTF-8 become
 * U+FFFD.  NULL text: JSON null. */
json_t *posternctl_string(const char *text);
json_t *posternctl_stringn(const char *text, size_t len);
/* Print one object on one line. */
void posternctl_print(json_t *object);

#endif
