/* SPDX-License-Identifier: BSD-2-Clause */
#include "serve.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "accept.h"
#include "callbacks.h"
#include "holder.h"
#include "lib/base/access.h"
#include "lib/base/err.h"
#include "lib/base/errlist.h"
#include "lib/conf/conf.h"
#include "milter/chain.h"
#include "milter/inforce.h"
#include "milter/log.h"
#include "milter/metrics.h"
#include "milter/options.h"
#include "milter/peers.h"
#include "milter/problems.h"
#include "milter/service.h"
#include "milter/services.h"
#include "milter/snapshot.h"
#include "milter/status.h"
#include "ready.h"
#include "runfiles.h"

/* Milliseconds at a stop: for messages under way to end, for callbacks to
 * return, and for each service to end. */
#define DRAIN_MAX 2000
#define SHUT_MAX 1000
#define STEP 5

/* Of libmilter's threads.  No callback needs a tenth of it.  With the system's
 * 8 MiB libc would keep only five stacks for the next threads. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_SIZE (2048 << 10)
#else
#define STACK_SIZE (512 << 10)
#endif

struct server {
	const struct serve_options *o;
	pthread_t listener;
	sem_t go; /* the listener may start */
	int listener_rc;
	atomic_bool listener_ended;

	sem_t stop;           /* posted by a signal, or the listener's end */
	atomic_int signal;    /* the signal that posted it */

	atomic_bool reload, reset; /* requested by a signal */
};

static struct server *serving; /* for on_signal, and the service */

void
serve_log(const struct serve_options *o, const struct conf *conf,
    struct log_options *log_r)
{
	options_log(conf, log_r);
	log_r->syslog |= o->syslog;
}

/* The first mistake of a reload that was refused. */
static struct trouble refused = TROUBLE_INIT;

static _Atomic int64_t loaded_at; /* wall clock, seconds */
static atomic_bool reload_failed;

struct mistake_log {
	int level;          /* in the log; 0: as log_fatal */
	const char *before; /* text before the first mistake */
	const char *config; /* the file that was read */
	bool stranger;      /* leave out files that we may not read */
};

static void
log_mistake(const struct errmsg *msg, void *arg)
{
	struct mistake_log *how = arg;
	struct errmsg cure = {.text = ""};
	enum cure_kind kind =
	    how->config != NULL && strcmp(msg->path, how->config) == 0
	    ? CURE_CONF
	    : CURE_READ;
	const char *between = "";

	if (how->stranger && (msg->kind == ERRMSG_CLOSED || msg->cure > 0))
		return;
	/* A mistake that has its own cure needs no other. */
	if (msg->kind == ERRMSG_CLOSED && msg->cure == 0 &&
	    access_why(msg->path, kind, &cure) != 0)
		between = "; ";
	if (how->level != 0 && how->before[0] != '\0')
		trouble_set(&refused, "%s", msg->text);
	if (how->level == 0)
		log_fatal("%s%s%s", msg->text, between, cure.text);
	else
		log_line(how->level, "%s%s%s%s", how->before, msg->text,
		    between, cure.text);
	how->before = "";
}

struct warning {
	const struct errlist *list;
	bool refused; /* the configuration was refused */
};

/* The length of the place before the message: a file's line, an option of the
 * command line, or `default`. */
static size_t
place_in(const struct errlist *list, const char *text)
{
	static const char standard[] = "default: ";

	if (text[0] == '-' && text[1] != '\0' && text[2] == ':')
		return strlen("-p: ");
	if (strncmp(text, standard, sizeof(standard) - 1) == 0)
		return sizeof(standard) - 1;
	return errlist_place(list, text);
}

static void
log_warning(const struct errmsg *msg, void *arg)
{
	static const char word[] = "warning: ";
	const struct warning *w = arg;
	const char *text = msg->text;
	size_t n = place_in(w->list, text);
	bool has = strncmp(text + n, word, sizeof(word) - 1) == 0;

	if (n == 0 || !w->refused)
		log_line(LOG_WARNING, "%.*s%s%s", (int)n, text, has ? "" : word,
		    text + n);
}

