/*
 * Who is signed for, with which keys, and what is asked of the MTA.  That the
 * signatures verify is shown elsewhere.  SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/conf/conf.h"
#include "lib/dkim/dkim_key.h"
#include "lib/dkim/dkim_sign.h"
#include "milter/problems.h"
#include "t/support/drivers/test.h"
#include "t/support/drivers/walk.h"

/* Keys and tables stand in a directory of root's or ours that nobody else may
 * write; @ in a configuration below is its name. */
static char dir[] = "./postern-sign-XXXXXX";

static void
put(const char *name, const char *text)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fchmod(fileno(f), 0600);
	for (; *text != '\0'; text++) {
		if (*text == '&')
			fputs(dir, f);
		else
			fputc(*text, f);
	}
	fclose(f);
}

static void
put_key(const char *name, enum dkim_key_type type, unsigned bits)
{
	struct buf b = BUF_INIT;
	struct dkim_key *key;

	assert_int_equal(dkim_key_generate(type, bits, &key), 0);
	assert_int_equal(dkim_key_pem(key, &b), 0);
	put(name, buf_text(&b));
	dkim_key_wipe(&b);
	dkim_key_free(key);
}

static int
set_up(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	put_key("rsa", DKIM_KEY_RSA, 1024);
	put_key("ed", DKIM_KEY_ED25519, 0);
	put_key("x.org", DKIM_KEY_ED25519, 0);
	put("garbage", "nothing\n");
	put("keys", "k1 x.org:s1:&/rsa\n"
		    "k2 x.org:s2:&/ed\n"
		    "any %:s3:&/ed\n"
		    "file %:s4:&/%\n"
		    "x.org x.org:s5:&/ed\n"
		    "hers x.org:s6:&/%\n");
	put("hers", "* hers\n");
	put("by-pattern", "*@x.org k1\nbob@x.org k2\n*.y.org any\n");
	put("both", "*@x.org k1\n*@x.org k2:me@sub.%\n");
	put("ordered", "bob@x.org k1\nx.org k2\nal@.y.org any:al@%\n"
		       ".y.org k1\neve@* k2\n* any\n");
	put("percent", "x.org %\nz.org file\n");
	put("dangling", "x.org nokey\n");
	return 0;
}

