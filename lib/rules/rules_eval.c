/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules_eval.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/err.h"
#include "lib/base/utf8.h"
#include "lib/rules/rules_freemail.h"
#include "lib/text/ascii.h"

#define SORTED_MIN 7   /* recipients from which on their order says something */
#define SIMILAR_MIN 5
#define SIMILAR_LEN 2  /* letters that are compared */
#define RECIPIENTS_MAX 256
#define SUBJECT_MIN 10 /* shorter ones are not called all capitals */
#define GOOGLE_STATE_MIN 60

const char *
eval_arg(const struct rule *rule, size_t i)
{
	for (size_t n = 0; rule->args != NULL && rule->args[n] != NULL; n++) {
		if (n == i)
			return rule->args[n];
	}
	return "";
}

/* -- fields -- */

static bool
missing_to(struct run *run, const struct rule *rule)
{
	(void)rule;
	return rules_get(run, "To").len == 0 &&
	    rules_get(run, "Apparently-To").len == 0;
}

/* How many different values has it? */
static bool
header_count(struct run *run, const struct rule *rule)
{
	struct rules_text all = rules_get(run, eval_arg(rule, 0));
	long count = 0, most = atol(eval_arg(rule, 2));

	for (size_t i = 0; i < all.len && count <= most;) {
		const char *line = all.data + i;
		const char *end = memchr(line, '\n', all.len - i);
		size_t len = end == NULL ? all.len - i : (size_t)(end - line);
		bool seen = false;

		for (size_t j = 0; j < i && !seen;) {
			const char *old = all.data + j;
			size_t n = (size_t)((const char *)memchr(
						old, '\n', all.len - j) -
			    old);

			seen = n == len && memcmp(old, line, n) == 0;
			j += n + 1;
		}
		count += !seen;
		i += len + 1;
	}
	return count >= atol(eval_arg(rule, 1)) && count <= most;
}

static bool
is_control(unsigned char c)
{
	return c < 0x20 && c != '\t' && c != '\n' && c != '\r';
}

/* Octets above 0x7e and controls; UTF-8 is none of these (RFC 6532). */
static bool
illegal_chars(struct run *run, const struct rule *rule)
{
	char *selector = arena_printf(
	    run->in->arena, "%s:raw", eval_arg(rule, 0));
	struct rules_text t;
	size_t illegal = 0, controls = 0, high = 0, exempt = 0, at = 0, n;

	if (selector == NULL) {
		run->rc = ERR_NOMEM;
		return false;
	}
	t = rules_get(run, selector);
	while (at < t.len && (n = utf8_length(t.data + at, t.len - at)) > 0)
		at += n;
	for (size_t i = 0; i < t.len; i++) {
		unsigned char c = (unsigned char)t.data[i];

		high += c >= 0x80;
		controls += is_control(c);
		illegal += is_control(c) || c >= 0x7f;
		exempt += c == 0xa2 || c == 0xa3 || c == 0xae;
	}
	if (t.len == 0 || (at == t.len && high > 0 && controls == 0))
		return false;
	/* One cent, pound or registered sign may stand in a subject. */
	if (illegal > 0 && exempt == 1 &&
	    strcasecmp(selector, "subject:raw") == 0)
		illegal--;
	return (double)illegal / (double)t.len >=
	    atof(eval_arg(rule, 1)) &&
	    (double)illegal >= atof(eval_arg(rule, 2));
}

/* `Re:` and its kin, as often as they stand there. */
static void
skip_replies(struct rules_text *t)
{
	static const char *const words[] = {"re", "fwd", "fw", "aw", "antwort",
	    "wg", "sv", "vb", "vs", "vl"};
	size_t i = 0;

	while (i < sizeof(words) / sizeof(*words)) {
		size_t len = strlen(words[i]);

		if (ascii_starts(t->data, t->len, words[i]) && t->len > len &&
		    t->data[len] == ':') {
			t->data += len + 1;
			t->len -= len + 1;
			while (t->len > 0 && ascii_space(*t->data)) {
				t->data++;
				t->len--;
			}
			i = 0;
		} else {
			i++;
		}
	}
}

