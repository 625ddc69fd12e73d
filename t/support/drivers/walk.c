/* SPDX-License-Identifier: BSD-2-Clause */
#include "walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/host.h"
#include "lib/conf/conf.h"
#include "lib/dns/dns.h"
#include "lib/mail/message.h"

static const char *
macro(void *ctx, const char *name)
{
	const struct walk *w = ctx;

	for (size_t i = 0; i < WALK_MAX && w->macros[i].name != NULL; i++) {
		if (strcmp(w->macros[i].name, name) == 0)
			return w->macros[i].value;
	}
	return NULL;
}

/* A DNS in which there is nothing: a test that wants another sets it. */
static const struct dns_answer nothing = {.status = DNS_NXDOMAIN};

static struct dns_query *
ask_nobody(void *ctx, const char *name, enum dns_type type)
{
	(void)ctx, (void)name, (void)type;
	return (struct dns_query *)(uintptr_t)&nothing;
}

static const struct dns_answer *
hear_nothing(void *ctx, struct dns_query *q, struct wait *w)
{
	(void)ctx, (void)q, (void)w;
	return &nothing;
}

static void
let_go(void *ctx, struct dns_query *q)
{
	(void)ctx, (void)q;
}

static const struct dns nobody = {
    .start = ask_nobody, .collect = hear_nothing, .drop = let_go};

void
walk_place(struct buf *b, const char *conf, const char *dir)
{
	for (; *conf != '\0'; conf++) {
		if (*conf == '&')
			buf_str(b, dir);
		else
			buf_char(b, *conf);
	}
}

struct snapshot *
walk_load(const char *conf)
{
	struct snapshot *snap = walk_load_dns(conf);

	/* No test may depend on the network that this machine is in. */
	if (snap->dns != NULL)
		snap->dns = &nobody;
	return snap;
}

struct snapshot *
walk_load_dns(const char *conf)
{
	static const char no_ring[] = "\nRingFile none\n";
	char path[] = "/tmp/postern-test-XXXXXX";
	int fd = mkstemp(path);
	struct snapshot *snap;
	struct errmsg msg;
	int rc;

	if (fd < 0 || write(fd, conf, strlen(conf)) != (ssize_t)strlen(conf))
		abort();
	/* Nor may it write where a daemon of this machine does. */
	if (strstr(conf, "RingFile") == NULL &&
	    write(fd, no_ring, sizeof(no_ring) - 1) < 0)
		abort();
	close(fd);
	rc = snapshot_load(path, false, NULL, &snap, &msg);
	unlink(path);
	if (rc != 0) {
		fprintf(stderr, "%s\n", msg.text);
		abort();
	}
	return snap;
}

static void
on_field(void *ctx, const char *name, size_t name_len, const char *value,
    size_t value_len)
{
	chain_header(ctx, name, name_len, value, value_len);
}

const struct host *
walk_address(const char *ip, struct host *h)
{
	(void)host_parse(ip == NULL ? "" : ip, h);
	return h;
}

/* -- no look-ups while mail passes -- */

static _Thread_local bool passing;

void
walk_passes(bool passes)
{
	passing = passes;
}

static void
look_up(const char *keyword)
{
	if (!passing)
		return;
	fprintf(stderr, "%s is looked up while mail passes\n", keyword);
	abort();
}

/* In place of what conf.h has (--wrap). */
#define ASKED(type, name)                                                      \
	type __real_##name(const struct conf *c, const char *keyword);         \
	type __wrap_##name(const struct conf *c, const char *keyword);         \
	type __wrap_##name(const struct conf *c, const char *keyword)          \
	{                                                                      \
		look_up(keyword);                                              \
		return __real_##name(c, keyword);                              \
	}
#define ASKED_MORE(type, name)                                                 \
	type __real_##name(const struct conf *c, const char *keyword, size_t); \
	type __wrap_##name(const struct conf *c, const char *keyword, size_t); \
	type __wrap_##name(                                                    \
	    const struct conf *c, const char *keyword, size_t more)            \
	{                                                                      \
		look_up(keyword);                                              \
		return __real_##name(c, keyword, more);                        \
	}

ASKED(bool, conf_bool)
ASKED(long, conf_int)
ASKED(const char *, conf_str)
ASKED(const char *, conf_made)
ASKED(int, conf_word)
ASKED(bool, conf_given)
ASKED(bool, conf_faulty)
ASKED(const char *, conf_where)
ASKED_MORE(const void *, conf_value)
ASKED_MORE(const char *, conf_multi)
ASKED_MORE(const struct conf_section *, conf_section)

char *
walk_decode(struct arena *a, const char *text, size_t len, size_t *len_r)
{
	char *out = arena_alloc(a, len + 1);
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		bool control = text[i] == '^' && i + 1 < len &&
		    text[i + 1] >= '?' && text[i + 1] <= '_';

		i += control;
		out[n++] = control ? (char)((text[i] ^ 0x40) & 0x7f) : text[i];
	}
	*len_r = n;
	return out;
}

struct session *
walk_envelope(struct snapshot *snap, const struct walk *w, struct verdict *v_r,
    struct verdict *rcpt_v_r)
{
	struct session *s =
	    chain_open(snap, macro, (void *)(uintptr_t)w);
	struct host client;

	if (s == NULL)
		abort();
	walk_passes(true);
	s->readonly = w->readonly;
	s->at = w->at;
	chain_connect(s, w->client_name, walk_address(w->client_ip, &client));
	if (w->helo != NULL)
		chain_helo(s, w->helo);
	*v_r = chain_mail(s, w->from == NULL ? "" : w->from, w->params);
	for (size_t i = 0; i < WALK_MAX && w->rcpts[i] != NULL; i++) {
		struct verdict v = chain_rcpt(s, w->rcpts[i]);

		if (rcpt_v_r != NULL)
			rcpt_v_r[i] = v;
	}
	walk_passes(false);
	return s;
}

const struct symbol *
walk_found(const struct message *m)
{
	const struct symbol *y = m->symbols;

	while (y != NULL && strcmp(y->name, "OUTBOUND") == 0)
		y = y->next;
	return y;
}

void
walk_check_symbols(const struct session *s)
{
	for (const struct symbol *y = s->msg == NULL ? NULL : s->msg->symbols;
	     y != NULL; y = y->next) {
		if (!chain_defines(s->snap, y->name)) {
			fprintf(stderr, "%s: no stage has that symbol\n",
			    y->name);
			abort();
		}
	}
}

struct session *
walk_run(struct snapshot *snap, const struct walk *w, struct verdict *v_r,
    struct verdict *rcpt_v_r)
{
	struct session *s = walk_envelope(snap, w, v_r, rcpt_v_r);
	size_t len = w->message_len != 0 ? w->message_len : strlen(w->message);
	size_t body = message_split(w->message, len, on_field, s);
	struct buf b = BUF_INIT;

	walk_passes(true);
	chain_eoh(s);
	message_crlf(&b, w->message + body, len - body);
	for (size_t at = 0; at < b.len;) {
		size_t n = b.len - at;

		if (w->chunk != 0 && n > w->chunk)
			n = w->chunk;
		chain_body(s, (const unsigned char *)b.data + at, n);
		at += n;
	}
	buf_fini(&b);
	*v_r = chain_eom(s);
	walk_passes(false);
	walk_check_symbols(s);
	return s;
}
