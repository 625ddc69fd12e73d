# SPDX-License-Identifier: BSD-2-Clause
"""What every server of the rig stands on: a directory, ports, a process that
ends with the test, and waiting.

Everything started here is stopped by its own pid: at the end of its `with`
block, else at exit, else (the test was killed) by reaper.py.
"""

import atexit
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import tap

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
PACKAGES = os.environ.get('POSTERN_RIG_CACHE',
                          os.path.join(SOURCE, 'build', 'rig'))
# Other users are to read what is written here, whatever root's umask is.
os.umask(0o022)

LOG_LINES = 60      # of each log shown when a test fails
# Seconds until what is waited for counts as missing. Only failing tests wait
# so long; the machine may be slow, and have other things to do.
PATIENCE = 120.0

_live = []          # servers in the order of their start
_root = None        # the test's directory; everything is below it
_reaper = None      # the process that outlives a killed test
_ports = []         # a socket for each port that this process has taken


class RigError(Exception):
    """The rig itself failed: nothing is known of what was to be tested."""


def root():
    """The test's own directory. Others may pass through, but not list it:
    the mail servers' unprivileged users have files below it."""
    global _root, _reaper
    if _root is None:
        _root = tempfile.mkdtemp(prefix='postern-t.')
        os.chmod(_root, 0o711)
        # Its output goes nowhere: whoever waits for the end of the test's
        # must not wait for the reaper.
        _reaper = subprocess.Popen(
            [sys.executable, os.path.join(HERE, 'reaper.py'), _root],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True, text=True)
    return _root


def _tell_reaper(sign, pid):
    try:
        _reaper.stdin.write('%s%d\n' % (sign, pid))
        _reaper.stdin.flush()
    except BrokenPipeError:
        tap.diag('the reaper is gone')


def new_dir(name):
    """A new directory below root(), numbered when the name is taken."""
    path, number = os.path.join(root(), name), 1
    while os.path.exists(path):
        number += 1
        path = os.path.join(root(), '%s%d' % (name, number))
    os.mkdir(path, 0o755)
    os.chmod(path, 0o755)
    return path


def write_file(path, text, mode=0o644):
    with open(path, 'w') as out:
        out.write(text)
    os.chmod(path, mode)
    return path


def _take_port(port):
    """Whether the port is this process's now, before it listens there: the
    tests of this machine tell each other by names that end with them."""
    mark = socket.socket(socket.AF_UNIX)
    try:
        mark.bind('\0postern-t.port.%d' % port)
    except OSError:
        mark.close()
        return False
    _ports.append(mark)
    return True


def free_port():
    """A loopback port nobody listens on, below the range from which the
    kernel takes the ports of outgoing connections."""
    for _ in range(200):
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(('127.0.0.1', port))
            except OSError:
                continue
            if _take_port(port):
                return port
    raise RigError('no free port')


def has_ipv6():
    """Whether the loopback interface has ::1."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(('::1', 0))
    except OSError:
        return False
    return True


def wait_until(question, timeout, what):
    """Polls question() until it answers something true, and returns that."""
    end = time.monotonic() + timeout
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise RigError('%s: not within %g s' % (what, timeout))
        time.sleep(0.02)


def accepts(address):
    """Whether a listener is at address, a path or a (host, port) pair."""
    family = socket.AF_UNIX if isinstance(address, str) else \
        socket.AF_INET6 if ':' in address[0] else socket.AF_INET
    with socket.socket(family) as probe:
        probe.settimeout(1)
        try:
            probe.connect(address)
        except OSError:
            return False
    return True


def unpacked(*packages):
    """Paths of the files of Debian packages, fetched when first wanted."""
    command = [os.path.join(HERE, 'unpack'), PACKAGES] + list(packages)
    done = subprocess.run(command, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors='replace')
    if done.returncode:
        raise RigError('%s\n%s' % (' '.join(command), done.stdout))
    return [os.path.join(PACKAGES, name) for name in packages]


def need_root():
    """Skips the test when it can't start servers that change their user."""
    if os.geteuid() != 0:
        tap.skip_all('needs root')


class Server:
    """A child process with a directory, a log file and an end."""

    name = 'server'
    stop_timeout = PATIENCE

    def __init__(self):
        self.dir = new_dir(self.name)
        self.log_file = os.path.join(self.dir, 'log')
        self.process = None
        self.status = None

    def start(self, argv, env=None, up=None, timeout=PATIENCE):
        """Runs argv, its output to the log; returns when up() says so."""
        with open(self.log_file, 'ab') as log:
            self.process = subprocess.Popen(
                argv, env=env, cwd=self.dir, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True)
        _tell_reaper('+', self.process.pid)
        _live.append(self)
        if up is not None:
            wait_until(lambda: self._check_alive() and up(), timeout,
                       '%s ready\n%s' % (self.name, ' '.join(argv)))

    def _check_alive(self):
        if self.process.poll() is None:
            return True
        raise RigError('%s ended with status %d\n%s' % (
            self.name, self.process.returncode, self.log()))

    @property
    def pid(self):
        return self.process.pid

    def signal(self, number):
        self.process.send_signal(number)

    def log(self):
        try:
            with open(self.log_file, errors='replace') as log:
                return log.read()
        except FileNotFoundError:
            return ''

    def log_lines(self, regex):
        return [line for line in self.log().splitlines()
                if re.search(regex, line)]

    def wait_log(self, regex, count=1, timeout=PATIENCE):
        """Lines of the log that match, once there are `count`; fewer when
        the time is up, so that the test can say what is missing."""
        try:
            wait_until(lambda: len(self.log_lines(regex)) >= count, timeout,
                       regex)
        except RigError:
            pass
        return self.log_lines(regex)

    def stop(self):
        """Ends it; returns its exit status (negative: killed by a signal)."""
        if self.process is None:
            return self.status
        if self.process.poll() is None:
            self.process.terminate()
        return self.end()

    def end(self):
        """Waits for its end; returns its exit status as stop() does."""
        self.wait()
        # What the server itself started shares its session and has no
        # reason to outlive it.
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        _tell_reaper('-', self.process.pid)
        self.process = None
        _live.remove(self)
        return self.status

    def wait(self):
        try:
            self.status = self.process.wait(self.stop_timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.status = self.process.wait()
            tap.diag('%s did not stop within %g s: killed' %
                     (self.name, self.stop_timeout))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


@atexit.register
def _cleanup():
    # The latest first: an MTA goes before its milter.
    for server in reversed(_live[:]):
        server.stop()
    if _root is None:
        return
    if tap.failed():
        show_logs(tap.diag, LOG_LINES)
    if os.environ.get('POSTERN_RIG_KEEP'):
        tap.diag('kept: ' + _root)
    else:
        shutil.rmtree(_root, ignore_errors=True)
    _reaper.stdin.close()
    _reaper.wait()


def show_logs(show, count):
    """The last lines of each server's log, through show(text)."""
    for directory in sorted(os.listdir(root())):
        path = os.path.join(root(), directory, 'log')
        if not os.path.isfile(path):
            continue
        with open(path, errors='replace') as log:
            lines = log.read().splitlines()
        show('--- end of the log of %s (%d lines)' % (directory, len(lines)))
        show('\n'.join(lines[-count:]))


def _on_signal(number, _frame):
    # An exception, so that `with` blocks and atexit do their work.
    sys.exit(128 + number)


for _number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(_number, _on_signal)
