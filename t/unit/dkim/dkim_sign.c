/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/dkim/dkim_sign.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/dkim/dkim_key.h"
#include "lib/mail/hdr.h"
#include "lib/mail/message.h"
#include "t/support/data/dkim_keys.h"
#include "t/support/drivers/dkim_check.h"
#include "t/support/drivers/test.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))
#define AT 1528637909

static const struct {
	const char *name, *header;
} headers[] = {
    {"plain", "From: Joe <joe@example.com>\nTo: sue@example.net\n"
	      "Subject: Is dinner ready?\n"
	      "Date: Fri, 11 Jul 2003 21:00:37 -0700\n"
	      "Message-ID: <1@example.com>\n"},
    {"from only", "From: a@b\n"},
    {"folded", "Received: from x\n\tby y;\n\t Fri\nFrom: \"A\n B\"\n\t<a@b>\n"
	       "Subject:\n  one\n \n\t two  \nTo: a@b,\n c@d\n"},
    {"8-bit", "From: J\xc3\xb6 <j\xc3\xb6@example.com>\n"
	      "Subject: \xff\xfe\x80\n"},
    {"empty values", "From: a@b\nSubject:\nTo: \nCc:  \t\n"},
    {"no space, many spaces", "From:a@b\nSubject:   x   \t y  \n"},
    {"several of a name", "From: a@b\nTo: one@x\nReceived: r\nTo: two@x\n"
			  "TO: three@x\nSubject: s\nsUBJECT: t\n"},
    {"two From", "From: a@b\nSubject: x\nFrom: c@d\n"},
    {"From that is no address", "From: undisclosed\nTo: \"<(,;:@\n"},
    {"From with stray brackets", "From: <<a@b>, \"(c@d (e\nTo: ()<>@\n"},
    {"empty From", "From:\n"},
    {"other signatures",
	"DKIM-Signature: v=1; a=rsa-sha256; d=x; s=y; h=from; bh=AA; b=AA\n"
	"DKIM-Signature: nonsense\nFrom: a@b\nDKIM-Signature: v=1\n"},
    {"odd names", "From: a@b\nX;y: 1\nX-=b=: 2\nb: ;b=x\nbh: y\n"},
    {"space before the colon", "From : a@b\nSubject  : x\nTo\t: y\n"},
    {"controls in values", "From: a@b\nSubject: a\001b\033c\177d\n"},
    {"a NUL in Subject", "From: a@b\nSubject: x@NUL@y\nTo: c@d\n"},
    {"a CR in Subject", "From: a@b\nSubject: x\ry\nTo: c@d\n"},
    {"VT and FF", "From: a@b\nSubject: x\v \fy\nTo: c@d\n"},
};

static const struct {
	const char *name, *body;
} bodies[] = {
    {"text", "Hi.\r\n\r\nWe lost  the game. \t\r\n\r\nJoe.\r\n"},
    {"empty", ""},
    {"empty lines", "\r\n\r\n"},
    {"no end", "Hi"},
    {"white space at the end", "Hi \r\n \r\n\t\r\n"},
    {"bare CR", "a\rb \r\r\nc\r\n"},
    {"bare LF", "a\nb \n\r\nc\r\n\n"},
    {"8-bit", "\xc3\xa4\xff\x80\0 x\r\n"},
};

/* What all tests need. */
struct world {
	struct dkim_engine *engine;
	struct dkim_key *keys[2];
	const char *records[2];
};

static int
set_up(void **state)
{
	static struct world w;
	struct errmsg msg;

	w.engine = dkim_engine_new();
	w.records[0] = "v=DKIM1; k=rsa; p=" KEY_RSA_PUBLIC;
	w.records[1] = "v=DKIM1; k=ed25519; p=" KEY_ED25519_PUBLIC;
	if (dkim_key_decode(KEY_RSA, strlen(KEY_RSA), 0, &w.keys[0], &msg) !=
	    0 ||
	    dkim_key_decode(KEY_ED25519, strlen(KEY_ED25519), 0, &w.keys[1],
		&msg) != 0)
		return -1;
	*state = &w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;

	dkim_key_free(w->keys[0]);
	dkim_key_free(w->keys[1]);
	dkim_engine_free(w->engine);
	return 0;
}

