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
#include "lib/base/access.h"
#include "lib/base/err.h"
#include "lib/base/errlist.h"
#include "lib/base/mapguard.h"
#include "lib/base/readfile.h"
#include "lib/conf/conf.h"
#include "listen.h"
#include "milter/log.h"
#include "milter/options.h"
#include "milter/peers.h"
#include "milter/privileges.h"
#include "milter/snapshot.h"
#include "milter/sockspec.h"
#include "paths.h"
#include "prove.h"
#include "ready.h"
#include "runfiles.h"
#include "serve.h"
#include "supervise.h"

#define AS_ROOT                                                                \
	"run `postern -n` as root: it reads with the rights of UserID"
#define STACK_MIN (512 << 10) /* octets; most of it is not touched */

struct arguments {
	const char *socket, *pid_file, *user; /* -p -P -u */
	bool foreground, check, print, restart;
	struct serve_options serve;
};

/* What a start needs to know. */
struct plan {
	const struct arguments *args;
	struct conf *conf;
	struct sockspec socket;
	struct privileges user;
	const char *pid_file, *chroot; /* NULL: none */
	bool has_socket, background, restart;
	bool stranger; /* we are another user than UserID, and can't become it:
	    files are not judged, because our rights say nothing about those of
	    UserID */
	struct supervise_options supervise;
	enum prove_result proved;

