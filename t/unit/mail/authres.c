/* Authentication-Results. SPDX-License-Identifier: BSD-2-Clause */
#include "lib/mail/authres.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "t/support/drivers/test.h"

static void
writes(void **state)
{
	struct buf b = BUF_INIT;
	struct authres w;

	(void)state;
	authres_begin(&w, &b, "mx.example.org", NULL, false);
	authres_result(&w, "spf", "pass");
	authres_property(&w, "smtp", "mailfrom", "bob@example.com");
	authres_result(&w, "dkim", "fail");
	authres_comment(&w, "2048-bit key; (\\ a\xff\n)");
	authres_reason(&w, "the body \"has\" changed");
	authres_property(&w, "header", "d", "example.com");
	authres_property(&w, "header", "b", "a/b+c=12");
	authres_end(&w);
	assert_string_equal(buf_text(&b),
	    "mx.example.org;\n"
	    "\tspf=pass smtp.mailfrom=bob@example.com;\n"
	    "\tdkim=fail (2048-bit key; ?" "? a?" "?" "?) "
	    "reason=\"the body \\\"has\\\" changed\"\n"
	    "\theader.d=example.com header.b=\"a/b+c=12\"");
	buf_fini(&b);
}

static void
writes_none(void **state)
{
	struct buf b = BUF_INIT;
	struct authres w;

	(void)state;
	authres_begin(&w, &b, "mx.example.org", "4XyZ", false);
	authres_end(&w);
	assert_string_equal(buf_text(&b), "\"mx.example.org/4XyZ\"; none");
	buf_fini(&b);
}