static int
tear_down(void **state)
{
	char command[200];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

static char *
with_dir(const char *conf)
{
	struct buf b = BUF_INIT;

	for (; *conf != '\0'; conf++) {
		if (*conf == '&')
			buf_str(&b, dir);
		else
			buf_char(&b, *conf);
	}
	/* The build may stand below a directory that all may write. */
	buf_str(&b, "RequireSafeKeys no\n");
	return b.data;
}

/* The tag's value in a signature, up to the semicolon. */
static const char *
tag(const char *value, const char *name, char *out, size_t size)
{
	const char *p = value;
	size_t len = strlen(name), n;

	for (; p != NULL; p = strpbrk(p, " \t")) {
		p += strspn(p, " \t\n");
		if (strncmp(p, name, len) == 0 && p[len] == '=')
			break;
	}
	if (p == NULL)
		return "";
	n = strcspn(p + len + 1, ";");
	snprintf(out, size, "%.*s", (int)n, p + len + 1);
	return out;
}

#define SINGLE "Mode s\nDomain x.org\nSelector s\nKeyFile &/rsa\n"
#define A50 "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a."
#define LONG A50 A50 A50 A50 A50 "a"
#define TABLE(t) "Mode s\nKeyTable &/keys\nSigningTable " t "\n"

static const struct {
	const char *name, *conf, *header;
	const char *signatures; /* d/s/i, top first */
	bool inbound;
} cases[] = {
    {"one key", SINGLE, "From: Bob <bob@X.org>\n", "x.org/s/", false},
    {"inbound", SINGLE, "From: bob@x.org\n", "", true},
    {"another domain", SINGLE, "From: bob@y.org\n", "", false},
    {"a subdomain, not asked for", SINGLE, "From: bob@a.x.org\n", "", false},
    {"a subdomain", SINGLE "SubDomains yes\n", "From: bob@a.b.x.org\n",
	"x.org/s/", false},
    {"any domain", "Domain *\nSelector s\nKeyFile &/rsa\n",
	"From: bob@z.y.org\n", "z.y.org/s/", false},
    {"U-labels, any domain", "Domain *\nSelector s\nKeyFile &/rsa\n",
	"From: b\xc3\xb6" "b@b\xc3\xbc" "cher.example\n",
	"xn--bcher-kva.example/s/", false},
    {"U-labels", "Domain xn--bcher-kva.example\nSelector s\n"
	"KeyFile &/rsa\n", "From: bob@B\xc3\x9c" "CHER.example\n",
	"xn--bcher-kva.example/s/", false},
    {"other U-labels", "Domain xn--bcher-kva.example\nSelector s\n"
	"KeyFile &/rsa\n", "From: bob@b\xc3\xb6" "cher.example\n", "",
	false},
    {"a listed domain before any", "Domain x.org,*\nSubDomains yes\n"
	"Selector s\nKeyFile &/rsa\n", "From: bob@a.x.org\n", "x.org/s/",
	false},
    {"no From", SINGLE, "Subject: x\n", "", false},
    {"an unreadable From", SINGLE, "From: bob\n", "", false},
    {"a comma in a name", SINGLE, "From: Smith, Bob <bob@x.org>\n",
	"x.org/s/", false},
    {"an address that can't be read before ours", SINGLE,
	"From: <al@y.org> <al@y.org>, bob@x.org\n", "", false},
    {"an address that can't be read behind ours", SINGLE,
	"From: bob@x.org, <al@y.org\n", "", false},
    {"an address behind ours", SINGLE, "From: <bob@x.org> ceo@x.org\n", "",
	false},
    {"an address before ours", SINGLE, "From: ceo@x.org <bob@x.org>\n", "",
	false},
    {"the same address as name", SINGLE, "From: bob@x.org <bob@x.org>\n",
	"x.org/s/", false},
    {"an address in quotes as name", SINGLE,
	"From: \"ceo@x.org\" <bob@x.org>\n", "x.org/s/", false},
    {"an address as a group's name", SINGLE, "From: ceo@x.org: bob@x.org;\n",
	"", false},
    {"an address as a route", SINGLE, "From: <ceo@x:bob@x.org>\n", "", false},
    {"a route", SINGLE, "From: <@a,@b:bob@x.org>\n", "x.org/s/", false},
    {"a bracket too many", SINGLE, "From: <bob@x.org>>\n", "", false},
    {"two at-signs", SINGLE, "From: ceo@y.org@x.org\n", "", false},
    {"a Sender, but an unreadable From",
	SINGLE "SenderHeaders Sender,From\n",
	"From: <al@y.org\nSender: al@x.org\n", "", false},
    {"an unreadable Sender", SINGLE "SenderHeaders Sender,From\n",
	"From: bob@x.org\nSender: <al@x.org> ceo@x.org\n", "", false},
    {"a group", SINGLE, "From: us: bob@x.org, al@y.org;\n", "x.org/s/",
	false},
    {"Sender before From", SINGLE "SenderHeaders Sender,From\n",
	"From: bob@y.org\nSender: al@x.org\n", "x.org/s/", false},
    {"Sender is absent", SINGLE "SenderHeaders Sender,From\n",
	"From: bob@x.org\n", "x.org/s/", false},
    {"exempt, in U-labels", "Domain *\nSelector s\nKeyFile &/rsa\n"
	"ExemptDomains xn--bcher-kva.example\n",
	"From: bob@b\xc3\xbc" "cher.example\n", "", false},
    {"exempt", SINGLE "ExemptDomains x.org\n", "From: bob@x.org\n", "", false},
    {"to somebody who wants none", SINGLE "DontSignMailTo b@example.net\n",
	"From: bob@x.org\n", "", false},
    {"pattern: the first counts", TABLE("refile:&/by-pattern"),
	"From: bob@x.org\n", "x.org/s1/", false},
    {"pattern: a star before a dot", TABLE("refile:&/by-pattern"),
	"From: bob@a.y.org\n", "a.y.org/s3/", false},
    {"pattern: all of them", TABLE("refile:&/both") "MultipleSignatures yes\n",
	"From: bob@x.org\n", "x.org/s2/me@sub.x.org x.org/s1/", false},
    {"order: user@host", TABLE("&/ordered"), "From: bob@x.org\n", "x.org/s1/",
	false},
    {"order: host", TABLE("&/ordered"), "From: eve@x.org\n", "x.org/s2/",
	false},
    {"order: user@.parent", TABLE("&/ordered"), "From: al@a.y.org\n",
	"a.y.org/s3/al@a.y.org", false},
    {"order: .parent", TABLE("&/ordered"), "From: eve@a.y.org\n", "x.org/s1/",
	false},
    {"order: user@*", TABLE("&/ordered"), "From: eve@z.org\n", "x.org/s2/",
	false},
    {"order: *", TABLE("&/ordered"), "From: bob@z.org\n", "z.org/s3/", false},
    {"order: all", TABLE("&/ordered") "MultipleSignatures yes\n",
	"From: bob@x.org\n", "x.org/s3/ x.org/s2/ x.org/s1/", false},
    {"order: no domain is that long", TABLE("&/ordered"),
	"From: bob@" LONG ".y.org\n", "", false},
    {"SubDomains: no domain is that long", SINGLE "SubDomains yes\n",
	"From: bob@" LONG ".x.org\n", "", false},
    {"% for the key's name", TABLE("&/percent"), "From: bob@x.org\n",
	"x.org/s5/", false},
};

static void
check_signatures(const char *name, const struct message *m, const char *want)
{
	struct buf b = BUF_INIT;
	char d[300], s[300], i[300];

	for (const struct edit *e = m->edits.last; e != NULL;) {
		const struct edit *before = m->edits.first;

		assert_int_equal(e->op, EDIT_INSERT);
		/* Inbound mail has its results there. */
		if (strcmp(e->name, "Authentication-Results") != 0) {
			assert_string_equal(e->name, "DKIM-Signature");
			buf_printf(&b, "%s%s/%s/%s", b.len > 0 ? " " : "",
			    tag(e->value, "d", d, sizeof(d)),
			    tag(e->value, "s", s, sizeof(s)),
			    tag(e->value, "i", i, sizeof(i)));
		}
		while (before != e && before->next != e)
			before = before->next;
		e = before == e ? NULL : before;
	}
	if (strcmp(buf_text(&b), want) != 0)
		fail_msg("%s: got %s, not %s", name, buf_text(&b), want);
	buf_fini(&b);
}

/* What is unsigned for its From or Sender is said to be. */
static void
check_reason(const char *name, struct message *m)
{
	bool unreadable = m->author.state == AUTHOR_UNREADABLE;
	const char *why = m->unsigned_why == NULL ? "" : m->unsigned_why;

	if (m->direction == DIRECTION_OUTBOUND &&
	    unreadable != (strncmp(why, "unreadable From", 15) == 0))
		fail_msg("%s: %s", name, why);
	if (strcmp(name, "an unreadable Sender") == 0 &&
	    strncmp(why, "unreadable Sender:", 18) != 0)
		fail_msg("%s: %s", name, why);
}

static void
signs_for_whom_it_may(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[600], *conf = with_dir(cases[i].conf);
		struct walk w = {.client_ip = "192.0.2.1",
		    .from = "<>",
		    .rcpts = {"b@example.net"},
		    .macros = {{"{auth_authen}",
			cases[i].inbound ? NULL : "bob"}},
		    .message = text};
		struct snapshot *snap = walk_load(conf);
		struct verdict v;
		struct session *s;

		snprintf(text, sizeof(text), "%s\nbody\n", cases[i].header);
		s = walk_run(snap, &w, &v, NULL);
		assert_int_equal(v.action, VERDICT_NONE);
		check_signatures(
		    cases[i].name, s->msg, cases[i].signatures);
		check_reason(cases[i].name, s->msg);
		chain_end(s, &v);
		chain_close(s);
		snapshot_unref(snap);
		free(conf);
	}
}

