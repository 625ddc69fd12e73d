/* AllowList and BlockList.  SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "t/support/drivers/dns_file.h"
#include "t/support/drivers/inbound.h"
#include "t/support/drivers/test.h"

static const char zone[] =
    "good.example TXT v=spf1 ip4:192.0.2.1 -all\n"
    "plus.example TXT v=spf1 +all\n"
    "net.example TXT v=spf1 ip4:192.0.0.0/6 -all\n"
    "bad.example TXT v=spf1 -all\n"
    "_dmarc.good.example TXT v=DMARC1; p=reject\n"
    "_dmarc.plus.example TXT v=DMARC1; p=reject\n"
    "mx.good.example A 192.0.2.1\n";

static const struct {
	const char *what;
	const char *block, *allow; /* lines of the files; NULL: no list */
	const char *conf;
	const char *client, *name, *helo, *from, *author, *rcpt;
	/* What comes of it: when it is refused, and the words; or what in the
	 * list allowed it. */
	const char *at, *words, *allowed;
} cases[] = {
    {"an address", "192.0.2.1 go away", NULL, "", "192.0.2.1", NULL, NULL,
	NULL, NULL, NULL, "end", "go away", NULL},
    {"a mapped address", "192.0.2.1 go away", NULL, "", "::ffff:192.0.2.1",
	NULL, NULL, NULL, NULL, NULL, "end", "go away", NULL},
    {"a net", "192.0.2.0/24", NULL, "", "192.0.2.1", NULL, NULL, NULL, NULL,
	NULL, "end", "Mail from your server is refused here", NULL},
    {"IPv6", "2001:db8::/32 six", NULL, "", "2001:db8::1", NULL, NULL, NULL,
	NULL, NULL, "end", "six", NULL},
    {"another", "192.0.2.2", NULL, "", "192.0.2.1", NULL, NULL, NULL, NULL,
	NULL, NULL, NULL, NULL},
    {"a name", ".dyn.example no", NULL, "", "192.0.2.1", "a.dyn.example", NULL,
	NULL, NULL, NULL, "end", "no", NULL},
    {"no name", "unknown no", NULL, "", "192.0.2.1", "unknown", NULL, NULL,
	NULL, NULL, NULL, NULL, NULL},
    {"HELO", "helo:bad.example no", NULL, "", "192.0.2.1", NULL,
	"bad.example", NULL, NULL, NULL, "end", "no", NULL},
    {"a sender", "a@bad.example no", NULL, "", "192.0.2.1", NULL, NULL,
	"<a@bad.example>", NULL, NULL, "end", "no", NULL},
    {"a domain", "@bad.example 451 later", NULL, "", "192.0.2.1", NULL, NULL,
	"<a@bad.example>", NULL, NULL, "end", "later", NULL},
    {"an author", "@bad.example no", NULL, "", "192.0.2.1", NULL, NULL,
	"<a@good.example>", "b@bad.example", NULL, "end", "no", NULL},
    {"an author that can't be read", "@bad.example no", NULL, "", "192.0.2.1",
	NULL, NULL, "<a@good.example>", "b@bad.example>", NULL, "end", "no",
	NULL},
    {"one that a reader could see", "ceo@bad.example no", NULL, "",
	"192.0.2.1", NULL, NULL, "<a@good.example>",
	"<b@good.example> ceo@bad.example", NULL, "end", "no", NULL},
    {"a recipient", "rcpt:gone@here.example left", NULL, "", "192.0.2.1", NULL,
	NULL, NULL, NULL, "gone@here.example", "rcpt", "left", NULL},
    {"connect", "192.0.2.1 no", NULL, "RefuseAt blocklist=connect\n",
	"192.0.2.1", NULL, NULL, NULL, NULL, NULL, "connect", "no", NULL},
    {"connect, the sender", "@bad.example no", NULL,
	"RefuseAt blocklist=connect\n", "192.0.2.1", NULL, NULL,
	"a@bad.example", NULL, NULL, "mail", "no", NULL},
    {"connect, internal", "192.0.2.1 no", NULL,
	"RefuseAt connect\nInternalHosts 192.0.2.1\n", "192.0.2.1", NULL, NULL,
	NULL, NULL, NULL, NULL, NULL, NULL},
    {"mail", "192.0.2.1 no", NULL, "RefuseAt mail\n", "192.0.2.1", NULL, NULL,
	NULL, NULL, NULL, "mail", "no", NULL},
    {"rcpt", "192.0.2.1 no", NULL, "RefuseAt rcpt\n", "192.0.2.1", NULL, NULL,
	NULL, NULL, NULL, "rcpt", "no", NULL},
    {"without v", "192.0.2.1 no", NULL, "Mode s\n", "192.0.2.1", NULL, NULL,
	NULL, NULL, NULL, "end", "no", NULL},
    /* allow beats block, however special the latter is */
    {"an allowed client", "192.0.2.1\na@bad.example", "192.0.2.0/24", "",
	"192.0.2.1", NULL, NULL, "a@bad.example", NULL, NULL, NULL, NULL,
	"client"},
    {"allowed at connect", "192.0.2.1", "192.0.2.1", "RefuseAt connect\n",
	"192.0.2.1", NULL, NULL, NULL, NULL, NULL, NULL, NULL, "client"},
    {"but not this one", "192.0.2.1 no", "192.0.2.0/24\n!192.0.2.1", "",
	"192.0.2.1", NULL, NULL, NULL, NULL, NULL, "end", "no", NULL},
    {"and its recipients", "rcpt:b@here.example", "192.0.2.1", "",
	"192.0.2.1", NULL, NULL, NULL, NULL, NULL, NULL, NULL, "client"},
    {"a check", NULL, "192.0.2.1", "Refuse SPF_FAIL\nRefuseAt rcpt\n",
	"192.0.2.1", NULL, NULL, "a@bad.example", NULL, NULL, NULL, NULL,
	"client"},
    /* a sender must be true */
    {"a true sender", "192.0.2.1", "@good.example", "", "192.0.2.1", NULL,
	NULL, "a@good.example", "x@other.example", NULL, NULL, NULL,
	"sender"},
    {"a forged sender", "192.0.2.9 no", "@good.example", "", "192.0.2.9",
	NULL, NULL, "a@good.example", "x@other.example", NULL, "end", "no",
	NULL},
    {"one that anyone has", "192.0.2.9 no", "@plus.example",
	"SPFBroadLimit 0\n", "192.0.2.9", NULL, NULL, "a@plus.example",
	"x@other.example", NULL, "end", "no", NULL},
    {"one that many have", "192.0.2.9 no", "@net.example", "", "192.0.2.9",
	NULL, NULL, "a@net.example", "x@other.example", NULL, "end", "no",
	NULL},
    {"one that has no time left", "192.0.2.1", "@good.example",
	"RefuseAt mail\n", "192.0.2.1", NULL, NULL, "a@good.example",
	"x@other.example", NULL, NULL, NULL, "sender"},
    {"forged, and early", "192.0.2.9 no", "@good.example", "RefuseAt mail\n",
	"192.0.2.9", NULL, NULL, "a@good.example", "x@other.example", NULL,
	"end", "no", NULL},
    {"a true author", "192.0.2.1", "x@good.example", "", "192.0.2.1", NULL,
	NULL, "a@good.example", "x@good.example", NULL, NULL, NULL, "from"},
    {"a true author, unreadable", "192.0.2.1 no", "x@good.example", "",
	"192.0.2.1", NULL, NULL, "a@good.example", "x@good.example>", NULL,
	"end", "no", NULL},
    {"a true author behind whom another stands", "192.0.2.1 no",
	"x@good.example", "", "192.0.2.1", NULL, NULL, "a@good.example",
	"<x@good.example> y@good.example", NULL, "end", "no", NULL},
    {"a forged author", "192.0.2.9 no", "x@good.example", "", "192.0.2.9",
	NULL, NULL, "a@other.example", "x@good.example", NULL, "end", "no",
	NULL},
    {"an author that anyone can be", "192.0.2.9 no", "x@plus.example", "",
	"192.0.2.9", NULL, NULL, "a@plus.example", "x@plus.example", NULL,
	"end", "no", NULL},
    {"a true HELO", "192.0.2.1", "helo:mx.good.example", "", "192.0.2.1", NULL,
	"mx.good.example", NULL, NULL, NULL, NULL, NULL, "helo"},
    {"a forged HELO", "192.0.2.9 no", "helo:mx.good.example", "", "192.0.2.9",
	NULL, "mx.good.example", NULL, NULL, NULL, "end", "no", NULL},
    {"a recipient who takes all", "192.0.2.1", "rcpt:abuse@here.example",
	"RefuseAt rcpt\n", "192.0.2.1", NULL, NULL, NULL, NULL,
	"abuse@here.example", NULL, NULL, NULL},
    {"another recipient", "192.0.2.1 no", "rcpt:abuse@here.example", "",
	"192.0.2.1", NULL, NULL, NULL, NULL, "b@here.example", "end", "no",
	NULL},
    {"allowed without a block", NULL, "192.0.2.1", "", "192.0.2.1", NULL, NULL,
	NULL, NULL, NULL, NULL, NULL, "client"},
};

