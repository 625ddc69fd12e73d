/*
 * Sign outbound mail with DKIM (RFC 6376, RFC 8463).
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Mail without a key for its author is sent unsigned; quotas count it all the
 * same.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "hosts.h"
#include "lib/base/err.h"
#include "lib/conf/conf.h"
#include "lib/conf/dataset.h"
#include "lib/dkim/dkim_key.h"
#include "lib/dkim/dkim_sign.h"
#include "lib/dns/idna.h"
#include "milter/chain.h"
#include "milter/log.h"
#include "milter/options.h"
#include "milter/problems.h"
#include "milter/snapshot.h"
#include "milter/stages.h"
#include "signing.h"

#define FIELD "DKIM-Signature"

struct canons {
	enum dkim_canon header, body;
};

static int
parse_canon(const char *word, size_t len, enum dkim_canon *canon_r)
{
	if (len == 6 && strncasecmp(word, "simple", 6) == 0)
		*canon_r = DKIM_SIMPLE;
	else if (len == 7 && strncasecmp(word, "relaxed", 7) == 0)
		*canon_r = DKIM_RELAXED;
	else
		return ERR_SYNTAX;
	return 0;
}

/* Parse `header/body`, or `header` alone, which means simple for the body. */
static int
parse_canons(const char *value, void *canons_r, struct errmsg *msg_r)
{
	struct canons *c = canons_r;
	size_t n = strcspn(value, "/");
	const char *body = value[n] == '\0' ? "simple" : value + n + 1;

	if (parse_canon(value, n, &c->header) == 0 &&
	    parse_canon(body, strlen(body), &c->body) == 0)
		return 0;
	return errmsg_set(msg_r, "expected simple or relaxed, or two of them "
	    "with a slash between: header/body");
}

static int
check_algorithm(const char *value, struct errmsg *msg_r)
{
	if (strcasecmp(value, "rsa-sha1") == 0)
		return errmsg_set(msg_r, "expected rsa-sha256 or "
		    "ed25519-sha256: nobody accepts rsa-sha1 any more "
		    "(RFC 8301)");
	if (strcasecmp(value, "rsa-sha256") == 0 ||
	    strcasecmp(value, "ed25519-sha256") == 0)
		return 0;
	return errmsg_set(msg_r, "expected rsa-sha256 or ed25519-sha256");
}

static int
check_selector(const char *value, struct errmsg *msg_r)
{
	size_t len = strlen(value);

	if (strcasestr(value, "._domainkey") == NULL && value[0] != '.' &&
	    value[len - (len > 0)] != '.' &&
	    strpbrk(value, " \t\"',:;/@") == NULL)
		return 0;
	return errmsg_set(msg_r, "expected the selector alone, such as s1, "
	    "without quotes or ._domainkey, not %s", value);
}

static const struct conf_option options[] = {
    {.keyword = "Domain", .type = CONF_SET,
	.summary = "the domains signed for with KeyFile"},
    {.keyword = "KeyFile", .type = CONF_STR, .flags = CONF_PATH,
	.summary = "the private key for Domain",
	.check = conf_check_path},
    {.keyword = "Selector", .type = CONF_STR,
	.summary = "the selector of KeyFile", .check = check_selector},
    {.keyword = "SubDomains", .type = CONF_BOOL, .def = "no",
	.summary = "sign for what is below Domain too"},
    {.keyword = "KeyTable", .type = CONF_SET,
	.summary = "keys by name: domain:selector:file"},
    {.keyword = "SigningTable", .type = CONF_SET,
	.summary = "which key signs for which author address"},
    {.keyword = "MultipleSignatures", .type = CONF_BOOL, .def = "no",
	.summary =
	    "sign with every key that SigningTable names, not just the first"},
    {.keyword = "SignatureAlgorithm", .type = CONF_STR,
	.summary = "what KeyFile's key must be for; it is read from the key",
	.check = check_algorithm},
    {.keyword = "MinimumKeyBits", .type = CONF_INT, .def = "1024", .max = 16384,
	.summary = "refuse shorter RSA keys"},
    {.keyword = "RequireSafeKeys", .type = CONF_BOOL, .def = "yes",
	.summary = "refuse key files that others can read or replace"},
    {.keyword = "Canonicalization", .type = CONF_STR, .def = "relaxed/relaxed",
	.summary = "simple or relaxed, for header/body", .parse = parse_canons,
	.size = sizeof(struct canons)},
    {.keyword = "SignHeaders", .type = CONF_SET,
	.summary = "the fields to sign; *,+x,-y changes the default"},
    {.keyword = "OmitHeaders", .type = CONF_SET,
	.summary = "fields never to sign; *,+x,-y changes the default"},
    {.keyword = "OversignHeaders", .type = CONF_SET,
	.summary = "fields none of which may be added later"},
    {.keyword = "SenderHeaders", .type = CONF_SET, .def = "From",
	.summary = "the first of these fields present names the author"},
    {.keyword = "SignatureTTL", .type = CONF_INT, .def = "0",
	.summary = "seconds until a signature expires; 0: never"},
    {.keyword = "Diagnostics", .type = CONF_BOOL, .def = "no",
	.summary = "put copies of the signed fields into the signature (z=)"},
    {.keyword = "RemoveOldSignatures", .type = CONF_BOOL, .def = "no",
	.summary = "take signatures off that mail of ours already bears"},
    {.keyword = "ExemptDomains", .type = CONF_SET,
	.summary = "author domains to leave alone"},
    {.keyword = "DontSignMailTo", .type = CONF_SET,
	.summary = "recipients mail to whom is not signed"},
    {.keyword = "ExternalIgnoreList", .type = CONF_SET,
	.summary = "outside hosts that may use our domains without a log line"},
    {.keyword = "SyslogSuccess", .type = CONF_BOOL, .def = "no",
	.summary = "log a line for every signature made"},
};