/* A message being signed. */
struct mail {
	struct arena arena;
	struct hdr_list list;
};

static void
on_field(void *ctx, const char *name, size_t name_len, const char *value,
    size_t value_len)
{
	char copy[2000];
	struct mail *m = ctx;
	char *nul;

	/* "@NUL@" stands for what a string can't hold. */
	memcpy(copy, value, value_len);
	nul = memmem(copy, value_len, "@NUL@", 5);
	if (nul != NULL) {
		*nul = '\0';
		memmove(nul + 1, nul + 5,
		    value_len - (size_t)(nul + 5 - copy));
		value_len -= 4;
	}
	assert_int_equal(hdr_add(&m->list, &m->arena, name, name_len, copy,
	    value_len), 0);
}

static void
mail_init(struct mail *m, const char *header)
{
	arena_init(&m->arena);
	m->list = (struct hdr_list){0};
	/* Line by line, so that odd names get in too. */
	while (*header != '\0') {
		const char *colon = strchr(header, ':'), *end = header;
		size_t len;

		do {
			end = strchr(end, '\n') + 1;
		} while (*end == ' ' || *end == '\t');
		len = (size_t)(end - colon) - 2;
		on_field(m, header, (size_t)(colon - header), colon + 1, len);
		header = end;
	}
}

static void
check_text(const char *value)
{
	size_t column = strlen("DKIM-Signature: ");

	assert_null(strchr(value, '\r'));
	for (const char *p = value; *p != '\0'; p++) {
		if (*p == '\n') {
			assert_int_equal(p[1], '\t');
			assert_int_not_equal(p[-1], ' ');
			p++;
			column = 7;
		}
		if (++column > 77)
			fail_msg("a line is too long: %s", value);
	}
}

static bool
has_two_from(const struct hdr_list *l)
{
	const char *name = hdr_repeated(l);

	return name != NULL && strcmp(name, "From") == 0;
}

/* Our own verifier agrees; but of lines that are none, and of two From fields,
 * it never says pass. */
static void
check_ours(const struct mail *m, const char *value, const char *body,
    size_t len, const char *record, const char *name)
{
	bool lines = dkim_check_lines(body, len);
	struct dkim_verdict v =
	    dkim_check_ours(&m->list, value, body, len, record);

	if (has_two_from(&m->list)
		? v.cause != DKIM_CAUSE_FIELDS
		: lines ? v.status != DKIM_STATUS_PASS
			: v.cause != DKIM_CAUSE_LINES)
		fail_msg("%s: %s: %s\n%s", name, dkim_status_word(v.status),
		    v.reason, value);
}

/* All four forms with both keys, at once. */
static void
sign_all_ways(struct world *w, struct mail *m, const char *body, size_t len,
    const struct dkim_fields *fields, const char *name)
{
	struct dkim_sign *s = dkim_sign_new(w->engine,
	    DKIM_CANON_BIT(DKIM_SIMPLE) | DKIM_CANON_BIT(DKIM_RELAXED));
	struct dkim_request requests[8] = {0};
	struct dkim_result results[8];
	const char *const *names;

	assert_int_equal(
	    dkim_sign_names(&m->arena, &m->list, fields, &names), 0);
	for (size_t i = 0; i < COUNT(requests); i++) {
		requests[i] = (struct dkim_request){.domain = "example.com",
		    .selector = "s1", .key = w->keys[i & 1],
		    .header = i & 2 ? DKIM_RELAXED : DKIM_SIMPLE,
		    .body = i & 4 ? DKIM_RELAXED : DKIM_SIMPLE,
		    .names = names, .at = AT, .ttl = i == 3 ? 3600 : 0,
		    .identity = i == 5 ? "j;=@sub.example.com" : NULL,
		    .copies = i >= 6};
	}
	dkim_sign_body(s, body, len / 2);
	dkim_sign_body(s, body + len / 2, len - len / 2);
	if (dkim_sign_finish(s, &m->arena, &m->list, requests,
		COUNT(requests), results) != 0)
		fail_msg("%s: %s", name, results[0].reason);
	for (size_t i = 0; i < COUNT(requests); i++) {
		const char *wrong = dkim_check(&m->list, results[i].value,
		    body, len, w->records[i & 1]);

		check_text(results[i].value);
		if (wrong != NULL)
			fail_msg("%s, request %zu: %s\n%s", name, i, wrong,
			    results[i].value);
		check_ours(m, results[i].value, body, len, w->records[i & 1],
		    name);
	}
	dkim_sign_free(s);
}

