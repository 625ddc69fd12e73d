/*
 * The commands of rule files, one function each.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/err.h"
#include "lib/rules/rules_impl.h"
#include "lib/text/ascii.h"

#define NEAR_MAX 2 /* letters in which a mistyped command differs */
#define SCORE_MAX 1e6
#define ORIGINS_MAX 50

typedef void command_fn(struct reader *rd, char *value);

/* Cut the first word off; the rest is returned. */
static char *
cut(char *text)
{
	char *rest = text + strcspn(text, " \t");

	if (*rest != '\0')
		*rest++ = '\0';
	return rest + strspn(rest, " \t");
}

/* -- rules -- */

static void
do_header(struct reader *rd, char *value)
{
	rules_define(rd, RULE_HEADER, value);
}

static void
do_body(struct reader *rd, char *value)
{
	rules_define(rd, RULE_BODY, value);
}

static void
do_rawbody(struct reader *rd, char *value)
{
	rules_define(rd, RULE_RAWBODY, value);
}

static void
do_full(struct reader *rd, char *value)
{
	rules_define(rd, RULE_FULL, value);
}

static void
do_uri(struct reader *rd, char *value)
{
	rules_define(rd, RULE_URI, value);
}

static void
do_mimeheader(struct reader *rd, char *value)
{
	rules_define(rd, RULE_MIMEHEADER, value);
}

static void
do_meta(struct reader *rd, char *value)
{
	rules_define(rd, RULE_META, value);
}

/* The rule that a line about one names; NULL: a mistake was said.  A name that
 * no rule can have is to SpamAssassin one that no rule has. */
static struct rule *
named(struct reader *rd, const char *name)
{
	if (!rules_is_name(name) || strlen(name) > RULES_NAME_MAX) {
		rules_say(rd, name[0] == '\0' ? RULES_ERROR : RULES_WARNING,
		    "%.100s: expected a rule's name",
		    name[0] == '\0' ? "nothing here" : name);
		return NULL;
	}
	return rules_named(rd, name);
}

/* N or (N), which is added to what was there. */
static bool
number(const char *word, double *number_r, bool *relative_r)
{
	char digits[64];
	size_t len = strlen(word);
	char *end;

	if (len >= sizeof(digits) || len == 0)
		return false;
	memcpy(digits, word, len + 1);
	if (digits[0] == '(' && digits[len - 1] == ')') {
		*relative_r = true;
		digits[len - 1] = '\0';
		memmove(digits, digits + 1, len - 1);
	}
	if (digits[strspn(digits, "0123456789.-+")] != '\0')
		return false;
	*number_r = strtod(digits, &end);
	return end != digits && *end == '\0' && fabs(*number_r) <= SCORE_MAX;
}

static void
do_score(struct reader *rd, char *value)
{
	char *rest = cut(value);
	struct rule *rule = named(rd, value);
	double scores[4];
	bool relative = false;
	size_t n = 0;

	if (rule == NULL)
		return;
	while (*rest != '\0') {
		char *next = cut(rest);

		if (n == 4 || !number(rest, &scores[n], &relative)) {
			rules_say(rd, RULES_ERROR,
			    "score %s: %.40s: expected one or four numbers",
			    rule->name, rest);
			return;
		}
		n++;
		rest = next;
	}
	if (n != 1 && n != 4) {
		rules_say(rd, RULES_ERROR,
		    "score %s: expected one or four numbers, found %zu",
		    rule->name, n);
		return;
	}
	if (relative && !rule->scored) {
		/* The rule may be SpamAssassin's, whose files are not read. */
		rules_say(rd, RULES_WARNING,
		    "score %s: a score in parentheses is added to one that "
		    "stands before it, and there is none; this line counts "
		    "for nothing",
		    rule->name);
		return;
	}
	for (size_t i = 0; i < 4; i++)
		rule->scores[i] = (relative ? rule->scores[i] : 0) +
		    scores[n == 1 ? 0 : i];
	rule->scored = true;
	rule->score_file = rd->file;
	rule->score_line = rd->line;
}

