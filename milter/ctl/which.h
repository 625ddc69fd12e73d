/*
 * Which records of the decision ring a command shows: its options, the ring
 * that it opens, and the choice.  SPDX-License-Identifier: BSD-2-Clause
 *
 * For why and journal.  What such a command keeps of a call (call->own) begins
 * with a struct which, and its options with WHICH_OPTIONS.
 */
#ifndef MILTER_CTL_WHICH_H
#define MILTER_CTL_WHICH_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "posternctl.h"

struct netlist;
struct past;
struct record;

struct which {
	const char *id; /* the queue id; this and all others NULL: any */
	const char *account, *client, *from, *to, *symbol, *verdict;
	int64_t since_ms, until_ms; /* 0: any */
	size_t limit;               /* the newest so many; 0: all */
	bool given;                 /* an option of these was given */

	/* Made of these by which_open. */
	struct arena arena;
	const char *account_form; /* the account's one form */
	struct netlist *nets;     /* client is an address or a network */
	struct past *past;        /* which_close closes it */
	bool copied;              /* it is the copy of the ring that outlives a
	    reboot */
};

bool which_take_account(struct call *c, const char *name);
bool which_take_client(struct call *c, const char *client);
bool which_take_from(struct call *c, const char *address);
bool which_take_to(struct call *c, const char *address);
bool which_take_symbol(struct call *c, const char *name);
bool which_take_verdict(struct call *c, const char *word);
bool which_take_since(struct call *c, const char *when);
bool which_take_until(struct call *c, const char *when);
bool which_take_limit(struct call *c, const char *number);

#define WHICH_OPTIONS                                                   \
	{"account", "NAME", "charged to this account", which_take_account}, \
	    {"client", "A", "from this client: an address, a network,\n" \
		"or a name",                                            \
		which_take_client},                                     \
	    {"from", "S", "of this envelope sender, or of this domain;\n" \
		"'<>' is the null sender", which_take_from},            \
	    {"to", "R", "to this recipient, or to this domain", which_take_to},    \
	    {"symbol", "NAME", "with this symbol or rule", which_take_symbol},   \
	    {"verdict", "V", "accept, reject, tempfail, discard, quarantine\n" \
		"or none", which_take_verdict},                         \
	    {"since", "T", "not before this time: 30m, 2h, 7d ago, or\n"      \
		"2026-12-01T10:00", which_take_since},                  \
	    {"until", "T", "and not after this one", which_take_until},        \
	    {"limit", "N", "the newest N of them", which_take_limit}

/* Open the ring of c->conf, or where there is none the copy of it, and make
 * ready to choose; an exit code, after a message.  Looks from the oldest record
 * on. */
int which_open(struct call *c);
/* Open the ring that has taken the place of this one; false: there is none that
 * can be read.  The old one is the caller's to close. */
bool which_open_next(const struct call *c, struct past **past_r);
/* Give those that are wanted, within the limit, the newest last; an exit code.
 * Says on standard error what could not be read. */
int which_each(struct which *w, void (*give)(void *arg, const struct record *r),
    void *arg);
/* The next record that is wanted; NULL as past_next. */
const struct record *which_next(struct which *w, bool follow);
bool which_wants(const struct which *w, const struct record *r);
void which_close(struct which *w);

#endif
