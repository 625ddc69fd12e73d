/*
 * A check under way, as the files of the SPF engine share it.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_SPF_SPF_IMPL_H
#define LIB_SPF_SPF_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/dns/dns.h"
#include "lib/spf/spf.h"
#include "lib/spf/spf_macro.h"
#include "lib/spf/spf_record.h"

#define SPF_TERMS_MAX 10 /* RFC 7208 4.6.4: that ask the DNS, in all */
#define SPF_TEXTS_MAX 11 /* names whose TXT is asked, the domain's included */
#define SPF_AHEAD_MAX 4  /* of them, the first, that are not begun one by one */
#define SPF_VOID_MAX 2   /* of their look-ups without an answer */
#define SPF_MX_MAX 10    /* names of one mx */
#define SPF_PTR_MAX 10   /* names of the client that are looked at */
#define SPF_NAME_MAX 253 /* octets of a domain name */

struct spf_ask {
	const char *name;
	enum dns_type type;
	struct dns_query *query;
	struct spf_ask *next;
};

struct spf {
	const struct dns *dns;
	struct arena *arena;
	struct spf_request request;
	struct wait *wait;
	bool known; /* is the client's address? */
	bool v4;
	unsigned char ip[16];
	const char *local, *sender_domain; /* of MAIL FROM */
	struct spf_ask *asks;

	/* Names of the client that lead back to it; asked once. */
	bool names_done;
	size_t name_count;
	const char *names[SPF_PTR_MAX];
	bool failed; /* no memory */
};

/* One record in the course of a check. */
struct spf_level {
	const char *domain;
	const struct spf_record *record;
	bool grants;              /* what it passes, the domain passes */
	const struct spf_term *let; /* the ip4, ip6 or all that matches in any
	    case, when evaluation comes to it; NULL: none */
	const struct spf_term *last; /* the term asked last */
	struct spf_level *included;  /* by the include asked last */
	struct spf_level *redirected; /* redirect was followed; or NULL */
	size_t ahead; /* the term to begin next; record->count: the redirect */
	struct spf_level *next;       /* all of a check */
};

/* A name whose TXT a check asks for. */
struct spf_text {
	struct spf_ask *ask;
	bool wanted; /* by the evaluation; false: it may come to it */
};

/* The judging of one identity. */
struct spf_check {
	struct spf *spf;
	const char *local, *sender_domain;
	struct spf_level *top, *levels;
	unsigned terms, voids;
	unsigned begun; /* terms that prefetch has seen */
	struct spf_text texts[SPF_TEXTS_MAX];
	size_t text_count;
	struct spf_result *result;
	bool decided; /* an error ended the evaluation; it is in result */
};

/* spf_ask.c: look-ups, each made once.  NULL is for want of memory. */
struct spf_ask *spf_ask(struct spf *s, const char *name, enum dns_type type);
const struct dns_answer *spf_answer(
    struct spf *s, const char *name, enum dns_type type);
void spf_ask_drop(struct spf *s);
/* Begin to ask for a TXT that the evaluation may come to.  False: others that
 * are begun come first. */
bool spf_ask_text(struct spf_check *c, const char *name);
/* The answer to one that it has come to.  NULL: that is one name too many, or
 * there is no memory. */
const struct dns_answer *spf_answer_text(
    struct spf_check *c, const char *name);
/* The type of an address of the client's family. */
enum dns_type spf_ask_family(const struct spf *s);
bool spf_ask_has_client(const struct spf *s, const struct dns_answer *a);
/* The client's names that lead back to it, in s->names.  False: its PTR look-up
 * had no answer. */
bool spf_ask_names(struct spf *s);
/* Begin to ask for them. */
void spf_ask_begin_names(struct spf *s);
/* Is name the domain, or below it? */
bool spf_name_below(const char *name, const char *domain);

/* spf_level.c: records and names.
 *
 * End the check.  Returns false, for the caller to return. */
bool spf_end(struct spf_check *c, enum spf_outcome outcome, const char *fmt,
    ...) __attribute__((format(printf, 3, 4)));
bool spf_end_terms(struct spf_check *c); /* there are too many terms */
/* Get and read the record of a domain.  NULL: none, or the check was ended. */
struct spf_level *spf_level_load(struct spf_check *c, const char *domain);
/* Begin to ask what evaluation is going to ask at a level. */
void spf_level_ahead(struct spf_check *c, struct spf_level *l);
/* RFC 8616 section 4: a term with a macro of a local part that is not ASCII
 * matches nothing. */
bool spf_level_mute(const struct spf_check *c, const struct spf_term *t);
/* The name that a term asks for, in presentation form; NULL: it is none. */
const char *spf_level_name(struct spf_check *c, const struct spf_level *l,
    const struct spf_term *t);
/* What the domain explains, for a fail; NULL: nothing. */
const char *spf_level_explain(struct spf_check *c, const struct spf_level *l);
void spf_level_env(struct spf_check *c, const struct spf_level *l,
    struct spf_macro_env *env_r);

/* spf_eval.c: let libspf2 evaluate from c->top on. */
void spf_eval(struct spf_check *c);

#endif
