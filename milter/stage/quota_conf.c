/* SPDX-License-Identifier: BSD-2-Clause */
#include "quota_conf.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/conf/conf.h"
#include "lib/conf/dataset.h"
#include "lib/quota/account.h"
#include "lib/quota/limits.h"
#include "milter/options.h"
#include "milter/replytext.h"
#include "names.h"

enum { FULL_ACCEPT, FULL_TEMPFAIL };

static const char *const full_words[] = {
    [FULL_ACCEPT] = "accept", [FULL_TEMPFAIL] = "tempfail", NULL};

struct limit {
	uint64_t amount;
	uint32_t window; /* 0: none */
};

static int
parse_limit(const char *value, void *limit_r, struct errmsg *msg_r)
{
	struct limit *l = limit_r;

	return limits_parse(value, &l->amount, &l->window, msg_r);
}

/* Hold and discard as numbers, beside the codes of a reply. */
enum { ACTION_HOLD = 1, ACTION_DISCARD = 2 };

/* Parse hold, discard or the code of an SMTP refusal, such as 450. */
static int
parse_action(const char *value, void *number_r, struct errmsg *msg_r)
{
	int *number = number_r;

	if (strcasecmp(value, "hold") == 0)
		*number = ACTION_HOLD;
	else if (strcasecmp(value, "discard") == 0)
		*number = ACTION_DISCARD;
	else if (strlen(value) == 3 && (value[0] == '4' || value[0] == '5') &&
	    isdigit((unsigned char)value[1]) &&
	    isdigit((unsigned char)value[2]))
		*number = atoi(value);
	else
		return errmsg_set(msg_r, "expected hold, discard, or a reply "
		    "code such as 450 or 550");
	return 0;
}

static int
check_reply(const char *value, struct errmsg *msg_r)
{
	static const struct replytext_word words[] = {{"account", NULL},
	    {"limit", NULL}, {"kind", NULL}, {"used", NULL}, {"window", NULL},
	    {"retry", NULL}, {"minutes", NULL}, {NULL, NULL}};

	return replytext_check(value, words, msg_r);
}

static const struct conf_option section_rows[] = {
    {.keyword = "Messages", .type = CONF_LIST,
	.summary = "how many messages in which time", .parse = parse_limit,
	.size = sizeof(struct limit)},
    {.keyword = "Recipients", .type = CONF_LIST,
	.summary = "how many recipients in which time", .parse = parse_limit,
	.size = sizeof(struct limit)},
    {.keyword = "Bytes", .type = CONF_LIST,
	.summary = "how many octets of mail in which time",
	.parse = parse_limit, .size = sizeof(struct limit)},
    {.keyword = "Action", .type = CONF_STR,
	.summary = "what is done to mail over a limit, as in QuotaAction",
	.parse = parse_action, .size = sizeof(int)},
};

static const struct conf_option total_rows[] = {
    {.keyword = "Messages", .type = CONF_LIST,
	.summary = "how many messages of all accounts in which time",
	.parse = parse_limit, .size = sizeof(struct limit)},
    {.keyword = "Recipients", .type = CONF_LIST,
	.summary = "how many recipients of all accounts in which time",
	.parse = parse_limit, .size = sizeof(struct limit)},
    {.keyword = "Bytes", .type = CONF_LIST,
	.summary = "how many octets of all accounts in which time",
	.parse = parse_limit, .size = sizeof(struct limit)},
};

static const struct conf_option rows[] = {
    {.keyword = "Quota", .type = CONF_SECTION,
	.inside = CONF_TABLE(section_rows),
	.summary = "the limits of an account, @domain, or default"},
    {.keyword = "QuotaTotal", .type = CONF_SECTION,
	.inside = CONF_TABLE(total_rows),
	.summary =
	    "the limits of all accounts of an @domain together, or of * (all)"},
    {.keyword = "QuotaTable", .type = CONF_STR,
	.flags = CONF_PATH | CONF_MADE, .with = "Quota",
	.def = POSTERN_STATE_DIR "/quota",
	.summary = "the file in which counts are kept",
	.check = conf_check_path},
    {.keyword = "QuotaAccounts", .type = CONF_INT, .def = "10000", .min = 1,
	.max = QUOTA_ACCOUNTS_MAX,
	.summary = "how many accounts the table has room for"},
    {.keyword = "QuotaExempt", .type = CONF_SET,
	.summary = "accounts and @domains without any limit"},
    {.keyword = "QuotaAction", .type = CONF_STR, .def = "450",
	.summary =
	    "what is done to mail over a limit: a reply code, hold or discard",
	.parse = parse_action, .size = sizeof(int)},
    {.keyword = "QuotaFull", .type = CONF_WORD, .def = "tempfail",
	.words = full_words,
	.summary =
	    "what is done to mail of a new account when the table is full"},
    {.keyword = "QuotaReply", .type = CONF_STR,
	.summary = "the words of a refusal", .check = check_reply},
    {.keyword = "QuotaLockedReply", .type = CONF_STR,
	.summary = "the words of a refusal when the account is locked",
	.check = check_reply},
};

