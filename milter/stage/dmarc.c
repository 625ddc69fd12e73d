/*
 * DMARC (RFC 9989) of inbound mail: the fact m->dmarc, its symbols, and what is
 * done with mail that fails.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * By default a domain owner's policy only adds a symbol, because section 7.4
 * forbids rejecting on p=reject alone.
 */
#include <stdlib.h>
#include <string.h>

#include "hosts.h"
#include "lib/base/err.h"
#include "lib/conf/conf.h"
#include "lib/conf/dataset.h"
#include "lib/dkim/dkim_verify.h"
#include "lib/dmarc/dmarc.h"
#include "lib/dns/idna.h"
#include "lib/dns/pslist.h"
#include "lib/mail/addr.h"
#include "lib/spf/spf.h"
#include "milter/chain.h"
#include "milter/log.h"
#include "milter/options.h"
#include "milter/replytext.h"
#include "milter/snapshot.h"
#include "milter/stages.h"

#define XCODE "5.7.26" /* RFC 7372 section 3.3 */
#define MORE_DOMAINS "From names more domains than DMARC looks at"
#define SIGNATURES_MAX DKIM_VERIFY_SIGNATURES_MAX

static const char *const policies[] = {"tag", "quarantine", "reject", NULL};
enum policy { POLICY_TAG, POLICY_QUARANTINE, POLICY_REJECT };

static const char *const discoveries[] = {"treewalk", "psl", NULL};
enum discovery { DISCOVERY_TREEWALK, DISCOVERY_PSL };

static int
check_reply(const char *value, struct errmsg *msg_r)
{
	static const struct replytext_word words[] = {
	    {"domain", NULL}, {NULL, NULL}};

	return replytext_check(value, words, msg_r);
}

static const struct conf_option options[] = {
    {.keyword = "DMARC", .type = CONF_BOOL, .def = "yes",
	.summary = "judge inbound mail by DMARC; only where Mode has v"},
    {.keyword = "DMARCPolicy", .type = CONF_WORD, .def = "tag",
	.words = policies,
	.summary =
	    "how far a domain owner's policy is followed: tag only marks"},
    {.keyword = "DMARCHold", .type = CONF_BOOL, .def = "yes",
	.summary =
	    "hold what a policy asks to be put into quarantine; no: let it "
	    "pass"},
    {.keyword = "DMARCReply", .type = CONF_STR,
	.summary =
	    "the words of a refusal, %domain% in them is the domain of From",
	.check = check_reply},
    {.keyword = "DMARCIgnoreHosts", .type = CONF_SET,
	.summary = "hosts whose mail is not judged by DMARC"},
    {.keyword = "DMARCIgnoreFrom", .type = CONF_SET,
	.summary = "domains in From whose mail is not judged by DMARC"},
    {.keyword = "DMARCTrustedForwarders", .type = CONF_SET,
	.summary =
	    "hosts that forward mail, whose DMARC failures count for nothing"},
    {.keyword = "DMARCMailingLists", .type = CONF_SET,
	.summary =
	    "domains of mailing lists; where SPF or DKIM passes for one, a "
	    "DMARC failure counts for nothing"},
    {.keyword = "OrganizationalDomain", .type = CONF_WORD, .def = "treewalk",
	.words = discoveries,
	.summary =
	    "how DMARC finds a domain's owner: by the DNS, or by a list"},
    {.keyword = "PublicSuffixList", .type = CONF_STR, .flags = CONF_PATH,
	.summary =
	    "the list for OrganizationalDomain psl; otherwise the system's",
	.check = conf_check_path},
};

struct state {
	enum policy policy;
	bool holds;
	const char *reply;   /* DMARCReply; NULL: unset */
	struct pslist *psl;  /* NULL: tree walk */
	struct hosts ignored_hosts;
	struct dataset *ignored_from; /* NULL: none */
	struct hosts forwarders;
	struct dataset *lists; /* NULL: none */
};

/* One message, from the end of its header on. */
struct job {
	struct dmarc *dmarc; /* NULL: DMARC does not judge this message */
};