static void
log_warnings(struct errlist *list, const struct snapshot *snap)
{
	struct warning w = {.list = list, .refused = snap == NULL};
	const char *text;

	for (size_t i = 0;
	     snap != NULL && (text = conf_warning(snap->conf, i)) != NULL; i++)
		errlist_add(list, "%s", text);
	errlist_sort(list);
	errlist_each(list, log_warning, &w);
}

int
serve_load(const struct serve_options *o, enum snapshot_use use,
    const struct snapshot *old, struct snapshot **snap_r)
{
	struct errlist *given = o->conf == NULL ? NULL : conf_list(o->conf);
	struct errlist *list = given != NULL ? given : errlist_new();
	struct errlist *warnings = errlist_new();
	struct mistake_log how = {.before = "", .config = o->config};
	struct errmsg msg;
	int rc = ERR_NOMEM;

	if (old != NULL)
		how = (struct mistake_log){.level = LOG_ERR,
		    .before = "reload refused, the configuration in force "
			      "stays: ",
		    .config = o->config};
	how.stranger = o->stranger;
	if (list != NULL && warnings != NULL) {
		if (old == NULL && o->wrong != NULL)
			errlist_append(list, "", o->wrong);
		if (given != NULL)
			rc = snapshot_load_conf(
			    o->conf, use, old, warnings, snap_r);
		else
			rc = snapshot_load_list(
			    o->config, use, old, list, warnings, snap_r);
		if (rc == 0 && old == NULL && o->warnings != NULL)
			errlist_append(warnings, "", o->warnings);
		errlist_order_as(warnings, list);
	}
	errmsg_set(&msg, "%s", err_text(rc));
	if (list == NULL || warnings == NULL)
		log_mistake(&msg, &how);
	else if (rc != 0)
		errlist_each(list, log_mistake, &how);
	if (warnings != NULL)
		log_warnings(warnings, rc == 0 ? *snap_r : NULL);
	if (given == NULL)
		errlist_free(list);
	errlist_free(warnings);
	return rc;
}

/* -- reload -- */

static bool
same(const struct conf_option *row, const struct conf *a, const struct conf *b)
{
	const char *sa, *sb;

	if (row->type == CONF_BOOL)
		return conf_bool(a, row->keyword) == conf_bool(b, row->keyword);
	if (row->type == CONF_INT)
		return conf_int(a, row->keyword) == conf_int(b, row->keyword);
	sa = conf_str(a, row->keyword);
	sb = conf_str(b, row->keyword);
	return sa == sb || (sa != NULL && sb != NULL && strcmp(sa, sb) == 0);
}

static void
log_unapplied(const struct conf *old, const struct conf *new)
{
	for (size_t i = 0; i < options_global.count; i++) {
		const struct conf_option *row = &options_global.rows[i];

		if ((row->flags & CONF_START) && !same(row, old, new))
			log_line(LOG_WARNING,
			    "%s: warning: %s: changed, but read at start only: "
			    "restart to use it",
			    conf_where(new, row->keyword), row->keyword);
	}
}

static void
reload(const struct server *srv)
{
	struct snapshot *old = inforce_get(), *snap;
	struct log_options log;
	bool failed = true;

	if (serve_load(srv->o, SNAPSHOT_SERVES, old, &snap) == 0) {
		log_unapplied(old->conf, snap->conf);
		serve_log(srv->o, snap->conf, &log);
		log_open(&log);
		chain_adopt(snap);
		inforce_set(snap);
		trouble_clear(&refused);
		atomic_store(&loaded_at, (int64_t)time(NULL));
		services_wake();
		log_line(LOG_INFO, "reloaded");
		failed = false;
	} else {
		/* Its file may have been renamed all the same. */
		service_wake(&service_journal);
	}
	atomic_store(&reload_failed, failed);
	service_wake(&service_status);
	snapshot_unref(old);
}

