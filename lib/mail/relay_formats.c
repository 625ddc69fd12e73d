/*
 * Received fields.  SPDX-License-Identifier: BSD-2-Clause
 *
 * Three tables of patterns are gone through from the top: fields that tell of
 * no client, the ways to say that it logged in, and what each server's line
 * looks like.  The names of a pattern's groups are the members they fill.
 */
#include "relay_formats.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pcre2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"

#include "relays.h"

/* Backtracking that one pattern may do on one field.  What is real takes some
 * hundreds. */
#define MATCH_LIMIT 4000

/* Every pattern can ask for an address: (?&ip4), (?&ip6), (?&ip). */
#define DEFINE \
	"(?(DEFINE)" \
	"(?<octet>25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)" \
	"(?<ip4>(?&octet)(?:\\.(?&octet)){3}(?![\\d]))" \
	"(?<g>[0-9a-fA-F]{1,4})" \
	"(?<ip6>(?:(?i:IPv6:))?(?:" \
	"(?:(?&g):){7}(?&g)|(?:(?&g):){6}(?&ip4)" \
	"|(?:(?&g)(?::(?&g)){0,6})?::" \
	"(?:(?:(?&g):){0,5}(?&ip4)|(?:(?&g):){0,6}(?&g))?" \
	")(?![0-9a-fA-F:.%]))" \
	"(?<ipa>(?&ip6)|(?&ip4)))"
#define IP "(?<ip>(?&ipa))"
#define BY "(?<by>\\S+)"
/* In brackets, with a port or not. */
#define SOME_IP "\\[" IP "(?:[.:]\\d+)?\\]"

enum {
	HELO_RDNS = 1, /* where no HELO is told, it was the name */
};

struct format {
	const char *what;    /* of which server this is the line */
	const char *needs;   /* what must be in it, to find out fast; or NULL */
	const char *pattern; /* behind DEFINE */
	int flags;
	const char *word; /* auth only: the word, or NULL for the group */
};

static const struct format ignored[] = {
	{"no client is named", NULL,
	 "^(?!(?i:\\(?from ))|^\\(from (?!\\S+ \\[(?&ipa)\\])", 0, NULL},
	{"a local program", "pickup", "^from mail pickup service by ", 0, NULL},
	{"sendmail, local", "localhost",
	 "^from \\S+ \\((?:\\S+@localhost|localhost \\[\\[UNIX: "
	 "localhost\\]\\])\\).* by ", 0, NULL},
	{"exim, local", "with local", "^from .* by \\S+ "
	 "with local(?:-e?smtp|-bsmtp)? \\(Exim ", 0, NULL},
	{"servers that tell no address", NULL,
	 "^from \\S+ \\((?!\\[?(?&ipa))\\S*\\) by \\S+ \\((?:Content "
	 "Technologies SMTPRS|Clearswift SMTPRS|LSMTP for) ", 0, NULL},
	{"a client that is told by name alone", "(unverified)",
	 "^from \\S+ \\(unverified\\) by ", 0, NULL},
	{"a client without name or address", NULL,
	 "^from (?:\\(\\)|\\(\\[\\]\\)) by ", 0, NULL},
	{"virus scanners of qmail", "uid ",
	 "^from \\S+ by \\S+ (?:by uid \\d+|\\([^)]*, uid \\d+\\)) with ", 0,
	 NULL},
	{"delivery", "with LMTP by", "^from \\S+ with LMTP by \\S+ ", 0, NULL},
	{"an address that nobody saw", NULL,
	 "^from (?&ip4) by \\S+(?:;| (?:\\((?!InterScan)(?!SMTPL)|via |for "
	 "|;))", 0, NULL},
	{"a name that nobody saw", NULL,
	 "^(?i:from) (?!\\[?(?&ipa)\\]? )(?:\\S+ (?i:by) \\S+;|[^\\s(]+ "
	 "(?i:by) "
	 "\\S+(?:,| (?:(?:\\[(?&ipa)\\] )?with |via |for |\\(|;|by uid |ID "
	 ")))", 0, NULL},
};

