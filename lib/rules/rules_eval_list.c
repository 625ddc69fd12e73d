/*
 * eval: functions about lists of addresses, and the rules that stand for them
 * where no file has them.  SPDX-License-Identifier: BSD-2-Clause
 */
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "lib/rules/rules_address.h"
#include "lib/rules/rules_eval.h"
#include "lib/text/ascii.h"
#include "lib/text/uri_name.h"

/* Asked about each address; true ends it. */
typedef bool address_fn(
    struct run *run, const struct address_item *list, const char *text, size_t len);

static bool
is_listed(struct run *run, const struct address_item *list, const char *text,
    size_t len)
{
	(void)run;
	return list_match(list, text, len) != NULL;
}

static const struct address_item *
items(const struct run *run, enum address_list which)
{
	return run->rules->lists.of[which];
}

/* What a selector gives, line by line. */
static bool
each(struct run *run, const char *selector, const struct address_item *list,
    address_fn *fn)
{
	struct rules_text t = rules_get(run, selector);
	const char *line = t.data, *end = t.data + t.len;

	while (line < end) {
		const char *eol = memchr(line, '\n', (size_t)(end - line));
		size_t len = (size_t)((eol == NULL ? end : eol) - line);

		if (len > 0 && fn(run, list, line, len))
			return true;
		line += len + 1;
	}
	return false;
}

const char *const *
eval_from_fields(struct run *run)
{
	static const char *const fields[] = {"From:addr",
	    "Envelope-Sender:addr", "Resent-Sender:addr",
	    "X-Envelope-From:addr", "EnvelopeFrom:addr", NULL};
	static const char *const resent[] = {"Resent-From:first:addr", NULL};

	return rules_get(run, resent[0]).len > 0 ? resent : fields;
}

static bool
from(struct run *run, const struct address_item *list, address_fn *fn)
{
	const char *const *field;

	if (list == NULL)
		return false;
	for (field = eval_from_fields(run); *field != NULL; field++) {
		if (each(run, *field, list, fn))
			return true;
	}
	return false;
}

/* Is one that it is for, of the envelope and of the header, on a list? */
static bool
to(struct run *run, const struct address_item *list)
{
	static const char *const fields[] = {"To:addr", "Apparently-To:addr",
	    "Delivered-To:addr", "Envelope-Recipients:addr",
	    "Apparently-Resent-To:addr", "X-Envelope-To:addr",
	    "Envelope-To:addr", "X-Delivered-To:addr", "X-Original-To:addr",
	    "X-Rcpt-To:addr", "X-Real-To:addr", "Cc:addr"};
	const char *const *rcpt = run->in->recipients;

	if (list == NULL)
		return false;
	for (; rcpt != NULL && *rcpt != NULL; rcpt++) {
		if (is_listed(run, list, *rcpt, strlen(*rcpt)))
			return true;
	}
	if (rules_get(run, "Resent-To:first:addr").len > 0 ||
	    rules_get(run, "Resent-Cc:first:addr").len > 0)
		return each(run, "Resent-To:first:addr", list, is_listed) ||
		    each(run, "Resent-Cc:first:addr", list, is_listed);
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		if (each(run, fields[i], list, is_listed))
			return true;
	}
	return false;
}

/* -- _rcvd: the address, from that relay -- */

static bool
ends_with_domain(const char *name, const char *domain)
{
	size_t n = strlen(name), d = strlen(domain);

	return n >= d && strcasecmp(name + n - d, domain) == 0 &&
	    (n == d || name[n - d - 1] == '.');
}

/* `[192.0.2.1]`, `[192.0.2.]`, `[192.0.2.0/24]`, or a domain. */
static bool
is_relay(const struct relay *relay, const char *what)
{
	struct netlist *l;
	char net[64];
	size_t len = strlen(what);
	bool found;

	if (what[0] != '[')
		return ends_with_domain(relay->rdns, what);
	if (len < 3 || len > sizeof(net) || what[len - 1] != ']')
		return false;
	memcpy(net, what + 1, len - 2);
	net[len - 2] = '\0';
	l = netlist_new();
	found = l != NULL && netlist_add(l, net, NULL) == 0 &&
	    netlist_has(l, relay->ip);
	netlist_free(l);
	return found;
}