/* Character sets whose encoded form is all capitals. */
static bool
is_capital_charset(struct rules_text raw)
{
	static const char *const words[] = {"koi", "jp", "jis", "euc", "gb",
	    "big5", "isoir", "cp1251", "windows-1251", "georgianps", "pt154",
	    "tis"};
	const char *at = memmem(raw.data, raw.len, "=?", 2);
	const char *end;

	if (at == NULL)
		return false;
	at += 2;
	end = memchr(at, '?', raw.len - (size_t)(at - raw.data));
	for (const char *p = at; end != NULL && p < end; p++) {
		for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
			if (ascii_starts(p, (size_t)(end - p), words[i]))
				return true;
		}
	}
	return false;
}

static bool
all_caps(struct run *run, const struct rule *rule)
{
	struct rules_text t = rules_get(run, "Subject");
	bool space = false;
	size_t letters = 0;

	(void)rule;
	while (t.len > 0 && ascii_space(t.data[t.len - 1]))
		t.len--;
	skip_replies(&t);
	for (size_t i = 0; i < t.len; i++) {
		space |= ascii_space(t.data[i]);
		letters += ascii_alpha(t.data[i]);
		if (ascii_alpha(t.data[i]) &&
		    ascii_lower(t.data[i]) == t.data[i])
			return false;
	}
	return space && t.len >= SUBJECT_MIN && letters > 0 &&
	    !is_capital_charset(rules_get(run, "Subject:raw"));
}

/* %NAME where a mailer should have put something in. */
static bool
unresolved_template(struct run *run, const struct rule *rule)
{
	static const char *const exempt[] = {"x-vms-to:", "x-uidl:", "x-face:",
	    "to:", "cc:", "from:", "subject:", "references:", "in-reply-to:",
	    "message-id:", "x-message-id:", "resent-message-id:",
	    "x-original-message-id:"};
	struct rules_text all = rules_get(run, "ALL");
	const char *line = all.data, *end = all.data + all.len;

	(void)rule;
	while (line < end) {
		const char *eol = memchr(line, '\n', (size_t)(end - line));
		size_t len = (size_t)((eol == NULL ? end : eol) - line);
		bool skip = false;

		for (size_t i = 0; i < sizeof(exempt) / sizeof(*exempt); i++)
			skip |= ascii_starts(line, len, exempt[i]);
		for (size_t i = 0; !skip && i + 2 < len; i++) {
			char b = line[i + 1], c = line[i + 2];

			if (line[i] == '%' && b >= 'A' && b <= 'Z' &&
			    ((c >= 'A' && c <= 'Z') || c == '_' || c == '-'))
				return true;
		}
		line += len + 1;
	}
	return false;
}

static bool
same_text(struct rules_text a, struct rules_text b)
{
	return a.len == b.len && strncasecmp(a.data, b.data, a.len) == 0;
}

struct rules_text
eval_first_line(struct rules_text t)
{
	const char *end = memchr(t.data, '\n', t.len);

	if (end != NULL)
		t.len = (size_t)(end - t.data);
	return t;
}

static bool
matching_from(struct run *run, const struct rule *rule)
{
	(void)rule;
	return same_text(eval_first_line(rules_get(run, "EnvelopeFrom:addr")),
	    eval_first_line(rules_get(run, "From:addr")));
}

/* The recipient's name at the beginning of the subject, or the address in it.
 */
static bool
to_in_subject(struct run *run, const struct rule *rule)
{
	struct rules_text to = eval_first_line(rules_get(run, "To:addr"));
	struct rules_text s = eval_first_line(rules_get(run, "Subject"));
	const char *at = memchr(to.data, '@', to.len);
	size_t end;

	if (to.len == 0)
		return false;
	if (strcmp(eval_arg(rule, 0), "address") == 0) {
		for (size_t i = 0; i + to.len <= s.len; i++) {
			end = i + to.len;
			if (strncasecmp(s.data + i, to.data, to.len) == 0 &&
			    (i == 0 || !ascii_word(s.data[i - 1])) &&
			    (end == s.len || !ascii_word(s.data[end])))
				return true;
		}
		return false;
	}
	if (at != NULL)
		to.len = (size_t)(at - to.data);
	if (ascii_starts(s.data, s.len, "re:") ||
	    ascii_starts(s.data, s.len, "fw:")) {
		for (end = 3; end < s.len && ascii_space(s.data[end]); end++)
			;
		s = (struct rules_text){s.data + end, s.len - end};
		return same_text(s, to);
	}
	if (same_text(s, to))
		return true;
	return s.len > to.len && memcmp(s.data, to.data, to.len) == 0 &&
	    strchr(",:;!?-", s.data[to.len]) != NULL &&
	    (s.len == to.len + 1 || ascii_space(s.data[to.len + 1]));
}