static void
signatures_verify(void **state)
{
	const char *const over[] = {"From", "To", "Subject", "Cc", "X-None",
	    NULL};
	const char *const all[] = {"*", NULL};
	struct dkim_fields fields[] = {{0}, {.oversign = over}, {.sign = all}};

	for (size_t h = 0; h < COUNT(headers); h++) {
		for (size_t b = 0; b < COUNT(bodies); b++) {
			struct mail m;
			size_t len = strlen(bodies[b].body);

			if (strcmp(bodies[b].name, "8-bit") == 0)
				len = 8;
			mail_init(&m, headers[h].header);
			sign_all_ways(*state, &m, bodies[b].body, len,
			    &fields[(h + b) % 3], headers[h].name);
			arena_fini(&m.arena);
		}
	}
}

static void
large_body(void **state)
{
	struct buf b = BUF_INIT;
	struct mail m;
	struct dkim_fields fields = {0};

	for (int i = 0; b.len < (FEWER ? 1 << 18 : 1 << 20); i++)
		buf_printf(&b, "line %d  of a  large body \t%s\r\n", i,
		    i % 7 == 0 ? " " : "");
	mail_init(&m, headers[0].header);
	sign_all_ways(*state, &m, b.data, b.len, &fields, "large body");
	arena_fini(&m.arena);
	buf_fini(&b);
}