/* The first that is not trusted; where all are, any of them. */
static bool
came_by(struct run *run, const char *what)
{
	const struct relays *r = view_relays(run->view);

	if (r == NULL || r->count == 0)
		return false;
	if (r->trusted < r->count)
		return is_relay(&r->list[r->trusted], what);
	for (size_t i = 0; i < r->count; i++) {
		if (is_relay(&r->list[i], what))
			return true;
	}
	return false;
}

static bool
is_listed_rcvd(struct run *run, const struct address_item *list, const char *text,
    size_t len)
{
	const struct address_item *item = list;

	while ((item = list_match(item, text, len)) != NULL) {
		if (came_by(run, item->second))
			return true;
		item = item->next;
	}
	return false;
}

bool
eval_from_welcome(struct run *run, const struct rule *rule)
{
	(void)rule;
	return from(run, items(run, LIST_WELCOME_FROM), is_listed) ||
	    from(run, items(run, LIST_WELCOME_RCVD), is_listed_rcvd);
}

bool
eval_from_default_welcome(struct run *run, const struct rule *rule)
{
	(void)rule;
	return from(run, items(run, LIST_DEF_WELCOME_RCVD), is_listed_rcvd);
}

bool
eval_from_block(struct run *run, const struct rule *rule)
{
	(void)rule;
	return from(run, items(run, LIST_BLOCK_FROM), is_listed);
}

bool
eval_to_welcome(struct run *run, const struct rule *rule)
{
	(void)rule;
	return to(run, items(run, LIST_WELCOME_TO));
}

bool
eval_to_block(struct run *run, const struct rule *rule)
{
	(void)rule;
	return to(run, items(run, LIST_BLOCK_TO));
}

bool
eval_to_more_spam(struct run *run, const struct rule *rule)
{
	(void)rule;
	return to(run, items(run, LIST_MORE_SPAM_TO));
}

bool
eval_to_all_spam(struct run *run, const struct rule *rule)
{
	(void)rule;
	return to(run, items(run, LIST_ALL_SPAM_TO));
}

static bool
subject(struct run *run, const struct address_item *list)
{
	struct rules_text t = rules_get(run, "Subject");

	return t.len > 0 && is_listed(run, list, t.data, t.len);
}

bool
eval_subject_welcome(struct run *run, const struct rule *rule)
{
	(void)rule;
	return subject(run, items(run, LIST_WELCOME_SUBJECT));
}

bool
eval_subject_block(struct run *run, const struct rule *rule)
{
	(void)rule;
	return subject(run, items(run, LIST_BLOCK_SUBJECT));
}

/* -- _spf, _dkim, _auth: the address, and a check that says it is so -- */

static bool
spf(struct run *run, const struct address_item *list,
    const struct address_item *other)
{
	return rules_fact(run, "SPF_PASS") &&
	    (each(run, "EnvelopeFrom:addr", list, is_listed) ||
		each(run, "EnvelopeFrom:addr", other, is_listed));
}

bool
eval_spf_welcome(struct run *run, const struct rule *rule)
{
	(void)rule;
	return spf(run, items(run, LIST_WELCOME_SPF), items(run, LIST_WELCOME_AUTH));
}

bool
eval_spf_default_welcome(struct run *run, const struct rule *rule)
{
	(void)rule;
	return spf(run, items(run, LIST_DEF_WELCOME_SPF), items(run, LIST_DEF_WELCOME_AUTH));
}

/* Is there a valid signature of that domain? */
static bool
signed_by(const struct run *run, const char *domain, size_t len)
{
	const char *const *d = run->in->dkim_domains;

	for (; d != NULL && *d != NULL; d++) {
		if (strlen(*d) == len && strncasecmp(*d, domain, len) == 0)
			return true;
	}
	return false;
}

/* Signed by the domain that the list names, or else by the address's own. */
static bool
is_listed_dkim(struct run *run, const struct address_item *list, const char *text,
    size_t len)
{
	const char *at = memrchr(text, '@', len);
	const struct address_item *item = list;

	while (at != NULL && (item = list_match(item, text, len)) != NULL) {
		if (item->second != NULL
			? signed_by(run, item->second, strlen(item->second))
			: signed_by(run, at + 1,
			      len - (size_t)(at + 1 - text)))
			return true;
		item = item->next;
	}
	return false;
}