static const struct format auths[] = {
	{"RFC 3848, RFC 6531, and web mail", NULL,
	 " by .* with "
	 "(?<auth>(?i)(?:ESMTP|LMTP|UTF8SMTP|UTF8LMTP)S?A|ASMTP|HTTP"
	 "[SU]?)\\b", 0, NULL},
	{"web mail", "(via HTTP)", " by \\S+ \\(via (?<auth>HTTP)\\)", 0, NULL},
	{"Critical Path", "(authenticated as",
	 " by \\S+ \\(\\d[\\d.]+(?: \\(\\d+\\))?\\) \\(authenticated as "
	 "[^)]+\\)", 0,
	 "CriticalPath"},
	{"Sendmail", "authenticated", "\\([^()]*authenticated\\b.*\\);? by ", 0,
	 "Sendmail"},
	{"Postfix", "(Authenticated sender:",
	 "\\(Authenticated sender: \\S+\\) by \\S+ \\(Postfix", 0, "Postfix"},
	{"XMail, Kerio and others", "(AUTH:",
	 "\\(AUTH: (?<auth>[^\\s)]+)[^)]*\\) by ", 0, NULL},
	{"CommuniGate Pro", "CommuniGate Pro",
	 "\\(account .* by \\S+ \\(CommuniGate Pro", 0, "Communigate"},
	{"GMX", "gmx", "LO \\S*\\) \\[(?&ipa)\\] by mail\\.gmx\\.net "
	 "\\([^)]+\\) with (?i)e?smtp", 0,
	 "GMX (SMTP / mail.gmx.net)"},
};