static void
quotes(void **state)
{
	static const struct {
		const char *value, *written;
		bool utf8;
	} cases[] = {
	    {"", " a.b=\"\"", false},
	    {"@example.org", " a.b=@example.org", false},
	    {"a@", " a.b=\"a@\"", false},
	    {"a@b@c", " a.b=\"a@b@c\"", false},
	    {"a b@c", " a.b=\"a b@c\"", false},
	    {"\"x\"@c", " a.b=\"\\\"x\\\"@c\"", false},
	    {"a;spf=pass", " a.b=\"a;spf=pass\"", false},
	    {"a\r\nX: y@x", " a.b=\"a??X: y@x\"", false},
	    {"2001:db8::1", " a.b=\"2001:db8::1\"", false},
	    {"b\xc3\xbc@x", " a.b=\"b??@x\"", false},
	    {"b\xc3\xbc@x", " a.b=\"b\xc3\xbc@x\"", true},
	    {"b\xc3@x", " a.b=\"b?@x\"", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf b = BUF_INIT;
		struct authres w;

		authres_begin(&w, &b, "x", NULL, cases[i].utf8);
		authres_property(&w, "a", "b", cases[i].value);
		assert_string_equal(buf_text(&b) + 1, cases[i].written);
		buf_fini(&b);
	}
}

/* However long a value is, lines stay short of RFC 5322's 998. */
static void
folds(void **state)
{
	char value[5000];
	struct buf b = BUF_INIT;
	struct authres w;
	size_t column = 0;

	(void)state;
	memset(value, 'a', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	authres_begin(&w, &b, "mx.example.org", NULL, false);
	authres_result(&w, "dkim", "pass");
	for (int i = 0; i < 10; i++)
		authres_property(&w, "header", "d", "name.example.org");
	authres_property(&w, "header", "i", value);
	authres_comment(&w, value);
	for (const char *p = buf_text(&b); *p != '\0'; p++) {
		column = *p == '\n' ? 0 : column + 1;
		assert_true(column <= AUTHRES_COMMENT_MAX + 20);
		if (column > 78)
			assert_int_not_equal(*p, 'n');
		if (p[0] == '\n')
			assert_int_equal(p[1], '\t');
	}
	buf_fini(&b);
}

/* What can't be shown with all of its domain is left out. */
static void
keeps_domains(void **state)
{
	static const char *const values[] = {
	    "\"%s@bank.example\"@evil.example", "%s@evil.example",
	    "@%s.evil.example", "%s.evil.example"};
	char local[2000], value[2100];

	(void)state;
	for (size_t i = 0; i < 4 * 600; i++) {
		struct buf b = BUF_INIT;
		struct authres w;
		const char *text;

		memset(local, 'a', i / 4);
		local[i / 4] = '\0';
		snprintf(value, sizeof(value), values[i % 4], local);
		authres_begin(&w, &b, "x", NULL, false);
		authres_property(&w, "smtp", "mailfrom", value);
		authres_property(&w, "a", "b", "c\n@d\n");
		text = buf_text(&b);
		assert_null(strstr(text, "a.b"));
		if (strcmp(text, "x") == 0) {
			assert_true(i % 4 > 1);
			assert_true(strlen(value) > 320);
		} else {
			size_t tail = strlen(".evil.example");

			tail += text[b.len - 1] == '"';
			assert_memory_equal(text + b.len - tail,
			    i % 4 > 1 ? ".evil.example" : "@evil.example",
			    strlen(".evil.example"));
		}
		buf_fini(&b);
	}
}

/* Nothing in a value begins another result, for whoever knows quotes. */
static void
keeps_values_in(void **state)
{
	static const char *const values[] = {"x;dmarc=pass", "x dmarc=pass",
	    "x;\n\tdmarc=pass@d", "x(;dmarc=pass)@d", "x\";dmarc=pass;\"@d",
	    "x\\\";dmarc=pass@d", "x\";dmarc=pass@d", "x@d;dmarc=pass",
	    "\\\";dmarc=pass@d", "x@d\\", "x@d\";dmarc=pass", "(x@d"};

	(void)state;
	for (size_t i = 0; i < 3 * sizeof(values) / sizeof(*values); i++) {
		struct buf b = BUF_INIT;
		struct authres w;
		bool quoted = false, comment = false;
		size_t bare = 0;

		authres_begin(&w, &b, "x", NULL, false);
		if (i % 3 == 0)
			authres_property(&w, "a", "b", values[i / 3]);
		else if (i % 3 == 1)
			authres_reason(&w, values[i / 3]);
		else
			authres_comment(&w, values[i / 3]);
		for (const char *p = buf_text(&b); *p != '\0'; p++) {
			if (*p == '\\' && quoted)
				p++;
			else if (*p == '"' && !comment)
				quoted = !quoted;
			else if ((*p == '(' || *p == ')') && !quoted)
				comment = *p == '(';
			else if (!quoted && !comment)
				bare += *p == ';' || *p == '=';
		}
		if (quoted || comment || bare > (i % 3 < 2))
			fail_msg("%s", buf_text(&b));
		buf_fini(&b);
	}
}

static void
tells_whose(void **state)
{
	static const struct {
		const char *name, *value, *id;
		bool checks;
	} cases[] = {
	    {"plain", " mx.example.org; spf=pass", "mx.example.org", true},
	    {"none", "mx.example.org; none", "mx.example.org", false},
	    {"no space, case", "MX.Example.ORG;none", "mx.example.org", false},
	    {"a final dot", "mx.example.org.; none", "mx.example.org", false},
	    {"folded", "\r\n\tmx.example.org\r\n\t; dkim=pass",
		"mx.example.org", true},
	    {"a version", "mx.example.org 1; iprev=fail", "mx.example.org",
		true},
	    {"a comment first", "(a (b\\) c)) mx.example.org; none",
		"mx.example.org", false},
	    {"a comment behind", "mx.example.org(x); none",
		"mx.example.org", false},
	    {"a comment that does not end", "(mx.example.org; none",
		"mx.example.org", false},
	    {"quoted", "\"mx.example.org\"; none", "mx.example.org", false},
	    {"quoted in part", "\"mx.exam\\ple.org\" ; none",
		"mx.example.org", false},
	    {"a quote that does not end", "\"mx.example.org", "mx.example.org",
		false},
	    {"a job id", "\"mx.example.org/4XyZ\"; none", "mx.example.org",
		false},
	    {"a job id without quotes", "mx.example.org/4XyZ; none",
		"mx.example.org", false},
	    {"words too many", "mx.example.org foo; none", "mx.example.org",
		false},
	    {"no separator", "mx.example.org dmarc=pass", "mx.example.org",
		true},
	    {"nonsense behind", "mx.example.org = = test;", "mx.example.org",
		false},
	    {"an empty one", ";none", "none", false},
	    {"nothing", "", "", false},
	    {"no name: Office 365",
		"spf=pass (sender IP is 192.0.2.1)\r\n smtp.mailfrom=x.org; "
		"dkim=pass",
		"", true},
	    {"a name that is a method's", "spf; dkim=pass", "spf", true},
	    {"other methods only", "mx.example.org; arc=pass; auth=pass",
		"mx.example.org", false},
	    {"a method's version", "mx.example.org; dkim/1 = fail",
		"mx.example.org", true},
	    {"a method in a comment", "mx.example.org; (dkim=pass) none",
		"mx.example.org", false},
	    {"U-labels",
		"mx.b\xc3\xbc"
		"cher.example; none",
		"mx.xn--bcher-kva.example", false},
	    {"no domain name", "My Host!; none", "my", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct arena a = {0};
		struct authres_head head;

		assert_int_equal(authres_look(&a, cases[i].value,
				     strlen(cases[i].value), &head),
		    0);
		if (strcmp(head.id, cases[i].id) != 0 ||
		    head.checks != cases[i].checks)
			fail_msg("%s: [%s] %d", cases[i].name, head.id,
			    head.checks);
		arena_fini(&a);
	}
}

#define V(s) s, sizeof(s) - 1

/* Who could take the field for ours? */
static void
finds_claims(void **state)
{
	static const struct {
		const char *value;
		size_t len;
		bool claims;
	} cases[] = {
	    {V("mx.example.org; spf=pass"), true},
	    {V("MX.Example.Org 1; spf=pass"), true},
	    {V("mx.example.org"), true},
	    {V(""), false},
	    {V("; none"), false},
	    /* controls are blanks */
	    {V("mx.example.org\v; spf=pass"), true},
	    {V("mx.example.org\f; spf=pass"), true},
	    {V("\vmx.example.org; spf=pass"), true},
	    {V("\f mx.example.org; spf=pass"), true},
	    {V("mx.example.org\x01; spf=pass"), true},
	    {V("mx.example.org\x7f; spf=pass"), true},
	    {V("mx.example.org\0; spf=pass"), true},
	    {V("mx.exa\0mple.org; spf=pass"), true},
	    {V("mx.exa\vmple.org; spf=pass"), true},
	    /* other blanks */
	    {V("\xc2\xa0mx.example.org; spf=pass"), true},
	    {V("\xa0mx.example.org; spf=pass"), true},
	    {V("mx.example.org\xa0; spf=pass"), true},
	    {V("mx.example.org\xc2\x85; spf=pass"), true},
	    {V("\xe2\x80\x8bmx.example.org\xe3\x80\x80; spf=pass"), true},
	    {V("mx.example.org\xc2\xad; spf=pass"), true},
	    {V("mx.example.org\xc2\xad.evil.example; spf=pass"), true},
	    /* an id ends where a token does */
	    /* OpenDMARC unquotes first, and takes these for comments. */
	    {V("mx.example.\"(x\" org; spf=pass"), true},
	    {V("mx \"(x\".example.org; spf=pass"), true},
	    {V("mx.example.\\(x org; spf=pass"), true},
	    {V("mx.example.\\(x)\"y z\" org; spf=pass"), true},
	    {V("(mx.example.org) \"mx.example.net\" (; spf=pass"), true},
	    {V("mx.example.org,; spf=pass"), true},
	    {V("mx.example.org:; spf=pass"), true},
	    {V("mx.example.org=; spf=pass"), true},
	    {V("mx.example.org@evil.example; spf=pass"), true},
	    {V("\"mx.example.org,x\"; spf=pass"), true},
	    {V("\" mx.example.org\"; spf=pass"), true},
	    {V("mx.example.org..; spf=pass"), true},
	    {V("mx.example.org/1; spf=pass"), true},
	    {V("\"mx.example.org/1\"; spf=pass"), true},
	    {V("mx.example.org[1]; spf=pass"), true},
	    {V("mx.example.org?x; spf=pass"), true},
	    /* it does not begin the field */
	    {V("; mx.example.org; spf=pass"), true},
	    {V(";; ; mx.example.org; spf=pass"), true},
	    {V("<mx.example.org>; spf=pass"), true},
	    {V("[mx.example.org]; spf=pass"), true},
	    {V("evil@mx.example.org; spf=pass"), true},
	    {V("evil.example mx.example.org; spf=pass"), true},
	    {V("evil.example 1 mx.example.org; spf=pass"), true},
	    {V("1 mx.example.org; spf=pass"), true},
	    {V("spf=pass; mx.example.org; dmarc=pass"), true},
	    {V("\\mx.example.org; spf=pass"), true},
	    {V("evil\\mx.example.org; spf=pass"), true},
	    /* comments */
	    {V("(\\() mx.example.org; spf=pass"), true},
	    {V("(\\)) mx.example.org; spf=pass"), true},
	    {V("(x\\) mx.example.org; spf=pass;) evil.example; none"), true},
	    {V("(\"(\") mx.example.org; spf=pass;) evil.example; none"), true},
	    {V("(x mx.example.org; spf=pass"), true},
	    {V("x) mx.example.org; spf=pass"), true},
	    {V("((((((((((((((((((((((((((((((((((((((((((((((((((((x"
	       "))))))))))))))))))))))))))))))))))))))))))))))))))))"
	       "mx.example.org; spf=pass"), true},
	    {V("mx.example.org(((\\; spf=pass"), true},
	    {V("mx.(x)example.org; spf=pass"), true},
	    {V("mx.(\\))example.org; spf=pass"), true},
	    {V("mx.example.(x)\r\n org; spf=pass"), true},
	    {V("(x)(y)mx . example\r\n\t. org; spf=pass"), true},
	    {V("evil.example (x\\)) (mx.example.org); spf=pass"), true},
	    /* quotes */
	    {V("\"mx.example.org"), true},
	    {V("\"mx.\"example.org; spf=pass"), true},
	    {V("mx.\"example\".org; spf=pass"), true},
	    {V("\"mx.exam\\ple.org\"; spf=pass"), true},
	    {V("\"evil.example\"mx.example.org; spf=pass"), true},
	    {V("\"\" mx.example.org; spf=pass"), true},
	    {V("\"evil.example\" x \"mx.example.org\"; spf=pass"), true},
	    {V("\"evil.example \v mx.example.org\"; spf=pass"), true},
	    {V("\"; mx.example.org\" y; spf=pass"), true},
	    /* encoded */
	    {V("=?utf-8?q?mx.example.org?=; spf=pass"), true},
	    {V("=?utf-8?B?bXguZXhhbXBsZS5vcmc=?=; spf=pass"), true},
	    {V(" =?us-ascii?Q?mx=2Eexample=2Eorg?= ; spf=pass"), true},
	    {V("\xef\xbd\x8dx.example.org; spf=pass"), true},
	    {V("mx\xe3\x80\x82" "example.org; spf=pass"), true},
	    {V("; \xef\xbd\x8dx.example.org; spf=pass"), true},
	    /* in the place of a result */
	    {V("evil.example; mx.example.org; dmarc=pass"), true},
	    {V("evil.example; none;; \"mx.example.org\"; dmarc=pass"), true},
	    {V("evil.example; (x) (\\)) mx.example.org dmarc=pass"), true},
	    {V("evil.example; ((mx.example.org; dmarc=pass"), true},
	    {V("evil.example; x=y;MX.example.org,; dmarc=pass"), true},
	    {V("evil.example; mx.example.net; dmarc=pass"), false},
	    {V("evil.example; mx.example.orgs; dmarc=pass"), false},
	    /* those of others */
	    {V("mx.example.org.evil.example; spf=pass"), false},
	    {V("mx.example.orga; spf=pass"), false},
	    {V("amx.example.org; spf=pass"), false},
	    {V("a.mx.example.org; spf=pass"), false},
	    {V("example.org; spf=pass"), false},
	    {V("mx.example.net; spf=pass smtp.helo=mx.example.org"), false},
	    {V("mx.example.net 1; spf=pass smtp.helo=mx.example.org"), false},
	    {V("mx.example.net/4X (mx.example.org); x"), false},
	    {V("(mx.example.org) mx.example.net; spf=pass"), false},
	    {V("(a (b (c))) mx.example.net (d) 1 (e); x=mx.example.org"), false},
	    {V("\"mx.example.net\"; spf=pass smtp.helo=mx.example.org"), false},
	    {V("\"x mx.example.org\"; spf=pass"), false},
	    {V("\"x mx.example.org\" y; spf=pass"), false},
	    {V("\"mx.example.org.evil.example/1\"; spf=pass"), false},
	    {V("mx.b\xc3\xbc" "cher.example; x=mx.example.org"), false},
	    {V("spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=x.org"), false},
	    {V("mx.example.net\v; spf=pass"), false},
	};
	static const char id[] = "mx.example.org";

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct arena a = {0};
		bool claims;

		assert_int_equal(authres_claims(&a, cases[i].value,
				     cases[i].len, id, &claims),
		    0);
		if (claims != cases[i].claims)
			fail_msg("%zu: %s", i, cases[i].value);
		arena_fini(&a);
	}
}

/* The id may be in U-labels or in words; so may what is compared. */
static void
finds_other_forms(void **state)
{
	static const struct {
		const char *ours, *value;
		bool claims;
	} cases[] = {
	    {"mx.b\xc3\xbc" "cher.example", "MX.XN--BCHER-KVA.example; none",
		true},
	    {"mx.b\xc3\xbc" "cher.example", "mx.b\xc3\xbc" "cher.example; none",
		true},
	    {"mx.xn--bcher-kva.example", "MX.B\xc3\x9c" "CHER.example,; none",
		true},
	    {"mx.xn--bcher-kva.example", "; mx.bu\xcc\x88" "cher.example; none",
		true},
	    {"mx.xn--bcher-kva.example",
		"\xc2\xa0mx.b\xc3\xbc" "cher.example\xc2\xa0; none", true},
	    {"mx.xn--bcher-kva.example", "mx.bucher.example; none", false},
	    {"Mail Host", "mail host; none", true},
	    {"Mail Host", "; \"Mail\fHost\"; none", true},
	    {"Mail Host", "\"mail host\" 1; none", true},
	    {"Mail Host", "mail; none", false},
	    {"Mail Host", "mailhost; none", false},
	    {"mx.example.org/7", "mx.example.org; none", true},
	    {"mx.example.org.", "mx.example.org; none", true},
	    {"", "; none", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct arena a = {0};
		bool claims;

		assert_int_equal(authres_claims(&a, cases[i].value,
				     strlen(cases[i].value),
				     authres_id(&a, cases[i].ours), &claims),
		    0);
		if (claims != cases[i].claims)
			fail_msg("%s: %s", cases[i].ours, cases[i].value);
		arena_fini(&a);
	}
}

/* What we write we know again. */
static void
knows_its_own(void **state)
{
	static const char *const ids[] = {
	    "mx.example.org", "Mail Host", "b\xc3\xbc.example", "x;y"};

	(void)state;
	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		struct buf b = BUF_INIT;
		struct arena a = {0};
		struct authres_head head;
		struct authres w;

		authres_begin(&w, &b, ids[i], "4XyZ", true);
		authres_end(&w);
		assert_int_equal(authres_look(&a, b.data, b.len, &head), 0);
		assert_string_equal(head.id, authres_id(&a, ids[i]));
		arena_fini(&a);
		buf_fini(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(writes),
	    cmocka_unit_test(writes_none),
	    cmocka_unit_test(quotes),
	    cmocka_unit_test(folds),
	    cmocka_unit_test(keeps_domains),
	    cmocka_unit_test(keeps_values_in),
	    cmocka_unit_test(tells_whose),
	    cmocka_unit_test(finds_claims),
	    cmocka_unit_test(finds_other_forms),
	    cmocka_unit_test(knows_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