static void
do_describe(struct reader *rd, char *value)
{
	char *rest = cut(value);
	struct rule *rule = named(rd, value);

	if (rule != NULL && *rest == '\0')
		rules_say(rd, RULES_WARNING,
		    "describe %s: expected words behind the name", rule->name);
	else if (rule != NULL)
		rule->describe = rules_keep(rd, rest, strlen(rest));
}

static bool
most_hits(const char *digits, unsigned *most_r)
{
	char *end;
	unsigned long n = strtoul(digits, &end, 10);

	if (*digits < '0' || *digits > '9' || *end != '\0' || n == 0)
		return false;
	*most_r = n < RULES_HITS_MAX ? (unsigned)n : RULES_HITS_MAX;
	return true;
}

/* N, N-, -N or N-N: parts that a mimeheader rule looks at. */
static void
set_range(struct reader *rd, struct rule *rule, const char *text)
{
	size_t digits = strspn(text, "0123456789");
	const char *dash = text + digits;
	bool open = *dash == '-';
	size_t more = open ? strspn(dash + 1, "0123456789") : 0;
	size_t from = digits > 0 ? strtoul(text, NULL, 10) : 0;
	size_t to = open ? strtoul(dash + 1, NULL, 10) : from;

	if (dash[open + more] != '\0' || digits + more == 0) {
		rules_say(rd, RULES_WARNING,
		    "tflags %s: expected range=N, N-, -N or N-N, with parts "
		    "counted from 1",
		    rule->name);
		return;
	}
	if ((digits > 0 && from == 0) || (to < from && more > 0)) {
		rules_say(rd, RULES_WARNING,
		    "tflags %s: range=%.40s: no part is in it; parts are "
		    "counted from 1",
		    rule->name, text);
		from = to = SIZE_MAX;
	}
	rule->range_from = from;
	rule->range_to = to;
}

/* Those that have no meaning here are SpamAssassin's for learning, plugins and
 * reports. */
static void
one_flag(struct reader *rd, struct rule *rule, const char *flag)
{
	static const char *const others[] = {"a", "autolearn_body_only",
	    "autolearn_force", "autolearn_header_only", "domains_only",
	    "ips_only", "learn", "noautolearn", "noawl", "nolog", "notrim",
	    "ns", "publish", "nopublish", "userconf", "notfirsthop"};

	if (strcmp(flag, "multiple") == 0) {
		rule->flags |= RULE_MULTIPLE;
	} else if (strncmp(flag, "maxhits=", 8) == 0) {
		if (!most_hits(flag + 8, &rule->maxhits))
			rules_say(rd, RULES_WARNING,
			    "tflags %s: %.40s: expected a number from 1 on",
			    rule->name, flag);
	} else if (strncmp(flag, "range=", 6) == 0) {
		set_range(rd, rule, flag + 6);
	} else if (strcmp(flag, "concat") == 0) {
		rule->flags |= RULE_CONCAT;
	} else if (strcmp(flag, "nice") == 0) {
		rule->flags |= RULE_NICE;
	} else if (strcmp(flag, "net") == 0) {
		rule->flags |= RULE_NET;
	} else if (strcmp(flag, "nosubject") == 0) {
		rule->flags |= RULE_NOSUBJECT;
	} else {
		for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
			if (strcmp(others[i], flag) == 0)
				return;
		}
		rules_say(rd, RULES_WARNING, "tflags %s: %.40s is not known",
		    rule->name, flag);
	}
}

static void
do_tflags(struct reader *rd, char *value)
{
	char *rest = cut(value);
	struct rule *rule = named(rd, value);

	if (rule == NULL)
		return;
	if (*rest == '\0') {
		rules_say(rd, RULES_ERROR,
		    "tflags %s: expected flags, multiple for example",
		    rule->name);
		return;
	}
	/* A later line takes the place of an earlier one. */
	rule->flags = 0;
	rule->maxhits = 0;
	rule->range_from = rule->range_to = 0;
	while (*rest != '\0') {
		char *next = cut(rest);

		one_flag(rd, rule, rest);
		rest = next;
	}
}

