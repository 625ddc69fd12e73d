/*
 * What a command of posternctl is, and what all of them share.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A command is a file with a struct command, and a row of posternctl.c.  From
 * its verbs come the parser of options (verb.c), --help, and what of the
 * configuration is loaded (load.c); posternctl(1) has the same words, and
 * t/doc/verbs compares them.
 *
 * What a call goes through: options are taken, the number of arguments is
 * looked at, then verb->check, verb->load and verb->run are called until one
 * returns another exit code than EX_OK; command->close comes last, always.
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

/* One command line. */
struct call {
	const struct command *command;
	const struct verb *verb;
	const char *config; /* what -x names; NULL: the usual place */
	bool json;          /* --json */
	char **args;        /* what stands behind the verb, NULL-ended */
	int count;          /* how many these are */
	void *own;          /* command->size octets, zeroed at first */
	/* What load made, freed by who made the call; NULL: nothing. */
	struct conf *conf;
	struct snapshot *snap;
};

/* Beside -x, --json and --help, which every verb has. */
struct verb_option {
	const char *name;  /* without the dashes.  Verbs of one command that have
	    an option of the same name must agree whether it takes a value */
	const char *value; /* what it takes, for --help; NULL: nothing */
	const char *help;  /* may have several lines; NULL: nothing to say */
	/* Keep it; false: it is wrong, and it was said what was expected. */
	bool (*take)(struct call *c, const char *value);
};

struct verb {
	const char *name; /* NULL: the command itself, which has no verbs */
	const char *args; /* for --help; NULL: it takes none */
	int min, max;     /* how many of them; max -1: any number */
	const char *expected; /* said where there are fewer */
	const char *help;     /* may have several lines */
	const struct verb_option *options; /* ended by a name of NULL; or NULL */
	/* Are the arguments right?  May be NULL. */
	int (*check)(struct call *c);
	/* What it needs of the configuration, and no more: posternctl_conf,
	 * posternctl_chain ...; NULL: nothing. */
	int (*load)(struct call *c);
	int (*run)(struct call *c);
};

struct command {
	const char *name;
	const char *args;    /* of all verbs, for the usage line; or NULL */
	const char *summary; /* one line */
	size_t size;         /* of call->own */
	void (*close)(struct call *c); /* of what is in call->own; or NULL */
	const struct verb *verbs;      /* ended by a run of NULL */
};

extern const struct command command_check;
extern const struct command command_key;
extern const struct command command_quota;
extern const struct command command_rules;

/* -- verb.c -- */

/* Carry out a command line; argv[0] is the command's name.  An exit code. */
int verb_call(const struct command *command, int argc, char **argv,
    const char *config);
/* Say what is wrong with which word, and how the verb is used; EX_USAGE. */
int verb_misused(const struct call *c, const char *what, const char *why);
/* Say what an option expects; false. */
bool verb_expected(const char *option, const char *what);

/* -- load.c -- */

/* The file that -x names, or the installed one if there is one (what may not
 * be looked for is there); NULL: the defaults count. */
const char *posternctl_config(const struct call *c);
/*
 * For verb->load.  Each says all mistakes there are, and returns an exit code.
 *
 * c->conf: keywords and their values; nothing that these name is opened.
 */
int posternctl_conf(struct call *c);
/* The same, and what `also` looks at in it: 0 or a negative ERR_ and *msg_r,
 * which is said with the other mistakes.  It is called whatever is wrong. */
int posternctl_conf_also(
    struct call *c, int (*also)(struct call *c, struct errmsg *msg_r));
/* c->snap: all that the stages need, read off line. */
int posternctl_chain(struct call *c);
/* The same but for what mail that goes out needs. */
int posternctl_inbound(struct call *c);

/* Say it on standard error; EX_NOPERM if it is that this user may not read
 * something, or EX_CONFIG. */
int posternctl_mistake(const struct errmsg *msg);
/* Say that there is no memory; EX_OSERR. */
int posternctl_no_memory(void);

/* -- json.c -- */

/* A JSON string of text from outside: octets that are not UTF-8 become
 * U+FFFD.  NULL text: JSON null. */
json_t *posternctl_string(const char *text);
json_t *posternctl_stringn(const char *text, size_t len);
/* Print one object on one line. */
void posternctl_print(json_t *object);

/* -- check.c -- */

/* Messages through the chain as `check` does it, with nothing printed of them;
 * paths NULL-ended.  An exit code. */
int posternctl_walk(struct snapshot *snap, char *const *paths);

#endif
