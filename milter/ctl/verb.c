/*
 * A command line of posternctl: options, verb and usage.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/conf/conf.h"
#include "milter/snapshot.h"
#include "posternctl.h"

#define OPTIONS_MAX 64  /* different options of a command */
#define OPTION_FIRST 256 /* what getopt returns for the first of them */
#define HEAD_WIDTH 18    /* columns before the help text, if they suffice */

enum { OPTION_JSON = 'j', OPTION_HELP = 'h' };

/* The parser: getopt gets the options of all verbs of a command, because
 * options may stand before the verb. */
struct parser {
	const struct command *command;
	struct option rows[OPTIONS_MAX + 1];
	size_t count;
	bool help; /* --help was given */
	/* The options that were given, in order: rows and their values. */
	struct {
		int row;
		const char *value;
	} *given;
	size_t given_count;
};

/* -- usage -- */

static void
print_row(FILE *out, const char *head, const char *help)
{
	int indent = strlen(head) < HEAD_WIDTH ? 1 : 2;

	fprintf(out, "  %-*s", help == NULL ? 0 : HEAD_WIDTH, head);
	for (const char *line = help; line != NULL;) {
		size_t len = strcspn(line, "\n");

		fprintf(out, "%*s%.*s", indent, "", (int)len, line);
		indent = HEAD_WIDTH + 3;
		line = line[len] == '\0' ? NULL : line + len + 1;
		if (line != NULL)
			fputc('\n', out);
	}
	fputc('\n', out);
}

static void
print_option(FILE *out, const struct verb_option *o)
{
	char head[64];

	snprintf(head, sizeof(head), "--%s%s%s", o->name,
	    o->value == NULL ? "" : " ", o->value == NULL ? "" : o->value);
	print_row(out, head, o->help);
}

static void
print_verb(FILE *out, const struct verb *v)
{
	char head[64];

	if (v->name == NULL)
		return;
	snprintf(head, sizeof(head), "%s%s%s", v->name,
	    v->args == NULL ? "" : " ", v->args == NULL ? "" : v->args);
	print_row(out, head, v->help);
}

static const struct verb_option *
find_option(const struct verb *v, const char *name)
{
	for (const struct verb_option *o = v->options;
	     o != NULL && o->name != NULL; o++) {
		if (strcmp(o->name, name) == 0)
			return o;
	}
	return NULL;
}

/* Is it an option of a verb before v in the table?  v NULL: of any verb. */
static bool
is_known(const struct command *c, const struct verb *v, const char *name)
{
	for (const struct verb *w = c->verbs; w != v && w->run != NULL; w++) {
		if (find_option(w, name) != NULL)
			return true;
	}
	return false;
}

/* Print the usage of a verb; only NULL: of all verbs of the command. */
static void
print_usage(FILE *out, const struct command *c, const struct verb *only)
{
	const char *args = only == NULL ? c->args : only->args;
	const char *sep = " ";

	fprintf(out, "usage: posternctl [-x FILE] %s", c->name);
	for (const struct verb *v = c->verbs; v->run != NULL; v++) {
		if (v->name != NULL && (only == NULL || only == v)) {
			fprintf(out, "%s%s", sep, v->name);
			sep = "|";
		}
	}
	fprintf(out, " [options]%s%s\n", args == NULL ? "" : " ",
	    args == NULL ? "" : args);
	for (const struct verb *v = c->verbs; v->run != NULL; v++) {
		if (only == NULL || only == v)
			print_verb(out, v);
	}
	print_row(out, "-x FILE", "the configuration");
	for (const struct verb *v = c->verbs; v->run != NULL; v++) {
		for (const struct verb_option *o = v->options;
		     o != NULL && o->name != NULL; o++) {
			if (only == v ||
			    (only == NULL && !is_known(c, v, o->name)))
				print_option(out, o);
		}
	}
	if (!is_known(c, NULL, "json"))
		print_row(out, "--json", "one object a line");
	print_row(out, "--help", "this");
}

static int
usage(const struct call *c)
{
	print_usage(stderr, c->command, c->verb);
	return EX_USAGE;
}

int
verb_misused(const struct call *c, const char *what, const char *why)
{
	fprintf(stderr, "posternctl %s: %s: %s\n", c->command->name, what, why);
	return usage(c);
}

bool
verb_expected(const char *option, const char *what)
{
	fprintf(stderr, "posternctl: %s: expected %s\n", option, what);
	return false;
}

/* -- options -- */

static void
add_row(struct parser *p, const char *name, bool takes, int val)
{
	if (p->count == OPTIONS_MAX)
		abort();
	p->rows[p->count++] = (struct option){name,
	    takes ? required_argument : no_argument, NULL, val};
}

