# SPDX-License-Identifier: BSD-2-Clause
"""Milters under test, and the peer to compare with."""

import functools
import os
import re
import signal
import subprocess

import proc
from dnsd import Dnsd
from postfix import MAIL_OWNER

# For every run of the daemon, whoever starts the test.
TSAN_SUPPRESSIONS = os.path.join(proc.HERE, 'tsan.supp')


class Milter(proc.Server):
    """A milter with a socket of its own, `unix` or `inet`.

    .socket is its address in libmilter's spelling, .milter in Postfix's.
    """

    name = 'milter'

    def __init__(self, socket='unix'):
        super().__init__()
        if socket == 'unix':
            self.address = os.path.join(self.dir, 'socket')
            self.socket = 'local:' + self.address
            self.milter = 'unix:' + self.address
        else:
            self.address = ('127.0.0.1', proc.free_port())
            self.socket = 'inet:%d@127.0.0.1' % self.address[1]
            self.milter = 'inet:127.0.0.1:%d' % self.address[1]

    def is_up(self):
        if not proc.accepts(self.address):
            return False
        if isinstance(self.address, str):
            # The MTA connects as its own user, whatever the milter's umask.
            os.chmod(self.address, 0o777)
        return True


class Postern(Milter):
    """The daemon in the foreground with conf_text as its configuration.

    `@DIR@` in conf_text is the daemon's directory. `Socket`, `Syslog no` and
    `Nameservers` are added unless the text has them; the last is a server
    that knows no name, so that no test asks the world. So is `SocketPeers`, for
    the rig's Postfix is a user's of another name, and where state is kept. Leaving the `with` block stops it and
    insists on exit status 0, which a sanitizer's report is not.
    """

    name = 'postern'

    def __init__(self, conf_text='', socket='unix', args=(), env=None,
                 files=None, start=True):
        super().__init__(socket)
        self.args = list(args)
        self.env = dict({'TSAN_OPTIONS': 'suppressions=' + TSAN_SUPPRESSIONS},
                        **dict(os.environ, **(env or {})))
        self.conf_file = os.path.join(self.dir, 'postern.conf')
        for name, text in (files or {}).items():
            proc.write_file(os.path.join(self.dir, name), text, 0o600)
        self.configure(conf_text)
        if start:
            self.run()

    def configure(self, conf_text):
        """Writes the file; a running daemon reads it at the next reload."""
        self.logs_here = not re.search(r'(?im)^\s*Syslog\s+y', conf_text)
        lines = []
        for keyword, value in (('Syslog', 'no'), ('Socket', self.socket)):
            if not re.search(r'(?im)^\s*%s\s' % keyword, conf_text):
                lines.append('%s %s\n' % (keyword, value))
        text = ''.join(lines) + conf_text.replace('@DIR@', self.dir)
        # At the end: a test may speak of line numbers.
        if not re.search(r'(?im)^\s*SocketPeers\s', text):
            text = text.rstrip('\n') + '\nSocketPeers root,%s\n' % MAIL_OWNER
        if not re.search(r'(?im)^\s*(Nameservers|Test\w+)\s', text):
            text = text.rstrip('\n') + '\nNameservers %s\n' % _no_names()
        for keyword, name in (('RingFile', 'ring'), ('StateDirectory', '.')):
            if not re.search(r'(?im)^\s*%s\s' % keyword, text):
                text = text.rstrip('\n') + '\n%s %s\n' % (
                    keyword, os.path.join(self.dir, name))
        proc.write_file(self.conf_file, text)

    def run(self):
        self.served = self.times_served()
        self.start([binary('POSTERN'), '-f', '-x', self.conf_file] +
                   self.args, env=self.env, up=self.is_up)

    def is_up(self):
        """The socket is there before the configuration was read in full."""
        return super().is_up() and (self.times_served() > self.served or
                                    not self.logs_here)

    def times_served(self):
        return len(self.log_lines(r'\]: postern \S+ serves$'))

    def reload(self):
        self.signal(signal.SIGUSR1)

    def reset_quotas(self):
        self.signal(signal.SIGUSR2)

    def summaries(self, count=1, timeout=proc.PATIENCE):
        """The summary lines in the log, as dicts of their key=value pairs;
        waits until there are `count`. The queue id is under 'id'."""
        lines = self.wait_log(r': direction=', count, timeout)
        return [summary(line) for line in lines]

    def ctl(self, *args, input=None):
        """Runs posternctl COMMAND ... with this daemon's configuration. From
        input in bytes come bytes."""
        return subprocess.run(
            [binary('POSTERNCTL')] + list(args) + ['-x', self.conf_file],
            env=self.env, input=input, capture_output=True,
            text=not isinstance(input, bytes), timeout=proc.PATIENCE)

    def __exit__(self, kind, *_):
        status = self.stop()
        # An exception on its way says more than how the daemon ended.
        if kind is None and status != 0:
            raise proc.RigError('postern ended with status %s' % status)


class OpenDKIM(Milter):
    """OpenDKIM, unpacked: the peer whose behaviour is to be compared."""

    name = 'opendkim'

    def __init__(self, conf_text='', socket='unix'):
        super().__init__(socket)
        files, = proc.unpacked('opendkim')
        conf = proc.write_file(
            os.path.join(self.dir, 'opendkim.conf'),
            'Syslog no\nBackground no\nRequireSafeKeys no\n' +
            conf_text.replace('@DIR@', self.dir))
        self.start([os.path.join(files, 'usr/sbin/opendkim'), '-f', '-l',
                    '-x', conf, '-p', self.socket], up=self.is_up)


@functools.lru_cache(maxsize=None)
def _no_names():
    return '127.0.0.1@%d' % Dnsd({}).port


def no_leak_check():
    """The sanitizer's check for leaks needs /proc, which a chroot hides."""
    return dict(os.environ, ASAN_OPTIONS=os.environ.get('ASAN_OPTIONS', '') +
                ':detect_leaks=0')


def binary(variable):
    """The program that POSTERN, POSTERNCTL, MILTERTALK or POSTERN_UNREAD names; run by hand
    without them, a test takes the one that the dev preset built."""
    room = {'MILTERTALK': 't/bench', 'POSTERN_UNREAD': 't'}.get(variable,
                                                                 'milter')
    path = os.environ.get(variable) or os.path.join(
        proc.SOURCE, 'build/dev', room, variable.lower())
    if not os.access(path, os.X_OK):
        raise proc.RigError('%s: no program %s' % (variable, path))
    return path


def unquote(value):
    """A value as it was before the log quoted it."""
    if not value.startswith('"'):
        return value
    return re.sub(r'\\(?:x([0-9a-f]{2})|(.))',
                  lambda m: chr(int(m[1], 16)) if m[1] else m[2], value[1:-1])


def summary(line):
    """One summary line as a dict; '' is a value that is empty, and under 'rcpt'
    is a list where there is one."""
    words = re.findall(
        r'(?:^|\s)([a-z_]+)=("(?:[^"\\]|\\.)*"|\S*)', line)
    pairs = {key: unquote(value) for key, value in words}
    if 'rcpt' in pairs:
        pairs['rcpt'] = [unquote(v) for key, v in words if key == 'rcpt']
    found = re.search(r'(\S+): direction=', line)
    pairs['id'] = found.group(1) if found else None
    pairs['line'] = line
    return pairs
