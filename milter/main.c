/*
 * postern(8): arguments, privileges, signals, start and stop.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "callbacks.h"
#include "chain.h"
#include "lib/conf/conf.h"
#include "lib/err.h"
#include "log.h"
#include "options.h"
#include "snapshot.h"

struct arguments {
	const char *config; /* -x */
	const char *socket; /* -p */
	bool foreground, check_only, print;
};

static int
usage(void)
{
	fprintf(stderr,
	    "usage: postern [-fnTV] [-x FILE] [-p SOCKET] [-P PIDFILE] "
	    "[-u USER]\n");
	return EX_USAGE;
}

static int
print_config(const struct snapshot *snap)
{
	conf_print(snap->conf, stdout);
	return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

static void
log_warnings(const struct snapshot *snap)
{
	const char *w;

	for (size_t i = 0; (w = conf_warning(snap->conf, i)) != NULL; i++)
		log_line(LOG_WARNING, "%s", w);
}

static int
serve(const struct arguments *args, struct snapshot *snap)
{
	struct log_options log;
	struct errmsg msg;
	const char *socket = args->socket != NULL
	    ? args->socket
	    : conf_str(snap->conf, "Socket");

	options_log(snap, &log);
	log_open(&log);
	log_warnings(snap);
	if (socket == NULL) {
		fprintf(stderr, "postern: Socket: expected where to listen\n");
		return EX_CONFIG;
	}
	if (callbacks_open(socket, &msg) != 0) {
		fprintf(stderr, "postern: %s\n", msg.text);
		return EX_UNAVAILABLE;
	}
	callbacks_use(snapshot_ref(snap));
	if (callbacks_run() != 0)
		return EX_SOFTWARE;
	callbacks_use(NULL);
	return EX_OK;
}

int
main(int argc, char **argv)
{
	struct arguments args = {0};
	struct snapshot *snap;
	struct errmsg msg;
	int opt, rc;

	while ((opt = getopt(argc, argv, "fnTVx:p:")) != -1) {
		switch (opt) {
		case 'f':
			args.foreground = true;
			break;
		case 'n':
			args.check_only = true;
			break;
		case 'T':
			args.print = true;
			break;
		case 'V':
			printf("postern %s\n", POSTERN_VERSION);
			return EX_OK;
		case 'x':
			args.config = optarg;
			break;
		case 'p':
			args.socket = optarg;
			break;
		default:
			return usage();
		}
	}
	if (optind != argc)
		return usage();
	rc = snapshot_load(args.config, args.check_only, NULL, &snap, &msg);
	if (rc != 0) {
		fprintf(stderr, "%s\n", msg.text);
		return EX_CONFIG;
	}
	if (args.print)
		rc = print_config(snap);
	else if (!args.check_only)
		rc = serve(&args, snap);
	snapshot_unref(snap);
	return rc;
}