/* Fields whose addition would change what a reader sees. */
static const char *const oversign_default[] = {"From", "To", "Cc", "Subject",
    "Date", "Reply-To", "Message-ID", "MIME-Version", "Content-Type", NULL};

/* The ones of these that Sendmail adds after the milter when they are
 * missing. */
static const char *const oversign_late[] = {"Date", "Message-ID", NULL};

struct state {
	struct signing *signing;
	struct dkim_engine *engine;
	struct dkim_fields fields;
	const char *const *sender_fields;
	struct canons canons;
	time_t ttl;
	bool copies, remove_old, log_success;
	struct dataset *exempt, *dont_sign;
	struct hosts ignore; /* ExternalIgnoreList */
	struct arena arena; /* for the lists above */
	struct trouble trouble; /* with the keys: cryptography failed */
	atomic_bool failed;	/* there is some; spares the lock */
};

/* -- lists of field names -- */

struct names {
	struct arena *arena;
	const char **list; /* NULL-ended, in the arena */
	size_t count, room;
	bool delta; /* it has `*`: the other entries change the default */
};

static int
names_add(struct names *n, const char *name)
{
	if (n->count + 1 >= n->room) {
		size_t room = n->room == 0 ? 16 : 2 * n->room;
		const char **list =
		    arena_alloc(n->arena, room * sizeof(*list));

		if (list == NULL)
			return ERR_NOMEM;
		if (n->count > 0)
			memcpy(list, n->list, n->count * sizeof(*list));
		n->list = list;
		n->room = room;
	}
	n->list[n->count] = arena_strdup(n->arena, name);
	if (n->list[n->count] == NULL)
		return ERR_NOMEM;
	n->count++;
	return 0;
}

static void
names_remove(struct names *n, const char *name)
{
	size_t kept = 0;

	for (size_t i = 0; i < n->count; i++) {
		if (strcasecmp(n->list[i], name) != 0)
			n->list[kept++] = n->list[i];
	}
	n->count = kept;
	if (n->list != NULL)
		n->list[kept] = NULL;
}

static int
find_star(const struct dataset_entry *e, void *arg)
{
	((struct names *)arg)->delta |= strcmp(e->key, "*") == 0;
	return 0;
}

static int
take_name(const struct dataset_entry *e, void *arg)
{
	struct names *n = arg;

	/* `.` names no field, so that a list can be empty. */
	if (strcmp(e->key, "*") == 0 || strcmp(e->key, ".") == 0)
		return 0;
	if (e->key[0] == '-') {
		names_remove(n, e->key + 1);
		return 0;
	}
	return names_add(n, e->key[0] == '+' ? e->key + 1 : e->key);
}

/* Load the list of a keyword, which may change a default; the default if the
 * keyword is not given.  *own_r (may be NULL): the list does not depend on the
 * default. */
