/*
 * Memory runs out at any moment of a message: it is put off, or goes its way
 * signed and counted; nothing is kept that was not counted.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/quota/quota.h"
#include "t/support/dkim_keys.h"
#include "t/support/test.h"
#include "t/support/walk.h"

#define CONF                                                                   \
	"Mode s\nKeyTable csl:k=x.org:s:" KEY_ED25519 "\n"                     \
	"SigningTable x.org=k\nSenderLogins @x.org=bob\nSoftwareHeader yes\n"  \
	"RemoveOldSignatures yes\nExemptDomains y.org\n"                       \
	"DontSignMailTo z@y.org\nQuotaTable %s\n"                              \
	"Quota default {\n Messages = {1000000/hour}\n}\n"

static long left = -1; /* allocations that still succeed; -1: all */
static bool failed;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define POSSIBLE false /* they have a malloc of their own */
#else
#define POSSIBLE true

static bool
fails(void)
{
	if (left < 0 || left-- > 0)
		return false;
	left = -1;
	failed = true;
	errno = ENOMEM;
	return true;
}

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);

void *
malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
	return fails() ? NULL : __libc_calloc(count, size);
}

void *
realloc(void *p, size_t size)
{
	return fails() ? NULL : __libc_realloc(p, size);
}
#endif

static const char *
macro(void *ctx, const char *name)
{
	(void)ctx;
	return strcmp(name, "{auth_authen}") == 0 ? "bob" : NULL;
}

static void
header(struct session *s, const char *name, const char *value)
{
	chain_header(s, name, strlen(name), value, strlen(value));
}

/* What the client hears at last. */
static struct verdict
converse(struct session *s)
{
	static const char *const rcpts[] = {"<a@example.net>", "b@example.net"};
	struct verdict v;

	chain_connect(s, "client.example.net", NULL);
	chain_helo(s, "client.example.net");
	v = chain_mail(s, "<a@x.org>", NULL);
	for (size_t i = 0; i < 2 && v.action == VERDICT_NONE; i++)
		v = chain_rcpt(s, rcpts[i]);
	if (v.action != VERDICT_NONE)
		return v;
	header(s, "DKIM-Signature", " v=1; a=none");
	header(s, "From", " A <a@x.org>");
	header(s, "Subject", " x");
	chain_eoh(s);
	chain_body(s, (const unsigned char *)"x\r\n", 3);
	return chain_eom(s);
}

static uint64_t
counted(const char *path)
{
	const struct quota_options opt = {.mode = QUOTA_READ};
	const struct quota_limit limit = {
	    .kind = QUOTA_MESSAGES, .window_s = 3600, .limit = 1};
	struct quota_set set = {.count = 0};
	struct quota_state st;
	struct quota *q;

	quota_set_add(&set, &limit);
	assert_int_equal(quota_open(&q, path, &opt, NULL, NULL), 0);
	assert_int_equal(quota_peek(q, "bob", &set, &st), 0);
	quota_close(q);
	return st.usage[0].used;
}

static void
walk_with(
    struct snapshot *snap, const char *table, long until, uint64_t *sent)
{
	struct session *s = chain_open(snap, macro, NULL);
	bool signed_, taken;
	struct verdict v;

	assert_non_null(s);
	failed = false;
	left = until;
	v = converse(s);
	signed_ = s->msg != NULL && s->msg->edits.count == 3;
	chain_end(s, &v);
	chain_close(s);
	left = -1;
	taken = v.action == VERDICT_NONE;
	*sent += taken;
	if (taken ? !signed_ : v.action != VERDICT_TEMPFAIL)
		fail_msg("%d", v.action);
	assert_int_equal(counted(table), *sent);
}

static void
puts_mail_off(void **state)
{
	char dir[] = "/tmp/postern-nomem-XXXXXX", table[80], conf[1000];
	struct snapshot *snap;
	uint64_t sent = 0;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(table, sizeof(table), "%s/quota", dir);
	snprintf(conf, sizeof(conf), CONF, table);
	snap = walk_load(conf);
	walk_with(snap, table, -1, &sent); /* what is made once is there */
	assert_int_equal(sent, 1);
	for (long n = 0; POSSIBLE && (n == 0 || failed); n++)
		walk_with(snap, table, n, &sent);
	assert_true(sent > 1 || !POSSIBLE);
	snapshot_unref(snap);
	unlink(table);
	assert_int_equal(rmdir(dir), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(puts_mail_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
