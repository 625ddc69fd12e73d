/*
 * Addresses of providers where anybody may have one: SpamAssassin's plugin
 * FreeMail, its commands and eval: functions.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_RULES_RULES_FREEMAIL_H
#define LIB_RULES_RULES_FREEMAIL_H

#include <stdbool.h>
#include <stddef.h>

#define FREEMAIL_EMAILS_MAX 1000 /* different ones of a body; then it is cut */
#define FREEMAIL_ADDRESS_MAX 320 /* octets of an address; longer is none */
#define FREEMAIL_LOCAL_MAX 64    /* of its local part, in text */

struct reader;
struct rule;
struct run;

/* A word of a list; lower case, in the rules' arena. */
struct freemail_word {
	const char *text;
	struct freemail_word *next;
};

struct freemail {
	struct freemail_word *given; /* freemail_domains, while files are read */
	const char **domains;	     /* those without * and ?, sorted */
	size_t count;
	const char **globs;
	size_t glob_count;
	struct freemail_word *welcome; /* addresses and domains */
	bool import_auth, import_def_auth;
	bool no_skip_bulk, no_skip_over; /* where a file says 0 */
	size_t max_emails, max_freemails; /* 0: not said */
};

/* Is it a command of this plugin?  Then it is done. */
bool freemail_command(struct reader *rd, const char *key, char *value);
/* After the last file: sort.  0 or ERR_NOMEM. */
int freemail_finish(struct reader *rd);

bool eval_freemail_from(struct run *run, const struct rule *rule);
bool eval_freemail_replyto(struct run *run, const struct rule *rule);
bool eval_freemail_header(struct run *run, const struct rule *rule);
bool eval_freemail_body(struct run *run, const struct rule *rule);

#endif