static int
load_names(const struct conf *c, const char *keyword,
    const char *const *otherwise, struct arena *a, const char *const **list_r,
    bool *own_r, struct errmsg *msg_r)
{
	static const char *const none[] = {NULL};
	struct names n = {.arena = a};
	struct dataset *set = NULL;
	int rc = options_fields(c, keyword, &set, msg_r);

	*list_r = otherwise;
	if (own_r != NULL)
		*own_r = false;
	if (rc != 0 || set == NULL)
		return rc;
	dataset_walk(set, find_star, &n);
	if (own_r != NULL)
		*own_r = !n.delta;
	for (size_t i = 0; n.delta && rc == 0 && otherwise[i] != NULL; i++)
		rc = names_add(&n, otherwise[i]);
	if (rc == 0)
		rc = dataset_walk(set, take_name, &n);
	*list_r = n.list == NULL ? none : n.list;
	dataset_free(set);
	return rc;
}

/* -- loading -- */

static void
sign_unload(void *state)
{
	struct state *st = state;

	signing_free(st->signing);
	dkim_engine_free(st->engine);
	dataset_free(st->exempt);
	dataset_free(st->dont_sign);
	hosts_fini(&st->ignore);
	arena_fini(&st->arena);
	free(st);
}

static int
warn_recipient(const struct dataset_entry *e, void *arg)
{
	const char *at = strrchr(e->key, '@');

	if (at == NULL || at == e->key || at[1] == '\0' ||
	    strchr(e->key, '*') != NULL)
		conf_odd(arg, "%s: DontSignMailTo: %s: expected an "
		    "address such as bob@example.com, or a pattern in a set "
		    "refile:PATH; the entry matches nothing",
		    conf_where(arg, "DontSignMailTo"), e->key);
	return 0;
}

static int
load_lists(const struct conf *c, struct state *st, struct errmsg *msg_r)
{
	static const char *const from[] = {"From", NULL};
	bool own;
	struct arena *a = &st->arena;
	int rc = conf_also(c, 0,
	    load_names(c, "SignHeaders", dkim_fields_default, a,
		&st->fields.sign, NULL, msg_r),
	    msg_r);

	rc = conf_also(c, rc,
	    load_names(c, "OmitHeaders", dkim_fields_never, a,
		&st->fields.omit, NULL, msg_r),
	    msg_r);
	rc = conf_also(c, rc,
	    load_names(c, "OversignHeaders", oversign_default, a,
		&st->fields.oversign, &own, msg_r),
	    msg_r);
	if (!own)
		st->fields.late = oversign_late;
	rc = conf_also(c, rc,
	    load_names(c, "SenderHeaders", from, a, &st->sender_fields, NULL,
		msg_r),
	    msg_r);
	rc = conf_also(c, rc,
	    options_domains(c, "ExemptDomains", &st->exempt, msg_r), msg_r);
	rc = conf_also(c, rc,
	    options_set(c, "DontSignMailTo", NULL, &st->dont_sign, msg_r),
	    msg_r);
	if (st->dont_sign != NULL && dataset_is_listed(st->dont_sign))
		(void)dataset_walk(st->dont_sign, warn_recipient, (void *)c);
	return conf_also(c, rc,
	    hosts_load(c, "ExternalIgnoreList", NULL, &st->ignore, msg_r),
	    msg_r);
}

/* Check the lists of a configuration without keys, or with mistakes in
 * these. */
static int
check_lists(const struct conf *c, int rc, struct errmsg *msg_r)
{
	struct state *st = calloc(1, sizeof(*st));

	if (st == NULL)
		return ERR_NOMEM;
	rc = conf_also(c, rc, load_lists(c, st, msg_r), msg_r);
	sign_unload(st);
	return rc;
}

static int
sign_load(const struct snapshot *snap, const struct snapshot *old,
    void **state_r, struct errmsg *msg_r)
{
	const struct conf *c = snap->conf;
	struct signing *signing = NULL;
	struct state *st;
	int rc;

	(void)old;
	if (!snap->signs)
		return 0;
	/* Lists are checked even if there is no key. */
	rc = conf_also(c, 0, signing_load(c, &signing, msg_r), msg_r);
	if (rc != 0 && rc != ERR_NOMEM)
		return check_lists(c, rc, msg_r);
	if (rc == 0 && signing == NULL && conf_given(c, "Mode"))
		conf_odd(c, "%s: Mode: s asks for signatures, but "
		    "no key is named: mail goes unsigned",
		    conf_where(c, "Mode"));
	if (rc != 0 || signing == NULL)
		return rc;
	st = calloc(1, sizeof(*st));
	if (st == NULL) {
		signing_free(signing);
		return ERR_NOMEM;
	}
	*state_r = st;
	st->signing = signing;
	st->trouble = (struct trouble)TROUBLE_INIT;
	st->engine = dkim_engine_new();
	st->ttl = conf_int(c, "SignatureTTL");
	st->copies = conf_bool(c, "Diagnostics");
	st->remove_old = conf_bool(c, "RemoveOldSignatures");
	st->log_success = conf_bool(c, "SyslogSuccess");
	st->canons = *(const struct canons *)conf_value(
	    c, "Canonicalization", sizeof(st->canons));
	return st->engine == NULL ? ERR_NOMEM : load_lists(c, st, msg_r);
}

