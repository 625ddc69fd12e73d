/*
 * posternctl(8): what a person does at the shell.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "posternctl.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cure.h"
#include "lib/err.h"
#include "lib/errlist.h"
#include "lib/mapguard.h"
#include "lib/utf8.h"
#include "log.h"
#include "snapshot.h"

static const struct command *const commands[] = {
    &command_check,
    &command_key,
    &command_quota,
    &command_rules,
    NULL,
};

/* Keys and tables are for UserID alone: what opens them to the daemon would
 * hand them to whoever runs this. */
static void
say_mistake(const char *text, void *arg)
{
	const char *cure = cure_find(text);
	bool closed = geteuid() != 0 &&
	    (cure != NULL || strstr(text, strerror(EACCES)) != NULL);
	size_t len = closed && cure != NULL ? (size_t)(cure - text)
					    : strlen(text);

	(void)arg;
	while (closed && len > 0 && strchr("; ", text[len - 1]) != NULL)
		len--;
	fprintf(stderr, "%.*s%s\n", (int)len, text,
	    closed ? "; run posternctl as root" : "");
}

void
posternctl_mistakes(struct errlist *list)
{
	errlist_sort(list);
	errlist_each(list, say_mistake, NULL);
}

struct snapshot *
posternctl_load(const char *config)
{
	/* What is odd in the configuration `postern -n` says, and the daemon;
	 * not each command again. */
	static const struct log_options
	    mute = {.mute = true, .name = "posternctl"},
	    quiet = {.quiet = true, .name = "posternctl"};
	struct errlist *list = errlist_new();
	struct snapshot *snap = NULL;

	if (config == NULL && access(POSTERN_CONF, F_OK) == 0)
		config = POSTERN_CONF;
	log_open(&mute);
	if (list == NULL)
		fprintf(stderr, "%s\n", err_text(ERR_NOMEM));
	else if (snapshot_load_list(config, SNAPSHOT_OFFLINE, NULL, list, &snap) != 0)
		posternctl_mistakes(list);
	log_open(&quiet);
	errlist_free(list);
	return snap;
}

json_t *
posternctl_stringn(const char *text, size_t len)
{
	struct buf b = BUF_INIT;
	json_t *j;

	utf8_mend(&b, text, len);
	j = json_stringn(buf_text(&b), b.len);
	buf_fini(&b);
	return j;
}

json_t *
posternctl_string(const char *text)
{
	return text == NULL ? json_null()
			    : posternctl_stringn(text, strlen(text));
}

void
posternctl_print(json_t *object)
{
	char *line = json_dumps(object, JSON_COMPACT | JSON_PRESERVE_ORDER);

	puts(line == NULL ? "{}" : line);
	free(line);
}

int
posternctl_usage(const struct command *c)
{
	fprintf(stderr, "usage: posternctl [-x FILE] %s %s\n%s", c->name,
	    c->args, c->help);
	return EX_USAGE;
}

static void
print_commands(FILE *out)
{
	fprintf(out, "usage: posternctl [-x FILE] COMMAND ...\n\n");
	for (size_t i = 0; commands[i] != NULL; i++)
		fprintf(out, "  %-8s %s\n", commands[i]->name,
		    commands[i]->summary);
	fprintf(out, "\n`posternctl COMMAND --help` says more.\n");
}

/* The exit code, unless the output could not all be written. */
static int
end(int rc)
{
	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return rc;
	fprintf(stderr, "posternctl: standard output: %s\n", strerror(errno));
	return rc == EX_OK ? EX_IOERR : rc;
}

/* Among the options of a command, wherever it stands. */
static bool
asks_for_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--help") == 0)
			return true;
	}
	return false;
}

static int
dispatch(int argc, char **argv, const char *config)
{
	for (size_t i = 0; commands[i] != NULL; i++) {
		const struct command *c = commands[i];

		if (strcmp(c->name, argv[0]) != 0)
			continue;
		if (asks_for_help(argc, argv)) {
			printf("usage: posternctl [-x FILE] %s %s\n%s", c->name,
			    c->args, c->help);
			return EX_OK;
		}
		return c->run(argc, argv, config);
	}
	fprintf(stderr,
	    "posternctl: %s: no such command; see posternctl --help\n",
	    argv[0]);
	return EX_USAGE;
}

int
main(int argc, char **argv)
{
	const char *config = NULL;
	int at = 1;

	if (mapguard_install() != 0)
		return EX_OSERR;
	if (argc > at && strcmp(argv[at], "--help") == 0) {
		print_commands(stdout);
		return end(EX_OK);
	}
	if (argc > at && (strcmp(argv[at], "--version") == 0 ||
			    strcmp(argv[at], "-V") == 0)) {
		printf("posternctl %s\n", POSTERN_VERSION);
		return end(EX_OK);
	}
	if (argc > at + 1 && strcmp(argv[at], "-x") == 0) {
		config = argv[at + 1];
		at += 2;
	}
	if (argc <= at) {
		print_commands(stderr);
		return EX_USAGE;
	}
	return end(dispatch(argc - at, argv + at, config));
}
