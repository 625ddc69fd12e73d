#!/usr/bin/python3
# Connections and descriptors: too few to serve are refused at start; one user
# can't hold all connections, and what is over MaxConnections is closed at once;
# nothing of it, and no want of descriptors, costs time worth the name.

import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import *
from milter import Conversation, Gone

OSERR = 71
STRANGER = 65534
CLIENTS = 60
SECONDS = 4         # for which they stay
# Of CPU a second. Idle it is far below a hundredth; a loop without a pause
# takes all it gets, and with several processors more than 1.
BUSY = 0.05


class Limited(Postern):
    """With so many descriptors and no more."""

    def __init__(self, conf, files_max, socket='unix'):
        super().__init__(conf, socket=socket, start=False)
        self.files_max = files_max

    def argv(self, *args):
        return ['sh', '-c', 'ulimit -n %d; exec "$@"' % self.files_max, 'sh',
                binary('POSTERN'), '-x', self.conf_file] + list(args)

    def run(self):
        self.served = self.times_served()
        self.start(self.argv('-f'), env=self.env, up=self.is_up)

    def refused(self, *args):
        done = subprocess.run(self.argv(*args), capture_output=True,
                              text=True, timeout=PATIENCE)
        return done.returncode, done.stderr


def cpu(pid):
    """Seconds that it has taken so far."""
    with open('/proc/%d/stat' % pid) as file:
        fields = file.read().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def connected(address):
    client = socket.socket(socket.AF_UNIX if isinstance(address, str)
                           else socket.AF_INET)
    client.settimeout(PATIENCE)
    client.connect(address)
    return client


def strangers(postern, count, uid=STRANGER):
    """A process of that user with so many idle connections; they are all seen
    by the daemon when it returns, for one of ours behind them is."""
    ready, done = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            kept = [connected(postern.address) for _ in range(count)]
            os.write(done, b'1')
            time.sleep(PATIENCE)
        finally:
            os._exit(0)
    os.close(done)
    if os.read(ready, 1) != b'1':
        raise RigError('the clients failed')
    os.close(ready)
    return pid


def end(pid):
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def serves(postern):
    try:
        with Conversation(postern.address) as conversation:
            conversation.begin()
            return conversation.finish() in ('a', 'c')
    except Gone:
        return False


def check_cost(name, postern):
    """While the strangers are there."""
    before, begin = cpu(postern.pid), time.monotonic()
    time.sleep(SECONDS)
    used = cpu(postern.pid) - before
    took = time.monotonic() - begin
    print('# %s: %.2f s of CPU in %.1f s' % (name, used, took))
    ok(used < took * BUSY, '%s: no time is burnt' % name,
       '%.2f s of CPU in %.1f s' % (used, took))


def check_too_few():
    postern = Limited('Mode v\n', 24)
    found = set()
    for flag in '-f', '-n':
        status, said = postern.refused(flag)
        is_(status, OSERR, 'too few, %s: refused' % flag)
        number = re.search(r'24 descriptors are too few: it takes (\d+);',
                           said)
        ok(number, 'too few, %s: said with the number' % flag, said)
        found.add(int(number.group(1)) if number else 0)
    needed = max(found)
    postern.configure('Mode v\nMaxConnections 50\n')
    postern.files_max = needed
    status, said = postern.refused('-f')
    is_(status, OSERR, 'too few for MaxConnections: refused')
    like(said, r'too few for MaxConnections: it takes \d+',
         'too few for MaxConnections: said')
    return needed


def check_clients(needed, kind):
    postern = Limited('Mode v\nSocketPeers *\n', needed, kind)
    postern.run()
    with postern:
        pid = strangers(postern, CLIENTS)
        ok(all(serves(postern) for _ in range(20)),
           '%s, %d idle clients: the MTA is served' % (kind, CLIENTS))
        check_cost('%s, %d idle clients' % (kind, CLIENTS), postern)
        ok(serves(postern), '%s: and afterwards' % kind)
        is_(len(postern.log_lines(r'was closed: .*MaxConnections')), 1,
            '%s: said once' % kind)
        end(pid)


def open_ones(clients):
    """Which of them the daemon has not closed."""
    kept = 0
    for client in clients:
        client.setblocking(False)
        try:
            kept += client.recv(1) != b''
        except BlockingIOError:
            kept += 1
        except ConnectionResetError:
            pass
    return kept


def check_share():
    with Postern('Mode v\nSocketPeers *\nMaxConnections 8\n') as postern:
        pid = strangers(postern, 20)
        # One of root's at a time is what is left of two.
        ours = [connected(postern.address) for _ in range(5)]
        proc.wait_until(lambda: open_ones(ours) <= 2, PATIENCE,
                        'closed: what is over the limit')
        is_(open_ones(ours), 2, 'MaxConnections: the last quarter is left')
        for client in ours:
            client.close()
        proc.wait_until(lambda: serves(postern), PATIENCE, 'room again')
        end(pid)
        proc.wait_until(lambda: len(os.listdir('/proc/%d/fd' % postern.pid)) <
                        20, PATIENCE, 'their end')
        ours = [connected(postern.address) for _ in range(6)]
        ok(serves_late(postern, ours) == 6,
           'MaxConnections: three quarters for one user')
        for client in ours:
            client.close()


def serves_late(postern, ours):
    """How many are open once the daemon has seen a later one."""
    client = connected(postern.address)
    client.recv(1)
    client.close()
    return open_ones(ours)


def check_exhausted():
    """The limit is lowered under the running daemon."""
    with Postern('Mode v\n') as postern:
        # Libraries open what they need with the first mail.
        proc.wait_until(lambda: serves(postern), PATIENCE, 'the first mail')
        limits = resource.prlimit(postern.pid, resource.RLIMIT_NOFILE)
        # A few numbers below may be free, or be so soon.
        used = max(int(fd) for fd in os.listdir('/proc/%d/fd' % postern.pid))
        resource.prlimit(postern.pid, resource.RLIMIT_NOFILE,
                         (used + 1, limits[1]))
        ours = [connected(postern.address) for _ in range(CLIENTS)]
        check_cost('no descriptor left', postern)
        ok(open_ones(ours) < CLIENTS // 2, 'no descriptor left: closed',
           open_ones(ours))
        is_(len(postern.log_lines('no descriptor is left')), 1,
            'no descriptor left: said once')
        resource.prlimit(postern.pid, resource.RLIMIT_NOFILE, limits)
        ok(serves(postern), 'descriptors again: serves')


def main():
    need_root()
    plan(6 + 2 * 4 + 2 + 4)
    needed = check_too_few()
    for kind in 'unix', 'inet':
        check_clients(needed, kind)
    check_share()
    check_exhausted()


import proc
main()