/* From the particular to the general. */
static const struct format formats[] = {
	{"web mail behind a proxy", "(proxying for ",
	 "^from \\S+ \\(\\[(?&ipa)\\]\\) \\(proxying for " IP "\\) \\([^()]* "
	 "authenticated user [^)]*\\);? by " BY " with HTTP", 0, NULL},
	{"web mail", "authenticated user",
	 "^from (?:\\S+ \\(\\[)?" IP "\\]?\\)?(?: \\([^)]*\\))* \\([^()]* "
	 "authenticated user [^)]*\\);? by " BY " with HTTP", 0, NULL},
	{"web mail", " with HTTP",
	 "^from " IP "(?: \\(\\[(?&ipa)\\]\\))? by " BY " with HTTP", 0, NULL},
	{"LMTP", "(LHLO ",
	 "^from (?<rdns>\\S+) \\(LHLO (?<helo>\\S*)\\) \\(" IP "\\) by " BY " "
	 "with LMTP", 0, NULL},
	{"Exim, no name", "=",
	 "^from \\[" IP "\\](?::\\d+)? "
	 "\\((?=(?:[^)]*?\\bhelo=(?<helo>[^\\s)]+))?)"
	 "(?=(?:[^)]*?\\bident=(?<ident>[^\\s)]+))?)"
	 "(?:port|helo|ident)=[^)]*\\) by " BY " ", 0, NULL},
	{"Exim, no name and no HELO", "Exim ",
	 "^from \\[" IP "\\](?::\\d+)? by " BY " .*?\\((?<helo>[^\\s()]+)\\).*"
	 "\\(Exim ", 0, NULL},
	{"Exim, no name, no helo=", "Exim ",
	 "^from \\[(?&ipa)\\] \\((?:\\S+ )?\\[" IP "\\]\\) by "
	 "" BY " .*\\(Exim ", 0, NULL},
	{"Exim", "Exim ",
	 "^from (?<rdns>[^\\s\\[(]\\S*) \\(\\[" IP "(?:[.:]\\d+)?\\](?::\\d+)?"
	 "(?=(?:[^)]* helo=(?<helo>[^\\s)]+))?)"
	 "(?=(?:[^)]* ident=(?<ident>[^\\s)]+))?)[^)]*\\) by " BY " .*\\(Exim ",
	 HELO_RDNS, NULL},
	{"Exim 3", "Exim ",
	 "^from (?<rdns>[^\\s\\[(]\\S*) \\((?<helo>[^\\s()]+)\\) \\[" IP
	 "(?:\\.\\d+)?\\] .*by " BY " .*\\(Exim ", 0, NULL},
	{"Exim, name only", "Exim ",
	 "^from (?<rdns>[^\\s\\[(]\\S*) \\[" IP "\\] by " BY " .*\\(Exim ",
	 HELO_RDNS, NULL},
	{"Microsoft SMTPSVC", "with Microsoft SMTPSVC",
	 "^from (?:(?<helo>[^\\s(]\\S*) )?\\(\\[" IP "\\][^)]*\\) by "
	 "" BY " with Microsoft SMTPSVC", 0, NULL},
	{"Exim, version hidden", " helo=",
	 "^from (?<rdns>[^\\s(]\\S*) \\(\\[" IP "\\] "
	 "helo=(?<helo>[^\\s)]+)\\) by "
	 BY " with ", 0, NULL},
	{"ecelerity", "(ecelerity ",
	 "^from (?:\\S+ )?\\(\\[" IP "(?::\\d+)?\\](?: "
	 "helo=(?<helo>[^\\s)]+))?\\) by "
	 BY " \\(ecelerity ", 0, NULL},
	{"XMail", "[XMail ",
	 "^from (?<helo>\\S+) \\(\\[?" IP "\\]?:\\d+\\) by " BY " with \\[XMail"
	 " [^]]*\\] id <(?<id>[^>]*)>.* from <(?<envfrom>[^>]*)>", 0, NULL},
	{"CommuniGate Pro", "CommuniGate Pro",
	 "^from \\[" IP "\\] \\((?:account [^\\s)]+ ?)?(?:HELO "
	 "(?<helo>[^\\s)]*))?\\) by " BY " \\(", 0, NULL},
	{"CommuniGate Pro, name verified", "CommuniGate Pro",
	 "^from (?<rdns>\\S+) \\(\\[" IP "\\] verified\\) by " BY " "
	 "\\(CommuniGate", HELO_RDNS, NULL},
	{"Postfix", "(Postfix",
	 "^from (?<helo>[^\\s(]\\S*) \\((?<rdns>\\S*) ?\\[" IP "\\]\\).*\\bby "
	 BY " \\(Postfix", 0, NULL},
	{"qmail", "LO ",
	 "^from (?<rdns>[^\\s(]\\S*) \\((?:HELO|EHLO) (?<helo>[^)]*?)\\) \\("
	 "(?:(?<ident>\\S*)@)?\\[?" IP "\\]?(?::\\d+)?\\).*\\bby " BY " ",
	 0, NULL},
	{"qmail with a login", " with ",
	 "^from (?<rdns>[^\\s(]\\S*) \\((?:HELO|EHLO) (?<helo>[^)]*?)\\) \\("
	 "(?:(?<ident>\\S*)@)?\\[?" IP "\\]? with \\S+\\) by " BY " with ",
	 0, NULL},
	{"Sendmail, ident", "@",
	 "^from (?<helo>\\S+) \\((?:IDENT:)?(?<ident>\\S*)@(?<rdns>\\S+) \\[" IP
	 "\\].* by " BY " \\(", 0, NULL},
	{"Sendmail, ident and no name", "@[",
	 "^from (?<helo>\\S+) \\((?<ident>\\S*)@\\[" IP "\\].* by " BY " \\(",
	 0, NULL},
	{"Sendmail", "[",
	 "^from (?<helo>[^\\s(]\\S*) \\((?<rdns>\\S+) \\[" IP "\\].* by "
	 BY " \\(", 0, NULL},
	{"Sendmail, no space", "[",
	 "^from (?<helo>[^\\s(]\\S*) \\((?<rdns>[^\\s@]+)\\[" IP "\\]\\) ?by "
	 BY " ", 0, NULL},
	{"qmail, name and address", "(",
	 "^from (?<rdns>[^\\s(]\\S*) \\((?:(?<ident>\\S*)@)?" IP "\\).*\\bby "
	 BY " ", HELO_RDNS, NULL},
	{"qmail-ldap, ident", "@[",
	 "^from (?<rdns>[^\\s(]\\S*) \\((?<ident>\\S*)@\\[" IP "\\]\\).*\\bby "
	 BY " ", HELO_RDNS, NULL},
	{"qmail-ldap", "([",
	 "^from (?<rdns>[^\\s(]\\S*) \\(\\[" IP "\\]\\).* by " BY " "
	 "(?:\\(.*\\) )?with .*\\b(?:SMTP|QMQP)(?! id)", HELO_RDNS, NULL},
	{"GMX", "LO ",
	 "^from (?<rdns>\\S+) \\((?:HELO|EHLO) (?<helo>[^)]*?)\\) "
	 "\\[" IP "\\] by "
	 BY " \\([^)]*\\) with ", 0, NULL},
	{"Obtuse smtpd", "), claiming to be ",
	 "^from (?<rdns>[^\\s(]+)\\(" IP "\\), claiming to be "
	 "\"(?<helo>\\S+)\" via \\S+ by (?<by>[^\\s,]+)", 0, NULL},
	{"Obtuse smtpd, no HELO", "(",
	 "^from (?<rdns>[^\\s(]+)\\(" IP "\\) (?:via \\S+ )?by "
	 "(?<by>[^\\s,]+),? ", 0, NULL},
	{"in capitals", " BY ",
	 "^FROM (?<helo>\\S+) \\((?<rdns>\\S+) \\[" IP "\\]\\) BY " BY
	 "(?: ID (?<id>\\S+))?", 0, NULL},
	{"NAVGW", "(from ",
	 "^\\(from (?<helo>\\S+) \\[" IP "\\]\\) by " BY, 0, NULL},
	{"MailEnable and others without a name", "from (",
	 "^from \\((?:(?<helo>[^\\s\\[]+) )?\\[?" IP "\\]?(?::\\d+)?(?: helo="
	 "(?<helo>[^\\s)]+))?\\) by " BY " ", 0, NULL},
	{"Scalix", "Scalix",
	 "^from (?<helo>\\S+) \\( ?" IP "\\) by " BY " \\(Scalix", 0, NULL},
	{"an address", NULL,
	 "^from \\[" IP "\\] (?:\\((?:(?:HELO|EHLO) "
	 "(?<helo>[^\\s)]*)|[^)[]*)\\) )?by " BY " ", 0, NULL},
	{"an address", NULL,
	 "^from " IP " (?:\\((?:(?:HELO|EHLO) (?<helo>[^\\s)]*)|[^)[]*)\\) "
	 ")?by "
	 BY " (?:with |\\()", 0, NULL},
	{"Courier, no name", "(softdnserr ",
	 "^from (?<helo>\\S+) \\(softdnserr \\[" IP "\\]\\).* by " BY, 0, NULL},
	{"a name and an address", "[",
	 "^from (?<helo>[^\\s(]\\S*) \\((?<rdns>\\S+) \\[" IP "\\]\\).*\\bby "
	 BY "\\b", 0, NULL},
	{"whatever says HELO", "LO ",
	 "^from (?=.*?(?:\\(|\")(?:HELO|EHLO) (?<helo>[^\\s)\"]*))"
	 "(?=.* by " BY ").*?" SOME_IP, 0, NULL},
	{"whatever says helo=", "helo=",
	 "^from (?=.*? by " BY ").*?" SOME_IP ".*?\\bhelo="
	 "(?<helo>[^\\s)]+)", 0, NULL},
	{"whatever names an address", "[",
	 "^from (?=.* by " BY ")(?<helo>\\S+) .*?" SOME_IP, 0, NULL},
	{"an address first", "[",
	 "^from (?=.* by " BY ")(?<helo>\\S*" SOME_IP "\\S*)", 0, NULL},
	{"whatever names an address", "[",
	 "^(?i:from) (?=.* by " BY ").*?" SOME_IP, 0, NULL},
};

