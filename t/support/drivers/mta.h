/*
 * The MTA's side of the milter protocol, version 6, for tests and benchmarks.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * One struct mta is one connection to a filter.  Each function below is a
 * command: it sends the macros that belong to it, leaves it out when the filter
 * asked for that, waits for the reply unless it was agreed that there is none,
 * and returns 0 or a negative ERR_: ERR_SYSTEM (errno; ECONNRESET when the
 * filter closed), ERR_TIMEOUT, ERR_FORMAT (a packet that the protocol does not
 * know), ERR_LIMIT (a packet or a list of edits that is too long).  After a
 * failure only mta_close is of use.
 *
 * What was sent is held back until a reply is awaited, as MTAs do.
 */
#ifndef T_SUPPORT_DRIVERS_MTA_H
#define T_SUPPORT_DRIVERS_MTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mta;

/* Of option negotiation; the words are SMFI_PROT_VERSION, SMFIF_ and SMFIP_. */
struct mta_options {
	uint32_t version, actions, steps;
};
#define MTA_OFFER_ALL ((struct mta_options){6, 0x1ff, 0x1fffff})
/* An MTA of protocol version 2: each step that it sends has a reply.  (No steps
 * at all can't be offered: libmilter reads 0 as those of version 1.) */
#define MTA_OFFER_PLAIN ((struct mta_options){2, 0x3f, 0x7f})

/* An edit that came before the reply to the end of the message; strings are
 * "" where the kind has none. */
struct mta_edit {
	char kind;      /* SMFIR_ADDHEADER, _INSHEADER, _CHGHEADER, ... */
	uint32_t index; /* of _INSHEADER and _CHGHEADER */
	const char *name, *value;
};

/* What a filter said to a command; lives until the next one. */
struct mta_answer {
	char reply; /* SMFIR_; 0: none was agreed on, or the step is left out */
	const char *text; /* of SMFIR_REPLYCODE, else "" */
	const struct mta_edit *edits;
	size_t nedits;
	size_t progress; /* how often SMFIR_PROGRESS came before it */
};

/* Connect to `unix:PATH`, `local:PATH` or `inet:PORT@HOST`.  wait_ms bounds
 * each wait for a reply. */
int mta_open(const char *socket, int wait_ms, struct mta **m_r);
void mta_close(struct mta *m);

/* Offer; what the filter chose is in mta_agreed. */
int mta_negotiate(struct mta *m, struct mta_options offer);
struct mta_options mta_agreed(const struct mta *m);
/* The macros that the filter asked for at a stage (SMFIM_CONNECT 0, HELO,
 * ENVFROM, ENVRCPT, DATA, EOM, EOH), or NULL: it left that to the MTA. */
const char *mta_symbols(const struct mta *m, unsigned stage);

/* The value a macro has from now on (NULL: none).  It is sent with each command
 * at whose stage the filter, or without its word Postfix, lists it.  Borrowed.
 * At most 64 macros: ERR_LIMIT. */
int mta_define(struct mta *m, const char *name, const char *value);
/* Send macros for the next command as they are: name, value, ... count strings
 * in all. */
int mta_macros(
    struct mta *m, char command, const char *const *strings, size_t count);

/* family is SMFIA_; address and port are ignored for SMFIA_UNKNOWN. */
int mta_connect(struct mta *m, const char *name, char family,
    const char *address, unsigned port, struct mta_answer *a_r);
/* A command of strings: SMFIC_HELO, _MAIL, _RCPT, _HEADER, _DATA, _EOH,
 * _UNKNOWN; ERR_NOTFOUND: there is no such command. */
int mta_say(struct mta *m, char command, const char *const *strings,
    size_t count, struct mta_answer *a_r);
int mta_header(struct mta *m, const char *name, const char *value,
    struct mta_answer *a_r);
/* Octets of body of any length, in the protocol's chunks.  Ends early at any
 * reply but SMFIR_CONTINUE; SMFIR_SKIP is remembered until the next message. */
int mta_body(
    struct mta *m, const void *octets, size_t len, struct mta_answer *a_r);
int mta_eom(struct mta *m, struct mta_answer *a_r);
int mta_abort(struct mta *m);
int mta_quit(struct mta *m);

/* Octets as they are: no framing, nothing awaited. */
int mta_raw(struct mta *m, const void *octets, size_t len);
/* A packet of any kind, nothing awaited. */
int mta_packet(struct mta *m, char command, const void *data, size_t len);
/* Whatever the filter says next, up to the end of a reply. */
int mta_await(struct mta *m, struct mta_answer *a_r);

/* The English word for an SMFIR_ that ends a reply or edits; NULL: none. */
const char *mta_word(char reply);

#endif
