#!/usr/bin/python3
# AutoRestart: a parent keeps a filter on the socket. HUP is a reload then,
# whoever else hears it; what dies is started again, within the limits, and
# nobody is refused a connection meanwhile.

import os
import signal
import subprocess
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import *
from milter import Conversation

CONF = 'AutoRestart yes\nPidFile @DIR@/pid\n'
CONFIG, SOFTWARE = 78, 70


def child(postern):
    """The process that serves, or None."""
    path = '/proc/%d/task/%d/children' % (postern.pid, postern.pid)
    try:
        with open(path) as children:
            pids = children.read().split()
    except FileNotFoundError:
        return None
    return int(pids[0]) if pids else None


def passes(postern):
    """Whether a message gets through; waits for a filter that is about to
    start."""
    with Conversation(postern.address) as conversation:
        conversation.begin()
        return conversation.finish() in 'ac'


def another(postern, old):
    return proc.wait_until(lambda: child(postern) not in (None, old),
                           PATIENCE, 'another child') and child(postern)


def check_signals(postern):
    ok(passes(postern), 'a child serves')
    first = child(postern)
    is_(open(os.path.join(postern.dir, 'pid')).read(), '%d\n' % postern.pid,
        'the pid file names the parent')
    postern.signal(signal.SIGHUP)
    is_(len(postern.wait_log(': reloaded')), 1, 'HUP: reloads')
    postern.signal(signal.SIGUSR1)
    is_(len(postern.wait_log(': reloaded', 2)), 2, 'USR1: reloads')
    postern.signal(signal.SIGUSR2)
    is_(len(postern.wait_log('quotas reset')), 1, 'USR2: resets')
    is_(child(postern), first, 'by the same child')


def threads(pid):
    names = []
    for task in os.listdir('/proc/%d/task' % pid):
        with open('/proc/%d/task/%s/comm' % (pid, task)) as comm:
            names.append(comm.read().strip())
    return sorted(names)


def check_services(postern):
    """Threads do not survive a fork: they are the child's, whichever it is."""
    is_(threads(postern.pid), ['postern'], 'the parent has one thread')
    is_([name for name in ('reload', 'services', 'snapshots', 'statistics')
         if name not in threads(child(postern))], [],
        'the child has the services')


def check_group(postern):
    """More often than AutoRestartCount allows for crashes."""
    for count in range(1, 4):
        old = child(postern)
        os.killpg(postern.pid, signal.SIGHUP)
        another(postern, old)
        ok(passes(postern), 'HUP to the group, %d: serves' % count)


def check_crash(postern):
    inode, old = os.stat(postern.address).st_ino, child(postern)
    os.kill(old, signal.SIGKILL)
    ok(passes(postern), 'kill -9: no connection is refused')
    ok(child(postern) not in (None, old), 'kill -9: it is another child')
    is_(os.stat(postern.address).st_ino, inode, 'kill -9: the same socket')
    is_(len(postern.wait_log(r'was killed by signal 9 .*starting it again')),
        1, 'kill -9: said')


def check_end(postern):
    last = child(postern)
    is_(postern.stop(), 0, 'TERM: exit status')
    ok(not os.path.exists('/proc/%d' % last), 'TERM: the child is gone')
    is_([name for name in ('pid', 'socket')
         if os.path.exists(os.path.join(postern.dir, name))], [],
        'TERM: no pid file and no socket stays')


def check_limit(line, crashes, said):
    postern = Postern(CONF + line + '\n')
    for _ in range(crashes):
        passes(postern)
        old = child(postern)
        os.kill(old, signal.SIGKILL)
        another(postern, old)
    passes(postern)
    os.kill(child(postern), signal.SIGKILL)
    is_(postern.end(), SOFTWARE, '%s: gives up' % line)
    like(postern.log(), said, '%s: and says so' % line)
    ok(not os.path.exists(postern.address), '%s: no socket stays' % line)


def check_orphan():
    """The parent is killed: its child must not stay on the socket."""
    with Postern(CONF) as postern:
        passes(postern)
        orphan = child(postern)
        postern.signal(signal.SIGKILL)
        postern.process.wait()
        proc.wait_until(lambda: not os.path.exists('/proc/%d' % orphan) or
                        'State:\tZ' in open('/proc/%d/status' % orphan).read(),
                        PATIENCE, 'end of the orphan')
        ok(True, 'the parent killed: the child ends')
        postern.run()
        ok(passes(postern), 'and another can start')


def check_configuration():
    with Postern(CONF) as postern:
        passes(postern)
        old = child(postern)
        postern.configure(CONF + 'Flavour sweet\n')
        os.kill(old, signal.SIGKILL)
        like('\n'.join(postern.wait_log('conf:5: Flavour')), 'Flavour',
             'a restart with a bad file: tried')
        postern.configure(CONF)
        ok(passes(postern), 'and again, once the file is mended')
        postern.configure(CONF + 'Flavour sweet\n')
        postern.stop()
        done = subprocess.run([binary('POSTERN'), '-f', '-x',
                               postern.conf_file], capture_output=True,
                              text=True, timeout=PATIENCE)
        is_(done.returncode, CONFIG, 'a start with a bad file fails')


def main():
    plan(31)
    with Postern(CONF + 'AutoRestartCount 1\n') as postern:
        check_signals(postern)
        check_services(postern)
        check_group(postern)
        check_crash(postern)
        check_services(postern)
        check_end(postern)
    check_limit('AutoRestartRate 2/1h', 2, r'more than 2 restarts in 3600 s')
    check_limit('AutoRestartCount 1', 1, r'gave up after 1 restarts')
    check_orphan()
    check_configuration()


import proc
main()
