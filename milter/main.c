/*
 * postern(8): arguments, the order of starting, checking.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The order is: read the configuration, for what starting needs of it; open the
 * socket and write the pid file, as whoever we were started as; chroot and
 * become UserID; then all else, the configuration again among it, with the
 * rights with which a reload will do it again (serve.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "accept.h"
#include "holder.h"
#include "lib/access.h"
#include "lib/conf/conf.h"
#include "lib/err.h"
#include "lib/errlist.h"
#include "lib/mapguard.h"
#include "listen.h"
#include "log.h"
#include "options.h"
#include "peers.h"
#include "privileges.h"
#include "prove.h"
#include "ready.h"
#include "runfiles.h"
#include "serve.h"
#include "snapshot.h"
#include "sockspec.h"
#include "supervise.h"

struct arguments {
	const char *socket, *pid_file, *user; /* -p -P -u */
	bool foreground, check, print, restart;
	struct serve_options serve;
};

/* What starting needs to know. */
struct plan {
	const struct arguments *args;
	struct conf *conf;
	struct sockspec socket;
	struct privileges user;
	const char *pid_file, *chroot; /* NULL: none */
	bool background, restart;
	struct supervise_options supervise;
	enum prove_result proved;
};

static int
usage(void)
{
	fprintf(stderr,
	    "usage: postern [-AfhlnTV] [-x FILE] [-p SOCKET] [-P PIDFILE] "
	    "[-u USER[:GROUP]]\npostern -h says more.\n");
	return EX_USAGE;
}

static void
help(void)
{
	printf("usage: postern [options]\n"
	       "  -x FILE          the configuration; default: %s\n"
	       "  -n               say what is wrong with it, and exit\n"
	       "  -T               print what is in force, and exit\n"
	       "  -f               stay in the foreground\n"
	       "  -A               AutoRestart\n"
	       "  -l               log to syslog\n"
	       "  -p SOCKET        in place of Socket\n"
	       "  -P PIDFILE       in place of PidFile\n"
	       "  -u USER[:GROUP]  in place of UserID\n"
	       "  -V               print the version\n"
	       "  -h, --help       this\n",
	    POSTERN_CONF);
}

/* EX_OK, or the status to end with; -1: end well at once. */
static int
parse(int argc, char **argv, struct arguments *args)
{
	int opt;

	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		help();
		return -1;
	}
	while ((opt = getopt(argc, argv, "AflnThVx:p:P:u:")) != -1) {
		switch (opt) {
		case 'A':
			args->restart = true;
			break;
		case 'f':
			args->foreground = true;
			break;
		case 'l':
			args->serve.syslog = true;
			break;
		case 'n':
			args->check = true;
			break;
		case 'T':
			args->print = true;
			break;
		case 'h':
			help();
			return -1;
		case 'V':
			printf("postern %s\n", POSTERN_VERSION);
			return -1;
		case 'x':
			args->serve.config = optarg;
			break;
		case 'p':
			args->socket = optarg;
			break;
		case 'P':
			args->pid_file = optarg;
			break;
		case 'u':
			args->user = optarg;
			break;
		default:
			return usage();
		}
	}
	return optind == argc ? EX_OK : usage();
}

/* The file's full path, as BaseDirectory may come between; the default one
 * only if it is there. */
static void
find_config(struct arguments *args)
{
	static char full[PATH_MAX];

	if (args->serve.config == NULL && access(POSTERN_CONF, F_OK) == 0)
		args->serve.config = POSTERN_CONF;
	if (args->serve.config != NULL &&
	    realpath(args->serve.config, full) != NULL)
		args->serve.config = full;
}

/* -- planning -- */

static int
mistake(int status, const char *where, const struct errmsg *msg)
{
	log_fatal("%s%s%s", where, where[0] != '\0' ? ": " : "", msg->text);
	return status;
}

static const char *
given_or(const char *arg, const struct conf *conf, const char *keyword)
{
	return arg != NULL ? arg : conf_str(conf, keyword);
}