static bool
google_message(struct run *run)
{
	struct rules_text x = rules_get(run, "X-Received");
	struct rules_text r = rules_get(run, "Received");

	return memmem(x.data, x.len, "by 10.", 6) != NULL ||
	    memmem(x.data, x.len, "by 2002:a", 9) != NULL ||
	    memmem(r.data, r.len, "by smtp.googlemail.com with ESMTPSA id ",
		39) != NULL ||
	    (rules_get(run, "X-Gm-Message-State").len >= GOOGLE_STATE_MIN &&
		rules_get(run, "X-Google-Smtp-Source").len >=
		    GOOGLE_STATE_MIN);
}

static bool
forged_gmail(struct run *run, const struct rule *rule)
{
	static const char name[] = "gmail.com";
	struct rules_text from = eval_first_line(rules_get(run, "From:addr"));
	size_t len = sizeof(name) - 1;

	(void)rule;
	return from.len > len &&
	    strncasecmp(from.data + from.len - len, name, len) == 0 &&
	    !ascii_word(from.data[from.len - len - 1]) && !google_message(run);
}

/* -- recipients -- */

struct recipients {
	struct rules_text list[RECIPIENTS_MAX];
	size_t count;
};

static void
add_lines(struct recipients *r, struct rules_text t)
{
	while (t.len > 0 && r->count < RECIPIENTS_MAX) {
		struct rules_text one = eval_first_line(t);
		size_t skip = one.len < t.len ? one.len + 1 : one.len;

		if (r->count == 0 || !same_text(r->list[r->count - 1], one))
			r->list[r->count++] = one;
		t.data += skip;
		t.len -= skip;
	}
}

static void
get_recipients(struct run *run, struct recipients *r)
{
	r->count = 0;
	add_lines(r, rules_get(run, "ToCc:addr"));
	if (r->count < SIMILAR_MIN)
		add_lines(r, rules_get(run, "Bcc:addr"));
}

static bool
sorted_recipients(struct run *run, const struct rule *rule)
{
	struct recipients r;

	(void)rule;
	get_recipients(run, &r);
	for (size_t i = 1; i < r.count; i++) {
		const struct rules_text *a = &r.list[i - 1], *b = &r.list[i];
		int rc = memcmp(
		    a->data, b->data, a->len < b->len ? a->len : b->len);

		if (rc > 0 || (rc == 0 && a->len > b->len))
			return false;
	}
	return r.count >= SORTED_MIN;
}

struct rules_text
eval_host(struct rules_text t)
{
	const char *at = memchr(t.data, '@', t.len);

	if (at == NULL)
		return (struct rules_text){"", 0};
	at++;
	return (struct rules_text){at, t.len - (size_t)(at - t.data)};
}

static bool
alike(struct rules_text a, struct rules_text b)
{
	size_t n = a.len < SIMILAR_LEN ? a.len : SIMILAR_LEN;
	size_t m = b.len < SIMILAR_LEN ? b.len : SIMILAR_LEN;

	return n == m && memcmp(a.data, b.data, n) == 0;
}

static bool
similar_recipients(struct run *run, const struct rule *rule)
{
	const char *min = eval_arg(rule, 0), *max = eval_arg(rule, 1);
	struct recipients r;
	double hits = 0, pairs = 0, share = 0;

	get_recipients(run, &r);
	for (size_t i = 0; r.count >= SIMILAR_MIN && i < r.count; i++) {
		for (size_t j = i + 1; j < r.count; j++) {
			struct rules_text a = eval_host(r.list[i]);
			struct rules_text b = eval_host(r.list[j]);

			hits += alike(r.list[i], r.list[j]);
			hits += alike(a, b) &&
			    (a.len != b.len || memcmp(a.data, b.data, a.len));
			pairs++;
		}
	}
	if (pairs > 0)
		share = hits / pairs;
	return (strcmp(min, "undef") == 0 || share >= atof(min)) &&
	    (strcmp(max, "undef") == 0 || share < atof(max));
}

