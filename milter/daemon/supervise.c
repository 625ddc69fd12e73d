/* SPDX-License-Identifier: BSD-2-Clause */
#include "supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "holder.h"
#include "milter/log.h"
#include "ready.h"
#include "runfiles.h"

#define DELAY_MAX 30     /* seconds between attempts that all fail */
#define STOP_PATIENCE 20 /* seconds for a child to end when asked */

struct supervisor {
	const struct supervise_options *o;
	int (*run)(void *arg);
	void *arg;
	int signals;     /* signalfd */
	int pipe;        /* from the child; -1: it is ready, or has ended */
	pid_t pid;       /* 0: no child */
	bool ready;      /* this child was ready */
	bool ever_ready; /* this child or an earlier one was ready */
	bool stopping;
	time_t stop_by;  /* the time at which the child is killed */
	int delay;       /* before the next attempt */
	time_t again_at; /* the time of the next attempt, while there is no
	    child */
	long restarts;
	time_t *times;   /* a ring of the last rate.count restarts */
	int status;      /* -1: go on */
};

static time_t
now(void)
{
	return clock_ms() / 1000;
}

static void
become_child(struct supervisor *s, pid_t parent, int pipes[2])
{
	/* A change of user would clear this, but there is none after it.  The
	 * parent may have ended before the call. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EX_OK);
	close(s->signals);
	close(pipes[0]);
	free(s->times);
	runfiles_forget();
	ready_to(pipes[1]);
	exit(s->run(s->arg));
}

static void
start(struct supervisor *s)
{
	pid_t parent = getpid();
	int pipes[2];

	fflush(NULL);
	s->ready = false;
	if (pipe2(pipes, O_CLOEXEC) != 0) {
		s->again_at = now() + DELAY_MAX;
		return;
	}
	s->pid = fork();
	if (s->pid == 0)
		become_child(s, parent, pipes);
	close(pipes[1]);
	if (s->pid > 0) {
		s->pipe = pipes[0];
		return;
	}
	log_line(LOG_ERR, "can't start a child: %s", strerror(errno));
	close(pipes[0]);
	s->pid = 0;
	s->again_at = now() + DELAY_MAX;
}

/* May it be restarted once more? */
static bool
within_limits(struct supervisor *s)
{
	long slot;

	if (s->o->count > 0 && s->restarts >= s->o->count) {
		log_fatal("gave up after %ld restarts (AutoRestartCount)",
		    s->restarts);
		return false;
	}
	if (s->times != NULL) {
		slot = s->restarts % s->o->rate.count;
		if (s->restarts >= s->o->rate.count &&
		    now() - s->times[slot] <= s->o->rate.seconds) {
			log_fatal("gave up: more than %ld restarts in %ld s "
				  "(AutoRestartRate)",
			    s->o->rate.count, s->o->rate.seconds);
			return false;
		}
		s->times[slot] = now();
	}
	s->restarts++;
	return true;
}

static void
describe(int status, char *out, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(out, size, "was killed by signal %d (%s)",
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(out, size, "ended with status %d",
		    WEXITSTATUS(status));
}

/*
 * A child that ends with EX_OK was stopped by a signal, for example a HUP to
 * the process group.  It is replaced at once, and not counted.
 */
static void
child_ended(struct supervisor *s, int status)
{
	bool well = WIFEXITED(status) && WEXITSTATUS(status) == EX_OK;
	char how[80];

	if (s->pipe >= 0) {
		/* It may have become ready just before its end. */
		unsigned char byte;

		if (read(s->pipe, &byte, 1) == 1 && byte == EX_OK)
			s->ready = s->ever_ready = true;
		close(s->pipe);
		s->pipe = -1;
	}
	s->pid = 0;
	s->again_at = now();
	describe(status, how, sizeof(how));
	if (s->stopping) {
		s->status = EX_OK;
	} else if (!s->ever_ready) {
		s->status = WIFEXITED(status) && !well ? WEXITSTATUS(status)
						       : EX_SOFTWARE;
	} else if (well) {
		log_line(LOG_INFO, "the filter was stopped by somebody else: "
			    "starting it again");
	} else if (!within_limits(s)) {
		s->status = EX_SOFTWARE;
	} else {
		if (s->ready || s->delay == 0)
			s->delay = s->ready ? 0 : 1;
		else
			s->delay = s->delay * 2 > DELAY_MAX ? DELAY_MAX
							    : s->delay * 2;
		s->again_at = now() + s->delay;
		log_line(LOG_ERR, "the filter %s: starting it again%s", how,
		    s->delay > 0 ? ", in a while" : "");
	}
}

static void
stop(struct supervisor *s)
{
	holder_end();
	s->stopping = true;
	s->stop_by = now() + STOP_PATIENCE;
	if (s->pid == 0)
		s->status = EX_OK;
	else
		kill(s->pid, SIGTERM);
}

static void
reap(struct supervisor *s)
{
	int status;
	pid_t pid;

	/* Other children, which we may have inherited, are reaped too. */
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == s->pid)
			child_ended(s, status);
	}
}

static void
take_signal(struct supervisor *s)
{
	struct signalfd_siginfo info;

	if (read(s->signals, &info, sizeof(info)) != sizeof(info))
		return;
	switch (info.ssi_signo) {
	case SIGHUP:
	case SIGUSR1:
		/* A child that is not ready yet reads the new files anyway, or
		 * the signal stays pending. */
		if (s->pid > 0)
			kill(s->pid, SIGUSR1);
		break;
	case SIGUSR2:
		if (s->pid > 0)
			kill(s->pid, SIGUSR2);
		break;
	case SIGCHLD:
		reap(s);
		break;
	default: /* TERM, INT */
		stop(s);
	}
}

static void
hear_child(struct supervisor *s)
{
	unsigned char byte;
	ssize_t n = read(s->pipe, &byte, 1);

	if (n < 0)
		return;
	close(s->pipe);
	s->pipe = -1;
	if (n == 1 && byte == EX_OK) {
		s->ready = s->ever_ready = true;
		ready_report(EX_OK);
	}
}

/* Milliseconds until something is due; -1: nothing is. */
static int
patience(const struct supervisor *s)
{
	time_t due;

	if (s->stopping)
		due = s->stop_by;
	else if (s->pid == 0)
		due = s->again_at;
	else
		return -1;
	return due <= now() ? 0 : (int)(due - now()) * 1000;
}

static void
watch(struct supervisor *s)
{
	struct pollfd fds[2] = {{.fd = s->signals, .events = POLLIN},
	    {.fd = s->pipe, .events = POLLIN}};

	if (poll(fds, 2, patience(s)) < 0)
		return;
	if (fds[1].revents != 0)
		hear_child(s);
	if (fds[0].revents != 0)
		take_signal(s);
	else if (s->stopping && s->pid > 0 && s->stop_by <= now())
		kill(s->pid, SIGKILL);
}

int
supervise(const struct supervise_options *o, int (*child)(void *arg), void *arg)
{
	struct supervisor s = {
	    .o = o, .run = child, .arg = arg, .pipe = -1, .status = -1};
	static const int numbers[] = {
	    SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD, SIGTERM, SIGINT};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		sigaddset(&set, numbers[i]);
	s.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (o->rate.count > 0)
		s.times = calloc((size_t)o->rate.count, sizeof(*s.times));
	if (s.signals < 0 || (o->rate.count > 0 && s.times == NULL))
		return EX_OSERR;
	while (s.status < 0) {
		if (s.pid == 0 && !s.stopping && s.again_at <= now())
			start(&s);
		watch(&s);
	}
	free(s.times);
	close(s.signals);
	return s.status;
}