/* -- a message -- */

/* What a message is signed with, set at the end of its header. */
struct job {
	struct dkim_sign *sign;
	struct signing_match matches[SIGNING_MATCHES_MAX];
	size_t count;
};

/* The functions below return 1 (yes), 0 (no) or a negative ERR_. */

static int
refuse_author(struct message *m, const char *name, size_t len,
    const struct author *who, const char **why_r)
{
	*why_r = arena_printf(
	    &m->arena, "unreadable %.*s: %s", (int)len, name, who->why);
	return *why_r == NULL ? ERR_NOMEM : 0;
}

/* The first author in the first field of SenderHeaders that the message has.
 * 0: there is none, and *why_r may have the reason.  Nobody signs for a From
 * that can't be read, because a reader may see another author in it. */
static int
find_author(const struct state *st, struct message *m, struct addr *author_r,
    const char **why_r)
{
	const struct author *who = &m->author;
	const struct hdr *h = NULL;
	struct author sender;

	*why_r = NULL;
	if (who->state == AUTHOR_UNREADABLE)
		return refuse_author(m, "From", 4, who, why_r);
	for (size_t i = 0; h == NULL && st->sender_fields[i] != NULL; i++)
		h = hdr_find(&m->headers, st->sender_fields[i]);
	if (h == NULL)
		return 0;
	if (!hdr_is(h, "From")) {
		if (author_read_field(&m->arena, h, &sender) != 0)
			return ERR_NOMEM;
		who = &sender;
	}
	if (who->state == AUTHOR_UNREADABLE)
		return refuse_author(m, h->name, hdr_name_len(h), who, why_r);
	*author_r = who->list[0];
	return 1;
}

static int
goes_to_unsigned(const struct state *st, const struct message *m)
{
	int rc = 0;

	if (st->dont_sign == NULL)
		return 0;
	for (const struct rcpt *r = m->rcpts; r != NULL && rc == 0; r = r->next)
		rc = r->refused ? 0 : dataset_has(st->dont_sign, r->addr);
	return rc;
}

/* An outside client uses a domain of ours.  It is logged, as OpenDKIM does,
 * because the client should log in, or forges. */
static void
report_external(const struct ctx *ctx, const struct addr *author)
{
	const struct state *st = ctx->state;
	const struct session *s = ctx->s;
	struct buf b = BUF_INIT;

	if (hosts_match(&st->ignore, s))
		return;
	buf_escape(&b, author->domain, strlen(author->domain), 256);
	log_about(ctx, LOG_INFO, "external host %s tried to send mail as %s",
	    s->client_ip, buf_text(&b));
	buf_fini(&b);
}

/* Does the configuration exclude this mail from signing?  Then *why_r is the
 * keyword. */
static int
is_left_alone(const struct state *st, struct message *m,
    const struct addr *author, const char **why_r)
{
	const char *alabels;
	int rc = idna_alabels(&m->arena, author->domain, &alabels);

	if (rc == ERR_NOMEM)
		return rc;
	*why_r = "SenderLogins";
	if (m->from_denied)
		return 1;
	*why_r = "ExemptDomains";
	rc = dataset_has(st->exempt, author->domain);
	if (rc == 0 && alabels != NULL && alabels != author->domain)
		rc = dataset_has(st->exempt, alabels);
	if (rc != 0)
		return rc;
	*why_r = "DontSignMailTo";
	return goes_to_unsigned(st, m);
}

/* Record why the mail leaves without a signature; only the first reason
 * counts. */
static void
leave_unsigned(const struct ctx *ctx, const char *why)
{
	struct message *m = ctx->m;

	if (m->direction != DIRECTION_OUTBOUND || m->unsigned_why != NULL)
		return;
	m->unsigned_why = why == NULL ? "no memory" : why;
	session_why(ctx, "not signed: %s", session_quote(ctx, m->unsigned_why));
}

