/*
 * The commands of posternctl, and what they share.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A command is a file with a struct command, and a row in posternctl.c.  Its
 * verbs determine which options are parsed (verb.c), the text of --help, and
 * what is loaded of the configuration (load.c).  posternctl(1) has the same
 * words; t/doc/verbs compares them.
 *
 * The steps of a call: options are taken and the arguments counted, then
 * verb->check, verb->load and verb->run are called until one returns another
 * exit code than EX_OK.  command->close is always called last.
 */
#ifndef MILTER_CTL_POSTERNCTL_H
#define MILTER_CTL_POSTERNCTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct conf;
struct errlist;
struct errmsg;
struct past;
struct snapshot;

/* One command line. */
struct call {
	const struct command *command;
	const struct verb *verb;
	const char *config; /* the file that -x names; NULL: the installed
	    one */
	bool json;          /* --json */
	char **args;        /* the arguments behind the verb, NULL-ended */
	int count;          /* the number of args */
	void *own;          /* the command's own: command->size octets,
	    zeroed */
	/* What verb->load made; NULL: nothing.  Freed by verb_call. */
	struct conf *conf;
	struct snapshot *snap;
};

/* An option beside -x, --json and --help, which every verb has. */
struct verb_option {
	const char *name;  /* without the dashes.  Verbs of one command that have
	    an option of the same name must agree whether it takes a value */
	const char *value; /* the word for its value in --help; NULL: it takes
	    none */
	const char *help;  /* the text of --help, perhaps of several lines;
	    NULL: none */
	/* Store the value; false: it is wrong, and a message was printed
	 * (verb_expected). */
	bool (*take)(struct call *c, const char *value);
};

struct verb {
	const char *name; /* NULL: the command itself, which has no verbs */
	const char *args; /* the arguments, for --help; NULL: it takes none */
	int min, max;     /* the number of arguments; max -1: any */
	const char *expected; /* the message if there are fewer */
	const char *help;     /* may have several lines */
	const struct verb_option *options; /* ended by a name of NULL; or NULL */
	/* Check the arguments; an exit code.  May be NULL. */
	int (*check)(struct call *c);
	/* Load what the verb needs of the configuration: posternctl_conf,
	 * posternctl_chain ...; an exit code.  NULL: it needs nothing. */
	int (*load)(struct call *c);
	int (*run)(struct call *c);
};

struct command {
	const char *name;
	const char *args;    /* of all verbs, for the usage line; or NULL */
	const char *summary; /* one line */
	size_t size;         /* of call->own */
	void (*close)(struct call *c); /* free what call->own has; or NULL */
	const struct verb *verbs;      /* ended by a run of NULL */
};

extern const struct command command_check;
extern const struct command command_journal;
extern const struct command command_key;
extern const struct command command_quota;
extern const struct command command_rules;
extern const struct command command_top;
extern const struct command command_why;
extern const struct command command_status;
extern const struct command command_simulate;

/* -- verb.c -- */

/* Carry out a command line; argv[0] is the command's name.  Returns an exit
 * code. */
int verb_call(const struct command *command, int argc, char **argv,
    const char *config);
/* Print which word is wrong and why, and how the verb is used; EX_USAGE. */
int verb_misused(const struct call *c, const char *what, const char *why);
/* Print what an option expects; false. */
bool verb_expected(const char *option, const char *what);

/* -- load.c -- */

/* The file that -x names, or the installed one if it exists (or may not be
 * looked for); NULL: there is none, so the defaults count. */
const char *posternctl_config(const struct call *c);
/*
 * For verb->load.  Each prints all mistakes, and returns an exit code.
 *
 * c->conf: keywords and their values; nothing that these name is opened.
 */
int posternctl_conf(struct call *c);
/* The same, and `also` checks more in it: it returns 0 or a negative ERR_ and
 * *msg_r, which is printed with the other mistakes.  It is called even if there
 * are mistakes. */
int posternctl_conf_also(
    struct call *c, int (*also)(struct call *c, struct errmsg *msg_r));
/* c->snap: a snapshot with all stages, loaded off line (SNAPSHOT_OFFLINE). */
int posternctl_chain(struct call *c);
/* The same for inbound mail only (SNAPSHOT_INBOUND). */
int posternctl_inbound(struct call *c);

/* Open the ring of RingFile, which is not none, or where there is none its copy
 * in StateDirectory: then *copy_r is true.  0; or as past_open, and *msg_r. */
int posternctl_past(const struct conf *conf, struct past **past_r,
    bool *copy_r, struct errmsg *msg_r);

/* Print the mistake to standard error; EX_NOPERM if this user may not read a
 * file, otherwise EX_CONFIG. */
int posternctl_mistake(const struct errmsg *msg);
/* Print that there is no memory; EX_OSERR. */
int posternctl_no_memory(void);

/* -- json.c -- */

/* A JSON string of text from outside: octets that are not UTF-8 become
 * U+FFFD.  NULL text: JSON null. */
json_t *posternctl_string(const char *text);
json_t *posternctl_stringn(const char *text, size_t len);
/* Print one object on one line; what could move a terminal is escaped. */
void posternctl_print(json_t *object);
/* The same in ASCII. */
void posternctl_print_ascii(json_t *object);

/* -- check.c -- */

/* Walk messages through the chain as `check` does, without printing; paths
 * NULL-ended.  An exit code. */
int posternctl_walk(struct snapshot *snap, char *const *paths);

#endif