#define NOF(table) (sizeof(table) / sizeof((table)[0]))

/* What a group fills, by its name in the patterns. */
enum member {
	M_IP, M_RDNS, M_HELO, M_BY, M_IDENT, M_ENVFROM, M_ID, M_AUTH, MEMBERS
};
static const char *const member_names[MEMBERS] = {
	"ip", "rdns", "helo", "by", "ident", "envfrom", "id", "auth",
};

/* What is looked for in every field. */
enum part { ENVELOPE, QUEUE_ID, FETCHED, DATE, SOME_BY };
static const struct format parts[] = {
	[ENVELOPE] = {"envelope sender", NULL,
	 "(?i)\\b(?:return-path|envelope-(?:sender|from))[ :=]<?"
	 "(?<envfrom>[^\\s<>)]+)", 0, NULL},
	/* Exchange's four numbers behind mapi are its version. */
	[QUEUE_ID] = {"queue id", "id ",
	 "\\b(?!(?<=with mapi )id \\d+(?:\\.\\d+){3}(?![\\w.]))id <?"
	 "(?<id>[^\\s<>;]{3,})", 0, NULL},
	[FETCHED] = {"fetched from a mailbox", " with ",
	 "^from (?!\\[|\\S+ \\().* by \\S+ with (?:POP3|IMAP)", 0, NULL},
	/* At the end, where nothing of worth can follow. */
	[DATE] = {"date", ":",
	 "[;, ]+(?:[A-Z][a-z]{2}, )?\\d{1,2} [A-Z][a-z]{2} \\d{2,4} "
	 "\\d{1,2}:\\d\\d:\\d\\d (?:[-+]\\d{1,5}|[A-Z]{1,5})$", 0, NULL},
	[SOME_BY] = {"our name", " by ", " by " BY, 0, NULL},
};