/* An error: On-InternalError may accept the mail, which then leaves
 * unsigned. */
static struct verdict
broken(const struct ctx *ctx, int rc, const char *cause)
{
	struct message *m = ctx->m;

	cause = rc == ERR_NOMEM ? "no memory" : arena_strdup(&m->arena, cause);
	leave_unsigned(ctx, cause);
	return verdict_error(VERDICT_E_INTERNAL, cause);
}

/* Find the keys for an author; none: the mail is not signed. */
static struct verdict
find_keys(const struct ctx *ctx, const struct addr *author, struct job *job)
{
	const struct state *st = ctx->state;
	struct message *m = ctx->m;
	struct errmsg why = {.text = "SigningTable or Domain can't be read"};
	int rc = signing_find(st->signing, &m->arena, author, job->matches,
	    &job->count, &why);
	const char *reason;

	if (m->direction == DIRECTION_INBOUND) {
		if (rc == 0 && job->count > 0)
			report_external(ctx, author);
		job->count = 0;
		return verdict_none;
	}
	if (rc != 0)
		return broken(ctx, rc, why.text);
	if (job->count == 0) {
		leave_unsigned(ctx,
		    arena_printf(&m->arena, "no key for %s", author->domain));
		return verdict_none;
	}
	rc = is_left_alone(st, m, author, &reason);
	if (rc < 0)
		return broken(ctx, rc,
		    "ExemptDomains or DontSignMailTo can't "
		    "be read");
	if (rc > 0) {
		leave_unsigned(ctx, reason);
		job->count = 0;
	}
	return verdict_none;
}

static struct verdict
sign_eoh(const struct ctx *ctx)
{
	struct message *m = ctx->m;
	const struct state *st = ctx->state;
	struct verdict v;
	struct addr author;
	const char *why;
	struct job *job;
	int rc = find_author(st, m, &author, &why);

	if (rc == 0) {
		leave_unsigned(ctx, why != NULL ? why : "no author");
		return verdict_none;
	}
	job = arena_alloc(&m->arena, sizeof(*job));
	if (rc < 0 || job == NULL)
		return broken(ctx, ERR_NOMEM, NULL);
	v = find_keys(ctx, &author, job);
	if (v.action != VERDICT_NONE || job->count == 0)
		return v;
	job->sign = dkim_sign_new(st->engine, DKIM_CANON_BIT(st->canons.body));
	if (job->sign == NULL)
		return broken(ctx, ERR_NOMEM, NULL);
	*message_slot(ctx) = job;
	return verdict_none;
}

static struct verdict
sign_body(const struct ctx *ctx, const unsigned char *data, size_t len)
{
	struct job *job = *message_slot(ctx);

	if (job != NULL)
		dkim_sign_body(job->sign, data, len);
	return verdict_none;
}

static int
remove_old(struct message *m)
{
	for (const struct hdr *h = m->headers.first; h != NULL; h = h->next) {
		if (hdr_is(h, FIELD) &&
		    edit_want(&m->edits, &m->arena, EDIT_DELETE, h->index,
			FIELD, NULL) != 0)
			return ERR_NOMEM;
	}
	return 0;
}

/* The domain is escaped: with `%` in KeyTable it is the sender's text. */
static void
log_unsigned(const struct ctx *ctx, const struct signing_match *match,
    const char *reason)
{
	struct buf b = BUF_INIT;

	buf_escape(&b, match->domain, strlen(match->domain), 256);
	log_about(ctx, LOG_WARNING, "%s/%s: not signed: %s",
	    b.failed ? "?" : buf_text(&b), match->selector, reason);
	buf_fini(&b);
}

/* A key of ours that can't sign is not the message's fault. */
static void
note_trouble(struct state *st, const struct signing_match *match,
    const struct dkim_result *r)
{
	if (r->error == ERR_CRYPTO) {
		trouble_set(&st->trouble, "selector %s: %s", match->selector,
		    r->reason);
		atomic_store(&st->failed, true);
	} else if (r->error == 0 && atomic_load(&st->failed)) {
		trouble_clear(&st->trouble);
		atomic_store(&st->failed, false);
	}
}