static void
reset(void)
{
	struct snapshot *snap = inforce_get();

	chain_reset(snap);
	snapshot_unref(snap);
	log_line(LOG_INFO, "quotas reset");
}

/* If several signals come while a reload runs, one more reload follows. */
static int64_t
reload_tick(void)
{
	bool requested = false;

	if (atomic_exchange(&serving->reload, false)) {
		reload(serving);
		requested = true;
	}
	if (atomic_exchange(&serving->reset, false)) {
		reset();
		requested = true;
	}
	/* A TERM close behind that signal may have gone to libmilter's thread:
	 * wake the listener, so that it tests for that at once. */
	if (requested)
		pthread_kill(serving->listener, SIGURG);
	return -1;
}

static void
reload_gauges(struct metrics *m)
{
	metrics_gauge(m, "process_start_time_seconds",
	    "When the process began to serve, seconds since the epoch",
	    (double)status_since());
	metrics_gauge(m, "postern_config_last_reload_successful",
	    "1: the last reload succeeded, or there was none",
	    !atomic_load(&reload_failed));
	metrics_gauge(m,
	    "postern_config_last_reload_success_timestamp_seconds",
	    "When the configuration in force was read, seconds since the epoch",
	    (double)atomic_load(&loaded_at));
}

static void
reload_problems(struct problems *p)
{
	problems_add_trouble(p, false, "reload",
	    "postern -n tells all mistakes; mend them and reload again: until "
	    "then the configuration before is in force",
	    &refused);
}

const struct service service_reload = {
    .name = "reload",
    .thread = true,
    .tick = reload_tick,
    .gauges = reload_gauges,
    .problems = reload_problems,
    .late = "stopped during a reload, which was not finished: no mail is "
	    "concerned",
};

/* Called in a signal handler. */
static void
request(atomic_bool *what)
{
	atomic_store(what, true);
	service_wake(&service_reload);
}

/* -- signals -- */

static void
on_urg(int sig)
{
	(void)sig; /* nothing to do: the signal has interrupted a poll */
}

static void
on_signal(int sig)
{
	int saved = errno;

	if (sig == SIGUSR1) {
		request(&serving->reload);
	} else if (sig == SIGUSR2) {
		request(&serving->reset);
	} else {
		holder_end();
		atomic_store(&serving->signal, sig);
		sem_post(&serving->stop);
	}
	errno = saved;
}

/*
 * A thread of libmilter waits for HUP, TERM and INT as well, and takes five
 * seconds to stop.  But a signal to the process goes to the main thread, if
 * that does not block it and has none pending.  So signals are unblocked there
 * only, and before libmilter starts.
 */