static void
dmarc_unload(void *state)
{
	struct state *st = state;

	pslist_free(st->psl);
	hosts_fini(&st->ignored_hosts);
	dataset_free(st->ignored_from);
	hosts_fini(&st->forwarders);
	dataset_free(st->lists);
	free(st);
}

static int
load_psl(const struct conf *c, struct pslist **psl_r, struct errmsg *msg_r)
{
	struct errmsg why;
	int rc;

	if (conf_word(c, "OrganizationalDomain") != DISCOVERY_PSL)
		return 0;
	rc = pslist_open(conf_str(c, "PublicSuffixList"), psl_r, &why);
	if (rc != 0 && rc != ERR_NOMEM)
		errmsg_wrap(msg_r, &why, "%s: %s: ",
		    conf_where(c,
			conf_given(c, "PublicSuffixList")
			    ? "PublicSuffixList"
			    : "OrganizationalDomain"),
		    conf_given(c, "PublicSuffixList") ? "PublicSuffixList"
						      : "OrganizationalDomain");
	return rc;
}

static int
dmarc_load(const struct snapshot *snap, const struct snapshot *old,
    void **state_r, struct errmsg *msg_r)
{
	const struct conf *c = snap->conf;
	struct state *st;
	int rc;

	(void)old;
	if (!snap->verifies || !conf_bool(c, "DMARC"))
		return 0;
	st = calloc(1, sizeof(*st));
	if (st == NULL)
		return ERR_NOMEM;
	*state_r = st;
	st->policy = (enum policy)conf_word(c, "DMARCPolicy");
	st->holds = conf_bool(c, "DMARCHold");
	st->reply = conf_str(c, "DMARCReply");
	rc = conf_also(c, 0, load_psl(c, &st->psl, msg_r), msg_r);
	rc = conf_also(c, rc,
	    hosts_load(c, "DMARCIgnoreHosts", NULL, &st->ignored_hosts, msg_r),
	    msg_r);
	rc = conf_also(c, rc,
	    options_domains(c, "DMARCIgnoreFrom", &st->ignored_from, msg_r),
	    msg_r);
	rc = conf_also(c, rc,
	    hosts_load(
		c, "DMARCTrustedForwarders", NULL, &st->forwarders, msg_r),
	    msg_r);
	return conf_also(c, rc,
	    options_domains(c, "DMARCMailingLists", &st->lists, msg_r),
	    msg_r);
}

/* Is the domain in the set, which may be NULL?  1 or 0, or ERR_NOMEM. */
static int
is_listed(const struct dataset *set, struct arena *a, const char *domain)
{
	const char *name;
	int rc = idna_ascii(a, domain, &name);

	if (rc != 0)
		return rc == ERR_NOMEM ? rc : false;
	return dataset_has(set, name) == 1;
}

/* -- the author -- */

/* Is every author in DMARCIgnoreFrom, or the client in DMARCIgnoreHosts?  1 or
 * 0, or ERR_NOMEM. */
static int
is_ignored(const struct state *st, struct message *m)
{
	const struct author *who = &m->author;
	int rc = true;

	if (hosts_match(&st->ignored_hosts, m->session))
		return true;
	if (st->ignored_from == NULL || who->domain_count == 0 || who->more ||
	    who->state == AUTHOR_UNREADABLE)
		return false;
	for (size_t i = 0; i < who->domain_count && rc > 0; i++)
		rc = is_listed(st->ignored_from, &m->arena, who->domains[i]);
	return rc;
}

/* The d= of a signature, roughly parsed: it only shows which look-ups to start
 * early. */
static const char *
signature_domain(struct arena *a, const struct hdr *h)
{
	char *copy = arena_memdup(a, h->value, h->value_len), *save;

	for (char *tag = copy == NULL ? NULL : strtok_r(copy, ";", &save);
	     tag != NULL; tag = strtok_r(NULL, ";", &save)) {
		tag += strspn(tag, " \t\r\n");
		if (strncmp(tag, "d=", 2) != 0)
			continue;
		tag += 2 + strspn(tag + 2, " \t\r\n");
		tag[strcspn(tag, " \t\r\n")] = '\0';
		return tag;
	}
	return NULL;
}

/* Start the look-ups for identifiers that may pass, while SPF and DKIM are
 * still at work. */