/* -- relays -- */

const struct relays *
eval_path(struct run *run)
{
	static const struct relays none = {.text_trusted = "",
	    .text_untrusted = "", .text_internal = "", .text_external = ""};
	const struct relays *r = view_relays(run->view);

	return r == NULL ? &none : r;
}

static bool
no_relays(struct run *run, const struct rule *rule)
{
	(void)rule;
	return eval_path(run)->count == 0 && eval_path(run)->unparseable == 0;
}

static bool
all_trusted(struct run *run, const struct rule *rule)
{
	(void)rule;
	return relays_all_trusted(eval_path(run)) && eval_path(run)->unparseable == 0;
}

static bool
unparseable(struct run *run, const struct rule *rule)
{
	(void)rule;
	return eval_path(run)->unparseable > 0;
}

/* The first three numbers of a public IPv4 address, with their dots; 0: none.
 */
static size_t
network_len(const char *text)
{
	struct in_addr in;
	const char *dot = strrchr(text, '.');

	return inet_pton(AF_INET, text, &in) == 1 && !relay_ip_is_private(text)
	    ? (size_t)(dot + 1 - text)
	    : 0;
}

static bool
helo_ip_mismatch(struct run *run, const struct rule *rule)
{
	const struct relays *r = eval_path(run);

	(void)rule;
	for (size_t i = r->trusted; i < r->count; i++) {
		const struct relay *one = &r->list[i];
		size_t len = network_len(one->helo);

		if (len > 0 && network_len(one->ip) > 0 &&
		    strncmp(one->helo, one->ip, len) != 0)
			return true;
	}
	return false;
}

static bool
numeric_helo(struct run *run, const struct rule *rule)
{
	const struct relays *r = eval_path(run);

	(void)rule;
	for (size_t i = r->trusted; i < r->count; i++) {
		if (network_len(r->list[i].helo) > 0)
			return true;
	}
	return false;
}

/* -- the table -- */