	/* Mistakes in the file, all other mistakes, and warnings. */
	struct errlist *misread, *wrong, *warnings;
	int status; /* the exit status, by the first mistake; EX_OK: none */
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

/* EX_OK, or the status to end with; -1: end at once with EX_OK. */
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

/* Set the file's full path, because BaseDirectory may change the directory; the
 * default file only if it exists. */
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

static const char *
given_or(const char *arg, const struct conf *conf, const char *keyword)
{
	return arg != NULL ? arg : conf_str(conf, keyword);
}

/* The place of the value in force. */
static const char *
place_of(const struct plan *plan, const char *keyword)
{
	const struct arguments *args = plan->args;

	if (args->socket != NULL && strcmp(keyword, "Socket") == 0)
		return "-p";
	if (args->pid_file != NULL && strcmp(keyword, "PidFile") == 0)
		return "-P";
	if (args->user != NULL && strcmp(keyword, "UserID") == 0)
		return "-u";
	return conf_where(plan->conf, keyword);
}

static int
end_with(struct plan *plan, int status)
{
	if (plan->status == EX_OK)
		plan->status = status;
	return status;
}

/* Add a mistake; msg begins with the keyword. */
static int
mistake(struct plan *plan, int status, const char *keyword,
    const struct errmsg *msg)
{
	struct errmsg placed;

	errmsg_wrap(&placed, msg, "%s: ", place_of(plan, keyword));
	errlist_add_msg(plan->wrong, &placed);
	return end_with(plan, status);
}

static void
log_one(const struct errmsg *msg, void *arg)
{
	(void)arg;
	log_fatal("%s", msg->text);
}

static void
log_all(struct errlist *list)
{
	errlist_sort(list);
	errlist_each(list, log_one, NULL);
}

/* The file may not be read, so UserID is not known, and a check by an ordinary
 * user can't give the cure.  Who starts the daemon gets it. */
static void
log_closed(const struct plan *plan, const struct errmsg *why)
{
	size_t len = why->cure > 0 ? why->cure : strlen(why->text);

	if (!plan->args->check || geteuid() == 0)
		log_fatal("%s", why->text);
	else
		log_fatal("%.*s; %s", (int)len, why->text, AS_ROOT);
}

/* EX_OK even if the file has mistakes, so that more can be found. */
static int
read_conf(struct plan *plan)
{
	const char *path = plan->args->serve.config;
	struct errmsg why = {.text = "no memory"};
	int rc = ERR_NOMEM;

	if (plan->misread != NULL && plan->wrong != NULL &&
	    plan->warnings != NULL)
		rc = snapshot_read_list(path, plan->misread, &plan->conf);
	if (rc != 0)
		(void)end_with(plan, EX_CONFIG);
	if (plan->conf != NULL && rc != ERR_SYSTEM &&
	    (path == NULL || readfile_check(path, &why) == 0))
		return EX_OK;
	if (plan->conf == NULL ||
	    (path != NULL && access_why(path, CURE_READ, &why) != 0))
		log_closed(plan, &why);
	else
		log_all(plan->misread);
	return EX_CONFIG;
}

static void
plan_socket(struct plan *plan)
{
	const char *text = plan->args->socket;
	const struct sockspec *given =
	    conf_value(plan->conf, "Socket", sizeof(*given));
	struct errmsg msg, why;

	if (text == NULL && given != NULL) {
		plan->socket = *given;
		plan->has_socket = true;
	} else if (text == NULL) {
		if (!conf_faulty(plan->conf, "Socket"))
			errlist_add(plan->wrong,
			    "Socket: say where to listen, with Socket in the "
			    "configuration or -p: local:PATH or "
			    "inet:PORT@HOST");
		(void)end_with(plan, EX_CONFIG);
	} else if (sockspec_parse(text, &plan->socket, &why) != 0) {
		errmsg_wrap(&msg, &why, "Socket: %s: ", text);
		(void)mistake(plan, EX_CONFIG, "Socket", &msg);
	} else {
		plan->has_socket = true;
	}
}

static void
plan_user(struct plan *plan)
{
	const char *spec = given_or(plan->args->user, plan->conf, "UserID");
	bool named = spec != NULL || conf_faulty(plan->conf, "UserID");
	struct errlist *list = errlist_new();
	struct errmsg before;

	if (list == NULL) {
		errlist_add(plan->wrong, "UserID: no memory");
		(void)end_with(plan, EX_OSERR);
		return;
	}
	(void)end_with(plan, privileges_find_list(spec, &plan->user, list));
	errmsg_set(&before, "%s: ", place_of(plan, "UserID"));
	errlist_append(plan->wrong, before.text, list);
	errlist_free(list);
	plan->stranger = named && geteuid() != 0 &&
	    (plan->user.name[0] == '\0' || geteuid() != plan->user.uid);
	if (plan->stranger && plan->args->check)
		errlist_add(plan->wrong, AS_ROOT);
}

static void
plan_directory(struct plan *plan)
{
	const char *dir = conf_str(plan->conf, "BaseDirectory");
	struct errmsg msg;

	if (dir == NULL || chdir(dir) == 0 ||
	    (plan->stranger && errno == EACCES))
		return;
	errmsg_set(&msg, "BaseDirectory: %s: %s", dir, strerror(errno));
	(void)mistake(plan, EX_CONFIG, "BaseDirectory", &msg);
}

/* Add what a check found: a mistake, or a warning if status is EX_OK; the
 * message may be empty. */
static void
take_finding(struct plan *plan, int status, const char *keyword,
    const struct errmsg *msg)
{
	if (status != EX_OK)
		(void)mistake(plan, status, keyword, msg);
	else if (msg->text[0] != '\0')
		errlist_add(plan->warnings, "%s: %s", place_of(plan, keyword),
		    msg->text);
}

static uid_t
runs_as(const struct plan *plan)
{
	return plan->user.change ? plan->user.uid : geteuid();
}

/* With -n a daemon may be running, perhaps with another configuration: a copy
 * is checked before it replaces the one in force. */
static void
plan_files(struct plan *plan)
{
	const struct holder_for f = {
	    .start = !plan->args->check, .config = plan->args->serve.config};
	struct errmsg socket = {.text = ""}, pid = {.text = ""};

	if (plan->stranger)
		return;
	if (plan->has_socket)
		take_finding(plan,
		    listen_check(&plan->socket, &plan->user, &f, &socket),
		    "Socket", &socket);
	if (plan->pid_file != NULL)
		take_finding(plan, runfiles_check(plan->pid_file,
				  runs_as(plan), &f, &pid),
		    "PidFile", &pid);
}

static void
plan_paths(struct plan *plan)
{
	const struct paths_start start = {
	    .socket = plan->has_socket && plan->socket.family == AF_UNIX
		? plan->socket.local.sun_path
		: NULL,
	    .socket_where = place_of(plan, "Socket"),
	    .pid_file = plan->pid_file,
	    .pid_where = place_of(plan, "PidFile"),
	    .chroot = plan->chroot,
	};
	int rc = paths_check(plan->conf, &start, plan->wrong);

	if (rc != EX_OK)
		(void)end_with(plan, rc);
}

static void
plan_descriptors(struct plan *plan)
{
	struct errmsg msg;
	int rc = accept_descriptors(plan->conf, &msg);

	if (rc == EX_OK)
		return;
	errlist_add(plan->wrong, "%s", msg.text);
	(void)end_with(plan, rc);
}

/* Check all that can be checked before anything is made. */
static void
make_plan(struct plan *plan)
{
	const struct arguments *args = plan->args;
	const struct conf *conf = plan->conf;
	const struct options_rate *rate =
	    conf_value(conf, "AutoRestartRate", sizeof(*rate));

	plan_socket(plan);
	plan_user(plan);
	plan->pid_file = given_or(args->pid_file, conf, "PidFile");
	plan->chroot = conf_str(conf, "ChangeRootDirectory");
	if (plan->chroot != NULL)
		peers_remember(conf);
	plan->background = !args->foreground && conf_bool(conf, "Background");
	plan->restart = args->restart || conf_bool(conf, "AutoRestart");
	plan->supervise.count = conf_int(conf, "AutoRestartCount");
	if (rate != NULL)
		plan->supervise.rate = *rate;
	plan_directory(plan);
	plan_paths(plan);
	plan_files(plan);
	plan_descriptors(plan);
}

/* -- the steps of starting -- */

static int
step_chroot(struct plan *plan)
{
	const char *config = plan->args->serve.config;
	struct errmsg msg;
	int rc = EX_CONFIG;

	if (plan->chroot == NULL)
		return EX_OK;
	if (chroot(plan->chroot) != 0 || chdir("/") != 0) {
		rc = errno == EPERM ? EX_NOPERM : EX_CONFIG;
		errmsg_set(&msg, "ChangeRootDirectory: %s: %s%s", plan->chroot,
		    strerror(errno), errno == EPERM ? ": only root can" : "");
	} else if (config == NULL || access(config, F_OK) == 0) {
		return EX_OK;
	} else {
		errmsg_set(&msg,
		    "ChangeRootDirectory: %s: %s is not to be found in there, "
		    "where a reload has to read it: put it, and the files that "
		    "it names, below that directory",
		    plan->chroot, config);
	}
	return mistake(plan, rc, "ChangeRootDirectory", &msg);
}

static int
step_user(struct plan *plan)
{
	struct errmsg msg;
	int rc = privileges_drop(&plan->user, &msg);

	return rc == EX_OK ? EX_OK : mistake(plan, rc, "UserID", &msg);
}

static int
step_files(struct plan *plan)
{
	long debug = conf_int(plan->conf, "MilterDebug");
	struct errmsg msg;
	int rc;

	if (conf_given(plan->conf, "UMask"))
		umask((mode_t)conf_int(plan->conf, "UMask"));
	rc = listen_open(&plan->socket, &plan->user, (int)debug, &msg);
	if (rc != EX_OK)
		return mistake(
		    plan, rc, rc == EX_NOPERM ? "UserID" : "Socket", &msg);
	if (plan->pid_file != NULL)
		rc = runfiles_pid(plan->pid_file, runs_as(plan), &msg);
	return rc == EX_OK ? EX_OK : mistake(plan, rc, "PidFile", &msg);
}

static void
set_limits(const struct plan *plan)
{
	struct rlimit limit;

	/* Each connection and each look-up takes a descriptor. */
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

/* Warn if UMask closes the socket to the MTA.  Root could connect all the same,
 * but no mail server runs as root. */
static void
warn_mask(struct plan *plan)
{
	long mask = conf_int(plan->conf, "UMask");

	if (plan->socket.family == AF_UNIX &&
	    conf_given(plan->conf, "UMask") && (mask & 0222) == 0222)
		errlist_add(plan->warnings,
		    "%s: UMask: %04lo closes the socket to everybody, the mail "
		    "server too: expected one such as 0007 or 0117",
		    conf_where(plan->conf, "UMask"), (unsigned long)mask);
}

static void
warn(struct plan *plan)
{
	listen_warn(&plan->socket, &plan->user, place_of(plan, "Socket"),
	    plan->warnings);
	warn_mask(plan);
}

/* -- checking -- */

/* With a snapshot: check what otherwise only serving would show. */
static int
check_calls(const struct plan *plan, struct snapshot *snap)
{
	struct errmsg msg;
	int rc = accept_check(&plan->socket, snap, &msg);

	if (rc == EX_OK)
		rc = serve_check_calls(plan->proved, snap, &msg);
	if (rc == EX_OK)
		rc = serve_check_threads(&msg);
	if (rc != EX_OK)
		log_fatal("%s", msg.text);
	return rc;
}

/* In a child, because a change of user is for good: the files are read as the
 * user who will read them, since root may read all, and cures are for that
 * user.  Without a change of user, as the present one. */
static int
check_as_user(struct plan *plan)
{
	struct serve_options options = plan->args->serve;
	struct snapshot *snap;
	struct errmsg why;
	int rc = step_chroot(plan);

	if (rc == EX_OK)
		(void)step_user(plan);
	/* If the child hangs, it ends with its parent.  Set here because a
	 * change of user clears it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGXFSZ, SIG_IGN);
	/* The child finds the mistakes in the file again.  The exceptions are a
	 * file in a chroot and one that may not be read: then the mistakes
	 * found so far are kept, and what the file names is checked all the
	 * same. */
	if (plan->chroot != NULL)
		errlist_append(plan->wrong, "", plan->misread);
	else if (options.config != NULL &&
		 readfile_check(options.config, &why) != 0) {
		errlist_add_msg(plan->misread, &why);
		options.conf = plan->conf;
	}
	if (rc != EX_OK) {
		log_all(plan->wrong);
		return plan->status;
	}
	options.wrong = plan->wrong;
	options.warnings = plan->warnings;
	options.stranger = plan->stranger;
	if (serve_load(&options, SNAPSHOT_TRIAL, NULL, &snap) != 0) {
		(void)end_with(plan, EX_CONFIG);
		return plan->status;
	}
	rc = check_calls(plan, snap);
	snapshot_unref(snap);
	return rc;
}

/* Log all that is wrong; if a start has failed, in its log too. */
static int
check(struct plan *plan)
{
	struct log_options log;
	int status;
	pid_t pid;

	set_limits(plan);
	if (!plan->args->check) {
		serve_log(&plan->args->serve, plan->conf, &log);
		log_open(&log);
	}
	if (plan->status == EX_OK) {
		warn(plan);
		plan->proved = prove_calls(&plan->user);
	}
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		exit(check_as_user(plan));
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		log_fatal("can't start a process: %s", strerror(errno));
		return EX_OSERR;
	}
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
		errlist_add(plan->warnings,
		    "nothing will be logged: Syslog is off, and so is -l");
	if (geteuid() == 0 && !plan->user.change)
		errlist_add(
		    plan->warnings, "runs as root: name a user with UserID");
}

static int
serve_it(void *arg)
{
	const struct plan *plan = arg;
	struct serve_options options = plan->args->serve;

	options.socket = &plan->socket;
	options.proved = plan->proved;
	options.warnings = plan->warnings;
	/* Set here, because a change of user forbids dumps. */
	if (conf_bool(plan->conf, "EnableCoredumps"))
		prctl(PR_SET_DUMPABLE, 1);
	return serve(&options);
}

/* Block signals for this thread and those that it starts, but not those that
 * report a fault of ours, or that a person sends from the terminal. */
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
	int rc;

