/*
 * Plays the MTA to a milter, one command a line.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * usage: miltertalk SOCKET [SECONDS]
 *
 * Each line of standard input is a JSON array, a command and its arguments;
 * each is answered by one line on standard output.  A string stands for octets:
 * the code point is the octet (as Latin-1), so that all 256 can be said.
 *
 *   ["open"]                       connect; the first command does by itself
 *   ["negotiate", "all"|"plain"]   or actions and steps as two numbers; done
 *                                  with "all" before the first command of mail
 *   ["define", NAME, VALUE]        a macro, sent where the filter wants it
 *   ["macro", "mail", NAME, VALUE, ...]       macros, sent now
 *   ["connect", NAME, ADDRESS, PORT]          ADDRESS: IPv4, IPv6, a path, or
 *                                             "unspec"; PORT is optional
 *   ["helo", S] ["mail", S, ...] ["rcpt", S, ...] ["data"] ["unknown", S]
 *   ["header", NAME, VALUE] ["eoh"] ["body", S] ["eom"] ["abort"] ["quit"]
 *   ["packet", "M", S] ["raw", S]  a packet of any kind; octets.  No reply is
 *                                  awaited, ["await"] does that.
 *   ["repeat", N, [COMMAND ...]]   the answer is the last one's
 *   ["close"]
 *
 * Answers: {"reply": WORD, "text": S, "edits": [[KIND, INDEX, NAME, VALUE]],
 * "progress": how often the filter said before that it is at work} (reply is
 * "none" when none is due), of negotiate {"actions", "steps", "symbols"}, of a
 * failure {"error": WORDS}.  Exit status 64: a command that is none.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <libmilter/mfdef.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "t/support/drivers/mta.h"

#define ARGS_MAX 512

/* One connection, and the arguments of the command under way. */
struct talk {
	const char *socket;
	int wait_ms;
	struct mta *mta;
	bool negotiated;
	struct mta_answer answer;
	size_t nargs;
	struct buf args[ARGS_MAX];
};

struct verb {
	const char *name;
	size_t min_args;
	int (*run)(struct talk *t, const struct verb *v);
	char command; /* of say() */
};

static const char *
arg(const struct talk *t, size_t i)
{
	return i < t->nargs ? buf_text(&t->args[i]) : "";
}

static size_t
args_from(const struct talk *t, size_t first, const char **strings)
{
	size_t n = 0;

	for (size_t i = first; i < t->nargs; i++)
		strings[n++] = arg(t, i);
	return n;
}

static void
do_close_quietly(struct talk *t)
{
	mta_close(t->mta);
	t->mta = NULL;
	t->negotiated = false;
}

static int
do_close(struct talk *t, const struct verb *v)
{
	(void)v;
	do_close_quietly(t);
	return 0;
}

static int
do_open(struct talk *t, const struct verb *v)
{
	(void)v;
	do_close_quietly(t);
	return mta_open(t->socket, t->wait_ms, &t->mta);
}

static int
opened(struct talk *t)
{
	return t->mta != NULL ? 0 : do_open(t, NULL);
}

static int
negotiated(struct talk *t)
{
	int rc = opened(t);

	if (rc != 0 || t->negotiated)
		return rc;
	t->negotiated = true;
	return mta_negotiate(t->mta, MTA_OFFER_ALL);
}

static int
do_negotiate(struct talk *t, const struct verb *v)
{
	struct mta_options offer = MTA_OFFER_ALL;
	int rc = opened(t);

	(void)v;
	if (strcmp(arg(t, 0), "plain") == 0)
		offer = MTA_OFFER_PLAIN;
	if (t->nargs == 2) {
		offer.actions = (uint32_t)strtoul(arg(t, 0), NULL, 0);
		offer.steps = (uint32_t)strtoul(arg(t, 1), NULL, 0);
	}
	t->negotiated = true;
	return rc != 0 ? rc : mta_negotiate(t->mta, offer);
}

static int
say(struct talk *t, const struct verb *v)
{
	const char *strings[ARGS_MAX];
	size_t n = args_from(t, 0, strings);
	int rc = negotiated(t);

	return rc != 0 ? rc
		       : mta_say(t->mta, v->command, strings, n, &t->answer);
}

static char
command_named(const char *name)
{
	static const struct {
		const char *name;
		char code;
	} names[] = {
	    {"connect", SMFIC_CONNECT},
	    {"helo", SMFIC_HELO},
	    {"mail", SMFIC_MAIL},
	    {"rcpt", SMFIC_RCPT},
	    {"data", SMFIC_DATA},
	    {"eoh", SMFIC_EOH},
	    {"eom", SMFIC_BODYEOB},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strcmp(names[i].name, name) == 0)
			return names[i].code;
	}
	return name[0]; /* any other octet, for hostile macros */
}

