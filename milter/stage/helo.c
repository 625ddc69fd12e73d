/*
 * Check the name that an outside client gives in HELO.  Writes m->helo.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Look-ups start at HELO and are collected by helo_judge.  A failure of the DNS
 * is a result like others: On-DNSError has no effect on this check.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/err.h"
#include "lib/base/host.h"
#include "lib/conf/conf.h"
#include "lib/conf/dataset.h"
#include "lib/dns/helo.h"
#include "lib/list/peerlist.h"
#include "milter/chain.h"
#include "milter/options.h"
#include "milter/snapshot.h"
#include "milter/stages.h"

static const struct conf_option options[] = {
    {.keyword = "HELO", .type = CONF_BOOL, .def = "yes",
	.summary = "look at what outside clients say in HELO"},
    {.keyword = "HELOOurs", .type = CONF_SET,
	.summary =
	    "names and addresses of ours, that no outside client may say in "
	    "HELO"},
};

struct state {
	struct dataset *ours, *domains; /* HELOOurs, Domain; or NULL */
	struct peerlist *list;          /* HELOOurs, prepared */
};

static void
helo_unload(void *state)
{
	struct state *st = state;

	peerlist_free(st->list);
	dataset_free(st->ours);
	dataset_free(st->domains);
	free(st);
}

static int
helo_load(const struct snapshot *snap, const struct snapshot *old,
    void **state_r, struct errmsg *msg_r)
{
	const struct conf *c = snap->conf;
	struct state *st;
	const char *w;
	int rc;

	(void)old;
	if (!snap->verifies || snap->dns == NULL || !conf_bool(c, "HELO"))
		return 0;
	st = calloc(1, sizeof(*st));
	if (st == NULL)
		return ERR_NOMEM;
	*state_r = st;
	rc = conf_also(
	    c, 0, options_set_too(c, "Domain", &st->domains, msg_r), msg_r);
	rc = conf_also(
	    c, rc, options_set(c, "HELOOurs", NULL, &st->ours, msg_r), msg_r);
	if (rc == 0 && st->ours != NULL)
		rc = peerlist_new(st->ours, &st->list, msg_r);
	for (size_t i = 0; rc == 0 && st->list != NULL &&
	     (w = peerlist_warning(st->list, i)) != NULL;
	     i++)
		conf_odd(c, "%s: HELOOurs: %s",
		    conf_where(c, "HELOOurs"), w);
	return rc;
}

/* Macros with the address that the client connected to. */
static const char *const address_macros[] = {"{if_addr}", "{daemon_addr}"};

static const char *
helo_macros(const void *state)
{
	(void)state;
	return " {if_addr} {daemon_addr}";
}

static struct verdict
helo_helo(const struct ctx *ctx)
{
	struct session *s = ctx->s;

	/* A client may send HELO again. */
	helo_free(s->helo_check);
	s->helo_check = NULL;
	if (s->helo == NULL || s->internal || !host_is_public(&s->client))
		return verdict_none;
	s->helo_check = helo_new(s->snap->dns, s->helo, &s->client);
	return s->helo_check != NULL
	    ? verdict_none
	    : verdict_error(VERDICT_E_INTERNAL, "no memory");
}

/* -- is it a name of this host? -- */

static bool
is_our_name(const struct state *st, const struct session *s, const char *name)
{
	if (strcasecmp(name, s->host) == 0)
		return true;
	if (st->domains != NULL && dataset_has(st->domains, name) > 0)
		return true;
	return st->list != NULL && peerlist_match(st->list, name, NULL);
}

static bool
is_our_address(const struct state *st, const struct session *s,
    const struct host *address)
{
	struct host own;

	for (size_t i = 0; i < 2; i++) {
		const char *text = session_macro(s, address_macros[i]);

		/* Sendmail writes "IPv6:" before an IPv6 address. */
		if (text != NULL && strncasecmp(text, "IPv6:", 5) == 0)
			text += 5;
		if (text != NULL && host_parse(text, &own) &&
		    host_equal(&own, address))
			return true;
	}
	return st->list != NULL && peerlist_match(st->list, NULL, address);
}

/* A client may use a name of ours if the DNS gives that name the client's
 * address: it is another host of ours. */
static bool
is_ours(const struct state *st, const struct session *s,
    const struct helo_result *r)
{
	if (r->status == HELO_PASS)
		return false;
	if (r->name != NULL)
		return is_our_name(st, s, r->name);
	return r->form != HELO_INVALID && is_our_address(st, s, &r->address);
}