bool
eval_dkim_welcome(struct run *run, const struct rule *rule)
{
	(void)rule;
	return each(run, "From:addr", items(run, LIST_WELCOME_DKIM), is_listed_dkim) ||
	    each(run, "From:addr", items(run, LIST_WELCOME_AUTH), is_listed_dkim);
}

bool
eval_dkim_default_welcome(struct run *run, const struct rule *rule)
{
	(void)rule;
	return each(run, "From:addr", items(run, LIST_DEF_WELCOME_DKIM), is_listed_dkim) ||
	    each(run, "From:addr", items(run, LIST_DEF_WELCOME_AUTH), is_listed_dkim);
}

/* -- lists with names -- */

/* Those of the list that the rule names. */
static const struct address_item *
named(const struct run *run, const struct rule *rule)
{
	const struct named_list *list =
	    named_list(run->rules->named, eval_arg(rule, 0));

	return list == NULL ? NULL : list->items;
}

bool
eval_from_list(struct run *run, const struct rule *rule)
{
	return from(run, named(run, rule), is_listed);
}

bool
eval_to_list(struct run *run, const struct rule *rule)
{
	return to(run, named(run, rule));
}

/* The first address alone. */
bool
eval_replyto_list(struct run *run, const struct rule *rule)
{
	struct rules_text t =
	    eval_first_line(rules_get(run, "Reply-To:addr"));

	return t.len > 0 && is_listed(run, named(run, rule), t.data, t.len);
}

/* An IPv4 address, or a name below a top-level domain? */
static bool
is_host(const struct run *run, const char *host, size_t len)
{
	char ip[INET_ADDRSTRLEN];
	struct in_addr in;

	if (len < sizeof(ip)) {
		memcpy(ip, host, len);
		ip[len] = '\0';
		if (inet_pton(AF_INET, ip, &in) == 1)
			return true;
	}
	return address_host_valid(host, len) &&
	    uri_name_has_tld(run->in->tlds, host, len);
}

/* The host that an address leads to, without user, port and dots at its end;
 * len 0: none. */
static struct rules_text
uri_host(const struct run *run, const struct text_piece *uri)
{
	static const struct rules_text none = {"", 0};
	const char *end = uri->text + uri->len;
	const char *host = memmem(uri->text, uri->len, "://", 3);
	const char *at;
	size_t len = 0;

	if (host == NULL)
		return none;
	host += 3;
	while (host + len < end && strchr("/?#", host[len]) == NULL)
		len++;
	at = memrchr(host, '@', len);
	if (at != NULL) {
		len -= (size_t)(at + 1 - host);
		host = at + 1;
	}
	at = memchr(host, ':', len);
	for (const char *p = at; p != NULL && ++p < host + len;) {
		if (!ascii_digit(*p))
			return none;
	}
	if (at != NULL)
		len = (size_t)(at - host);
	while (len > 0 && host[len - 1] == '.')
		len--;
	return is_host(run, host, len) ? (struct rules_text){host, len} : none;
}

static bool
has_host(struct run *run, const char *name)
{
	const struct named_list *list = named_list(run->rules->hosts, name);
	struct mime *m = list == NULL ? NULL : rules_mime(run);
	const struct text_view *v = m == NULL ? NULL : mime_view(m, MIME_URI);

	for (size_t i = 0; v != NULL && i < v->count; i++) {
		struct rules_text host = uri_host(run, &v->pieces[i]);

		if (host.len > 0 &&
		    named_list_has_host(list, host.data, host.len))
			return true;
	}
	return false;
}

bool
eval_uri_host(struct run *run, const struct rule *rule)
{
	return has_host(run, eval_arg(rule, 0));
}

bool
eval_uri_host_block(struct run *run, const struct rule *rule)
{
	(void)rule;
	return has_host(run, "BLOCK");
}

bool
eval_uri_host_welcome(struct run *run, const struct rule *rule)
{
	(void)rule;
	return has_host(run, "WELCOME");
}

/* -- rules for lists -- */

/* SpamAssassin's names and scores.  Where nobody gave a list there is nothing
 * to run, and where a file has the rule, that one counts. */