static int
do_macro(struct talk *t, const struct verb *v)
{
	const char *strings[ARGS_MAX];
	size_t n = args_from(t, 1, strings);
	int rc = negotiated(t);

	(void)v;
	return rc != 0 ? rc
		       : mta_macros(t->mta, command_named(arg(t, 0)), strings,
			     n);
}

/* mta_define borrows; a talk has few macros, and ends. */
static int
do_define(struct talk *t, const struct verb *v)
{
	char *name = strdup(arg(t, 0)), *value = strdup(arg(t, 1));
	int rc = opened(t);

	(void)v;
	if (name == NULL || value == NULL)
		return ERR_NOMEM;
	return rc != 0 ? rc : mta_define(t->mta, name, value);
}

static int
do_connect(struct talk *t, const struct verb *v)
{
	const char *address = arg(t, 1);
	struct in6_addr six;
	char family = SMFIA_UNKNOWN;
	int rc = negotiated(t);

	(void)v;
	if (address[0] == '/')
		family = SMFIA_UNIX;
	else if (inet_pton(AF_INET, address, &six) == 1)
		family = SMFIA_INET;
	else if (inet_pton(AF_INET6, address, &six) == 1)
		family = SMFIA_INET6;
	return rc != 0 ? rc
		       : mta_connect(t->mta, arg(t, 0), family, address,
			     (unsigned)strtoul(arg(t, 2), NULL, 10),
			     &t->answer);
}

static int
do_body(struct talk *t, const struct verb *v)
{
	int rc = negotiated(t);

	(void)v;
	return rc != 0 ? rc
		       : mta_body(t->mta, arg(t, 0), t->args[0].len,
			     &t->answer);
}

static int
do_eom(struct talk *t, const struct verb *v)
{
	int rc = negotiated(t);

	(void)v;
	return rc != 0 ? rc : mta_eom(t->mta, &t->answer);
}

static int
do_abort(struct talk *t, const struct verb *v)
{
	int rc = negotiated(t);

	(void)v;
	return rc != 0 ? rc : mta_abort(t->mta);
}

static int
do_quit(struct talk *t, const struct verb *v)
{
	int rc = negotiated(t);

	(void)v;
	return rc != 0 ? rc : mta_quit(t->mta);
}

static int
do_packet(struct talk *t, const struct verb *v)
{
	int rc = opened(t);

	(void)v;
	return rc != 0 ? rc
		       : mta_packet(t->mta, arg(t, 0)[0], arg(t, 1),
			     t->nargs > 1 ? t->args[1].len : 0);
}

static int
do_raw(struct talk *t, const struct verb *v)
{
	int rc = opened(t);

	(void)v;
	return rc != 0 ? rc : mta_raw(t->mta, arg(t, 0), t->args[0].len);
}

static int
do_await(struct talk *t, const struct verb *v)
{
	int rc = opened(t);

	(void)v;
	return rc != 0 ? rc : mta_await(t->mta, &t->answer);
}

static const struct verb verbs[] = {
    {"open", 0, do_open, 0},
    {"negotiate", 1, do_negotiate, 0},
    {"define", 2, do_define, 0},
    {"macro", 1, do_macro, 0},
    {"connect", 2, do_connect, 0},
    {"helo", 1, say, SMFIC_HELO},
    {"mail", 0, say, SMFIC_MAIL},
    {"rcpt", 0, say, SMFIC_RCPT},
    {"data", 0, say, SMFIC_DATA},
    {"unknown", 1, say, SMFIC_UNKNOWN},
    {"header", 2, say, SMFIC_HEADER},
    {"eoh", 0, say, SMFIC_EOH},
    {"body", 1, do_body, 0},
    {"eom", 0, do_eom, 0},
    {"abort", 0, do_abort, 0},
    {"quit", 0, do_quit, 0},
    {"packet", 1, do_packet, 0},
    {"raw", 1, do_raw, 0},
    {"await", 0, do_await, 0},
    {"close", 0, do_close, 0},
};

/* JSON's UTF-8 to octets; false: a code point above 0xff. */
static bool
to_octets(const char *s, size_t len, struct buf *out)
{
	buf_reset(out);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c >= 0x80) {
			if (c > 0xc3 || ++i == len)
				return false;
			c = (unsigned char)((c & 3) << 6 | (s[i] & 0x3f));
		}
		buf_char(out, (char)c);
	}
	buf_add(out, "", 0);
	return !out->failed;
}

