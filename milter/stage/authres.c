/*
 * The Authentication-Results field (RFC 8601): every inbound message leaves
 * with exactly one of ours on top, and without those that others wrote under
 * our name.  SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/conf/conf.h"
#include "lib/conf/dataset.h"
#include "lib/dkim/dkim_verify.h"
#include "lib/dmarc/dmarc.h"
#include "lib/dns/idna.h"
#include "lib/dns/iprev.h"
#include "lib/mail/authres.h"
#include "lib/spf/spf.h"
#include "milter/chain.h"
#include "milter/options.h"
#include "milter/snapshot.h"
#include "milter/stages.h"

#define FIELD "Authentication-Results"
#define NAMES_MAX (AUTHRES_COMMENT_MAX - 40) /* the rest is for our own words */

static const struct conf_option options[] = {
    {.keyword = "AuthservIDWithJobID", .type = CONF_BOOL, .def = "no",
	.summary = "add the queue id to that name"},
    {.keyword = "RemoveARFrom", .type = CONF_SET,
	.summary = "further names whose " FIELD " fields are removed"},
    {.keyword = "RemoveARAll", .type = CONF_BOOL, .def = "no",
	.summary =
	    "remove those even if they report nothing that postern checks"},
    {.keyword = "KeepAuthResults", .type = CONF_BOOL, .def = "no",
	.summary = "remove no " FIELD " fields, not even in the own name"},
    {.keyword = "NoHeaderB", .type = CONF_BOOL, .def = "no",
	.summary = "leave out the header.b that tells signatures apart"},
};

struct state {
	bool with_job, remove_all, keep, no_b;
	struct dataset *from; /* NULL: nobody */
};

static void
authres_unload(void *state)
{
	struct state *st = state;

	dataset_free(st->from);
	free(st);
}

static int
authres_load(const struct snapshot *snap, const struct snapshot *old,
    void **state_r, struct errmsg *msg_r)
{
	const struct conf *c = snap->conf;
	struct state *st;

	(void)old;
	if (!snap->verifies)
		return 0;
	st = calloc(1, sizeof(*st));
	if (st == NULL)
		return ERR_NOMEM;
	*state_r = st;
	st->with_job = conf_bool(c, "AuthservIDWithJobID");
	st->remove_all = conf_bool(c, "RemoveARAll");
	st->keep = conf_bool(c, "KeepAuthResults");
	st->no_b = conf_bool(c, "NoHeaderB");
	return options_set(c, "RemoveARFrom", NULL, &st->from, msg_r);
}

/* -- fields that came with the message -- */

/* opendkim.conf(5): full names, or `.domain` for all names below it. */
static bool
named(const struct dataset *set, const char *id)
{
	struct dataset_entry e;

	for (const char *p = id; p != NULL && *p != '\0';
	     p = strchr(p + 1, '.')) {
		if (dataset_get(set, p, &e) == 0) {
			dataset_entry_fini(&e);
			return true;
		}
	}
	return false;
}

/* Does the field claim to be ours, by the name of the MTA or of the
 * reporter? */
static int
is_forged(struct message *m, const struct hdr *h, bool *forged_r)
{
	const char *const ours[] = {m->session->reporter, m->session->host};
	int rc = 0;

	*forged_r = false;
	for (size_t i = 0; rc == 0 && !*forged_r && i < 2; i++) {
		const char *id = authres_id(&m->arena, ours[i]);

		if (i == 1 && ours[0] == ours[1])
			break;
		rc = id == NULL ? ERR_NOMEM
				: authres_claims(&m->arena, h->value,
				      h->value_len, id, forged_r);
	}
	return rc;
}

/* Is the field one of those that the configuration removes? */
static int
is_unwanted(const struct state *st, struct message *m, const struct hdr *h,
    bool *unwanted_r)
{
	struct authres_head head;
	int rc;

	*unwanted_r = false;
	if (st->from == NULL)
		return 0;
	rc = authres_look(&m->arena, h->value, h->value_len, &head);
	*unwanted_r = rc == 0 && named(st->from, head.id) &&
	    (st->remove_all || head.checks);
	return rc;
}

static int
remove_forged(const struct state *st, struct message *m)
{
	int rc = 0;
	unsigned removed = 0;

	for (const struct hdr *h = m->headers.first; rc == 0 && h != NULL;
	     h = h->next) {
		bool goes;

		if (!hdr_is(h, FIELD))
			continue;
		rc = is_forged(m, h, &goes);
		if (rc == 0 && !goes)
			rc = is_unwanted(st, m, h, &goes);
		if (rc == 0 && goes) {
			rc = edit_want(&m->edits, &m->arena, EDIT_DELETE,
			    h->index, FIELD, NULL);
			removed++;
		}
	}
	if (removed > 0)
		message_note(m, "ar_removed", "%u", removed);
	return rc;
}

/* -- the field of this host -- */