static const struct {
	enum address_list list;
	const char *name, *old;
	const char *function;
	double score;
} standing[] = {
    {LIST_WELCOME_FROM, "USER_IN_WELCOMELIST", "USER_IN_WHITELIST",
	"check_from_in_welcomelist", -100},
    {LIST_WELCOME_RCVD, "USER_IN_WELCOMELIST", "USER_IN_WHITELIST",
	"check_from_in_welcomelist", -100},
    {LIST_DEF_WELCOME_RCVD, "USER_IN_DEF_WELCOMELIST",
	"USER_IN_DEF_WHITELIST", "check_from_in_default_welcomelist", -15},
    {LIST_BLOCK_FROM, "USER_IN_BLOCKLIST", "USER_IN_BLACKLIST",
	"check_from_in_blocklist", 100},
    {LIST_WELCOME_TO, "USER_IN_WELCOMELIST_TO", "USER_IN_WHITELIST_TO",
	"check_to_in_welcomelist", -6},
    {LIST_BLOCK_TO, "USER_IN_BLOCKLIST_TO", "USER_IN_BLACKLIST_TO",
	"check_to_in_blocklist", 10},
    {LIST_MORE_SPAM_TO, "USER_IN_MORE_SPAM_TO", NULL, "check_to_in_more_spam",
	-20},
    {LIST_ALL_SPAM_TO, "USER_IN_ALL_SPAM_TO", NULL, "check_to_in_all_spam",
	-100},
    {LIST_WELCOME_SUBJECT, "SUBJECT_IN_WELCOMELIST", "SUBJECT_IN_WHITELIST",
	"check_subject_in_welcomelist", -100},
    {LIST_BLOCK_SUBJECT, "SUBJECT_IN_BLOCKLIST", "SUBJECT_IN_BLACKLIST",
	"check_subject_in_blocklist", 100},
    {LIST_WELCOME_SPF, "USER_IN_SPF_WELCOMELIST", "USER_IN_SPF_WHITELIST",
	"check_for_spf_welcomelist_from", -100},
    {LIST_WELCOME_AUTH, "USER_IN_SPF_WELCOMELIST", "USER_IN_SPF_WHITELIST",
	"check_for_spf_welcomelist_from", -100},
    {LIST_DEF_WELCOME_SPF, "USER_IN_DEF_SPF_WL", NULL,
	"check_for_def_spf_welcomelist_from", -7.5},
    {LIST_DEF_WELCOME_AUTH, "USER_IN_DEF_SPF_WL", NULL,
	"check_for_def_spf_welcomelist_from", -7.5},
    {LIST_WELCOME_DKIM, "USER_IN_DKIM_WELCOMELIST", "USER_IN_DKIM_WHITELIST",
	"check_for_dkim_welcomelist_from", -100},
    {LIST_WELCOME_AUTH, "USER_IN_DKIM_WELCOMELIST", "USER_IN_DKIM_WHITELIST",
	"check_for_dkim_welcomelist_from", -100},
    {LIST_DEF_WELCOME_DKIM, "USER_IN_DEF_DKIM_WL", NULL,
	"check_for_def_dkim_welcomelist_from", -7.5},
    {LIST_DEF_WELCOME_AUTH, "USER_IN_DEF_DKIM_WL", NULL,
	"check_for_def_dkim_welcomelist_from", -7.5},
};

static bool
is_defined(const struct rules *r, const char *name)
{
	const struct rule *rule = name == NULL ? NULL : rules_find(r, name);

	return rule != NULL && rule->kind != RULE_NONE;
}

void
rules_list_rules(struct reader *rd)
{
	struct rules *r = rd->rules;

	for (size_t i = 0; i < sizeof(standing) / sizeof(*standing); i++) {
		struct rule *rule;

		if (r->lists.of[standing[i].list] == NULL ||
		    is_defined(r, standing[i].name) ||
		    is_defined(r, standing[i].old))
			continue;
		rule = rules_named(rd, standing[i].name);
		if (rule == NULL)
			return;
		rule->kind = RULE_EVAL;
		rule->eval = rules_eval_find(standing[i].function);
		if (!rule->scored) {
			for (size_t set = 0; set < 4; set++)
				rule->scores[set] = standing[i].score;
			rule->scored = true;
		}
	}
}