static void
take_signals(void)
{
	static const int numbers[] = {
	    SIGUSR1, SIGUSR2, SIGHUP, SIGTERM, SIGINT};
	struct sigaction action = {
	    .sa_handler = on_signal, .sa_flags = SA_RESTART};
	struct sigaction urg = {.sa_handler = on_urg};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		sigaction(numbers[i], &action, NULL);
		sigaddset(&set, numbers[i]);
	}
	sigaction(SIGURG, &urg, NULL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* A stop while the configuration is read, which a file system or a name server
 * can delay.  No mail was served, so the process ends at once.  All calls are
 * safe in a signal handler. */
static void
on_early_stop(int sig)
{
	(void)sig;
	runfiles_remove();
	_exit(EX_OK);
}

/* Let TERM and INT end a start.  HUP and USR1 stay blocked until we serve. */
static void
take_early_stop(bool take)
{
	struct sigaction action = {.sa_handler = on_early_stop};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (take) {
		sigaction(SIGTERM, &action, NULL);
		sigaction(SIGINT, &action, NULL);
	}
	pthread_sigmask(take ? SIG_UNBLOCK : SIG_BLOCK, &set, NULL);
}

/* -- start and stop -- */

static void *
listen_and_serve(void *arg)
{
	struct server *srv = arg;
	sigset_t set;

	while (sem_wait(&srv->go) != 0)
		;
	sigemptyset(&set);
	sigaddset(&set, SIGURG);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	srv->listener_rc = callbacks_run();
	atomic_store(&srv->listener_ended, true);
	sem_post(&srv->stop);
	return NULL;
}

static void *
end_thread(void *arg)
{
	sem_t *go = arg;

	while (sem_wait(go) != 0)
		;
	return NULL;
}

static int
no_thread(int error, struct errmsg *msg_r)
{
	errmsg_set(msg_r, "can't start a thread: %s", strerror(error));
	return EX_OSERR;
}

/* How many threads start_threads starts. */
static int
count_threads(void)
{
	int own = 0, shared = 0;

	for (size_t i = 0; services[i] != NULL; i++) {
		own += services[i]->thread;
		shared |= !services[i]->thread;
	}
	return own + shared + 1; /* the listener */
}

int
serve_check_threads(struct errmsg *msg_r)
{
	pthread_t threads[SERVICES_MAX + 2];
	int rc = 0, n, all = count_threads();
	sem_t go;

	if (sem_init(&go, 0, 0) != 0)
		return no_thread(errno, msg_r);
	for (n = 0; n < all && rc == 0; n++)
		rc = pthread_create(&threads[n], NULL, end_thread, &go);
	n -= rc != 0;
	for (int i = 0; i < n; i++)
		sem_post(&go);
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	sem_destroy(&go);
	return rc == 0 ? EX_OK : no_thread(rc, msg_r);
}

static int
start_listener(struct server *srv)
{
	pthread_attr_t attr;
	int rc = pthread_attr_init(&attr);

	if (rc != 0)
		return rc;
	rc = pthread_attr_setstacksize(&attr, STACK_SIZE);
	if (rc == 0)
		rc = pthread_setattr_default_np(&attr);
	if (rc == 0)
		rc = pthread_create(
		    &srv->listener, NULL, listen_and_serve, srv);
	pthread_attr_destroy(&attr);
	return rc;
}

/* All signals must be blocked: new threads inherit that. */
static int
start_threads(struct server *srv)
{
	struct errmsg msg;
	int rc;

	if (sem_init(&srv->go, 0, 0) != 0 || sem_init(&srv->stop, 0, 0) != 0)
		return EX_OSERR;
	serving = srv;
	/* Services have the usual stack: one of them decodes keys and compiles
	 * patterns. */
	rc = services_start(services) == 0 ? 0 : errno;
	if (rc == 0 && (rc = start_listener(srv)) != 0)
		(void)services_stop(SHUT_MAX);
	if (rc == 0)
		return EX_OK;
	rc = no_thread(rc, &msg);
	log_fatal("%s", msg.text);
	return rc;
}

/* Wait a step; true: another signal came, so that the stop must be quick. */
static bool
wait_a_step(struct server *srv)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end); /* the clock that sem_timedwait
	    uses */
	end.tv_nsec += STEP * 1000000L;
	if (end.tv_nsec >= 1000000000L) {
		end.tv_nsec -= 1000000000L;
		end.tv_sec++;
	}
	return sem_timedwait(&srv->stop, &end) == 0;
}

/* Wait a short time for messages under way to end. */
static void
drain(struct server *srv)
{
	for (int ms = 0; ms < DRAIN_MAX; ms += STEP) {
		if (callbacks_closing() == 0 ||
		    atomic_load(&srv->listener_ended) || wait_a_step(srv))
			return;
	}
}

/* Stop callbacks and services; false: some have not ended. */
static bool
shut(struct server *srv)
{
	int left = callbacks_shut();

	for (int ms = 0; left > 0 && ms < SHUT_MAX; ms += STEP) {
		(void)wait_a_step(srv);
		left = callbacks_shut();
	}
	/* Threads that still run end with the process. */
	if (left > 0)
		log_line(LOG_WARNING,
		    "stopped while %d connection%s waited for our reply, for a "
		    "name server or a disk: their messages are not judged, and "
		    "the MTA goes by its milter_default_action; "
		    "what they had reserved of quotas stays counted until its "
		    "window has passed",
		    left, left == 1 ? "" : "s");
	return services_stop(SHUT_MAX) && left == 0;
}