static char *
write_list(const char *text)
{
	char *path = strdup("/tmp/postern-test-XXXXXX");
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	return path;
}

static void
drop_list(char *path)
{
	if (path != NULL)
		unlink(path);
	free(path);
}

/* When it is refused; NULL: not at all. */
static const char *
converse(struct snapshot *snap, const struct walk *w, struct session **s_r,
    struct verdict *v)
{
	struct verdict rcpts[WALK_MAX] = {{0}};

	*s_r = walk_envelope(snap, w, v, rcpts);
	if (verdict_refuses(&(*s_r)->disposition.decided))
		return "connect";
	if (verdict_refuses(v))
		return "mail";
	if (verdict_refuses(&rcpts[0])) {
		*v = rcpts[0];
		return "rcpt";
	}
	chain_close(*s_r);
	*s_r = walk_run(snap, w, v, NULL);
	return verdict_refuses(v) ? "end" : NULL;
}

static void
check(size_t i, struct snapshot *snap)
{
	char message[200];
	struct walk w = {.client_ip = cases[i].client,
	    .client_name = cases[i].name,
	    .helo = cases[i].helo,
	    .from = cases[i].from == NULL ? "a@other.example" : cases[i].from,
	    .rcpts = {cases[i].rcpt == NULL ? "b@here.example"
					    : cases[i].rcpt},
	    .message = message};
	struct session *s;
	struct verdict v;
	const char *at;

	snprintf(message, sizeof(message), "From: %s\n\n",
	    cases[i].author == NULL ? "a@other.example" : cases[i].author);
	at = converse(snap, &w, &s, &v);
	if ((at == NULL) != (cases[i].at == NULL) ||
	    (at != NULL && strcmp(at, cases[i].at) != 0))
		fail_msg("%s: refused at %s", cases[i].what,
		    at == NULL ? "no time" : at);
	if (at != NULL && strcmp(v.text, cases[i].words) != 0)
		fail_msg("%s: %s", cases[i].what, v.text);
	if (at != NULL && strcmp(v.by, "blocklist") != 0)
		fail_msg("%s: by %s", cases[i].what, v.by);
	if (at == NULL || strcmp(at, "end") == 0) {
		if ((s->msg->allowed == NULL) != (cases[i].allowed == NULL) ||
		    (s->msg->allowed != NULL &&
			strcmp(s->msg->allowed, cases[i].allowed) != 0))
			fail_msg("%s: allowed: %s", cases[i].what,
			    s->msg->allowed);
		if (inbound_symbol(s->msg, "USER_IN_WELCOMELIST") !=
		    (cases[i].allowed != NULL))
			fail_msg("%s: symbol", cases[i].what);
		if (at != NULL && !inbound_symbol(s->msg, "USER_IN_BLOCKLIST"))
			fail_msg("%s: symbol", cases[i].what);
	}
	chain_close(s);
}