#define GROUPS_MAX 32

struct compiled {
	const struct format *format;
	pcre2_code *code;
	uint8_t member[GROUPS_MAX]; /* of each group; MEMBERS: none */
};

struct relay_formats {
	struct compiled ignored[NOF(ignored)];
	struct compiled auths[NOF(auths)];
	struct compiled formats[NOF(formats)];
	struct compiled parts[NOF(parts)];
	pcre2_match_context *limits;
};

/* -- the tables, compiled -- */

static int
name_groups(struct compiled *c)
{
	uint32_t count, size;
	PCRE2_SPTR entry;

	memset(c->member, MEMBERS, sizeof(c->member));
	pcre2_pattern_info(c->code, PCRE2_INFO_NAMECOUNT, &count);
	pcre2_pattern_info(c->code, PCRE2_INFO_NAMEENTRYSIZE, &size);
	pcre2_pattern_info(c->code, PCRE2_INFO_NAMETABLE, &entry);
	for (; count > 0; count--, entry += size) {
		unsigned group = entry[0] << 8 | entry[1];

		if (group >= GROUPS_MAX)
			return ERR_LIMIT;
		for (unsigned m = 0; m < MEMBERS; m++) {
			if (strcmp((const char *)entry + 2, member_names[m]) ==
			    0)
				c->member[group] = (uint8_t)m;
		}
	}
	return 0;
}

static int
compile(struct compiled *c, const struct format *format)
{
	char text[2048];
	size_t at;
	int error;

	c->format = format;
	if ((size_t)snprintf(text, sizeof(text), "%s%s", DEFINE,
		format->pattern) >= sizeof(text))
		return ERR_LIMIT;
	c->code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
	    PCRE2_DUPNAMES | PCRE2_DOTALL, &error, &at, NULL);
	if (c->code == NULL)
		return ERR_SYNTAX;
	/* Where there is no JIT, matching is slower and the same. */
	pcre2_jit_compile(c->code, PCRE2_JIT_COMPLETE);
	return name_groups(c);
}

static int
compile_table(struct compiled *c, const struct format *table, size_t count)
{
	int err = 0;

	for (size_t i = 0; i < count && err == 0; i++)
		err = compile(&c[i], &table[i]);
	return err;
}

