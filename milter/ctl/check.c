/*
 * posternctl check: walks messages in files through the same chain.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "facts.h"
#include "lib/base/host.h"
#include "lib/dns/idna.h"
#include "lib/mail/message.h"
#include "lib/rules/rules.h"
#include "milter/chain.h"
#include "milter/reason.h"
#include "milter/record.h"
#include "milter/snapshot.h"
#include "milter/summary.h"
#include "posternctl.h"

#define RCPTS_MAX 1000
#define CHUNK 65536 /* octets of a chunk of the body, as MTAs send it */
#define TIME_MAX_ 253402300799LL /* the end of the year 9999 */

enum output { OUTPUT_JSON, OUTPUT_MESSAGE, OUTPUT_TEXT, OUTPUT_NONE };

/* The options: the envelope of every message, and the output. */
struct check {
	struct snapshot *snap;
	const char *client_name, *helo, *from, *auth, *daemon, *queue_id;
	const char *rcpts[RCPTS_MAX + 1];
	size_t rcpt_count;
	struct host client;
	time_t at;
	enum output output;
	size_t judged;
	int rc; /* the exit code so far */
};

static const char *
macro(void *ctx, const char *name)
{
	const struct check *c = ctx;

	if (strcmp(name, "{auth_authen}") == 0)
		return c->auth;
	if (strcmp(name, "{auth_type}") == 0)
		return c->auth == NULL ? NULL : "PLAIN";
	if (strcmp(name, "{daemon_name}") == 0)
		return c->daemon;
	if (strcmp(name, "i") == 0)
		return c->queue_id;
	return NULL;
}

static void
on_field(void *ctx, const char *name, size_t name_len, const char *value,
    size_t value_len)
{
	chain_header(ctx, name, name_len, value, value_len);
}

static void
walk_body(struct session *s, const char *bytes, size_t len)
{
	struct buf b = BUF_INIT;

	message_crlf(&b, bytes, len);
	for (size_t at = 0; at < b.len; at += CHUNK) {
		size_t n = b.len - at < CHUNK ? b.len - at : CHUNK;

		chain_body(s, (const unsigned char *)b.data + at, n);
	}
	buf_fini(&b);
}

/* Walk the envelope; true: the message may follow. */
static bool
walk_envelope(const struct check *c, struct session *s, struct verdict *v_r)
{
	/* A sender in UTF-8 needs SMTPUTF8. */
	static const char *const utf8[] = {"SMTPUTF8", NULL};
	bool any = c->rcpt_count == 0;
	struct verdict v;

	chain_connect(s, c->client_name, &c->client);
	if (c->helo != NULL)
		chain_helo(s, c->helo);
	*v_r = chain_mail(
	    s, c->from, idna_is_ascii(c->from) ? NULL : utf8);
	if (verdict_decides(v_r))
		return false;
	for (size_t i = 0; i < c->rcpt_count; i++) {
		v = chain_rcpt(s, c->rcpts[i]);
		if (!verdict_refuses(&v))
			any = true;
		else if (!verdict_decides(v_r))
			*v_r = v;
	}
	return any;
}

/* Add text from outside for a terminal: controls and 8-bit octets are escaped,
 * and folds begin a new line. */
static void
add_text(struct buf *b, const char *text)
{
	for (; *text != '\0'; text++) {
		if (text[0] == '\n' && (text[1] == '\t' || text[1] == ' ')) {
			buf_str(b, "\n        ");
			text++;
		} else if (*text < 0x20 || *text > 0x7e) {
			buf_escape(b, text, 1, 1);
		} else {
			buf_char(b, *text);
		}
	}
}

/* Add the reason for the outcome. */
static void
add_why(struct buf *b, const struct record *r)
{
	buf_str(b, "\n  why ");
	reason_sentence(b, r);
}

/* Add the recipients that are refused, with the reasons. */
static void
add_rcpts(struct buf *b, const struct record *r)
{
	for (const struct rcpt *to = r->rcpts; to != NULL; to = to->next) {
		const struct verdict *v = record_refusal(to);

		if (v == NULL)
			continue;
		buf_str(b, "\n  rcpt ");
		buf_quote(b, to->addr, strlen(to->addr), 320);
		buf_str(b, " is ");
		reason_verdict(b, r, v);
		buf_char(b, '.');
	}
}

static const struct rules_hit *
hit_of(const struct record *r, const char *name)
{
	const struct rules_hit *h = r->rules == NULL ? NULL : r->rules->hits;

	while (h != NULL && strcmp(h->name, name) != 0)
		h = h->next;
	return h;
}