static void
look_up_early(struct message *m, struct dmarc *d)
{
	const char *name = m->session->helo;
	struct addr sender;
	size_t left = SIGNATURES_MAX;

	if (m->sender[0] != '\0')
		name = addr_split(&m->arena, m->sender, &sender) == 0
		    ? sender.domain
		    : NULL;
	if (name != NULL)
		dmarc_expect(d, name);
	for (const struct hdr *h = m->headers.first; h != NULL && left > 0;
	     h = h->next) {
		if (!hdr_is(h, "DKIM-Signature"))
			continue;
		left--;
		name = signature_domain(&m->arena, h);
		if (name != NULL)
			dmarc_expect(d, name);
	}
}

/* Start the look-ups; if From can't be read, those for all domains that a
 * reader may see in it. */
static int
look_up(const struct state *st, struct message *m, struct job *job)
{
	const struct author *who = &m->author;
	size_t read = who->domains_read;

	job->dmarc = dmarc_start(m->session->snap->dns, &m->arena, st->psl,
	    who->domains, read);
	if (job->dmarc == NULL)
		return ERR_NOMEM;
	if (who->state != AUTHOR_UNREADABLE && !who->more)
		return 0;
	return dmarc_unreadable(job->dmarc, who->domains + read,
	    who->domain_count - read, who->more);
}

static struct verdict
dmarc_eoh(const struct ctx *ctx)
{
	struct message *m = ctx->m;
	const struct state *st = ctx->state;
	struct job *job;
	int rc;

	if (m->direction != DIRECTION_INBOUND || ctx->s->snap->dns == NULL)
		return verdict_none;
	job = arena_alloc(&m->arena, sizeof(*job));
	if (job == NULL)
		return verdict_error(VERDICT_E_INTERNAL, "no memory");
	*job = (struct job){0};
	*message_slot(ctx) = job;
	rc = is_ignored(st, m);
	if (rc > 0)
		return verdict_none;
	if (rc < 0 || look_up(st, m, job) != 0)
		return verdict_error(VERDICT_E_INTERNAL, "no memory");
	look_up_early(m, job->dmarc);
	return verdict_none;
}

/* -- results of SPF and DKIM -- */

static struct dmarc_identifier
spf_evidence(const struct message *m)
{
	const struct spf_result *r = m->spf;

	if (r == NULL || (r->result != SPF_PASS && r->result != SPF_TEMPERROR))
		return (struct dmarc_identifier){.domain = NULL};
	return (struct dmarc_identifier){
	    .domain = r->domain, .unknown = r->result == SPF_TEMPERROR};
}

/* With two From fields it is unknown which of them was signed, so nothing
 * counts. */
static size_t
dkim_evidence(const struct message *m, struct dmarc_identifier *ids)
{
	size_t n = 0;

	if (m->dkim == NULL || m->author.fields != 1)
		return 0;
	for (size_t i = 0; i < m->dkim->count && n < SIGNATURES_MAX; i++) {
		const struct dkim_verdict *v = &m->dkim->list[i];

		if (v->status == DKIM_STATUS_PASS ||
		    v->status == DKIM_STATUS_TEMPERROR)
			ids[n++] = (struct dmarc_identifier){
			    .domain = v->domain,
			    .unknown = v->status != DKIM_STATUS_PASS};
	}
	return n;
}

/* -- what is done -- */

static int
is_list(const struct state *st, struct arena *a,
    const struct dmarc_identifier *id)
{
	return id->domain == NULL || id->unknown
	    ? false
	    : is_listed(st->lists, a, id->domain);
}

/* Does the failure not count, because a forwarder or a mailing list explains
 * it? 0 or ERR_NOMEM. */
static int
excuse(const struct state *st, struct message *m,
    const struct dmarc_evidence *e, enum dmarc_override *excuse_r)
{
	int list;

	*excuse_r = DMARC_OVERRIDE_NONE;
	if (hosts_match(&st->forwarders, m->session)) {
		*excuse_r = DMARC_OVERRIDE_FORWARDER;
		return 0;
	}
	if (st->lists == NULL)
		return 0;
	list = is_list(st, &m->arena, &e->spf);
	for (size_t i = 0; i < e->dkim_count && list == 0; i++)
		list = is_list(st, &m->arena, &e->dkim[i]);
	if (list > 0)
		*excuse_r = DMARC_OVERRIDE_LIST;
	return list < 0 ? list : 0;
}

