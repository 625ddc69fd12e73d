/* SPDX-License-Identifier: BSD-2-Clause */
#include "ready.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

static struct {
	int fd;          /* the pipe to the process that waits; -1: none */
	bool background; /* detach from the terminal */
	bool manager;    /* notify the service manager */
	bool reported;
} ready = {.fd = -1, .manager = true};

static void
wait_for_child(int fd)
{
	unsigned char status;

	if (read(fd, &status, 1) != 1) {
		fprintf(stderr, "postern: ended before it was ready\n");
		status = EX_SOFTWARE;
	}
	_exit(status);
}

int
ready_background(void)
{
	int pipes[2];
	pid_t pid;

	fflush(NULL);
	if (pipe2(pipes, O_CLOEXEC) != 0)
		return EX_OSERR;
	pid = fork();
	if (pid < 0)
		return EX_OSERR;
	if (pid > 0) {
		close(pipes[1]);
		waitpid(pid, NULL, 0);
		wait_for_child(pipes[0]);
	}
	close(pipes[0]);
	ready.fd = pipes[1];
	ready.background = true;
	/* Fork twice, so that no terminal can become ours again. */
	if (setsid() < 0 || (pid = fork()) < 0) {
		ready_report(EX_OSERR);
		_exit(EX_OSERR);
	}
	if (pid > 0)
		_exit(EX_OK);
	return EX_OK;
}

void
ready_to(int fd)
{
	if (ready.fd >= 0)
		close(ready.fd);
	ready.fd = fd;
	ready.manager = false;
	ready.reported = false;
}

/* sd_notify(3), the protocol of which is public and stable. */
static void
notify_manager(void)
{
	static const char text[] = "READY=1";
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t len = path == NULL ? 0 : strlen(path);
	int fd;

	if (len < 2 || len >= sizeof(addr.sun_path))
		return;
	memcpy(addr.sun_path, path, len);
	if (addr.sun_path[0] == '@')
		addr.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)!sendto(fd, text, sizeof(text) - 1, MSG_NOSIGNAL,
	    (struct sockaddr *)&addr,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	close(fd);
}

static void
let_go_of_terminal(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	fflush(NULL);
	for (int std = 0; fd >= 0 && std <= STDERR_FILENO; std++)
		dup2(fd, std);
	if (fd > STDERR_FILENO)
		close(fd);
}

void
ready_report(int status)
{
	unsigned char byte = (unsigned char)status;

	if (ready.reported)
		return;
	ready.reported = true;
	if (ready.background && status == EX_OK)
		let_go_of_terminal();
	if (ready.manager && status == EX_OK)
		notify_manager();
	if (ready.fd >= 0) {
		(void)!write(ready.fd, &byte, 1);
		close(ready.fd);
		ready.fd = -1;
	}
}