/* What stopped us; NULL: libmilter failed. */
static const char *
why_stopped(const struct server *srv)
{
	switch (atomic_load(&srv->signal)) {
	case SIGTERM:
		return "SIGTERM";
	case SIGINT:
		return "SIGINT";
	case SIGHUP:
		return "SIGHUP";
	}
	return srv->listener_rc == 0 ? "a signal" : NULL;
}

int
serve_check_calls(enum prove_result proved, const struct snapshot *snap,
    struct errmsg *msg_r)
{
	if (proved == PROVE_BOTH || proved == PROVE_ACCEPT ||
	    proved == PROVE_UNKNOWN || peers_everybody(snap->peers))
		return EX_OK;
	errmsg_set(msg_r,
	    "%s: SocketPeers: this libmilter does not call our accept, so "
	    "that connections can't be checked: use another, or guard a local "
	    "socket by its mode and let everybody in with SocketPeers *",
	    conf_where(snap->conf, "SocketPeers"));
	return EX_UNAVAILABLE;
}

/* Before the first connection: can connections and packets be checked? */
static int
check_before_serving(const struct serve_options *o, const struct snapshot *snap)
{
	bool reads = o->proved == PROVE_BOTH || o->proved == PROVE_READER;
	struct errmsg msg;
	int rc = accept_start(o->socket, snap->conf, &msg);

	if (rc == EX_OK)
		rc = serve_check_calls(o->proved, snap, &msg);
	if (rc != EX_OK) {
		log_fatal("%s", msg.text);
		return rc;
	}
	if (o->proved == PROVE_UNKNOWN) {
		log_line(LOG_WARNING,
		    "it could not be tested whether libmilter lets us check "
		    "connections and packets");
		return EX_OK;
	}
	if (!reads)
		log_line(LOG_WARNING,
		    "this libmilter does not call our mi_rd_cmd: a malformed "
		    "packet may end the process, which AutoRestart or "
		    "the service manager has to start again");
	return EX_OK;
}

static int
load_first(const struct serve_options *o, struct snapshot **snap_r)
{
	int rc;

	take_early_stop(true);
	rc = serve_load(o, SNAPSHOT_SERVES, NULL, snap_r);
	take_early_stop(false);
	return rc;
}

int
serve(const struct serve_options *o)
{
	static struct server srv; /* static, because a signal may come until the
	    process ends */
	struct snapshot *snap;
	const char *why;
	int rc;

	srv.o = o;
	if (load_first(o, &snap) != 0)
		return EX_CONFIG;
	status_begin(o->config, time(NULL));
	atomic_store(&loaded_at, (int64_t)status_since());
	chain_adopt(snap);
	inforce_set(snap);
	rc = check_before_serving(o, snap);
	if (rc == EX_OK)
		rc = start_threads(&srv);
	if (rc != EX_OK)
		return rc;
	take_signals();
	sem_post(&srv.go);
	log_line(LOG_INFO, "postern %s serves", POSTERN_VERSION);
	ready_report(EX_OK);
	while (sem_wait(&srv.stop) != 0)
		;
	holder_end(); /* a thread of libmilter's may have taken the signal */
	why = why_stopped(&srv);
	if (why == NULL) {
		log_fatal("libmilter gave up; the reason is in the "
			  "system's log");
		rc = EX_UNAVAILABLE;
	}
	drain(&srv);
	/* exit would free what threads that still run use. */
	if (!shut(&srv)) {
		runfiles_remove();
		_exit(rc);
	}
	if (why != NULL)
		log_line(LOG_INFO, "stopped by %s", why);
	return rc;
}