static json_t *
from_octets(const char *s)
{
	struct buf b = BUF_INIT;
	json_t *string;

	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c >= 0x80) {
			buf_char(&b, (char)(0xc0 | c >> 6));
			c = (unsigned char)(0x80 | (c & 0x3f));
		}
		buf_char(&b, (char)c);
	}
	string = json_string(buf_text(&b));
	buf_fini(&b);
	return string;
}

static bool
read_args(struct talk *t, const json_t *line, size_t first)
{
	const json_t *value;
	char number[32];

	t->nargs = 0;
	for (size_t i = first; i < json_array_size(line); i++) {
		value = json_array_get(line, i);
		if (t->nargs == ARGS_MAX)
			return false;
		if (json_is_integer(value)) {
			snprintf(number, sizeof(number),
			    "%" JSON_INTEGER_FORMAT,
			    json_integer_value(value));
			value = NULL;
		}
		if (!to_octets(value == NULL ? number : json_string_value(value),
			value == NULL ? strlen(number)
				      : json_string_length(value),
			&t->args[t->nargs++]))
			return false;
	}
	return true;
}

static const struct verb *
verb_find(const json_t *line)
{
	const char *name = json_string_value(json_array_get(line, 0));

	for (size_t i = 0; name != NULL && i < sizeof(verbs) / sizeof(*verbs);
	     i++) {
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	}
	return NULL;
}

static json_t *
answer_json(const struct mta_answer *a)
{
	json_t *edits = json_array();
	const struct mta_edit *e;

	for (e = a->edits; e < a->edits + a->nedits; e++)
		json_array_append_new(edits,
		    json_pack("[s,I,o,o]", mta_word(e->kind),
			(json_int_t)e->index, from_octets(e->name),
			from_octets(e->value)));
	return json_pack("{s:s,s:o,s:o,s:I}", "reply",
	    a->reply == 0 ? "none" : mta_word(a->reply), "text",
	    from_octets(a->text), "edits", edits, "progress",
	    (json_int_t)a->progress);
}

static json_t *
options_json(const struct mta *m)
{
	struct mta_options o = mta_agreed(m);
	json_t *symbols = json_array();
	const char *list;

	for (unsigned stage = 0; stage < 7; stage++) {
		list = mta_symbols(m, stage);
		json_array_append_new(
		    symbols, list == NULL ? json_null() : from_octets(list));
	}
	return json_pack("{s:I,s:I,s:o}", "actions", (json_int_t)o.actions,
	    "steps", (json_int_t)o.steps, "symbols", symbols);
}

/* Run a line; NULL: it is no command. */
static json_t *
run(struct talk *t, const json_t *line)
{
	json_int_t times = 1;
	const struct verb *v;
	int rc = 0;

	t->answer = (struct mta_answer){.text = ""};
	v = verb_find(line);
	if (v == NULL &&
	    json_string_value(json_array_get(line, 0)) != NULL &&
	    strcmp(json_string_value(json_array_get(line, 0)), "repeat") == 0) {
		times = json_integer_value(json_array_get(line, 1));
		line = json_array_get(line, 2);
		v = verb_find(line);
	}
	if (v == NULL || !read_args(t, line, 1) || t->nargs < v->min_args)
		return NULL;
	while (rc == 0 && times-- > 0)
		rc = v->run(t, v);
	if (rc != 0)
		return json_pack("{s:s}", "error",
		    rc == ERR_SYSTEM ? strerror(errno) : err_text(rc));
	return v->run == do_negotiate ? options_json(t->mta)
				      : answer_json(&t->answer);
}

int
main(int argc, char **argv)
{
	static struct talk t;
	char *text = NULL;
	size_t room = 0;
	ssize_t len;
	int status = EX_OK;
	json_t *line, *answer;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: miltertalk SOCKET [SECONDS]\n");
		return EX_USAGE;
	}
	signal(SIGPIPE, SIG_IGN);
	t.socket = argv[1];
	t.wait_ms = (argc == 3 ? atoi(argv[2]) : 60) * 1000;
	while (status == EX_OK && (len = getline(&text, &room, stdin)) > 0) {
		line = json_loadb(text, (size_t)len, JSON_ALLOW_NUL, NULL);
		answer = line == NULL ? NULL : run(&t, line);
		if (answer == NULL) {
			fprintf(stderr, "miltertalk: no command: %.200s", text);
			status = EX_USAGE;
		} else {
			json_dumpf(answer, stdout, JSON_COMPACT);
			putchar('\n');
			fflush(stdout);
		}
		json_decref(answer);
		json_decref(line);
	}
	do_close_quietly(&t);
	for (size_t i = 0; i < ARGS_MAX; i++)
		buf_fini(&t.args[i]);
	free(text);
	return status;
}