/* The names joined by ":". */
static void
names_are(const char *header, const struct dkim_fields *fields, int rc,
    const char *want)
{
	const char *const *names;
	struct buf b = BUF_INIT;
	struct mail m;

	mail_init(&m, header);
	assert_int_equal(
	    dkim_sign_names(&m.arena, &m.list, fields, &names), rc);
	for (size_t i = 0; rc == 0 && names[i] != NULL; i++)
		buf_printf(&b, "%s%s", i == 0 ? "" : ":", names[i]);
	if (rc == 0)
		assert_string_equal(buf_text(&b), want);
	buf_fini(&b);
	arena_fini(&m.arena);
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static void
chooses_fields(void **state)
{
	const char *h = "Received: x\nSubject: s\nTo: a\nX-A: 1\nFrom: a@b\n"
			"X-B: 2\nTo: b\nX-A: 3\nBcc: c\n";

	(void)state;
	names_are(h, &(struct dkim_fields){0}, 0, "From:Subject:To:To");
	names_are(h, &(struct dkim_fields){.oversign = LIST("subject", "Cc")},
	    0, "From:Subject:To:To:subject:Cc");
	names_are(h, &(struct dkim_fields){.oversign = LIST("FROM")}, 0,
	    "From:Subject:To:To:FROM");
	names_are(h, &(struct dkim_fields){.sign = LIST("x-a", "Received")}, 0,
	    "From:Received:X-A:X-A");
	names_are(h, &(struct dkim_fields){.sign = LIST("*")}, 0,
	    "From:Subject:To:X-A:X-B:To:X-A");
	names_are(h, &(struct dkim_fields){.sign = LIST("X-*"),
	    .omit = LIST("*-b")}, 0, "From:X-A:X-A");
	names_are(h, &(struct dkim_fields){.omit = LIST("From", "To"),
	    .oversign = LIST("to")}, 0, "From:Subject");
	names_are(h, &(struct dkim_fields){.sign = LIST("DKIM-Signature", "a b",
	    "", "x:y", "x;y")}, 0, "From");
	names_are("Subject: x\n", &(struct dkim_fields){0}, ERR_NOTFOUND, "");
	names_are("Subject: x\n", &(struct dkim_fields){.oversign =
	    LIST("From")}, ERR_NOTFOUND, "");
	names_are("From: a\rb\n", &(struct dkim_fields){0}, ERR_SYNTAX, "");
	names_are("From: a@b\nFrom: x@NUL@\n", &(struct dkim_fields){0},
	    ERR_SYNTAX, "");
	names_are("From: a@b\nSubject: s\nSubject: x@NUL@\nTo: c\n",
	    &(struct dkim_fields){.oversign = LIST("Subject")}, 0, "From:To");
	names_are("From : a@b\nSubject : s\n", &(struct dkim_fields){0}, 0,
	    "From:Subject");
}

/* To a verifier `Subject:` is a Subject whose value begins with a colon. */
static void
colon_in_a_name(void **state)
{
	const char *const over[] = {"Subject", NULL};
	const char *const *names;
	struct mail m;

	(void)state;
	mail_init(&m, "From: a@b\nTo: c\n");
	assert_int_equal(
	    hdr_add(&m.list, &m.arena, "Subject:", 8, " x", 2), 0);
	assert_int_equal(dkim_sign_names(&m.arena, &m.list,
	    &(struct dkim_fields){.oversign = over}, &names), 0);
	assert_string_equal(names[1], "To");
	assert_null(names[2]);
	arena_fini(&m.arena);
}

/* A line end without white space behind it would be another field's begin. */
static void
line_ends_that_are_no_folds(void **state)
{
	const char *const values[] = {" a\nX: y", " a\n", "\n", " a\r\nb"};
	const char *const *names;

	(void)state;
	for (size_t i = 0; i < COUNT(values); i++) {
		struct mail m;

		mail_init(&m, "From: a@b\nTo: c\n");
		assert_int_equal(hdr_add(&m.list, &m.arena, "Subject", 7,
		    values[i], strlen(values[i])), 0);
		assert_int_equal(dkim_sign_names(&m.arena, &m.list,
		    &(struct dkim_fields){0}, &names), 0);
		assert_string_equal(names[1], "To");
		assert_null(names[2]);
		arena_fini(&m.arena);
	}
}

static void
caps_names(void **state)
{
	const char *const *names;
	struct buf b = BUF_INIT;
	struct mail m;
	size_t n = 0;

	(void)state;
	buf_str(&b, "From: a@b\n");
	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "To: a%d@b\n", i);
	mail_init(&m, b.data);
	assert_int_equal(dkim_sign_names(&m.arena, &m.list,
	    &(struct dkim_fields){0}, &names), 0);
	while (names[n] != NULL)
		n++;
	assert_int_equal(n, DKIM_SIGN_NAMES_MAX);
	arena_fini(&m.arena);
	buf_fini(&b);
}

struct fault {
	const char *name;
	struct dkim_request change;
	int error;
};

#define GOOD .domain = "d", .selector = "s", .at = AT