static const struct {
	const char *name, *conf, *error;
} mistakes[] = {
    {"a key file that is not there",
	"Domain x\nSelector s\nKeyFile &/no\n", "KeyFile"},
    {"no key in it", "Domain x\nSelector s\nKeyFile &/garbage\n",
	"garbage: "},
    {"no selector", "Domain x\nKeyFile &/rsa\n", "Selector"},
    {"a key table and a key file", SINGLE TABLE("&/percent"), "KeyFile"},
    {"a key table alone", "KeyTable &/keys\n", "SigningTable"},
    {"a signing table alone", "SigningTable &/percent\n", "KeyTable"},
    {"a key that is not in the table", TABLE("&/dangling"), "dangling:1: "},
    {"the wrong algorithm", SINGLE "SignatureAlgorithm ed25519-sha256\n",
	"SignatureAlgorithm: expected rsa-sha256"},
    {"an unsafe algorithm", "SignatureAlgorithm rsa-sha1\n", "RFC 8301"},
    {"a canonicalization unheard of", "Canonicalization relaxed/lax\n",
	"Canonicalization: expected"},
    {"a key file below here that is not there",
	"Domain x\nSelector s\nKeyFile postern-no-such-key\n",
	"postern-no-such-key"},
    {"keys too short", SINGLE "MinimumKeyBits 2048\n", "2048"},
};

