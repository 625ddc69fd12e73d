/*
 * posternctl(1): finds the command that is named and runs it.  Every command is
 * a file of its own and a row in commands[].
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "posternctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/mapguard.h"

static const struct command *const commands[] = {
    &command_check,
    &command_journal,
    &command_key,
    &command_quota,
    &command_rules,
    &command_top,
    &command_why,
    &command_status,
    &command_simulate,
    NULL,
};

static void
print_commands(FILE *out)
{
	fprintf(out, "usage: posternctl [-x FILE] COMMAND ...\n\n");
	for (size_t i = 0; commands[i] != NULL; i++)
		fprintf(out, "  %-9s %s\n", commands[i]->name,
		    commands[i]->summary);
	fprintf(out, "\n`posternctl COMMAND --help` says more.\n");
}

/* The exit code; an error if not all output could be written. */
static int
end(int rc)
{
	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return rc;
	fprintf(stderr, "posternctl: standard output: %s\n", strerror(errno));
	return rc == EX_OK ? EX_IOERR : rc;
}

static int
dispatch(int argc, char **argv, const char *config)
{
	for (size_t i = 0; commands[i] != NULL; i++) {
		if (strcmp(commands[i]->name, argv[0]) == 0)
			return verb_call(commands[i], argc, argv, config);
	}
	fprintf(stderr, "posternctl: %s: no such %s; see posternctl --help\n",
	    argv[0], argv[0][0] == '-' ? "option" : "command");
	return EX_USAGE;
}

/* Open standard descriptors that are closed.  Otherwise a table could get such
 * a number, and output would be written into it.  They are opened so that they
 * can't be used in the wrong direction. */
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