const struct conf_table quota_conf_options = {CONF_ROWS(rows)};

const char *
quota_conf_account(const struct conf *c, struct arena *a, const char *name)
{
	const char *realm;

	if (names_realm_of(c, a, &realm) != 0)
		return NULL;
	return account_of_text(a, name, realm, NULL);
}

void
quota_conf_set(const struct quota_conf *q, const char *account,
    struct quota_set *set_r)
{
	memset(set_r, 0, sizeof(*set_r));
	if (account_is_sum(account))
		limits_of(q->totals, account, set_r);
	else if (!names_set_has(q->exempt, account))
		limits_of(q->limits, account, set_r);
}

bool
quota_conf_has_total(const struct conf *c, const char *sum)
{
	const struct conf_section *s;
	bool has = false;
	struct arena a;

	arena_init(&a);
	for (size_t i = 0;
	     !has && (s = conf_section(c, "QuotaTotal", i)) != NULL; i++) {
		const char *title =
		    names_title(&a, conf_section_title(s), NULL);

		has = title != NULL && strcmp(title, sum) == 0;
	}
	arena_fini(&a);
	return has;
}

bool
quota_conf_counts(const struct quota_conf *q)
{
	return limits_sections(q->limits) != 0 ||
	    limits_sections(q->totals) != 0;
}

void
quota_conf_sums(const struct quota_conf *q, const char *account,
    struct quota_set *set, struct quota_set room[QUOTA_SUMS_MAX])
{
	const char *names[QUOTA_SUMS_MAX] = {account_domain(account),
	    ACCOUNT_ALL};

	set->sums = 0;
	if (limits_sections(q->totals) == 0 ||
	    names_set_has(q->exempt, account))
		return;
	for (size_t i = 0; i < QUOTA_SUMS_MAX; i++) {
		if (names[i] == NULL || !limits_has(q->totals, names[i]))
			continue;
		limits_of(q->totals, names[i], &room[set->sums]);
		set->sum[set->sums].account = names[i];
		set->sum[set->sums].set = &room[set->sums];
		set->sums++;
	}
}

void
quota_conf_pool_set(const struct quota_conf *q, const char *account,
    struct quota_set *set_r)
{
	memset(set_r, 0, sizeof(*set_r));
	if (!names_set_has(q->exempt, limits_pool(account)))
		limits_of_pool(q->limits, account, set_r);
}

static struct quota_action
action_of(int number)
{
	switch (number) {
	case ACTION_HOLD:
		return (struct quota_action){.action = VERDICT_QUARANTINE};
	case ACTION_DISCARD:
		return (struct quota_action){.action = VERDICT_DISCARD};
	default:
		return (struct quota_action){.code = number,
		    .action = number < 500 ? VERDICT_TEMPFAIL : VERDICT_REJECT};
	}
}

struct quota_action
quota_conf_action(const struct quota_conf *q, const char *account, bool local)
{
	bool held = limits_pool(account) != NULL &&
	    (local || strcmp(account, LIMITS_NULL_SENDER) == 0);
	int number = limits_action(q->limits, account, held);

	if (number != 0)
		return action_of(number);
	return held ? action_of(ACTION_HOLD) : q->action;
}

static int
read_section_action(struct quota_conf *q, const struct conf_section *s,
    const char *title, struct errmsg *msg_r)
{
	const int *number =
	    conf_section_value(s, "Action", 0, sizeof(*number));
	struct errmsg why = {.text = ""};
	int rc;

	if (number == NULL)
		return 0;
	if (strcmp(title, LIMITS_NULL_SENDER) == 0 && *number > ACTION_DISCARD)
		return errmsg_set(msg_r, "%s: Quota: Action: expected hold or "
		    "discard: mail of the null sender is never refused",
		    conf_section_where(s));
	rc = limits_set_action(q->limits, title, *number, &why);
	if (rc == ERR_CONFIG)
		errmsg_set(msg_r, "%s: Quota: %s", conf_section_where(s),
		    why.text);
	return rc;
}

/* Read the limits of one kind.  A mistake in one does not keep the others from
 * being read. */
static int
read_limits(struct limits *l, const struct conf *c,
    const struct conf_section *s, const char *section, const char *title,
    int kind, struct errmsg *msg_r)
{
	static const char *const keywords[QUOTA_KINDS] = {
	    [QUOTA_MESSAGES] = "Messages",
	    [QUOTA_RECIPIENTS] = "Recipients",
	    [QUOTA_BYTES] = "Bytes",
	};
	const char *keyword = keywords[kind];
	const struct limit *limit;
	struct errmsg why = {.text = ""};
	int rc = 0;

	for (size_t i = 0; rc == 0 && (limit = conf_section_value(s, keyword,
				       i, sizeof(*limit))) != NULL; i++) {
		rc = limits_add(l, title, (enum quota_kind)kind,
		    limit->amount, limit->window, &why);
		if (rc == ERR_CONFIG)
			errmsg_set(msg_r, "%s: %s: %s: %s",
			    conf_section_where(s), section, keyword,
			    why.text);
		rc = conf_noted(c, rc, msg_r);
	}
	return rc;
}