static void
do_priority(struct reader *rd, char *value)
{
	char *rest = cut(value);
	struct rule *rule = named(rd, value);
	char *end;
	long n = strtol(rest, &end, 10);

	if (rule == NULL)
		return;
	if (end == rest || *end != '\0' || n < -100000 || n > 100000)
		rules_say(rd, RULES_ERROR,
		    "priority %s: expected a number from -100000 to 100000",
		    rule->name);
	else
		rule->priority = (int)n;
}

/* -- replace_tag and its kin -- */

static void
add_pair(struct reader *rd, struct pair **list, const char *command,
    char *value)
{
	char *rest = cut(value);
	struct pair *p = arena_alloc(&rd->rules->arena, sizeof(*p));

	if (*rest == '\0') {
		rules_say(rd, RULES_ERROR,
		    "%s: expected a name and a piece of a pattern", command);
		return;
	}
	if (p == NULL) {
		rd->rc = ERR_NOMEM;
		return;
	}
	p->name = rules_keep(rd, value, strlen(value));
	p->value = rules_keep(rd, rest, strlen(rest));
	p->next = *list;
	if (rd->rc == 0)
		*list = p;
}

static void
do_replace_tag(struct reader *rd, char *value)
{
	add_pair(rd, &rd->tags, "replace_tag", value);
}

static void
do_replace_pre(struct reader *rd, char *value)
{
	add_pair(rd, &rd->pres, "replace_pre", value);
}

static void
do_replace_inter(struct reader *rd, char *value)
{
	add_pair(rd, &rd->inters, "replace_inter", value);
}

static void
do_replace_post(struct reader *rd, char *value)
{
	add_pair(rd, &rd->posts, "replace_post", value);
}

static void
do_replace_rules(struct reader *rd, char *value)
{
	while (*value != '\0') {
		char *next = cut(value);
		struct rule *rule = named(rd, value);

		if (rule != NULL)
			rule->replace = true;
		value = next;
	}
}

static void
do_replace_start(struct reader *rd, char *value)
{
	if (*value == '\0')
		rules_say(rd, RULES_ERROR, "replace_start: expected a text");
	else
		rd->tag_start = rules_keep(rd, value, strlen(value));
}

static void
do_replace_end(struct reader *rd, char *value)
{
	if (*value == '\0')
		rules_say(rd, RULES_ERROR, "replace_end: expected a text");
	else
		rd->tag_end = rules_keep(rd, value, strlen(value));
}

/* -- lists of addresses -- */

static const struct {
	const char *command;
	enum address_list list;
	bool second; /* a domain stands behind the address */
	bool optional;
} lists[] = {
    {"welcomelist_from", LIST_WELCOME_FROM, false, false},
    {"blocklist_from", LIST_BLOCK_FROM, false, false},
    {"welcomelist_to", LIST_WELCOME_TO, false, false},
    {"blocklist_to", LIST_BLOCK_TO, false, false},
    {"more_spam_to", LIST_MORE_SPAM_TO, false, false},
    {"all_spam_to", LIST_ALL_SPAM_TO, false, false},
    {"welcomelist_from_rcvd", LIST_WELCOME_RCVD, true, false},
    {"def_welcomelist_from_rcvd", LIST_DEF_WELCOME_RCVD, true, false},
    {"welcomelist_auth", LIST_WELCOME_AUTH, false, false},
    {"def_welcomelist_auth", LIST_DEF_WELCOME_AUTH, false, false},
    {"welcomelist_from_spf", LIST_WELCOME_SPF, false, false},
    {"def_welcomelist_from_spf", LIST_DEF_WELCOME_SPF, false, false},
    {"welcomelist_from_dkim", LIST_WELCOME_DKIM, true, true},
    {"def_welcomelist_from_dkim", LIST_DEF_WELCOME_DKIM, true, true},
};

/* One name for whitelist_, allowlist_ and welcomelist_, blacklist_ and
 * blocklist_; false: the word is longer than any of them. */