/* Take one signature, or the error that there is instead. */
static int
take_result(const struct ctx *ctx, const struct signing_match *match,
    const struct dkim_result *r, struct buf *note)
{
	struct state *st = ctx->state;
	struct message *m = ctx->m;

	note_trouble(st, match, r);
	if (r->error != 0) {
		log_unsigned(ctx, match, r->reason);
		leave_unsigned(ctx, r->reason);
		return r->error == ERR_NOMEM || r->error == ERR_CRYPTO
		    ? r->error
		    : 0;
	}
	buf_printf(note, "%s%s/%s/%s", note->len > 0 ? "," : "",
	    match->domain, match->selector, dkim_key_algorithm(match->key));
	if (st->log_success)
		log_about(ctx, LOG_INFO, FIELD " field added (s=%s, d=%s)",
		    match->selector, match->domain);
	return edit_want(
	    &m->edits, &m->arena, EDIT_INSERT, 0, FIELD, r->value);
}

static int
sign(const struct ctx *ctx, struct job *job)
{
	const struct state *st = ctx->state;
	struct message *m = ctx->m;
	struct dkim_request requests[SIGNING_MATCHES_MAX];
	struct dkim_result results[SIGNING_MATCHES_MAX];
	const char *const *names;
	struct hdr_list leaving;
	struct buf note = BUF_INIT;
	int rc;

	rc = edit_result(&m->headers, &m->edits, &m->arena, &leaving);
	if (rc == 0)
		rc = dkim_sign_names(&m->arena, &leaving, &st->fields, &names);
	if (rc != 0) {
		leave_unsigned(ctx, rc == ERR_NOMEM
					? "no memory"
					: "no From that can be signed");
		log_about(ctx, LOG_WARNING, "not signed: %s", m->unsigned_why);
		return rc == ERR_NOMEM ? rc : 0;
	}
	for (size_t i = 0; i < job->count; i++) {
		const struct signing_match *match = &job->matches[i];

		requests[i] = (struct dkim_request){.domain = match->domain,
		    .selector = match->selector,
		    .identity = match->identity,
		    .key = match->key,
		    .header = st->canons.header,
		    .body = st->canons.body,
		    .names = names,
		    .at = message_time(m),
		    .ttl = st->ttl,
		    .copies = st->copies};
	}
	dkim_sign_finish(job->sign, &m->arena, &leaving, requests, job->count,
	    results);
	for (size_t i = 0; rc == 0 && i < job->count; i++)
		rc = take_result(ctx, &job->matches[i], &results[i], &note);
	if (note.len > 0 && buf_text(&note) != NULL)
		message_note(m, "dkim", "%s", buf_text(&note));
	if (rc == 0 && note.len > 0) {
		m->signed_with = note.failed
		    ? NULL
		    : arena_strdup(&m->arena, buf_text(&note));
		rc = m->signed_with == NULL ? ERR_NOMEM : 0;
	}
	if (m->signed_with != NULL)
		session_why(
		    ctx, "signed with %s", session_quote(ctx, m->signed_with));
	buf_fini(&note);
	return rc;
}

static struct verdict
sign_eom(const struct ctx *ctx)
{
	struct message *m = ctx->m;
	const struct state *st = ctx->state;
	struct job *job = *message_slot(ctx);
	int rc = 0;

	if (job == NULL)
		return verdict_none;
	if (st->remove_old)
		rc = remove_old(m);
	if (rc == 0)
		rc = sign(ctx, job);
	return rc == 0 ? verdict_none : broken(ctx, rc, err_text(rc));
}

static void
sign_done(const struct ctx *ctx, const struct verdict *outcome)
{
	struct job *job = *message_slot(ctx);

	(void)outcome;
	if (job != NULL)
		dkim_sign_free(job->sign);
}

static void
sign_problems(void *state, struct problems *p)
{
	struct state *st = state;

	problems_add_trouble(p, true, "keys",
	    "posternctl key check DOMAIN, and OpenSSL's configuration (a FIPS "
	    "provider knows no Ed25519)",
	    &st->trouble);
}

const struct stage stage_sign = {
    .name = "sign",
    .off = "no key is named, or Mode has no s",
    .needs = NEED_EXACT_HEADERS,
    .edits = EDIT_BIT(EDIT_INSERT) | EDIT_BIT(EDIT_DELETE),
    .options = CONF_TABLE(options),
    .load = sign_load,
    .unload = sign_unload,
    .eoh = sign_eoh,
    .body = sign_body,
    .eom = sign_eom,
    .done = sign_done,
    .problems = sign_problems,
};