/* Add the symbols: rules that hit, and findings of checks. */
static void
add_symbols(struct buf *b, const struct record *r)
{
	for (const struct symbol *s = r->symbols; s != NULL; s = s->next) {
		const struct rules_hit *h = hit_of(r, s->name);

		buf_printf(b, "\n  %s %s %.3f", h == NULL ? "symbol" : "rule",
		    s->name, s->score);
		if (h != NULL && h->describe != NULL) {
			buf_char(b, ' ');
			add_text(b, h->describe);
		}
	}
}

static void
add_edits(struct buf *b, const struct record *r)
{
	for (const struct edit *e = r->edits; e != NULL; e = e->next) {
		buf_printf(b, "\n  %s ", edit_word(e->op));
		buf_escape(b, e->name, strlen(e->name), 256);
		if (e->op == EDIT_CHANGE || e->op == EDIT_DELETE)
			buf_printf(b, " %u", e->index);
		if (e->value == NULL)
			continue;
		buf_str(b, ": ");
		add_text(b, e->value);
	}
}

static void
print_text(const char *file, const struct record *r)
{
	struct buf b = BUF_INIT, reply = BUF_INIT;

	buf_escape(&b, file, strlen(file), 4096);
	buf_printf(&b, ": %s, %s",
	    r->direction == DIRECTION_OUTBOUND ? "outbound" : "inbound",
	    record_word(r));
	if (r->verdict.by != NULL)
		buf_printf(&b, " by %s", r->verdict.by);
	summary_account(&b, r);
	summary_findings(&b, r, SIZE_MAX);
	add_why(&b, r);
	add_rcpts(&b, r);
	if (summary_reply(&reply, &r->verdict) && buf_text(&reply) != NULL) {
		buf_str(&b, "\n  reply ");
		add_text(&b, buf_text(&reply));
	}
	add_symbols(&b, r);
	add_edits(&b, r);
	puts(b.failed ? "no memory" : buf_text(&b));
	buf_fini(&b);
	buf_fini(&reply);
}

static void
print_field(const char *name, size_t name_len, const char *value,
    size_t value_len)
{
	fwrite(name, 1, name_len, stdout);
	putchar(':');
	for (size_t i = 0; i < value_len; i++) {
		if (value[i] == '\n')
			putchar('\r');
		putchar(value[i]);
	}
	fputs("\r\n", stdout);
}

static void
print_message(struct message *m, const char *body, size_t body_len)
{
	struct buf b = BUF_INIT;
	struct hdr_list out;

	if (edit_result(&m->headers, &m->edits, &m->arena, &out) != 0)
		return;
	for (const struct hdr *h = out.first; h != NULL; h = h->next)
		print_field(h->name, h->name_len, h->value, h->value_len);
	fputs("\r\n", stdout);
	message_crlf(&b, body, body_len);
	fwrite(buf_text(&b), 1, b.len, stdout);
	buf_fini(&b);
}

/* What session.recorded needs to know of the message. */
struct judged {
	const struct check *check;
	struct session *session;
	const char *file;
	const char *body;
	size_t body_len;
};

static void
print_result(void *ctx, const struct record *r)
{
	const struct judged *j = ctx;
	json_t *object;

	/* The record of a client is not printed: that of its message has the
	 * refusal too. */
	if (r->at != NULL)
		return;
	switch (j->check->output) {
	case OUTPUT_JSON:
		object = facts_record(j->file, r);
		posternctl_print(object);
		json_decref(object);
		break;
	case OUTPUT_MESSAGE:
		print_message(j->session->msg, j->body, j->body_len);
		break;
	case OUTPUT_TEXT:
		print_text(j->file, r);
		break;
	case OUTPUT_NONE:
		break;
	}
}

static void
judge(struct check *c, const char *file, const char *bytes, size_t len)
{
	struct session *s = chain_open(c->snap, macro, c);
	struct judged j = {c, s, file, bytes, len};
	struct verdict v;
	size_t body;

	if (s == NULL) {
		c->rc = posternctl_no_memory();
		return;
	}
	s->readonly = true;
	s->explains = c->output == OUTPUT_TEXT;
	s->at = c->at;
	s->recorded = print_result;
	s->recorded_ctx = &j;
	if (walk_envelope(c, s, &v)) {
		body = message_split(bytes, len, on_field, s);
		j.body = bytes + body;
		j.body_len = len - body;
		chain_eoh(s);
		walk_body(s, j.body, j.body_len);
		v = chain_eom(s);
	}
	chain_end(s, &v);
	chain_close(s);
	c->judged++;
}

static int
read_all(FILE *f, struct buf *b)
{
	char chunk[CHUNK];
	size_t n;

	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(b, chunk, n);
	return ferror(f) || b->failed ? -1 : 0;
}

static void
check_stream(struct check *c, const char *file, FILE *f)
{
	struct buf b = BUF_INIT;

	if (read_all(f, &b) == 0) {
		judge(c, file, buf_text(&b), b.len);
	} else {
		fprintf(stderr, "%s: %s\n", file, strerror(errno));
		c->rc = EX_NOINPUT;
	}
	buf_fini(&b);
}