static bool
modern(const char *key, char *out, size_t size)
{
	static const struct {
		const char *old, *new;
	} words[] = {{"whitelist", "welcomelist"},
	    {"allowlist", "welcomelist"}, {"blacklist", "blocklist"},
	    {"denylist", "blocklist"}};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		const char *at = strstr(key, words[i].old);

		if (at != NULL)
			return (size_t)snprintf(out, size, "%.*s%s%s",
				   (int)(at - key), key, words[i].new,
				   at + strlen(words[i].old)) < size;
	}
	return (size_t)snprintf(out, size, "%s", key) < size;
}

static void
add_to_list(struct reader *rd, size_t which, const char *key, char *value)
{
	bool second = lists[which].second;

	if (*value == '\0') {
		rules_say(rd, RULES_ERROR,
		    second ? "%s: expected an address and a domain"
			   : "%s: expected an address",
		    key);
		return;
	}
	while (*value != '\0' && rd->rc == 0) {
		char *next = cut(value);
		char *domain = NULL;

		if (second && *next != '\0') {
			domain = next;
			next = cut(domain);
		} else if (second && !lists[which].optional) {
			rules_say(rd, RULES_ERROR,
			    "%s: expected the relay's domain behind %.60s", key,
			    value);
			return;
		}
		rd->rc = list_add(&rd->rules->lists, &rd->rules->arena,
		    lists[which].list, value, domain);
		value = next;
	}
}

static void
take_off_list(struct reader *rd, size_t which, char *value)
{
	while (*value != '\0') {
		char *next = cut(value);

		list_remove(&rd->rules->lists, lists[which].list, value);
		value = next;
	}
}

/* A piece of a subject, all that stands behind the command. */
static bool
subject_command(struct reader *rd, const char *name, const char *value)
{
	bool welcome = strcmp(name, "welcomelist_subject") == 0;
	const char *glob;

	if (!welcome && strcmp(name, "blocklist_subject") != 0)
		return false;
	glob = arena_printf(&rd->rules->arena, "*%s*", value);
	if (*value == '\0')
		rules_say(rd, RULES_ERROR, "%s: expected a text", name);
	else if (glob == NULL)
		rd->rc = ERR_NOMEM;
	else
		rd->rc = list_add(&rd->rules->lists, &rd->rules->arena,
		    welcome ? LIST_WELCOME_SUBJECT : LIST_BLOCK_SUBJECT, glob,
		    NULL);
	return true;
}

/* `(NAME)` at the front of a value, and what stands behind it; NULL: there is
 * none. */
static char *
list_name(char *value, char **name_r)
{
	char *end = *value == '(' ? strchr(value, ')') : NULL;

	if (end == NULL || end == value + 1)
		return NULL;
	*end++ = '\0';
	*name_r = value + 1;
	return end + strspn(end, " \t");
}

static void
do_enlist_addrlist(struct reader *rd, char *value)
{
	struct arena *a = &rd->rules->arena;
	char *name = NULL;

	value = list_name(value, &name);
	if (value == NULL || *value == '\0') {
		rules_say(rd, RULES_ERROR,
		    "enlist_addrlist: expected (LIST) and addresses");
		return;
	}
	/* These, by their new names, are the lists of commands. */
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		if (!lists[i].second && strcmp(name, lists[i].command) == 0) {
			add_to_list(rd, i, "enlist_addrlist", value);
			return;
		}
	}
	while (*value != '\0' && rd->rc == 0) {
		char *next = cut(value);

		rd->rc = named_list_add(
		    &rd->rules->named, a, name, value, NULL);
		value = next;
	}
}

/* Hosts that are put on a list or taken off it (name NULL: off all). */
static void
hosts(struct reader *rd, const char *name, char *value, bool off)
{
	while (*value != '\0' && rd->rc == 0) {
		char *next = cut(value);
		bool not = *value == '!';

		if (off)
			named_list_remove(
			    rd->rules->hosts, name, value + not);
		else
			rd->rc = named_list_add(&rd->rules->hosts,
			    &rd->rules->arena, name, value + not,
			    not ? "!" : NULL);
		value = next;
	}
}