static void
names_mistakes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(*mistakes); i++) {
		char *conf = with_dir(mistakes[i].conf), path[200];
		struct snapshot *snap;
		struct errmsg msg = {.text = ""};

		put("conf", conf);
		snprintf(path, sizeof(path), "%s/conf", dir);
		if (snapshot_load(path, false, NULL, &snap, &msg) == 0 ||
		    strstr(msg.text, mistakes[i].error) == NULL)
			fail_msg("%s: %s", mistakes[i].name, msg.text);
		free(conf);
	}
}

/* The author's domain is a file's name here, and nothing more than a name. */
static void
leads_to_no_other_file(void **state)
{
	static const struct {
		const char *domain;
		bool good;
	} domains[] = {
	    {"x.org", true},
	    {"X.ORG.", true},
	    {"nokey.org", false},
	    {"../conf/rsa", false},
	    {"x/../rsa", false},
	    {"./rsa", false},
	    {"x/below", false},
	    {"%", false},
	    {"x.org%00", false},
	    {"[../rsa]", false},
	};
	char *conf = with_dir(TABLE("&/hers"));
	struct snapshot *snap = walk_load(conf);
	char path[200];

	(void)state;
	snprintf(path, sizeof(path), "%s/x", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	put_key("x/below", DKIM_KEY_ED25519, 0);
	for (size_t i = 0; i < sizeof(domains) / sizeof(*domains); i++) {
		char text[200];
		struct walk w = {.from = "<>",
		    .rcpts = {"b@example.net"},
		    .macros = {{"{auth_authen}", "bob"}},
		    .message = text};
		struct verdict v;
		struct session *s;

		snprintf(text, sizeof(text), "From: bob@%s\n\n",
		    domains[i].domain);
		s = walk_run(snap, &w, &v, NULL);
		if ((s->msg != NULL && s->msg->edits.first != NULL) !=
		    domains[i].good)
			fail_msg("%s", domains[i].domain);
		chain_close(s);
	}
	snapshot_unref(snap);
	free(conf);
}

static void
takes_old_signatures_off(void **state)
{
	char *conf = with_dir(SINGLE "RemoveOldSignatures yes\n");
	const struct walk w = {.from = "<>",
	    .rcpts = {"b@example.net"},
	    .macros = {{"{auth_authen}", "bob"}},
	    .message = "DKIM-Signature: a\nFrom: bob@x.org\n"
		       "dkim-signature: b\n\n"};
	struct snapshot *snap = walk_load(conf);
	struct verdict v;
	struct session *s = walk_run(snap, &w, &v, NULL);
	const struct edit *e = s->msg->edits.first;

	(void)state;
	assert_int_equal(e->op, EDIT_DELETE);
	assert_int_equal(e->index, 2);
	assert_int_equal(e->next->op, EDIT_DELETE);
	assert_int_equal(e->next->index, 1);
	assert_int_equal(e->next->next->op, EDIT_INSERT);
	chain_close(s);
	snapshot_unref(snap);
	free(conf);
}

/* What h= holds, by the keywords about it. */
static void
signs_the_fields_asked_for(void **state)
{
	static const struct {
		const char *name, *conf, *h;
	} lists[] = {
	    {"defaults oversign", "",
		"From:To:Subject:From:To:Cc:Subject:Reply-To:MIME-Version:"
		"Content-Type"},
	    {"and more, but not what the MTA adds",
		"OversignHeaders *,+X-No,-Reply-To,-To,-Subject\n",
		"From:To:Subject:From:Cc:MIME-Version:Content-Type:X-No"},
	    {"a missing one that is asked for",
		"OversignHeaders Date\nSignHeaders Subject\n",
		"From:Subject:Date"},
	    {"only what is named",
		"SignHeaders Subject\nOversignHeaders .\n", "From:Subject"},
	    {"the default and one more",
		"SignHeaders *,+X-Own\nOversignHeaders From\n",
		"From:To:Subject:X-Own:From"},
	    {"the default less one",
		"SignHeaders *,-Subject\nOversignHeaders .\n", "From:To"},
	    {"one omitted", "OmitHeaders To\nOversignHeaders .\n",
		"From:Subject"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		const struct walk w = {.from = "<>",
		    .rcpts = {"b@example.net"},
		    .macros = {{"{auth_authen}", "bob"}},
		    .message = "From: bob@x.org\nTo: al@y.org\nSubject: s\n"
			       "X-Own: x\n\n"};
		char text[500], h[500], *p = h, *conf;
		struct snapshot *snap;
		struct verdict v;
		struct session *s;

		snprintf(text, sizeof(text), SINGLE "%s", lists[i].conf);
		conf = with_dir(text);
		snap = walk_load(conf);
		s = walk_run(snap, &w, &v, NULL);
		tag(s->msg->edits.first->value, "h", h, sizeof(h));
		for (const char *c = h; *c != '\0'; c++) {
			if (strchr(" \t\n", *c) == NULL)
				*p++ = *c;
		}
		*p = '\0';
		if (strcasecmp(h, lists[i].h) != 0)
			fail_msg("%s: %s", lists[i].name, h);
		chain_close(s);
		snapshot_unref(snap);
		free(conf);
	}
}

/* -- keys that can't be used -- */

static bool crypto_fails;

int __real_dkim_sign_finish(struct dkim_sign *s, struct arena *a,
    const struct hdr_list *leaving, const struct dkim_request *requests,
    size_t n, struct dkim_result *results_r);
int __wrap_dkim_sign_finish(struct dkim_sign *s, struct arena *a,
    const struct hdr_list *leaving, const struct dkim_request *requests,
    size_t n, struct dkim_result *results_r);

int
__wrap_dkim_sign_finish(struct dkim_sign *s, struct arena *a,
    const struct hdr_list *leaving, const struct dkim_request *requests,
    size_t n, struct dkim_result *results_r)
{
	int rc = __real_dkim_sign_finish(
	    s, a, leaving, requests, n, results_r);

	for (size_t i = 0; crypto_fails && i < n; i++)
		results_r[i] = (struct dkim_result){
		    .error = ERR_CRYPTO, .reason = "no such provider"};
	return crypto_fails ? ERR_CRYPTO : rc;
}

static size_t
problems_after_a_mail(struct snapshot *snap, bool fails)
{
	const struct walk w = {.from = "<>",
	    .rcpts = {"b@example.net"},
	    .macros = {{"{auth_authen}", "bob"}},
	    .message = "From: bob@x.org\n\n"};
	struct problems p = PROBLEMS_INIT;
	struct verdict v;
	struct session *s;
	size_t count;

	crypto_fails = fails;
	s = walk_run(snap, &w, &v, NULL);
	chain_close(s);
	crypto_fails = false;
	chain_problems(snap, &p);
	count = p.count;
	if (count > 0) {
		assert_string_equal(p.list[0].what, "keys");
		assert_true(p.list[0].fatal);
		assert_string_equal(
		    p.list[0].text, "selector s: no such provider");
	}
	problems_fini(&p);
	return count;
}

/* Until one signs again. */
static void
keys_that_cannot_sign_are_a_problem(void **state)
{
	char *conf = with_dir(SINGLE "RingFile none\n");
	struct snapshot *snap = walk_load(conf);

	(void)state;
	assert_int_equal(problems_after_a_mail(snap, false), 0);
	assert_int_equal(problems_after_a_mail(snap, true), 1);
	assert_int_equal(problems_after_a_mail(snap, true), 1);
	assert_int_equal(problems_after_a_mail(snap, false), 0);
	snapshot_unref(snap);
	free(conf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(signs_for_whom_it_may),
	    cmocka_unit_test(names_mistakes),
	    cmocka_unit_test(leads_to_no_other_file),
	    cmocka_unit_test(takes_old_signatures_off),
	    cmocka_unit_test(signs_the_fields_asked_for),
	    cmocka_unit_test(keys_that_cannot_sign_are_a_problem),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