/* Become who will read the files. */
static bool
become_reader(const struct plan *plan, const struct conf *conf)
{
	const char *config = plan->args->serve.config;
	struct privileges user;
	struct errmsg msg;

	return privileges_find(given_or(plan->args->user, conf, "UserID"),
		   &user, &msg) == EX_OK &&
	    privileges_drop(&user, &msg) == EX_OK &&
	    (config == NULL || access(config, R_OK) == 0);
}

/* In a child, as a change of user is for good.  False: nothing was said. */
static bool
say_as(const struct plan *plan, const struct conf *conf, bool reader)
{
	struct snapshot *snap;
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		if (reader && !become_reader(plan, conf))
			_exit(EX_NOPERM);
		/* What hangs ends with whoever waits for it. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)serve_load(&plan->args->serve,
		    reader ? SNAPSHOT_TRIAL : SNAPSHOT_OFFLINE, NULL, &snap);
		_exit(EX_OK);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid &&
	    WIFEXITED(status) && WEXITSTATUS(status) == EX_OK;
}

/* Where the start ends early: what else is wrong, in the files that the
 * configuration names, so that all of it can be mended at once.  It is said as
 * the user who will read them: root may read all, and cures are for that user.
 * Without one, or if the configuration is closed to it, as who we are.  Paths
 * in a ChangeRootDirectory are others. */
static void
say_mistakes(const struct plan *plan, const struct conf *conf)
{
	const char *dir = conf_str(conf, "BaseDirectory");

	if (conf_str(conf, "ChangeRootDirectory") == NULL &&
	    (dir == NULL || chdir(dir) == 0) && !say_as(plan, conf, true))
		(void)say_as(plan, conf, false);
}

static void
say_fatal(const char *text, void *arg)
{
	(void)arg;
	log_fatal("%s", text);
}

static int
read_conf(struct plan *plan)
{
	const char *path = plan->args->serve.config;
	struct errlist *list = errlist_new();
	struct errmsg why = {"no memory"};
	struct conf *conf = NULL;
	int rc = ERR_NOMEM;

	if (list != NULL)
		rc = snapshot_read_list(path, list, &conf);
	if (rc == 0) {
		conf_end_list(conf);
		plan->conf = conf;
	} else if (conf == NULL ||
	    (rc == ERR_SYSTEM && path != NULL &&
		access_why(path, CURE_READ, &why) != 0)) {
		log_fatal("%s", why.text);
	} else if (rc == ERR_SYSTEM ||
	    conf_str(conf, "ChangeRootDirectory") != NULL) {
		errlist_sort(list);
		errlist_each(list, say_fatal, NULL);
	} else {
		say_mistakes(plan, conf);
	}
	if (rc != 0)
		conf_free(conf);
	errlist_free(list);
	return rc == 0 ? EX_OK : EX_CONFIG;
}

static int
plan_socket(struct plan *plan)
{
	const char *text =
	    given_or(plan->args->socket, plan->conf, "Socket");
	struct errmsg msg;

	if (text == NULL) {
		log_fatal("Socket: say where to listen, with Socket in the "
			  "configuration or -p: local:PATH or inet:PORT@HOST");
		return EX_CONFIG;
	}
	if (sockspec_parse(text, &plan->socket, &msg) != 0)
		return mistake(EX_CONFIG, text, &msg);
	return EX_OK;
}

static int
make_plan(const struct arguments *args, struct plan *plan)
{
	const struct conf *conf = plan->conf;
	const char *rate = conf_str(conf, "AutoRestartRate");
	struct errmsg msg;
	int rc = plan_socket(plan), user;

	user = privileges_find(
	    given_or(args->user, conf, "UserID"), &plan->user, &msg);
	if (user != EX_OK)
		(void)mistake(user, "", &msg);
	if (rc != EX_OK || user != EX_OK) {
		say_mistakes(plan, conf);
		return rc != EX_OK ? rc : user;
	}
	if (conf_str(conf, "ChangeRootDirectory") != NULL)
		peers_remember(conf);
	plan->pid_file = given_or(args->pid_file, conf, "PidFile");
	plan->chroot = conf_str(conf, "ChangeRootDirectory");
	plan->background = !args->foreground && conf_bool(conf, "Background");
	plan->restart = args->restart || conf_bool(conf, "AutoRestart");
	plan->supervise.count = conf_int(conf, "AutoRestartCount");
	if (rate != NULL)
		(void)options_rate(rate, &plan->supervise.rate);
	return EX_OK;
}

/* -- the steps of starting -- */

static int
step_directory(const struct plan *plan)
{
	const char *dir = conf_str(plan->conf, "BaseDirectory");

	if (dir == NULL || chdir(dir) == 0)
		return EX_OK;
	log_fatal("BaseDirectory: %s: %s", dir, strerror(errno));
	return EX_CONFIG;
}

static int
step_chroot(const struct plan *plan)
{
	if (plan->chroot == NULL)
		return EX_OK;
	if (chroot(plan->chroot) != 0 || chdir("/") != 0) {
		log_fatal("ChangeRootDirectory: %s: %s%s", plan->chroot,
		    strerror(errno),
		    errno == EPERM ? ": only root can" : "");
		return errno == EPERM ? EX_NOPERM : EX_CONFIG;
	}
	if (plan->args->serve.config == NULL ||
	    access(plan->args->serve.config, F_OK) == 0)
		return EX_OK;
	log_fatal("ChangeRootDirectory: %s: %s is not to be found in there, "
		  "where a reload has to read it: put it, and the files that "
		  "it names, below that directory",
	    plan->chroot, plan->args->serve.config);
	return EX_CONFIG;
}

static int
step_user(const struct plan *plan)
{
	struct errmsg msg;
	int rc = step_chroot(plan);

	if (rc != EX_OK)
		return rc;
	rc = privileges_drop(&plan->user, &msg);
	return rc == EX_OK ? EX_OK : mistake(rc, "", &msg);
}

static uid_t
runs_as(const struct plan *plan)
{
	return plan->user.change ? plan->user.uid : geteuid();
}

static int
step_files(const struct plan *plan)
{
	long debug = conf_int(plan->conf, "MilterDebug");
	struct errmsg msg;
	int rc;

	if (conf_given(plan->conf, "UMask"))
		umask((mode_t)conf_int(plan->conf, "UMask"));
	rc = listen_open(&plan->socket, &plan->user, (int)debug, &msg);
	if (rc == EX_OK && plan->pid_file != NULL)
		rc = runfiles_pid(plan->pid_file, runs_as(plan), &msg);
	return rc == EX_OK ? EX_OK : mistake(rc, "", &msg);
}

static void
set_limits(const struct plan *plan)
{
	struct rlimit limit;

	/* A connection and its look-ups each take a descriptor. */
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (conf_bool(plan->conf, "EnableCoredumps") &&
	    getrlimit(RLIMIT_CORE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_CORE, &limit);
	}
}

/* -- checking -- */

/* In a child, as a change of user is for good. */
static int
check_as_user(const struct plan *plan)
{
	struct snapshot *snap;
	struct errmsg msg;
	int rc = step_user(plan);

	if (rc != EX_OK)
		return rc;
	/* What hangs ends with whoever waits for it; a change of user has
	 * cleared this. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGXFSZ, SIG_IGN);
	if (serve_load(&plan->args->serve, SNAPSHOT_TRIAL, NULL, &snap) != 0)
		return EX_CONFIG;
	rc = accept_check(&plan->socket, snap, &msg);
	if (rc == EX_OK)
		rc = serve_check_door(plan->proved, snap, &msg);
	snapshot_unref(snap);
	return rc == EX_OK ? EX_OK : mistake(rc, "", &msg);
}

/* The daemon that this is the check for may run, and have both. */
static int
check_files(const struct plan *plan, struct errmsg *msg_r)
{
	const char *config = plan->args->serve.config;
	const struct listen_for f = {.config = config};
	long holder = 0;
	int rc = listen_check(&plan->socket, &plan->user, &f, msg_r);

	if (rc != EX_OK || plan->pid_file == NULL)
		return rc;
	rc = runfiles_check(plan->pid_file, runs_as(plan), &holder, msg_r);
	return rc == EX_UNAVAILABLE &&
		holder_of(holder, config) != HOLDER_OTHER
	    ? EX_OK
	    : rc;
}

static int
check(struct plan *plan)
{
	struct errmsg msg;
	int rc = step_directory(plan), status;
	pid_t pid;

	if (rc != EX_OK)
		return rc;
	set_limits(plan);
	if (check_files(plan, &msg) != EX_OK)
		return mistake(EX_CONFIG, "", &msg);
	listen_warn(&plan->socket, &plan->user);
	plan->proved = prove_calls(&plan->user);
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		exit(check_as_user(plan));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return EX_OSERR;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
}

/* -- running -- */

static void
set_log(const struct plan *plan)
{
	struct log_options log;

	serve_log(&plan->args->serve, plan->conf, &log);
	log_open(&log);
	if (!log.syslog && plan->background)
		fprintf(stderr, "postern: nothing will be logged: Syslog is "
				"off, and so is -l\n");
	if (geteuid() == 0 && !plan->user.change)
		log_line(LOG_WARNING, "runs as root: name a user with UserID");
}

static int
serve_it(void *arg)
{
	const struct plan *plan = arg;
	struct serve_options options = plan->args->serve;

	options.socket = &plan->socket;
	options.proved = plan->proved;
	/* A change of user forbids dumps; asked for after it. */
	if (conf_bool(plan->conf, "EnableCoredumps"))
		prctl(PR_SET_DUMPABLE, 1);
	return serve(&options);
}

/* For this thread and all that come of it.  What says that we are broken, or is
 * a person's at the terminal, keeps its meaning. */
static void
block_signals(void)
{
	sigset_t set;

	mapguard_other_signals(&set);
	sigdelset(&set, SIGQUIT);
	sigdelset(&set, SIGTSTP);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static int
run(struct plan *plan)
{
	int rc = step_directory(plan);

	if (rc != EX_OK)
		return rc;
	set_limits(plan);
	set_log(plan);
	listen_warn(&plan->socket, &plan->user);
	if (plan->background && ready_background() != EX_OK) {
		log_fatal("can't go into the background: %s", strerror(errno));
		return EX_OSERR;
	}
	block_signals();
	plan->proved = prove_calls(&plan->user);
	rc = step_files(plan);
	if (rc == EX_OK)
		rc = step_user(plan);
	if (rc == EX_OK)
		rc = plan->restart
		    ? supervise(&plan->supervise, serve_it, plan)
		    : serve_it(plan);
	runfiles_remove();
	ready_say(rc);
	return rc;
}

/* Sockets and files must not become standard input, output or error. */
static void
open_standard_files(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int
main(int argc, char **argv)
{
	struct arguments args = {0};
	struct plan plan = {.args = &args};
	int rc;

	open_standard_files();
	if (mapguard_install() != 0)
		return EX_OSERR;
	rc = parse(argc, argv, &args);
	if (rc != EX_OK)
		return rc < 0 ? EX_OK : rc;
	find_config(&args);
	rc = read_conf(&plan);
	if (rc == EX_OK && (args.check || !args.print))
		rc = make_plan(&args, &plan);
	if (rc == EX_OK && args.check)
		rc = check(&plan);
	if (rc == EX_OK && args.print)
		conf_print(plan.conf, stdout);
	if (rc == EX_OK && !args.check && !args.print)
		rc = run(&plan);
	conf_free(plan.conf);
	if (fflush(stdout) != 0 && rc == EX_OK)
		rc = EX_IOERR;
	return rc;
}