int
relay_formats_new(struct relay_formats **formats_r)
{
	struct relay_formats *f = calloc(1, sizeof(*f));
	int err;

	if (f == NULL)
		return ERR_NOMEM;
	f->limits = pcre2_match_context_create(NULL);
	err = f->limits == NULL ? ERR_NOMEM
	    : compile_table(f->ignored, ignored, NOF(ignored));
	if (err == 0)
		err = compile_table(f->auths, auths, NOF(auths));
	if (err == 0)
		err = compile_table(f->formats, formats, NOF(formats));
	if (err == 0)
		err = compile_table(f->parts, parts, NOF(parts));
	if (err != 0) {
		relay_formats_free(f);
		return err;
	}
	pcre2_set_match_limit(f->limits, MATCH_LIMIT);
	*formats_r = f;
	return 0;
}

static void
free_table(struct compiled *c, size_t count)
{
	for (size_t i = 0; i < count; i++)
		pcre2_code_free(c[i].code);
}

void
relay_formats_free(struct relay_formats *f)
{
	if (f == NULL)
		return;
	free_table(f->ignored, NOF(f->ignored));
	free_table(f->auths, NOF(f->auths));
	free_table(f->formats, NOF(f->formats));
	free_table(f->parts, NOF(f->parts));
	pcre2_match_context_free(f->limits);
	free(f);
}

/* -- one field -- */

struct parsing {
	const struct relay_formats *f;
	struct arena *a;
	char *text; /* on one line, without the date */
	size_t len;
	pcre2_match_data *data;
	const char *members[MEMBERS]; /* NULL: not said */
};

/* Fold and runs of white space become one space; ends are cut. */
static char *
one_line(struct arena *a, const char *value, size_t len, size_t *len_r)
{
	char *text;
	size_t n = 0;

	if (len > RELAY_FIELD_MAX)
		len = RELAY_FIELD_MAX;
	text = arena_memdup(a, value, len);
	if (text == NULL)
		return NULL;
	for (size_t i = 0; i < len; i++) {
		char c = value[i];

		if (c == '\0' || c == '\n' || c == '\r' || c == '\t' ||
		    c == '\f' || c == '\v')
			c = ' ';
		if (c != ' ' || (n > 0 && text[n - 1] != ' '))
			text[n++] = c;
	}
	if (n > 0 && text[n - 1] == ' ')
		n--;
	text[n] = '\0';
	*len_r = n;
	return text;
}

static int
keep_groups(struct parsing *p, const struct compiled *c, int groups)
{
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(p->data);

	for (int g = 1; g < groups; g++) {
		unsigned m = c->member[g];

		if (m == MEMBERS || at[2 * g] == PCRE2_UNSET ||
		    p->members[m] != NULL)
			continue;
		p->members[m] = arena_memdup(p->a, p->text + at[2 * g],
		    at[2 * g + 1] - at[2 * g]);
		if (p->members[m] == NULL)
			return ERR_NOMEM;
	}
	return 0;
}

/* 1: it matches, and its groups are kept; 0: no; ERR_NOMEM. */
static int
try(struct parsing *p, const struct compiled *c)
{
	const char *needs = c->format->needs;
	int groups;

	if (needs != NULL && strstr(p->text, needs) == NULL)
		return 0;
	groups = pcre2_match(c->code, (PCRE2_SPTR)p->text, p->len, 0, 0,
	    p->data, p->f->limits);
	if (groups == PCRE2_ERROR_NOMEMORY)
		return ERR_NOMEM;
	if (groups <= 0)
		return 0;
	return keep_groups(p, c, groups) == 0 ? 1 : ERR_NOMEM;
}

/* The first of a table that matches, its number from 1; 0: none. */
static int
first(struct parsing *p, const struct compiled *table, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int err = try(p, &table[i]);

		if (err != 0)
			return err < 0 ? err : (int)i + 1;
	}
	return 0;
}

static bool
is_unknown(const char *s)
{
	return strcasecmp(s, "unknown") == 0;
}

static const char *
or_empty(const char *s)
{
	return s == NULL ? "" : s;
}

/* `[10.0.0.1]` is `!10.0.0.1!` in the pseudo-headers, whose own brackets must
 * be the only ones. */