/* -- symbols: name and score are SpamAssassin's, where it has one -- */

struct finding {
	const char *name;
	double score;
};

static struct finding
find(const struct helo_result *r)
{
	static const struct finding by_status[] = {
	    [HELO_PASS] = {"HELO_MATCH", 0},
	    [HELO_FAIL] = {"HELO_MISMATCH", 0.1},
	    [HELO_NONE] = {"HELO_NO_ADDRESS", 0.5},
	    [HELO_TEMPERROR] = {"HELO_TEMPERROR", 0},
	};

	if (r->name != NULL &&
	    (strcmp(r->name, "localhost") == 0 ||
		strcmp(r->name, "localhost.localdomain") == 0))
		/* The lowest of SpamAssassin's four scores.  With the highest,
		 * 3.6, a careless setup without a name in the DNS would nearly
		 * be spam. */
		return (struct finding){"HELO_LOCALHOST", 2.639};
	switch (r->form) {
	case HELO_WORD:
		return (struct finding){"HELO_NOT_FQDN", 0.5};
	case HELO_ADDRESS:
		return (struct finding){"RCVD_NUMERIC_HELO", 0.865};
	case HELO_LITERAL:
		if (r->status == HELO_PASS)
			return (struct finding){"HELO_LITERAL", 0.2};
		return (struct finding){"HELO_BAD_LITERAL", 1.0};
	case HELO_INVALID:
		if (r->bracketed)
			return (struct finding){"HELO_BAD_LITERAL", 1.0};
		return (struct finding){"HELO_INVALID", 0.5};
	case HELO_NAME:
		break;
	}
	return by_status[r->status];
}

static struct verdict
helo_judge(const struct ctx *ctx)
{
	struct message *m = ctx->m;
	struct session *s = ctx->s;
	struct finding found;
	struct helo_fact *fact;
	struct helo_result *copy;

	if (s->helo_check == NULL)
		return verdict_none;
	fact = arena_alloc(&m->arena, sizeof(*fact));
	copy = arena_alloc(&m->arena, sizeof(*copy));
	if (fact == NULL || copy == NULL)
		return verdict_error(VERDICT_E_INTERNAL, "no memory");
	/* A copy in the message's arena: another HELO frees the original. */
	*copy = *helo_collect(s->helo_check, &s->wait);
	if (copy->name != NULL &&
	    (copy->name = arena_strdup(&m->arena, copy->name)) == NULL)
		return verdict_error(VERDICT_E_INTERNAL, "no memory");
	fact->result = copy;
	fact->ours = is_ours(ctx->state, s, copy);
	m->helo = fact;
	found = find(copy);
	message_note(m, "helo", "%s/%s%s", helo_form_word(copy->form),
	    helo_status_word(copy->status), fact->ours ? "/ours" : "");
	session_why(ctx, "the client says %s: a %s, %s%s",
	    session_quote(ctx, s->helo), helo_form_word(copy->form),
	    helo_status_word(copy->status),
	    fact->ours ? ", and it is a name of ours" : "");
	if (message_symbol(m, found.name, found.score) != 0 ||
	    (fact->ours && message_symbol(m, "HELO_OURS", 3.0) != 0))
		return verdict_error(VERDICT_E_INTERNAL, "no memory");
	return verdict_none;
}

static void
helo_close(const struct ctx *ctx)
{
	struct session *s = ctx->s;

	helo_free(s->helo_check);
	s->helo_check = NULL;
}

static const char *const symbol_names[] = {
    "HELO_MATCH", "HELO_MISMATCH", "HELO_NO_ADDRESS", "HELO_TEMPERROR",
    "HELO_LITERAL", "HELO_BAD_LITERAL", "RCVD_NUMERIC_HELO", "HELO_NOT_FQDN",
    "HELO_LOCALHOST", "HELO_INVALID", "HELO_OURS", NULL};

const struct stage stage_helo = {
    .name = "helo",
    .off = "HELO no, or Mode has no v",
    .symbols = symbol_names,
    .check = true,
    .options = CONF_TABLE(options),
    .load = helo_load,
    .unload = helo_unload,
    .macros = helo_macros,
    .helo = helo_helo,
    .judge = helo_judge,
    .close = helo_close,
};