static void
blocks_and_allows(void **state)
{
	struct dns d;

	(void)state;
	assert_int_equal(dns_file_open(zone, &d), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char conf[400] = "", *block = NULL, *allow = NULL;
		struct snapshot *snap;
		size_t n;

		if (cases[i].block != NULL)
			block = write_list(cases[i].block);
		if (cases[i].allow != NULL)
			allow = write_list(cases[i].allow);
		snprintf(conf, sizeof(conf), "%s", cases[i].conf);
		n = strlen(conf);
		if (block != NULL)
			snprintf(conf + n, sizeof(conf) - n,
			    "BlockList file:%s\n", block);
		n = strlen(conf);
		if (allow != NULL)
			snprintf(conf + n, sizeof(conf) - n,
			    "AllowList file:%s\n", allow);
		snap = walk_load(conf);
		if (snap->dns != NULL)
			snap->dns = &d;
		check(i, snap);
		snapshot_unref(snap);
		drop_list(block);
		drop_list(allow);
	}
	dns_file_close(&d);
}

/* Who logs in is nobody's to block, but at connect, where nobody has yet. */
static void
spares_who_logs_in(void **state)
{
	struct snapshot *snap = walk_load(
	    "BlockList 192.0.2.1,@bad.example,rcpt:b@here.example\n"
	    "RefuseAt mail\n");
	struct walk w = {.client_ip = "192.0.2.1",
	    .from = "a@bad.example",
	    .rcpts = {"b@here.example"},
	    .macros = {{"{auth_authen}", "bob"}},
	    .message = "From: a@bad.example\n\n"};
	struct verdict v, rcpts[WALK_MAX];
	struct session *s = walk_run(snap, &w, &v, rcpts);

	(void)state;
	assert_int_equal(v.action, VERDICT_NONE);
	assert_int_equal(rcpts[0].action, VERDICT_NONE);
	assert_null(walk_found(s->msg));
	chain_close(s);
	snapshot_unref(snap);
}

static void
mistakes(void **state)
{
	static const struct {
		const char *line, *words;
	} wrong[] = {
	    {"a@ x", "user@domain"},
	    {"192.0.2.1 250 ok", "expected a reply code"},
	    {"192.0.2.1 gr\303\274ezi", "expected a reply in ASCII"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		char *list = write_list(wrong[i].line), conf[200], where[200];
		char *path;
		struct snapshot *snap;
		struct errmsg msg;
		int rc;

		snprintf(conf, sizeof(conf), "\nBlockList file:%s\n", list);
		path = write_list(conf);
		rc = snapshot_load(path, false, NULL, &snap, &msg);
		assert_int_equal(rc, ERR_CONFIG);
		snprintf(where, sizeof(where), "%s:2: BlockList: %s:1: ", path,
		    list);
		if (strncmp(msg.text, where, strlen(where)) != 0 ||
		    strstr(msg.text, wrong[i].words) == NULL)
			fail_msg("%s", msg.text);
		drop_list(path);
		drop_list(list);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(blocks_and_allows),
	    cmocka_unit_test(spares_who_logs_in),
	    cmocka_unit_test(mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