static void
add_spf(struct authres *ar, const struct message *m, const struct spf_result *r)
{
	if (r == NULL)
		return;
	authres_result(ar, "spf", spf_outcome_text(r->result));
	if (r->reason != NULL)
		authres_reason(ar, r->reason);
	if (r->scope == SPF_MFROM)
		authres_property(ar, "smtp", "mailfrom",
		    m->sender[0] != '\0' ? m->sender : r->domain);
	else if (r->domain[0] != '\0') /* the client may have sent no HELO */
		authres_property(ar, "smtp", "helo", r->domain);
}

static void
add_property(struct authres *ar, const char *property, const char *value)
{
	if (value != NULL)
		authres_property(ar, "header", property, value);
}

static void
add_dkim(struct authres *ar, const struct dkim_verdicts *all, bool no_b)
{
	if (all != NULL && all->count == 0)
		authres_result(ar, "dkim", "none");
	for (size_t i = 0; all != NULL && i < all->count; i++) {
		const struct dkim_verdict *v = &all->list[i];
		char bits[32];

		authres_result(ar, "dkim", dkim_status_word(v->status));
		snprintf(bits, sizeof(bits), "%u-bit key", v->bits);
		if (v->bits != 0)
			authres_comment(ar, bits);
		if (v->reason != NULL)
			authres_reason(ar, v->reason);
		add_property(ar, "d", v->domain);
		add_property(ar, "i", v->identity);
		add_property(ar, "s", v->selector);
		add_property(ar, "a", v->algorithm);
		add_property(ar, "b", no_b ? NULL : v->b);
	}
}

/* The name comes from outside.  One that is no domain is left out, because it
 * could look like a result. */
static void
add_name(struct message *m, struct buf *b, const char *key, const char *name)
{
	if (idna_ascii(&m->arena, name, &name) == ERR_NOMEM)
		b->failed = true;
	if (name != NULL && b->len + strlen(name) < NAMES_MAX)
		buf_printf(b, "%s%s", key, name);
}

/* In the comment: which identifier passed, or what the policy requests. */
static void
add_dmarc(struct authres *ar, struct message *m)
{
	const struct dmarc_result *r = m->dmarc;
	const char *override;
	struct buf b = BUF_INIT;

	if (r == NULL)
		return;
	authres_result(ar, "dmarc", dmarc_outcome_word(r->result));
	if (r->policy_domain != NULL) {
		buf_printf(&b, "p=%s dis=%s", dmarc_policy_word(r->policy),
		    dmarc_policy_word(r->disposition));
		if (r->spf_aligned)
			add_name(m, &b, " spf=", r->spf_domain);
		if (r->dkim_aligned)
			add_name(m, &b, " dkim=", r->dkim_domain);
		override = dmarc_override_word(r->override);
		if (override != NULL)
			buf_printf(&b, " override=%s", override);
		if (buf_text(&b) != NULL)
			authres_comment(ar, buf_text(&b));
	}
	buf_fini(&b);
	if (r->domain[0] != '\0')
		authres_property(ar, "header", "from", r->domain);
	if (r->policy_domain != NULL)
		authres_property(
		    ar, "policy", "dmarc", dmarc_policy_word(r->applied));
}

static void
add_iprev(struct authres *ar, struct message *m)
{
	struct buf name = BUF_INIT;

	if (m->iprev == NULL)
		return;
	authres_result(ar, "iprev", iprev_word(m->iprev->status));
	if (m->iprev->name != NULL)
		add_name(m, &name, "", m->iprev->name);
	if (name.len > 0)
		authres_comment(ar, buf_text(&name));
	ar->buf->failed |= name.failed;
	buf_fini(&name);
	authres_property(ar, "policy", "iprev", m->session->client_ip);
}

static struct verdict
authres_eom(const struct ctx *ctx)
{
	struct message *m = ctx->m;
	const struct state *st = ctx->state;
	struct buf b = BUF_INIT;
	struct authres ar;
	const char *value;
	int rc = 0;

	if (m->direction != DIRECTION_INBOUND)
		return verdict_none;
	authres_begin(&ar, &b, ctx->s->reporter,
	    st->with_job ? m->queue_id : NULL, message_is_utf8(m));
	add_spf(&ar, m, m->spf);
	if (m->spf_helo != m->spf && m->spf_helo->domain[0] != '\0')
		add_spf(&ar, m, m->spf_helo);
	add_dkim(&ar, m->dkim, st->no_b);
	add_dmarc(&ar, m);
	add_iprev(&ar, m);
	authres_end(&ar);
	value = buf_text(&b);
	if (!st->keep)
		rc = remove_forged(st, m);
	if (rc == 0)
		rc = value == NULL
		    ? ERR_NOMEM
		    : edit_want(&m->edits, &m->arena, EDIT_INSERT, 0, FIELD,
			  value);
	buf_fini(&b);
	return rc == 0 ? verdict_none
		       : verdict_error(VERDICT_E_INTERNAL, "no memory");
}

const struct stage stage_authres = {
    .name = "authres",
    .off = "Mode has no v",
    .edits = EDIT_BIT(EDIT_INSERT) | EDIT_BIT(EDIT_DELETE),
    .options = CONF_TABLE(options),
    .load = authres_load,
    .unload = authres_unload,
    .eom = authres_eom,
};