static bool
host_command(struct reader *rd, const char *key, char *value)
{
	static const struct {
		const char *command, *list;
		bool off;
	} commands[] = {{"enlist_uri_host", NULL, false},
	    {"delist_uri_host", NULL, true},
	    {"blocklist_uri_host", "BLOCK", false},
	    {"welcomelist_uri_host", "WELCOME", false}};

	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		char *name = NULL, *rest = value;

		if (strcmp(key, commands[i].command) != 0)
			continue;
		if (commands[i].list == NULL)
			rest = list_name(value, &name);
		if (rest == NULL && commands[i].off)
			rest = value;
		if (rest == NULL || *rest == '\0')
			rules_say(rd, RULES_ERROR,
			    commands[i].list == NULL
				? "%s: expected (LIST) and hosts"
				: "%s: expected hosts",
			    key);
		else
			hosts(rd, commands[i].list ? commands[i].list : name,
			    rest, commands[i].off);
		return true;
	}
	return false;
}

/* Is it a command of a list?  Then it is done. */
static bool
list_command(struct reader *rd, const char *key, char *value)
{
	char name[64];
	const char *off;

	if (!modern(key, name, sizeof(name)))
		return false;
	if (subject_command(rd, name, value) || host_command(rd, name, value))
		return true;
	off = strncmp(name, "un", 2) == 0 ? name + 2 : NULL;
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		if (strcmp(name, lists[i].command) == 0) {
			add_to_list(rd, i, key, value);
			return true;
		}
		if (off != NULL && strcmp(off, lists[i].command) == 0) {
			take_off_list(rd, i, value);
			return true;
		}
	}
	return false;
}

/* -- settings -- */

static void
add_networks(struct reader *rd, struct netlist **list, const char *command,
    char *value)
{
	struct errmsg msg;

	if (*value == '\0')
		rules_say(rd, RULES_ERROR, "%s: expected networks", command);
	if (*list == NULL)
		*list = netlist_new();
	while (*value != '\0' && rd->rc == 0) {
		char *next = cut(value);
		int rc = ERR_NOMEM;

		if (*list != NULL && netlist_decides(*list, value, &msg))
			rules_say(
			    rd, RULES_WARNING, "%s: %s", command, msg.text);
		if (*list != NULL)
			rc = netlist_add(*list, value, &msg);
		if (rc == ERR_CONFIG)
			rules_say(rd, RULES_ERROR, "%s: %s", command, msg.text);
		else if (rc == ERR_LIMIT)
			rules_say(rd, RULES_ERROR, "%s: more than %d entries",
			    command, NETLIST_MAX);
		else
			rd->rc = rc;
		value = next;
	}
}

static void
do_trusted(struct reader *rd, char *value)
{
	add_networks(rd, &rd->rules->trusted, "trusted_networks", value);
}

static void
do_internal(struct reader *rd, char *value)
{
	add_networks(rd, &rd->rules->internal, "internal_networks", value);
}

static void
do_msa(struct reader *rd, char *value)
{
	add_networks(rd, &rd->rules->msa, "msa_networks", value);
}

static void
do_clear_trusted(struct reader *rd, char *value)
{
	(void)value;
	netlist_free(rd->rules->trusted);
	rd->rules->trusted = NULL;
}

static void
do_clear_internal(struct reader *rd, char *value)
{
	(void)value;
	netlist_free(rd->rules->internal);
	rd->rules->internal = NULL;
}

static void
do_clear_msa(struct reader *rd, char *value)
{
	(void)value;
	netlist_free(rd->rules->msa);
	rd->rules->msa = NULL;
}

static void
do_originating(struct reader *rd, char *value)
{
	if (*value == '\0')
		rules_say(rd, RULES_ERROR,
		    "originating_ip_headers: expected names of fields");
	while (*value != '\0') {
		char *next = cut(value);

		for (char *p = value; *p != '\0'; p++)
			*p = ascii_lower(*p);
		if (rd->rules->origins.count == ORIGINS_MAX)
			rules_say(rd, RULES_ERROR,
			    "originating_ip_headers: more than %d",
			    ORIGINS_MAX);
		else
			rules_word(rd, &rd->rules->origins, value);
		value = next;
	}
}