static const char *
tame(struct parsing *p, enum member m)
{
	char *s = (char *)p->members[m];

	if (s == NULL)
		return "";
	for (char *c = s; *c != '\0'; c++) {
		if (strchr(" ()[]<>|", *c) != NULL)
			*c = '!';
	}
	return s;
}

static void
cut_end(const char *text, const char *chars)
{
	char *s = (char *)text;
	size_t n = strlen(s);

	while (n > 0 && strchr(chars, s[n - 1]) != NULL)
		s[--n] = '\0';
}

static const char *
plain_ip(const char *ip)
{
	struct in6_addr addr;

	if (strncasecmp(ip, "IPv6:", 5) == 0)
		ip += 5;
	if (inet_pton(AF_INET6, ip, &addr) == 1 &&
	    IN6_IS_ADDR_V4MAPPED(&addr) && strchr(ip, '.') != NULL)
		ip = strrchr(ip, ':') + 1;
	return ip;
}

static void
fill(struct parsing *p, const struct format *format, struct relay *r)
{
	const char **m = p->members;

	if (m[M_HELO] == NULL && (format->flags & HELO_RDNS) != 0 &&
	    m[M_RDNS] != NULL)
		m[M_HELO] = arena_strdup(p->a, m[M_RDNS]);
	if (m[M_RDNS] != NULL &&
	    (is_unknown(m[M_RDNS]) || *m[M_RDNS] == '['))
		m[M_RDNS] = NULL;
	if (m[M_RDNS] != NULL)
		cut_end(m[M_RDNS], ".");
	if (m[M_BY] != NULL)
		cut_end(m[M_BY], ";");
	r->ip = plain_ip(m[M_IP]);
	r->rdns = tame(p, M_RDNS);
	r->helo = tame(p, M_HELO);
	r->by = tame(p, M_BY);
	r->ident = tame(p, M_IDENT);
	r->envfrom = or_empty(m[M_ENVFROM]);
	r->id = or_empty(m[M_ID]);
	r->auth = or_empty(m[M_AUTH]);
}

static int
cut_date(struct parsing *p)
{
	int err = try(p, &p->f->parts[DATE]);

	if (err > 0)
		p->len = pcre2_get_ovector_pointer(p->data)[0];
	while (p->len > 0 && strchr("; ", p->text[p->len - 1]) != NULL)
		p->len--;
	p->text[p->len] = '\0';
	return err;
}

static int
parse(struct parsing *p, struct relay *r)
{
	const struct relay_formats *f = p->f;
	int which, err;

	which = try(p, &f->parts[FETCHED]);
	if (which != 0)
		return which < 0 ? which : RELAY_FETCHED;
	which = first(p, f->ignored, NOF(f->ignored));
	if (which != 0)
		return which < 0 ? which : RELAY_IGNORED;
	err = cut_date(p);
	if (err < 0)
		return err;
	which = first(p, f->formats, NOF(f->formats));
	if (which <= 0)
		return which < 0 ? which : RELAY_UNPARSEABLE;
	err = first(p, f->auths, NOF(f->auths));
	if (err > 0 && auths[err - 1].word != NULL)
		p->members[M_AUTH] = auths[err - 1].word;
	if (err >= 0)
		err = try(p, &f->parts[ENVELOPE]);
	if (err >= 0)
		err = try(p, &f->parts[QUEUE_ID]);
	if (err >= 0)
		err = try(p, &f->parts[SOME_BY]);
	if (err < 0)
		return err;
	fill(p, &formats[which - 1], r);
	return RELAY_PARSED;
}

int
relay_parse(const struct relay_formats *f, struct arena *a,
    const char *value, size_t len, struct relay *relay_r)
{
	struct parsing p = {.f = f, .a = a};
	int outcome;

	p.text = one_line(a, value, len, &p.len);
	if (p.text == NULL)
		return ERR_NOMEM;
	p.data = pcre2_match_data_create(GROUPS_MAX, NULL);
	if (p.data == NULL)
		return ERR_NOMEM;
	outcome = parse(&p, relay_r);
	pcre2_match_data_free(p.data);
	return outcome;
}
