/*
 * The chain's third driver: a message given in memory, for stage tests.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef T_SUPPORT_DRIVERS_WALK_H
#define T_SUPPORT_DRIVERS_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "milter/chain.h"
#include "milter/snapshot.h"

#define WALK_MAX 16

struct walk {
	const char *client_ip, *client_name, *helo;
	const char *from;             /* NULL: the null sender */
	const char *params[WALK_MAX]; /* of MAIL */
	const char *rcpts[WALK_MAX];
	struct {
		const char *name, *value;
	} macros[WALK_MAX];
	const char *message; /* header and body, LF or CRLF */
	size_t message_len;  /* 0: strlen */
	size_t chunk;        /* octets of body at a time; 0: all at once */
	time_t at;
	bool readonly;
};

/* A snapshot of a configuration given as text; fails the test on a mistake.  Its
 * DNS, where it has one, knows no name. */
struct snapshot *walk_load(const char *conf);
/* The same with the DNS that the configuration names. */
struct snapshot *walk_load_dns(const char *conf);
/* A configuration with the directory in place of each `&`. */
void walk_place(struct buf *b, const char *conf, const char *dir);
/* A session that has said everything up to the end of the message.  *v_r is
 * what decided, whenever it did; rcpt_v_r (WALK_MAX of them, or NULL) the
 * answers at RCPT.  The message is still under way: look at s->msg, then
 * chain_end and chain_close. */
struct session *walk_run(struct snapshot *snap, const struct walk *w,
    struct verdict *v_r, struct verdict *rcpt_v_r);
/* The same up to the last RCPT only. */
struct session *walk_envelope(struct snapshot *snap, const struct walk *w,
    struct verdict *v_r, struct verdict *rcpt_v_r);

/* Stages have made what they need of the configuration when it was loaded: who
 * looks a keyword up while the functions above let mail pass ends the process.
 * For who drives a chain himself: mail passes from here on in this thread, or
 * does not. */
void walk_passes(bool passes);

/* The address for chain_connect; HOST_NONE for NULL and for what is none. */
const struct host *walk_address(const char *ip, struct host *h);

/* A text in which ^X is the control octet, and all others are as they are.  In
 * the arena, *len_r octets and a NUL. */
char *walk_decode(
    struct arena *a, const char *text, size_t len, size_t *len_r);

/* What stages find, they have in their lists: ends the process otherwise. */
void walk_check_symbols(const struct session *s);

/* The first symbol that says more than which way the message goes. */
const struct symbol *walk_found(const struct message *m);

#endif
