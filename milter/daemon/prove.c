/* SPDX-License-Identifier: BSD-2-Clause */
#include "prove.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libmilter/mfapi.h>

#include "accept.h"
#include "lib/base/err.h"
#include "milter/privileges.h"
#include "reader.h"

#define PATIENCE 5000 /* milliseconds */
#define FDS_MAX 256   /* descriptors among which libmilter's listener is
    searched */

/* End the child; its exit status says which of the two functions were
 * called. */
static void
end_child(bool reader)
{
	if (accept_tried())
		_exit(reader ? PROVE_BOTH : PROVE_ACCEPT);
	_exit(reader ? PROVE_READER : PROVE_NEITHER);
}

static void
on_reader(void)
{
	end_child(true);
}

/* Called if libmilter has read a packet without our mi_rd_cmd. */
static sfsistat
on_negotiate(SMFICTX *ctx, unsigned long f0, unsigned long f1, unsigned long f2,
    unsigned long f3, unsigned long *pf0, unsigned long *pf1,
    unsigned long *pf2, unsigned long *pf3)
{
	(void)ctx, (void)f0, (void)f1, (void)f2, (void)f3;
	(void)pf0, (void)pf1, (void)pf2, (void)pf3;
	end_child(false);
	return SMFIS_REJECT;
}

/* The address of the socket that libmilter has opened: the one that listens
 * where none did before. */
static bool
find_listener(const bool before[FDS_MAX], struct sockaddr_in *in_r)
{
	for (int fd = 0; fd < FDS_MAX; fd++) {
		socklen_t len = sizeof(*in_r), on_len = sizeof(int);
		int on = 0;

		if (!before[fd] &&
		    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &on_len) ==
			0 &&
		    on != 0 &&
		    getsockname(fd, (struct sockaddr *)in_r, &len) == 0 &&
		    in_r->sin_family == AF_INET)
			return true;
	}
	return false;
}

static bool
begin_conversation(const struct sockaddr_in *in)
{
	const uint32_t words[] = {htonl(MILTER_OPTLEN + 1), htonl(6),
	    htonl(SMFI_CURR_ACTS), htonl(SMFI_CURR_PROT)};
	char packet[sizeof(words) + 1];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(packet, words, MILTER_LEN_BYTES);
	packet[MILTER_LEN_BYTES] = SMFIC_OPTNEG;
	memcpy(packet + MILTER_LEN_BYTES + 1, words + 1, MILTER_OPTLEN);
	return fd >= 0 &&
	       connect(fd, (const struct sockaddr *)in, sizeof(*in)) == 0 &&
	       send(fd, packet, sizeof(packet), MSG_NOSIGNAL) ==
		   (ssize_t)sizeof(packet);
}

static void
try_it(const struct privileges *p)
{
	struct smfiDesc desc = {
	    .xxfi_name = (char *)(uintptr_t) "postern",
	    .xxfi_version = SMFI_VERSION,
	    .xxfi_negotiate = on_negotiate,
	};
	bool before[FDS_MAX];
	struct sockaddr_in in;
	struct errmsg msg;

	if (privileges_drop(p, &msg) != 0)
		_exit(PROVE_UNKNOWN);
	for (int fd = 0; fd < FDS_MAX; fd++)
		before[fd] = fcntl(fd, F_GETFD) >= 0;
	accept_trial();
	reader_trial(on_reader);
	if (smfi_setconn((char *)(uintptr_t) "inet:0@[127.0.0.1]") ==
		MI_SUCCESS &&
	    smfi_register(desc) == MI_SUCCESS &&
	    smfi_opensocket(0) == MI_SUCCESS && find_listener(before, &in) &&
	    begin_conversation(&in))
		smfi_main();
	_exit(PROVE_UNKNOWN);
}

enum prove_result
prove_calls(const struct privileges *p)
{
	struct pollfd pfd = {.events = POLLIN};
	pid_t parent = getpid(), pid;
	int fds[2], status = 0;

	/* When the child ends, the other end is closed. */
	if (pipe2(fds, O_CLOEXEC) != 0)
		return PROVE_UNKNOWN;
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == parent)
			try_it(p);
		_exit(PROVE_UNKNOWN);
	}
	close(fds[1]);
	pfd.fd = fds[0];
	if (pid > 0 && poll(&pfd, 1, PATIENCE) <= 0)
		kill(pid, SIGKILL);
	close(fds[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid < 0 || !WIFEXITED(status))
		return PROVE_UNKNOWN;
	return (enum prove_result)WEXITSTATUS(status);
}