static const struct eval_function functions[] = {
    {"check_all_trusted", .fn = all_trusted},
    {"check_dkim_signed", .fact = "DKIM_SIGNED"},
    {"check_dkim_testing", .fact = "DKIM_TESTING"},
    {"check_dkim_valid", .fact = "DKIM_VALID"},
    {"check_dkim_valid_author_sig", .fact = "DKIM_VALID_AU"},
    {"check_dkim_valid_envelopefrom", .fact = "DKIM_VALID_EF"},
    {"check_dmarc_missing", .fact = "DMARC_MISSING"},
    {"check_dmarc_none", .fact = "DMARC_NONE"},
    {"check_dmarc_pass", .fact = "DMARC_PASS"},
    {"check_dmarc_quarantine", .fact = "DMARC_QUAR"},
    {"check_dmarc_reject", .fact = "DMARC_REJECT"},
    {"check_equal_from_domains", .fn = eval_equal_from_domains},
    {"check_for_def_dkim_welcomelist_from", .fn = eval_dkim_default_welcome},
    {"check_for_def_dkim_whitelist_from", .fn = eval_dkim_default_welcome},
    {"check_for_def_spf_welcomelist_from", .fn = eval_spf_default_welcome},
    {"check_for_def_spf_whitelist_from", .fn = eval_spf_default_welcome},
    {"check_for_dkim_welcomelist_from", .fn = eval_dkim_welcome},
    {"check_for_dkim_whitelist_from", .fn = eval_dkim_welcome},
    {"check_for_forged_gmail_received_headers", .fn = forged_gmail},
    {"check_for_forged_received_trail", .fn = eval_forged_trail},
    {"check_for_matching_env_and_hdr_from", .fn = matching_from},
    {"check_for_missing_to_header", .fn = missing_to},
    {"check_for_numeric_helo", .fn = numeric_helo},
    {"check_for_shifted_date", .fn = eval_shifted_date},
    {"check_for_spf_fail", .fact = "SPF_FAIL"},
    {"check_for_spf_helo_fail", .fact = "SPF_HELO_FAIL"},
    {"check_for_spf_helo_neutral", .fact = "SPF_HELO_NEUTRAL"},
    {"check_for_spf_helo_none", .fact = "SPF_HELO_NONE"},
    {"check_for_spf_helo_pass", .fact = "SPF_HELO_PASS"},
    {"check_for_spf_helo_permerror", .fact = "T_SPF_HELO_PERMERROR"},
    {"check_for_spf_helo_softfail", .fact = "SPF_HELO_SOFTFAIL"},
    {"check_for_spf_helo_temperror", .fact = "T_SPF_HELO_TEMPERROR"},
    {"check_for_spf_neutral", .fact = "SPF_NEUTRAL"},
    {"check_for_spf_none", .fact = "SPF_NONE"},
    {"check_for_spf_pass", .fact = "SPF_PASS"},
    {"check_for_spf_permerror", .fact = "T_SPF_PERMERROR"},
    {"check_for_spf_softfail", .fact = "SPF_SOFTFAIL"},
    {"check_for_spf_temperror", .fact = "T_SPF_TEMPERROR"},
    {"check_for_spf_welcomelist_from", .fn = eval_spf_welcome},
    {"check_for_spf_whitelist_from", .fn = eval_spf_welcome},
    {"check_for_to_in_subject", .fn = to_in_subject},
    {"check_freemail_body", .fn = eval_freemail_body, .pattern = 1,
	.body = true},
    {"check_freemail_from", .fn = eval_freemail_from, .pattern = 1},
    {"check_freemail_header", .fn = eval_freemail_header, .pattern = 2},
    {"check_freemail_replyto", .fn = eval_freemail_replyto, .body = true},
    {"check_from_in_blacklist", .fn = eval_from_block},
    {"check_from_in_blocklist", .fn = eval_from_block},
    {"check_from_in_default_welcomelist", .fn = eval_from_default_welcome},
    {"check_from_in_default_whitelist", .fn = eval_from_default_welcome},
    {"check_from_in_list", .fn = eval_from_list},
    {"check_from_in_welcomelist", .fn = eval_from_welcome},
    {"check_from_in_whitelist", .fn = eval_from_welcome},
    {"check_header_count_range", .fn = header_count},
    {"check_illegal_chars", .fn = illegal_chars},
    {"check_mailfrom_matches_rcvd", .fn = eval_mailfrom_matches,
	.body = true},
    {"check_no_relays", .fn = no_relays},
    {"check_outlook_message_id", .fn = eval_outlook_message_id},
    {"check_ratware_envelope_from", .fn = eval_ratware_envelope_from,
	.body = true},
    {"check_ratware_name_id", .fn = eval_ratware_name_id},
    {"check_relays_unparseable", .fn = unparseable},
    {"check_replyto_in_list", .fn = eval_replyto_list},
    {"check_subject_in_blacklist", .fn = eval_subject_block},
    {"check_subject_in_blocklist", .fn = eval_subject_block},
    {"check_subject_in_welcomelist", .fn = eval_subject_welcome},
    {"check_subject_in_whitelist", .fn = eval_subject_welcome},
    {"check_to_in_all_spam", .fn = eval_to_all_spam},
    {"check_to_in_blacklist", .fn = eval_to_block},
    {"check_to_in_blocklist", .fn = eval_to_block},
    {"check_to_in_list", .fn = eval_to_list},
    {"check_to_in_more_spam", .fn = eval_to_more_spam},
    {"check_to_in_welcomelist", .fn = eval_to_welcome},
    {"check_to_in_whitelist", .fn = eval_to_welcome},
    {"check_unresolved_template", .fn = unresolved_template},
    {"check_uri_host_in_blacklist", .fn = eval_uri_host_block, .body = true},
    {"check_uri_host_in_blocklist", .fn = eval_uri_host_block, .body = true},
    {"check_uri_host_in_welcomelist", .fn = eval_uri_host_welcome,
	.body = true},
    {"check_uri_host_in_whitelist", .fn = eval_uri_host_welcome,
	.body = true},
    {"check_uri_host_listed", .fn = eval_uri_host, .body = true},
    {"helo_ip_mismatch", .fn = helo_ip_mismatch},
    {"similar_recipients", .fn = similar_recipients},
    {"sorted_recipients", .fn = sorted_recipients},
    {"subject_is_all_caps", .fn = all_caps},
};

const struct eval_function *
rules_eval_find(const char *name)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
		if (strcmp(functions[i].name, name) == 0)
			return &functions[i];
	}
	return NULL;
}