/* How much of the requested policy is enforced; if it is not all, the reason
 * goes into the result. */
static enum dmarc_policy
enforce(const struct state *st, struct dmarc_result *r,
    enum dmarc_override excuse)
{
	enum dmarc_policy done;

	if (r->disposition == DMARC_POLICY_NONE)
		return DMARC_POLICY_NONE;
	if (excuse != DMARC_OVERRIDE_NONE) {
		r->override = excuse;
		return DMARC_POLICY_NONE;
	}
	done = r->disposition;
	if (st->policy < (enum policy)done)
		done = st->policy == POLICY_TAG ? DMARC_POLICY_NONE
						: DMARC_POLICY_QUARANTINE;
	if (done == DMARC_POLICY_QUARANTINE && !st->holds)
		done = DMARC_POLICY_NONE;
	if (done != r->disposition)
		r->override = DMARC_OVERRIDE_LOCAL;
	return done;
}

/* Symbols for the policies; the names are SpamAssassin's, where it has one. */
static const struct {
	const char *name;
	double score;
} failed[] = {
    [DMARC_POLICY_NONE] = {"DMARC_NONE", 0.9},
    [DMARC_POLICY_QUARANTINE] = {"DMARC_QUAR", 1.2},
    [DMARC_POLICY_REJECT] = {"DMARC_REJECT", 1.8},
};

static int
symbol(struct message *m, const struct dmarc_result *r)
{
	int rc;

	switch (r->result) {
	case DMARC_NONE:
		return message_symbol(m, "DMARC_MISSING", 0.0);
	case DMARC_PASS:
		return message_symbol(m, "DMARC_PASS", 0.0);
	case DMARC_TEMPERROR:
		return message_symbol(m, "DMARC_TEMPERROR", 0.0);
	case DMARC_PERMERROR:
		/* Score 0: the fault of From has a symbol with a score
		 * already. */
		rc = message_symbol(m, "DMARC_PERMERROR", 0.0);
		if (rc != 0 || r->disposition == DMARC_POLICY_NONE)
			return rc;
		break;
	default:
		break;
	}
	if (r->override == DMARC_OVERRIDE_FORWARDER ||
	    r->override == DMARC_OVERRIDE_LIST)
		return message_symbol(m, "DMARC_EXCUSED", 0.0);
	return message_symbol(
	    m, failed[r->disposition].name, failed[r->disposition].score);
}

static void
note(struct message *m, const struct dmarc_result *r)
{
	const char *override = dmarc_override_word(r->override);

	message_note(m, "dmarc", "%s", dmarc_outcome_word(r->result));
	if (r->result == DMARC_PASS || r->result == DMARC_NONE)
		return;
	message_note(m, "dmarc_from", "%s", r->domain);
	if (r->policy_domain != NULL)
		message_note(
		    m, "dmarc_policy", "%s", dmarc_policy_word(r->policy));
	if (override != NULL)
		message_note(m, "dmarc_override", "%s", override);
}

static void
explain(const struct ctx *ctx, const struct dmarc_result *r)
{
	struct session *s = ctx->s;
	const char *override = dmarc_override_word(r->override);

	if (!s->explains)
		return;
	if (r->policy_domain == NULL)
		session_why(ctx, "%s for %s: no policy applies",
		    dmarc_outcome_word(r->result),
		    session_quote(ctx, r->domain));
	else
		session_why(ctx,
		    "%s for %s: the policy of %s is %s, SPF is %s, "
		    "DKIM is %s%s%s",
		    dmarc_outcome_word(r->result),
		    session_quote(ctx, r->domain),
		    session_quote(ctx, r->policy_domain),
		    dmarc_policy_word(r->policy),
		    r->spf_aligned ? "aligned" : "not aligned",
		    r->dkim_aligned ? "aligned" : "not aligned",
		    override == NULL ? "" : ", overridden by ",
		    override == NULL ? "" : override);
}