static void check_path(struct check *c, const char *path);

static int
visible(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

/* Sorted by octets, not by the locale. */
static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void
check_directory(struct check *c, const char *path)
{
	struct dirent **names;
	int n = scandir(path, &names, visible, by_name);

	if (n < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		c->rc = EX_NOINPUT;
		return;
	}
	for (int i = 0; i < n; i++) {
		struct buf b = BUF_INIT;

		buf_printf(&b, "%s/%s", path, names[i]->d_name);
		check_path(c, buf_text(&b));
		buf_fini(&b);
		free(names[i]);
	}
	free(names);
}

static void
check_path(struct check *c, const char *path)
{
	struct stat st;
	FILE *f;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		check_directory(c, path);
		return;
	}
	f = fopen(path, "rb");
	if (f == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		c->rc = EX_NOINPUT;
		return;
	}
	check_stream(c, path, f);
	fclose(f);
}

int
posternctl_walk(struct snapshot *snap, char *const *paths)
{
	struct check c = {.snap = snap, .from = "", .output = OUTPUT_NONE};

	for (; *paths != NULL; paths++)
		check_path(&c, *paths);
	return c.rc;
}

/* -- options -- */

static bool
take_client_ip(struct call *call, const char *ip)
{
	struct check *c = call->own;

	return host_parse(ip, &c->client) ||
	    verb_expected("--client-ip", "an IPv4 or IPv6 address");
}

static bool
take_client_name(struct call *c, const char *name)
{
	((struct check *)c->own)->client_name = name;
	return true;
}

static bool
take_helo(struct call *c, const char *name)
{
	((struct check *)c->own)->helo = name;
	return true;
}

static bool
take_from(struct call *c, const char *address)
{
	((struct check *)c->own)->from = address;
	return true;
}

static bool
take_rcpt(struct call *call, const char *address)
{
	struct check *c = call->own;

	if (c->rcpt_count == RCPTS_MAX)
		return verb_expected("--rcpt", "at most 1000 of them");
	c->rcpts[c->rcpt_count++] = address;
	return true;
}

static bool
take_auth(struct call *c, const char *login)
{
	((struct check *)c->own)->auth = login;
	return true;
}

static bool
take_daemon(struct call *c, const char *name)
{
	((struct check *)c->own)->daemon = name;
	return true;
}

static bool
take_queue_id(struct call *c, const char *id)
{
	((struct check *)c->own)->queue_id = id;
	return true;
}

static bool
take_time(struct call *call, const char *text)
{
	struct check *c = call->own;
	char *end;
	long long t = strtoll(text, &end, 10);

	c->at = (time_t)t;
	return (*text != '\0' && *end == '\0' && t > 0 && t <= TIME_MAX_) ||
	    verb_expected("--time", "seconds since 1970");
}

static bool
take_output(struct call *call, const char *word)
{
	static const char *const words[] = {"json", "message", "text"};
	struct check *c = call->own;

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (strcmp(words[i], word) == 0) {
			c->output = (enum output)i;
			return true;
		}
	}
	return verb_expected("--output", "json, message or text");
}

/* --json is one of the forms of --output. */
static bool
take_json(struct call *c, const char *none)
{
	(void)none;
	return take_output(c, "json");
}

static const struct verb_option options[] = {
    {"client-ip", "A", "the client's address", take_client_ip},
    {"client-name", "N", "its verified name", take_client_name},
    {"helo", "H", "what it says in HELO", take_helo},
    {"from", "S", "the envelope sender; '' is the null sender", take_from},
    {"rcpt", "R", "a recipient; may be repeated", take_rcpt},
    {"auth", "LOGIN", "the authenticated login", take_auth},
    {"daemon", "NAME", "the MTA's {daemon_name}", take_daemon},
    {"queue-id", "I", "the queue id", take_queue_id},
    {"time", "EPOCH", "judge as of this time", take_time},
    {"output", "json|message|text", "default: json", take_output},
    {"json", NULL, "the same as --output json", take_json},
    {NULL, NULL, NULL, NULL},
};

/* -- the command -- */

static int
run(struct call *call)
{
	struct check *c = call->own;

	c->snap = call->snap;
	if (c->from == NULL)
		c->from = "";
	if (call->count == 0)
		check_stream(c, "-", stdin);
	for (int i = 0; i < call->count; i++)
		check_path(c, call->args[i]);
	return c->rc;
}

static const struct verb verbs[] = {
    {.args = "[FILE|DIR ...]",
	.max = -1,
	.options = options,
	.load = posternctl_chain,
	.run = run},
    {0},
};

const struct command command_check = {
    .name = "check",
    .args = "[FILE|DIR ...]",
    .summary = "run messages through the same chain, off line",
    .size = sizeof(struct check),
    .verbs = verbs,
};