/* A verb's own --json comes first, because getopt uses the first. */
static void
make_rows(struct parser *p)
{
	for (const struct verb *v = p->command->verbs; v->run != NULL; v++) {
		for (const struct verb_option *o = v->options;
		     o != NULL && o->name != NULL; o++) {
			if (!is_known(p->command, v, o->name))
				add_row(p, o->name, o->value != NULL,
				    OPTION_FIRST + (int)p->count);
		}
	}
	add_row(p, "json", false, OPTION_JSON);
	add_row(p, "help", false, OPTION_HELP);
}

/* Is there a --help among the options, even if others are wrong? */
static bool
asks_for_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--help") == 0)
			return true;
	}
	return false;
}

/* Read the options, and move them before the other arguments; false: one is not
 * known. */
static bool
read_options(struct parser *p, struct call *c, int argc, char **argv)
{
	int opt;

	p->help = asks_for_help(argc, argv);
	opterr = !p->help;
	while ((opt = getopt_long(argc, argv, "x:", p->rows, NULL)) != -1) {
		if (opt == 'x') {
			c->config = optarg;
		} else if (opt == OPTION_JSON) {
			c->json = true;
		} else if (opt == OPTION_HELP) {
			p->help = true;
		} else if (opt >= OPTION_FIRST) {
			p->given[p->given_count].row = opt - OPTION_FIRST;
			p->given[p->given_count++].value = optarg;
		} else if (!p->help) {
			return false;
		}
	}
	c->args = argv + optind;
	c->count = argc - optind;
	return true;
}

static bool
take_options(const struct parser *p, struct call *c)
{
	for (size_t i = 0; i < p->given_count; i++) {
		const char *name = p->rows[p->given[i].row].name;
		const struct verb_option *o = find_option(c->verb, name);

		if (o == NULL) {
			fprintf(stderr, "posternctl %s: --%s is no option of "
			    "%s\n", c->command->name, name, c->verb->name);
			return false;
		}
		if (!o->take(c, p->given[i].value))
			return false;
	}
	return true;
}

/* -- verbs -- */

/* Set c->verb, and c->args to the words behind it; NULL: there is no such
 * verb. */
static void
find_verb(struct call *c)
{
	const struct verb *v = c->command->verbs;

	if (v->name != NULL) {
		if (c->count == 0)
			return;
		while (v->run != NULL && strcmp(v->name, c->args[0]) != 0)
			v++;
		if (v->run == NULL)
			return;
		c->args++;
		c->count--;
	}
	c->verb = v;
}

/* Print that there is no such verb; the usage that follows has them all. */
static int
no_such_verb(const struct call *c)
{
	const struct verb *v = c->command->verbs;
	char why[100];

	if (c->count == 0)
		return usage(c);
	if (v[1].run != NULL && v[2].run == NULL)
		snprintf(why, sizeof(why), "expected %s or %s", v[0].name,
		    v[1].name);
	else
		snprintf(why, sizeof(why), "no such command of %s",
		    c->command->name);
	return verb_misused(c, c->args[0], why);
}

static int
carry_out(struct call *c)
{
	const struct verb *v = c->verb;
	int rc = EX_OK;

	if (c->count < v->min)
		return verb_misused(c, v->name, v->expected);
	if (v->max >= 0 && c->count > v->max)
		return verb_misused(
		    c, c->args[v->max], "more than is expected here");
	if (v->check != NULL)
		rc = v->check(c);
	if (rc == EX_OK && v->load != NULL)
		rc = v->load(c);
	return rc == EX_OK ? v->run(c) : rc;
}

static int
parse(struct parser *p, struct call *c, int argc, char **argv)
{
	if (!read_options(p, c, argc, argv))
		return usage(c);
	find_verb(c);
	if (p->help) {
		print_usage(stdout, c->command, c->verb);
		return EX_OK;
	}
	if (c->verb == NULL)
		return no_such_verb(c);
	return take_options(p, c) ? carry_out(c) : usage(c);
}

int
verb_call(const struct command *command, int argc, char **argv,
    const char *config)
{
	struct parser p = {.command = command};
	struct call c = {.command = command, .config = config};
	char name[64];
	int rc;

	make_rows(&p);
	p.given = calloc((size_t)argc, sizeof(*p.given));
	c.own = calloc(1, command->size);
	if (p.given == NULL || c.own == NULL) {
		rc = posternctl_no_memory();
	} else {
		/* getopt prints argv[0] before its messages. */
		snprintf(name, sizeof(name), "posternctl %s", command->name);
		argv[0] = name;
		rc = parse(&p, &c, argc, argv);
		if (command->close != NULL)
			command->close(&c);
	}
	snapshot_unref(c.snap);
	conf_free(c.conf);
	free(c.own);
	free(p.given);
	return rc;
}