static struct verdict
refuse(const struct state *st, struct message *m, const struct dmarc_result *r)
{
	const char *text = st->reply != NULL ? st->reply
	    : r->policy_domain == NULL	     ? MORE_DOMAINS
			      : "Refused by the DMARC policy of %domain%";
	const struct replytext_word words[] = {
	    {"domain", r->domain}, {NULL, NULL}};
	struct verdict v = verdict_make(
	    VERDICT_REJECT, replytext_fill(&m->arena, text, words));

	v.xcode = XCODE;
	return v;
}

static struct verdict
act(const struct state *st, struct message *m, const struct dmarc_result *r,
    enum dmarc_policy done)
{
	if (done == DMARC_POLICY_NONE)
		return verdict_none;
	if (done == DMARC_POLICY_REJECT)
		return refuse(st, m, r);
	return verdict_make(VERDICT_QUARANTINE,
	    r->policy_domain == NULL
		? MORE_DOMAINS
		: arena_printf(&m->arena, "Held by the DMARC policy of %s",
		      r->domain));
}

static struct verdict
dmarc_eom(const struct ctx *ctx)
{
	struct message *m = ctx->m;
	const struct state *st = ctx->state;
	struct job *job = *message_slot(ctx);
	struct dmarc_identifier dkim[SIGNATURES_MAX];
	struct dmarc_evidence e = {.dkim = dkim};
	struct dmarc_result *r;
	enum dmarc_override why;
	enum dmarc_policy done;
	struct verdict v;

	if (job != NULL && job->dmarc == NULL)
		message_note(m, "dmarc", "ignored");
	if (job == NULL || job->dmarc == NULL)
		return verdict_none;
	e.spf = spf_evidence(m);
	e.dkim_count = dkim_evidence(m, dkim);
	r = arena_alloc(&m->arena, sizeof(*r));
	if (r == NULL ||
	    dmarc_finish(job->dmarc, &e, &m->session->wait, r) != 0 ||
	    excuse(st, m, &e, &why) != 0)
		return verdict_error(VERDICT_E_INTERNAL, "no memory");
	/* Section 5.3.1: with several From fields the author is unknown. */
	if (r->result == DMARC_PASS && m->author.fields != 1)
		r->result = DMARC_PERMERROR;
	done = enforce(st, r, why);
	m->dmarc = r;
	note(m, r);
	explain(ctx, r);
	if (symbol(m, r) != 0)
		return verdict_error(VERDICT_E_INTERNAL, "no memory");
	if (r->result == DMARC_TEMPERROR && st->policy != POLICY_TAG &&
	    why == DMARC_OVERRIDE_NONE)
		return verdict_error(VERDICT_E_DNS, "DMARC: no answer");
	v = act(st, m, r, done);
	if (v.action == VERDICT_NONE)
		return v;
	v.symbol = failed[r->disposition].name;
	v.why = r->policy_domain == NULL
	    ? MORE_DOMAINS
	    : arena_printf(&m->arena, "DMARC is %s for %s, and the policy of %s "
		  "is %s", dmarc_outcome_word(r->result), r->domain,
		  r->policy_domain, dmarc_policy_word(r->policy));
	return v;
}

static void
dmarc_done(const struct ctx *ctx, const struct verdict *outcome)
{
	struct job *job = *message_slot(ctx);

	(void)outcome;
	if (job != NULL)
		dmarc_drop(job->dmarc);
}

static const char *const symbol_names[] = {
    "DMARC_PASS", "DMARC_MISSING", "DMARC_TEMPERROR", "DMARC_PERMERROR",
    "DMARC_EXCUSED", "DMARC_NONE", "DMARC_QUAR", "DMARC_REJECT", NULL};

const struct stage stage_dmarc = {
    .name = "dmarc",
    .off = "DMARC no, or Mode has no v",
    .symbols = symbol_names,
    .check = true,
    .needs = NEED_QUARANTINE,
    .options = CONF_TABLE(options),
    .load = dmarc_load,
    .unload = dmarc_unload,
    .eoh = dmarc_eoh,
    .eom = dmarc_eom,
    .done = dmarc_done,
};