static const struct fault faults[] = {
    {"no domain", {.selector = "s"}, ERR_SYNTAX},
    {"no selector", {.domain = "d"}, ERR_SYNTAX},
    {"empty domain", {.domain = "", .selector = "s"}, ERR_SYNTAX},
    {"tag in domain", {.domain = "d; b=x", .selector = "s"}, ERR_SYNTAX},
    {"dot first", {.domain = ".d", .selector = "s"}, ERR_SYNTAX},
    {"dots", {.domain = "a..d", .selector = "s"}, ERR_SYNTAX},
    {"line in selector", {.domain = "d", .selector = "s\nX: y"}, ERR_SYNTAX},
    {"8-bit domain", {.domain = "\xc3\xb6.d", .selector = "s"}, ERR_SYNTAX},
    {"identity elsewhere", {GOOD, .identity = "a@e"}, ERR_SYNTAX},
    {"identity ends alike", {GOOD, .identity = "a@xd"}, ERR_SYNTAX},
    {"identity without @", {GOOD, .identity = "d"}, ERR_SYNTAX},
    {"identity with two @", {GOOD, .identity = "a@b@d"}, ERR_SYNTAX},
    {"a clock never set", {.domain = "d", .selector = "s", .at = 17},
	ERR_SYNTAX},
    {"ttl without time", {.domain = "d", .selector = "s", .ttl = 1},
	ERR_SYNTAX},
    {"negative ttl", {GOOD, .ttl = -1}, ERR_SYNTAX},
    {"body form not hashed", {GOOD, .body = DKIM_RELAXED}, ERR_SYNTAX},
    {"no From named", {GOOD, .names = LIST("To")}, ERR_NOTFOUND},
    {"no names", {GOOD, .names = (const char *const[]){NULL}}, ERR_NOTFOUND},
    {"signature named", {GOOD, .names = LIST("From", "dkim-signature")},
	ERR_SYNTAX},
    {"a name that is none", {GOOD, .names = LIST("From", "a;b")}, ERR_SYNTAX},
    {"a field with a NUL", {GOOD, .names = LIST("From", "X-Nul")}, ERR_SYNTAX},
};

/* Each is refused, while the good one beside it is made. */
static void
refuses(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < COUNT(faults); i++) {
		struct dkim_sign *s = dkim_sign_new(
		    w->engine, DKIM_CANON_BIT(DKIM_SIMPLE));
		struct dkim_request r[2] = {faults[i].change, {GOOD}};
		struct dkim_result res[2];
		struct mail m;

		mail_init(&m, "From: a@b\nX-Nul: x@NUL@\n");
		r[0].key = r[1].key = w->keys[1];
		r[1].names = LIST("From");
		if (r[0].names == NULL)
			r[0].names = r[1].names;
		assert_int_equal(dkim_sign_finish(s, &m.arena, &m.list, r, 2,
		    res), faults[i].error);
		if (res[0].error != faults[i].error || res[0].reason == NULL ||
		    res[0].value != NULL)
			fail_msg("%s: %d", faults[i].name, res[0].error);
		assert_int_equal(res[1].error, 0);
		assert_null(dkim_check(
		    &m.list, res[1].value, "", 0, w->records[1]));
		arena_fini(&m.arena);
		dkim_sign_free(s);
	}
}

static void
refuses_too_much(void **state)
{
	struct world *w = *state;
	struct dkim_sign *s =
	    dkim_sign_new(w->engine, DKIM_CANON_BIT(DKIM_SIMPLE));
	struct dkim_request r = {GOOD, .key = w->keys[1],
	    .names = LIST("From", "To")};
	struct buf b = BUF_INIT;
	struct dkim_result res;
	struct mail m;

	buf_str(&b, "From: a@b\n");
	for (int i = 0; i < DKIM_SIGN_FIELDS_MAX; i++)
		buf_str(&b, "To: a\n");
	mail_init(&m, b.data);
	assert_int_equal(
	    dkim_sign_finish(s, &m.arena, &m.list, &r, 1, &res), ERR_LIMIT);
	assert_non_null(res.reason);
	m.list.count = 0;
	m.list.first = NULL;
	assert_int_equal(
	    dkim_sign_finish(s, &m.arena, &m.list, &r, 1, &res), ERR_NOTFOUND);
	arena_fini(&m.arena);
	buf_fini(&b);
	dkim_sign_free(s);
}

/* A later field of an oversigned name breaks the signature; so does another
 * body, and a change of a signed field. */
