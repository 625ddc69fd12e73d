/*
 * posternctl(1): what a person does at the shell.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "posternctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/errlist.h"
#include "lib/base/mapguard.h"
#include "lib/base/utf8.h"
#include "lib/conf/conf.h"
#include "milter/log.h"
#include "milter/snapshot.h"

static const struct command *const commands[] = {
    &command_check,
    &command_key,
    &command_quota,
    &command_rules,
    NULL,
};

/* Keys and tables are for UserID alone: what opens them to the daemon would
 * hand them to whoever runs this. */
int
posternctl_mistake(const struct errmsg *msg)
{
	bool closed = geteuid() != 0 &&
	    (msg->kind == ERRMSG_CLOSED || msg->cure > 0);
	size_t len =
	    closed && msg->cure > 0 ? msg->cure : strlen(msg->text);

	fprintf(stderr, "%.*s%s\n", (int)len, msg->text,
	    closed ? "; run posternctl as root" : "");
	return closed ? EX_NOPERM : EX_CONFIG;
}

static void
count_wrong(const struct errmsg *msg, void *arg)
{
	size_t *wrong = arg;

	*wrong += posternctl_mistake(msg) != EX_NOPERM;
}

int
posternctl_mistakes(struct errlist *list)
{
	size_t wrong = 0;

	errlist_sort(list);
	errlist_each(list, count_wrong, &wrong);
	return wrong == 0 && errlist_count(list) > 0 ? EX_NOPERM : EX_CONFIG;
}

const char *
posternctl_config(const char *config)
{
	if (config != NULL || access(POSTERN_CONF, F_OK) == 0 ||
	    errno != ENOENT)
		return config == NULL ? POSTERN_CONF : config;
	return NULL;
}

static void
mute(void)
{
	static const struct log_options o = {
	    .mute = true, .name = "posternctl"};

	log_open(&o);
}

int
posternctl_conf(const char *config, struct conf **conf_r)
{
	struct errlist *list = errlist_new();
	int rc = ERR_NOMEM;

	mute();
	*conf_r = NULL;
	if (list != NULL)
		rc = conf_read_list(
		    posternctl_config(config), snapshot_tables(), list, conf_r);
	if (*conf_r == NULL)
		errlist_free(list);
	return *conf_r == NULL ? ERR_NOMEM : rc;
}

int
posternctl_conf_end(struct conf *conf, int rc)
{
	struct errlist *list = conf == NULL ? NULL : conf_list(conf);

	if (list == NULL || rc == ERR_NOMEM) {
		fprintf(stderr, "posternctl: %s\n", err_text(ERR_NOMEM));
		rc = EX_OSERR;
	} else if (errlist_count(list) > 0) {
		rc = posternctl_mistakes(list);
	} else if (rc != 0) {
		fprintf(stderr, "posternctl: %s\n", err_text(rc));
		rc = EX_SOFTWARE;
	}
	if (conf != NULL)
		conf_end_list(conf);
	errlist_free(list);
	return rc;
}

int
posternctl_load(const char *config, bool inbound, struct snapshot **snap_r)
{
	/* What is odd in the configuration `postern -n` says, and the daemon;
	 * not each command again. */
	static const struct log_options quiet = {
	    .quiet = true, .name = "posternctl"};
	struct errlist *list = errlist_new();
	int rc = EX_OK;

	mute();
	*snap_r = NULL;
	if (list == NULL) {
		fprintf(stderr, "posternctl: %s\n", err_text(ERR_NOMEM));
		rc = EX_OSERR;
	} else if (snapshot_load_list(posternctl_config(config),
		       inbound ? SNAPSHOT_INBOUND : SNAPSHOT_OFFLINE, NULL,
		       list, NULL, snap_r) != 0) {
		rc = posternctl_mistakes(list);
	}
	log_open(&quiet);
	errlist_free(list);
	return rc;
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

int
posternctl_misused(const struct command *c, const char *what, const char *why)
{
	fprintf(stderr, "posternctl %s: %s: %s\n", c->name, what, why);
	return posternctl_usage(c);
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
	static char name[64];

	for (size_t i = 0; commands[i] != NULL; i++) {
		const struct command *c = commands[i];

		if (strcmp(c->name, argv[0]) != 0)
			continue;
		if (asks_for_help(argc, argv)) {
			printf("usage: posternctl [-x FILE] %s %s\n%s", c->name,
			    c->args, c->help);
			return EX_OK;
		}
		/* What getopt complains in the name of. */
		snprintf(name, sizeof(name), "posternctl %s", c->name);
		argv[0] = name;
		return c->run(argc, argv, config);
	}
	fprintf(stderr, "posternctl: %s: no such %s; see posternctl --help\n",
	    argv[0], argv[0][0] == '-' ? "option" : "command");
	return EX_USAGE;
}

/* A table that is opened takes the place of a standard descriptor that is
 * closed, and what is printed would go into it.  These can't be used in the
 * wrong direction either. */
static bool
fill_descriptors(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) == -1 &&
		    open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
			return false;
	}
	return true;
}

int
main(int argc, char **argv)
{
	const char *config = NULL;
	int at = 1;

	if (!fill_descriptors() || mapguard_install() != 0)
		return EX_OSERR;
	if (argc > at + 1 && strcmp(argv[at], "-x") == 0) {
		config = argv[at + 1];
		at += 2;
	}
	if (argc <= at) {
		print_commands(stderr);
		return EX_USAGE;
	}
	if (strcmp(argv[at], "--help") == 0) {
		print_commands(stdout);
		return end(EX_OK);
	}
	if (strcmp(argv[at], "--version") == 0 || strcmp(argv[at], "-V") == 0) {
		printf("posternctl %s\n", POSTERN_VERSION);
		return end(EX_OK);
	}
	return end(dispatch(argc - at, argv + at, config));
}