static void
do_clear_originating(struct reader *rd, char *value)
{
	(void)value;
	rd->rules->origins = (struct words){0};
}

static void
do_required(struct reader *rd, char *value)
{
	bool relative = false;
	double n = 0;

	if (!number(value, &n, &relative) || relative) {
		rules_say(rd, RULES_ERROR, "required_score: expected a number");
		return;
	}
	rd->rules->settings.required_score = n;
	rd->rules->settings.required_given = true;
}

static void
do_rewrite(struct reader *rd, char *value)
{
	char *rest = cut(value);

	if (strcasecmp(value, "subject") != 0)
		rules_say(rd, RULES_NOTICE,
		    "rewrite_header: of all fields only Subject is changed");
	else
		rd->rules->settings.subject_tag =
		    *rest == '\0' ? NULL : rules_keep(rd, rest, strlen(rest));
}

static void
do_report_safe(struct reader *rd, char *value)
{
	if (strcmp(value, "0") != 0)
		rules_say(rd, RULES_NOTICE,
		    "report_safe %.10s: mail is not wrapped into a report "
		    "here; "
		    "spam is tagged, as with report_safe 0",
		    value);
}

static void
do_require_version(struct reader *rd, char *value)
{
	bool relative = false;
	double n = 0;

	if (strcmp(value, "@@VERSION@@") == 0)
		return;
	if (!number(value, &n, &relative) || n > RULES_VERSION)
		rules_say(rd, RULES_WARNING,
		    "require_version %.20s: these rules are for another "
		    "version; "
		    "they are read as SpamAssassin 4.0.1 reads them",
		    value);
}

/* Tests of a rule that its author wrote beside it. */
static void
do_nothing(struct reader *rd, char *value)
{
	(void)rd, (void)value;
}

static const struct {
	const char *key;
	command_fn *fn;
} commands[] = {
    {"body", do_body},
    {"clear_internal_networks", do_clear_internal},
    {"clear_msa_networks", do_clear_msa},
    {"clear_originating_ip_headers", do_clear_originating},
    {"clear_trusted_networks", do_clear_trusted},
    {"describe", do_describe},
    {"enlist_addrlist", do_enlist_addrlist},
    {"full", do_full},
    {"header", do_header},
    {"internal_networks", do_internal},
    {"meta", do_meta},
    {"mimeheader", do_mimeheader},
    {"msa_networks", do_msa},
    {"originating_ip_headers", do_originating},
    {"priority", do_priority},
    {"rawbody", do_rawbody},
    {"replace_end", do_replace_end},
    {"replace_inter", do_replace_inter},
    {"replace_post", do_replace_post},
    {"replace_pre", do_replace_pre},
    {"replace_rules", do_replace_rules},
    {"replace_start", do_replace_start},
    {"replace_tag", do_replace_tag},
    {"report_safe", do_report_safe},
    {"require_version", do_require_version},
    {"required_hits", do_required},
    {"required_score", do_required},
    {"reuse", do_nothing},
    {"rewrite_header", do_rewrite},
    {"score", do_score},
    {"test", do_nothing},
    {"tflags", do_tflags},
    {"trusted_networks", do_trusted},
    {"uri", do_uri},
};

#define COMMANDS (sizeof(commands) / sizeof(*commands))

/* SpamAssassin's, or a plugin's that comes with it, without effect here.  One
 * that ends in _ is the beginning of several. */