static int
read_section(struct quota_conf *q, const struct conf *c,
    const struct conf_section *s, struct errmsg *msg_r)
{
	const char *title;
	struct arena a;
	int rc = 0;

	arena_init(&a);
	title = names_title(&a, conf_section_title(s), q->realm);
	if (title == NULL)
		rc = ERR_NOMEM;
	else if (limits_has(q->limits, title))
		rc = errmsg_set(msg_r, "%s: Quota: expected one section for %s",
		    conf_section_where(s), title);
	for (int k = 0; k < QUOTA_KINDS && rc == 0; k++)
		rc = read_limits(q->limits, c, s, "Quota", title, k, msg_r);
	if (rc == 0)
		rc = read_section_action(q, s, title, msg_r);
	arena_fini(&a);
	if (rc != 0 && rc != ERR_CONFIG)
		errmsg_set(msg_r, "%s", err_text(rc));
	return rc;
}

static int
read_total(struct quota_conf *q, const struct conf *c,
    const struct conf_section *s, struct errmsg *msg_r)
{
	const char *title;
	struct arena a;
	int rc = 0;

	arena_init(&a);
	title = names_title(&a, conf_section_title(s), NULL);
	if (title == NULL)
		rc = ERR_NOMEM;
	else if (*title != '@' && strcmp(title, ACCOUNT_ALL) != 0)
		rc = errmsg_set(msg_r, "%s: QuotaTotal: expected @ and a "
		    "domain, or * for all accounts", conf_section_where(s));
	else if (limits_has(q->totals, title))
		rc = errmsg_set(msg_r,
		    "%s: QuotaTotal: expected one section for %s",
		    conf_section_where(s), title);
	for (int k = 0; k < QUOTA_KINDS && rc == 0; k++)
		rc = read_limits(q->totals, c, s, "QuotaTotal", title, k,
		    msg_r);
	arena_fini(&a);
	if (rc != 0 && rc != ERR_CONFIG)
		errmsg_set(msg_r, "%s", err_text(rc));
	return rc;
}

static int
count_limits(struct quota_conf *q, struct errmsg *msg_r)
{
	const char *title;

	unsigned sums = limits_most(q->totals, &title);

	if (sums > QUOTA_LIMITS_MAX)
		return errmsg_set(msg_r,
		    "QuotaTotal %s: expected at most %d limits", title,
		    QUOTA_LIMITS_MAX);
	q->most = limits_most(q->limits, &title);
	if (q->most > QUOTA_LIMITS_MAX)
		return errmsg_set(msg_r,
		    "Quota %s: expected at most %d limits, with those of its "
		    "domain and the default", title, QUOTA_LIMITS_MAX);
	q->most = q->most > sums ? q->most : sums;
	return 0;
}

int
quota_conf_init(
    struct quota_conf *q, const struct conf *c, struct errmsg *msg_r)
{
	const struct conf_section *s;
	int rc = 0;

	memset(q, 0, sizeof(*q));
	arena_init(&q->arena);
	q->path = conf_str(c, "QuotaTable");
	q->accounts = conf_int(c, "QuotaAccounts");
	q->full_accepts = conf_word(c, "QuotaFull") == FULL_ACCEPT;
	q->reply = conf_str(c, "QuotaReply");
	q->locked_reply = conf_str(c, "QuotaLockedReply");
	q->action =
	    action_of(*(const int *)conf_value(c, "QuotaAction", sizeof(int)));
	q->limits = limits_new();
	q->totals = limits_new();
	if (q->limits == NULL || q->totals == NULL ||
	    names_realm_of(c, &q->arena, &q->realm) != 0)
		return errmsg_set(msg_r, "no memory"), ERR_NOMEM;
	for (size_t i = 0;
	     rc != ERR_NOMEM && (s = conf_section(c, "Quota", i)) != NULL; i++)
		rc = conf_also(c, rc, read_section(q, c, s, msg_r), msg_r);
	for (size_t i = 0; rc != ERR_NOMEM &&
	     (s = conf_section(c, "QuotaTotal", i)) != NULL; i++)
		rc = conf_also(c, rc, read_total(q, c, s, msg_r), msg_r);
	rc = conf_also(c, rc, count_limits(q, msg_r), msg_r);
	rc = conf_also(c, rc,
	    options_set(c, "QuotaExempt", NULL, &q->exempt_set, msg_r), msg_r);
	if (rc == 0 && q->exempt_set != NULL) {
		rc = names_set_new(q->exempt_set, q->realm, &q->exempt);
		if (rc != 0)
			errmsg_set(msg_r, "%s", err_text(rc));
	}
	return rc;
}

void
quota_conf_fini(struct quota_conf *q)
{
	limits_free(q->limits);
	limits_free(q->totals);
	names_set_free(q->exempt);
	dataset_free(q->exempt_set);
	arena_fini(&q->arena);
}