static void
tampering_shows(void **state)
{
	static const char *const changed[] = {
	    "Subject: new\nFrom: a@b\nTo: c\n", "From: a@b\nTo: c\nCc: d\n",
	    "From: a@c\nTo: c\n", "From: a@b\n"};
	struct world *w = *state;
	struct dkim_sign *s =
	    dkim_sign_new(w->engine, DKIM_CANON_BIT(DKIM_RELAXED));
	struct dkim_request r = {GOOD, .key = w->keys[0],
	    .header = DKIM_RELAXED, .body = DKIM_RELAXED,
	    .names = LIST("From", "To", "Subject", "Cc")};
	struct dkim_result res;
	struct mail m, n;

	mail_init(&m, "From: a@b\nTo: c\n");
	dkim_sign_body(s, "x\r\n", 3);
	assert_int_equal(
	    dkim_sign_finish(s, &m.arena, &m.list, &r, 1, &res), 0);
	assert_null(
	    dkim_check(&m.list, res.value, "x\r\n", 3, w->records[0]));
	assert_non_null(
	    dkim_check(&m.list, res.value, "y\r\n", 3, w->records[0]));
	assert_non_null(
	    dkim_check(&m.list, res.value, "x\r\n", 3, w->records[1]));
	for (size_t i = 0; i < COUNT(changed); i++) {
		mail_init(&n, changed[i]);
		assert_non_null(dkim_check(
		    &n.list, res.value, "x\r\n", 3, w->records[0]));
		arena_fini(&n.arena);
	}
	arena_fini(&m.arena);
	dkim_sign_free(s);
}

/* Each octet of signature field, signed fields and body counts, in the form in
 * which none may change: with it changed our verifier does not say pass. */
static void
every_octet_counts(void **state)
{
	static const char header[] = "From: a@b\nTo: c\n", body[] = "x y\r\n";
	struct world *w = *state;
	struct dkim_request r = {GOOD, .names = LIST("From", "To", "Subject")};
	struct dkim_result res;
	struct mail m;

	for (size_t k = 0; k < 2; k++) {
		struct dkim_sign *s =
		    dkim_sign_new(w->engine, DKIM_CANON_BIT(DKIM_SIMPLE));
		char *value, *changed;

		r.key = w->keys[k];
		mail_init(&m, header);
		dkim_sign_body(s, body, 5);
		assert_int_equal(
		    dkim_sign_finish(s, &m.arena, &m.list, &r, 1, &res), 0);
		check_ours(&m, res.value, body, 5, w->records[k], "unchanged");
		value = strdup(res.value);
		for (size_t i = 0; value[i] != '\0'; i++) {
			/* How b= itself is folded is nobody's business, nor
			 * what bits its last digit has too many. */
			if (value[i] == '\n' || value[i] == '\t' ||
			    value[i + 1] == '=')
				continue;
			value[i] ^= 1;
			if (dkim_check_ours(&m.list, value, body, 5,
				w->records[k]).status == DKIM_STATUS_PASS)
				fail_msg("octet %zu of %s", i, res.value);
			value[i] ^= 1;
		}
		for (size_t i = 0; i < 5; i++) {
			changed = arena_strdup(&m.arena, body);
			changed[i] ^= 1;
			assert_int_not_equal(dkim_check_ours(&m.list,
			    res.value, changed, 5, w->records[k]).status,
			    DKIM_STATUS_PASS);
		}
		arena_fini(&m.arena);
		res.value = value;
		for (size_t i = 0; header[i] != '\0'; i++) {
			char other[sizeof(header)];

			if (header[i] == ':' || header[i] == '\n')
				continue;
			memcpy(other, header, sizeof(header));
			other[i] ^= 1;
			mail_init(&m, other);
			assert_int_not_equal(dkim_check_ours(&m.list,
			    res.value, body, 5, w->records[k]).status,
			    DKIM_STATUS_PASS);
			arena_fini(&m.arena);
		}
		free(value);
		dkim_sign_free(s);
	}
}