static const char *const unused[] = {"add_header", "adsp_override",
    "all_spam_to", "allow_user_rules", "allowlist_", "always_trust_envelope_",
    "asn_", "askdns", "authres_", "auto_welcomelist_", "auto_whitelist_",
    "bayes_", "blacklist_", "blocklist_", "body_part_scan_size", "check_rbl_",
    "clear_", "country_db_", "cpan_", "dcc_", "dccifd_", "decode_shortener_",
    "def_", "dkim_", "dmarc_", "dns_", "do_not_use_mail_spf",
    "do_not_use_mail_spf_query", "enable_compat",
    "envelope_sender_header", "exclude_", "extracttext_", "fold_headers",
    "fns_", "geodb_", "hashbl_", "header_address_parser",
    "ignore_received_spf_header", "inactive_", "image_", "loadplugin",
    "lock_method", "max_short_", "mbox_format_from_regex",
    "normalize_charset", "ok_languages", "ok_locales", "ole2macro_",
    "olemacro_", "parse_dkim_uris", "pdf_", "phishing_", "project_", "pyzor_",
    "rawbody_part_scan_size", "razor_", "rbl_", "redirector_", "redir_",
    "remove_header", "report", "report_", "resource_limit_",
    "run_reuse_tests_only", "server_", "shortcircuit", "shortcircuit_",
    "skip_", "spamcop_", "spf_", "subjprefix", "subject_", "textcat_",
    "time_limit", "tld_", "trigger_", "trim_", "tryplugin", "txrep_",
    "unblacklist_", "unblocklist_", "unsafe_report", "unsafe_",
    "unwelcomelist_", "unwhitelist_", "uri_", "uridnsbl", "uridnsbl_",
    "uridnssub", "urifullnsrhsbl", "urifullnsrhssub", "urilocalbl_",
    "urinsrhsbl", "urinsrhssub", "urirhsbl", "urirhssub", "url_shortener",
    "url_shortener_", "use_", "user_", "util_rb_", "vbounce_", "version_tag",
    "welcomelist_", "whitelist_"};

static bool
is_unused(const char *key)
{
	for (size_t i = 0; i < sizeof(unused) / sizeof(*unused); i++) {
		size_t len = strlen(unused[i]);

		if (unused[i][len - 1] == '_'
			? strncmp(key, unused[i], len) == 0
			: strcmp(key, unused[i]) == 0)
			return true;
	}
	return false;
}

/* How many letters differ, up to one more than NEAR_MAX.  Both are short. */
static unsigned
distance(const char *a, const char *b)
{
	if (*a == '\0')
		return (unsigned)strnlen(b, NEAR_MAX + 1);
	if (*b == '\0')
		return (unsigned)strnlen(a, NEAR_MAX + 1);
	if (*a == *b)
		return distance(a + 1, b + 1);
	if (a[1] == b[0] && b[1] == a[0] && a[1] != '\0')
		return 1 + distance(a + 2, b + 2);
	return 1 + distance(a + 1, b + 1);
}

static const char *
nearest(const char *key)
{
	size_t len = strlen(key);

	for (size_t i = 0; i < COMMANDS; i++) {
		const char *other = commands[i].key;
		size_t n = strlen(other);
		size_t same = 0;

		if (n == len && distance(key, other) <= NEAR_MAX)
			return other;
		/* One letter too many, or one too few. */
		while (same < n && key[same] == other[same])
			same++;
		if ((len == n + 1 &&
			strcmp(key + same + 1, other + same) == 0) ||
		    (n == len + 1 && strcmp(key + same, other + same + 1) == 0))
			return other;
	}
	return NULL;
}

static void
unknown(struct reader *rd, const char *key)
{
	const char *near = nearest(key);

	if (is_unused(key)) {
		if (rules_once(rd, key))
			rules_say(rd, RULES_NOTICE,
			    "%s: SpamAssassin's; it has no effect here", key);
	} else if (near != NULL) {
		rules_say(rd, RULES_ERROR,
		    "%.60s: there is no such command; is it %s?", key, near);
	} else if (rules_once(rd, key)) {
		rules_say(rd, RULES_ERROR,
		    "%.60s: there is no such command; if it is a plugin's, put "
		    "it between ifplugin and endif, otherwise take it out",
		    key);
	}
}

void
rules_command(struct reader *rd, const char *key, char *value)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		if (strcmp(commands[i].key, key) == 0) {
			commands[i].fn(rd, value);
			return;
		}
	}
	if (!list_command(rd, key, value) && !freemail_command(rd, key, value))
		unknown(rd, key);
}
