/*
 * posternctl check: messages in files through the same chain.
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
#include "milter/snapshot.h"
#include "milter/summary.h"
#include "posternctl.h"

#define RCPTS_MAX 1000
#define CHUNK 65536 /* octets of body at a time, as MTAs send it */
#define TIME_MAX_ 253402300799LL /* the end of the year 9999 */

enum output { OUTPUT_JSON, OUTPUT_MESSAGE, OUTPUT_TEXT, OUTPUT_NONE };

/* The envelope that every message is judged with. */
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

/* The envelope; true: the message may follow. */
static bool
walk_envelope(const struct check *c, struct session *s, struct verdict *v_r)
{
	/* Without SMTPUTF8 there is no such sender. */
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

static json_t *
edits_json(const struct message *m)
{
	json_t *list = json_array();

	for (const struct edit *e = m->edits.first; e != NULL; e = e->next)
		json_array_append_new(list,
		    json_pack("{s:s,s:i,s:o,s:o}", "op", edit_word(e->op),
			"index", (int)e->index, "name",
			posternctl_string(e->name), "value",
			posternctl_string(e->value)));
	return list;
}

/* The reply, or JSON null. */
static json_t *
reply_json(const struct verdict *v)
{
	struct buf b = BUF_INIT;
	json_t *j;

	if (!summary_reply(&b, v))
		return json_null();
	j = posternctl_string(buf_text(&b));
	buf_fini(&b);
	return j;
}

static json_t *
result_json(const char *file, const struct message *m, const struct verdict *v)
{
	bool out = m->direction == DIRECTION_OUTBOUND;
	const struct {
		const char *key;
		json_t *value; /* taken; NULL: no memory */
	} all[] = {
	    {"file", posternctl_string(file)},
	    {"direction", json_string(out ? "outbound" : "inbound")},
	    {"account", posternctl_string(m->account)},
	    {"spf", facts_spf(m->spf)},
	    {"spf_helo", facts_spf(m->spf_helo)},
	    {"dkim", facts_dkim(m->dkim)},
	    {"dmarc", facts_dmarc(m->dmarc)},
	    {"rdns", facts_rdns(m->iprev)},
	    {"helo", facts_helo(m->helo)},
	    {"dnsbl", facts_dnsbl(m->dnsbl)},
	    {"rules", facts_rules(m->rules)},
	    {"symbols", facts_symbols(m->symbols)},
	    {"score", json_real(message_score(m))},
	    {"verdict", json_string(verdict_word(v->action))},
	    {"decided_by", posternctl_string(v->by)},
	    {"reply", reply_json(v)},
	    {"edits", edits_json(m)},
	    {"allowed", posternctl_string(m->allowed)},
	};
	json_t *object = json_object();
	int rc = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		rc |= json_object_set_new(object, all[i].key, all[i].value);
	if (rc == 0)
		return object;
	json_decref(object);
	return NULL;
}

/* Text from outside on a terminal: controls and 8-bit octets are escaped, but a
 * fold is one here too. */
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

/* Why it is so, in a sentence or two. */
static void
add_why(struct buf *b, const struct message *m, const struct verdict *v)
{
	struct buf why = BUF_INIT;

	verdict_explain(v, &why);
	buf_str(b, "\n  why It is ");
	add_text(b, why.failed ? "?" : buf_text(&why));
	buf_fini(&why);
	if (v->action != VERDICT_NONE) {
		buf_char(b, '.');
	} else if (m->allowed != NULL) {
		buf_printf(b, ": its %s is in AllowList.", m->allowed);
	} else if (verdict_refuses(&m->kept.v)) {
		buf_printf(b, ": %s would refuse it, but it goes only to "
		    "recipients to whom that is nothing.", m->kept.v.by);
	} else {
		buf_str(b, ": nothing refuses or holds it.");
		if (m->scored)
			buf_printf(b, "  The score %.1f is below the limits "
			    "that refuse, hold or drop it.", message_score(m));
	}
}

/* Why some recipients alone are refused. */
static void
add_rcpts(struct buf *b, const struct message *m)
{
	for (const struct rcpt *r = m->rcpts; r != NULL; r = r->next) {
		struct buf why = BUF_INIT;

		if (!r->refused)
			continue;
		verdict_explain(&r->refusal, &why);
		buf_str(b, "\n  rcpt ");
		buf_quote(b, r->addr, strlen(r->addr), 320);
		buf_str(b, " is ");
		add_text(b, why.failed ? "?" : buf_text(&why));
		buf_char(b, '.');
		buf_fini(&why);
	}
}

static const struct rules_hit *
hit_of(const struct message *m, const char *name)
{
	const struct rules_hit *h = m->rules == NULL ? NULL : m->rules->hits;

	while (h != NULL && strcmp(h->name, name) != 0)
		h = h->next;
	return h;
}

/* Rules that hit, and what the checks found. */
static void
add_symbols(struct buf *b, const struct message *m)
{
	for (const struct symbol *s = m->symbols; s != NULL; s = s->next) {
		const struct rules_hit *h = hit_of(m, s->name);

		buf_printf(b, "\n  %s %s %.3f", h == NULL ? "symbol" : "rule",
		    s->name, s->score);
		if (h != NULL && h->describe != NULL) {
			buf_char(b, ' ');
			add_text(b, h->describe);
		}
	}
}

static void
add_edits(struct buf *b, const struct message *m)
{
	for (const struct edit *e = m->edits.first; e != NULL; e = e->next) {
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

/* What led to it and what comes of it, a line each. */
static void
add_lines(struct buf *b, const struct message *m, const struct verdict *v)
{
	struct buf reply = BUF_INIT;

	add_why(b, m, v);
	add_rcpts(b, m);
	if (summary_reply(&reply, v) && buf_text(&reply) != NULL) {
		buf_str(b, "\n  reply ");
		add_text(b, buf_text(&reply));
	}
	add_symbols(b, m);
	add_edits(b, m);
	buf_fini(&reply);
}

/* The first line comes last: stages may note what they have to note only when
 * the message is over, and drop what the other lines are made of. */
static void
print_text(const char *file, struct message *m, const struct verdict *v)
{
	struct buf b = BUF_INIT, lines = BUF_INIT;

	add_lines(&lines, m, v);
	chain_finish(m->session, v);
	buf_escape(&b, file, strlen(file), 4096);
	buf_printf(&b, ": %s, %s",
	    m->direction == DIRECTION_OUTBOUND ? "outbound" : "inbound",
	    verdict_word(v->action));
	if (v->by != NULL)
		buf_printf(&b, " by %s", v->by);
	summary_account(&b, m);
	summary_findings(&b, m, v, SIZE_MAX);
	buf_str(&b, lines.failed ? "" : buf_text(&lines));
	puts(b.failed || lines.failed ? "no memory" : buf_text(&b));
	buf_fini(&b);
	buf_fini(&lines);
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

static void
print_result(const struct check *c, const char *file, struct message *m,
    const struct verdict *v, const char *body, size_t body_len)
{
	json_t *j;

	switch (c->output) {
	case OUTPUT_JSON:
		j = result_json(file, m, v);
		posternctl_print(j);
		json_decref(j);
		break;
	case OUTPUT_MESSAGE:
		print_message(m, body, body_len);
		break;
	case OUTPUT_TEXT:
		print_text(file, m, v);
		break;
	case OUTPUT_NONE:
		break;
	}
}

static void
judge(struct check *c, const char *file, const char *bytes, size_t len)
{
	struct session *s = chain_open(c->snap, macro, c);
	struct verdict v;
	size_t body = 0;

	if (s == NULL) {
		fprintf(stderr, "posternctl: no memory\n");
		c->rc = EX_OSERR;
		return;
	}
	s->readonly = true;
	s->explains = c->output == OUTPUT_TEXT;
	s->at = c->at;
	if (walk_envelope(c, s, &v)) {
		body = message_split(bytes, len, on_field, s);
		chain_eoh(s);
		walk_body(s, bytes + body, len - body);
		v = chain_eom(s);
	}
	if (s->msg != NULL)
		print_result(c, file, s->msg, &v, bytes + body, len - body);
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

/* By octets, whatever the locale. */
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

/* In its place among --output. */
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