/* RFC 8463 appendix A.3, with our choice of tags. */
static void
rfc_8463_body_hash(void **state)
{
	static const char body[] = "Hi.\r\n\r\n"
				   "We lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n\r\n";
	struct world *w = *state;
	struct dkim_sign *s =
	    dkim_sign_new(w->engine, DKIM_CANON_BIT(DKIM_RELAXED));
	struct dkim_request r = {.domain = "football.example.com",
	    .selector = "brisbane", .identity = "@football.example.com",
	    .key = w->keys[1], .header = DKIM_RELAXED, .body = DKIM_RELAXED,
	    .at = AT, .ttl = 86400, .names = LIST("From", "To", "Subject",
	    "Date", "Message-ID", "From", "Subject", "Date")};
	struct dkim_result res;
	struct mail m;

	mail_init(&m, "From: Joe SixPack <joe@football.example.com>\n"
		      "To: Suzie Q <suzie@shopping.example.net>\n"
		      "Subject: Is dinner ready?\n"
		      "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\n"
		      "Message-ID: <20030712040037.46341.5F8J@football."
		      "example.com>\n");
	dkim_sign_body(s, body, sizeof(body) - 1);
	assert_int_equal(
	    dkim_sign_finish(s, &m.arena, &m.list, &r, 1, &res), 0);
	assert_string_equal(res.value,
	    "v=1; a=ed25519-sha256; c=relaxed/relaxed;\n"
	    "\td=football.example.com; s=brisbane; i=@football.example.com;\n"
	    "\tt=1528637909; x=1528724309; h=From:To:Subject:Date:Message-ID:"
	    "From:\n"
	    "\tSubject:Date; bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;"
	    "\n\tb=IDeyeqAIDT0RB+RxYDz242rSbUYMoT6xR6RBecKlwN4uvpG+7ppS4gCKIC8"
	    "WDM2QtwR\n\tA2gIEDlfG06Gqj/6VBg==");
	arena_fini(&m.arena);
	dkim_sign_free(s);
}

static void
copies_fields(void **state)
{
	struct world *w = *state;
	struct dkim_sign *s =
	    dkim_sign_new(w->engine, DKIM_CANON_BIT(DKIM_SIMPLE));
	struct dkim_request r = {GOOD, .key = w->keys[1], .copies = true,
	    .names = LIST("From", "X|y")};
	struct buf unfolded = BUF_INIT;
	struct dkim_result res;
	struct mail m;

	mail_init(&m, "From: a@b\nX|y: p|q;=\n\t\xc3\xb6\nTo: z\n");
	assert_int_equal(
	    dkim_sign_finish(s, &m.arena, &m.list, &r, 1, &res), 0);
	for (const char *p = res.value; *p != '\0'; p++) {
		if (*p != '\n' && *p != '\t')
			buf_char(&unfolded, *p);
	}
	assert_non_null(strstr(unfolded.data,
	    "z=From:a@b|X=7Cy:p=7Cq=3B=3D=0D=0A=09=C3=B6;"));
	buf_fini(&unfolded);
	assert_null(dkim_check(&m.list, res.value, "", 0, w->records[1]));
	arena_fini(&m.arena);
	dkim_sign_free(s);
}

static void *
sign_in_thread(void *ctx)
{
	const struct dkim_fields fields = {0};
	struct mail m;

	for (int i = 0; i < 10; i++) {
		mail_init(&m, headers[i % 3].header);
		sign_all_ways(ctx, &m, bodies[0].body, strlen(bodies[0].body),
		    &fields, "in a thread");
		arena_fini(&m.arena);
	}
	return ctx;
}

static void
threads_share_an_engine(void **state)
{
	pthread_t threads[4];
	void *done;

	for (size_t i = 0; i < COUNT(threads); i++)
		assert_int_equal(pthread_create(
		    &threads[i], NULL, sign_in_thread, *state), 0);
	for (size_t i = 0; i < COUNT(threads); i++) {
		pthread_join(threads[i], &done);
		assert_ptr_equal(done, *state);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(signatures_verify),
	    cmocka_unit_test(large_body),
	    cmocka_unit_test(chooses_fields),
	    cmocka_unit_test(colon_in_a_name),
	    cmocka_unit_test(line_ends_that_are_no_folds),
	    cmocka_unit_test(caps_names),
	    cmocka_unit_test(refuses),
	    cmocka_unit_test(refuses_too_much),
	    cmocka_unit_test(tampering_shows),
	    cmocka_unit_test(every_octet_counts),
	    cmocka_unit_test(rfc_8463_body_hash),
	    cmocka_unit_test(copies_fields),
	    cmocka_unit_test(threads_share_an_engine),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
