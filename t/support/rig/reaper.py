# SPDX-License-Identifier: BSD-2-Clause
"""usage: reaper.py DIRECTORY

Cleans up after a test that was killed. It reads `+PID` and `-PID` lines, for
servers started and ended; when its input ends, it ends those still listed and
removes DIRECTORY. The kernel's own parent-death signal would not do: it is
dropped when a process changes its user, as mail servers do.
"""

import os
import select
import shutil
import signal
import sys

PATIENCE_MS = 10000


def read_until_starter_is_gone():
    """Descriptors, not numbers: a pid may have become someone else's."""
    servers = {}
    for line in sys.stdin:
        pid = int(line[1:])
        if line.startswith('-') and pid in servers:
            os.close(servers.pop(pid))
        elif line.startswith('+'):
            remember(servers, pid)
    return servers


def remember(servers, pid):
    try:
        servers[pid] = os.pidfd_open(pid)
    except ProcessLookupError:
        pass    # it failed at once, and its starter was quicker to notice


def end(pid, descriptor):
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
    except ProcessLookupError:
        return
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    if not poll.poll(PATIENCE_MS):
        # Still there, so its session, which has its number, is as well.
        os.killpg(pid, signal.SIGKILL)


def main():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    servers = read_until_starter_is_gone()
    for pid in reversed(list(servers)):
        end(pid, servers[pid])
    if not os.environ.get('POSTERN_RIG_KEEP'):
        shutil.rmtree(sys.argv[1], ignore_errors=True)


main()