	set_limits(plan);
	set_log(plan);
	warn(plan);
	if (plan->background && ready_background() != EX_OK) {
		log_fatal("can't go into the background: %s", strerror(errno));
		return EX_OSERR;
	}
	block_signals();
	plan->proved = prove_calls(&plan->user);
	rc = step_files(plan);
	if (rc == EX_OK)
		rc = step_chroot(plan);
	if (rc == EX_OK)
		rc = step_user(plan);
	if (rc != EX_OK)
		log_all(plan->wrong);
	else
		rc = plan->restart
		    ? supervise(&plan->supervise, serve_it, plan)
		    : serve_it(plan);
	runfiles_remove();
	ready_report(rc);
	return rc;
}

/* Open the standard descriptors that are closed, so that no socket or file gets
 * their numbers. */
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

static int
print(const struct plan *plan)
{
	if (plan->status == EX_OK)
		conf_print(plan->conf, stdout);
	else
		log_all(plan->misread);
	return plan->status;
}

/* A process that overflows its stack is killed without a message, so test it
 * first. */
static int
check_stack(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_STACK, &limit) != 0 ||
	    limit.rlim_cur >= STACK_MIN)
		return EX_OK;
	log_fatal("a stack of %llu KiB is too small: it takes %d; raise it "
		  "with ulimit -s, or in a systemd unit LimitSTACK=",
	    (unsigned long long)limit.rlim_cur >> 10, STACK_MIN >> 10);
	return EX_OSERR;
}

static int
do_it(struct plan *plan)
{
	const struct arguments *args = plan->args;
	int rc = check_stack();

	if (rc == EX_OK)
		rc = read_conf(plan);
	if (rc != EX_OK)
		return rc;
	if (args->print && !args->check)
		return print(plan);
	make_plan(plan);
	if (plan->status == EX_OK)
		conf_end_list(plan->conf);
	rc = args->check || plan->status != EX_OK ? check(plan) : run(plan);
	return rc == EX_OK && args->print ? print(plan) : rc;
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
	plan.misread = errlist_new();
	plan.wrong = errlist_new();
	plan.warnings = errlist_new();
	rc = do_it(&plan);
	conf_free(plan.conf);
	errlist_free(plan.misread);
	errlist_free(plan.wrong);
	errlist_free(plan.warnings);
	if (fflush(stdout) != 0 && rc == EX_OK)
		rc = EX_IOERR;
	return rc;
}
