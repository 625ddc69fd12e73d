#!/usr/bin/python3
# Who locks, unlocks or resets an account is in the log, where and under the
# name that the daemon's lines have; what only looks is not.

import os
import re
import socket
import stat
import subprocess
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import *
import broken

FACILITY_LOCAL3, INFO = 19 << 3, 6
QUOTA = ('QuotaTable @DIR@/quota\nQuota default { Messages = 9/hour }\n'
         'QuotaRealms example.org\n')
SYSLOG = 'Syslog yes\nSyslogFacility local3\nSyslogName gate\n'


class Log:
    """A /dev of this process's own, with a log in it."""

    def __init__(self):
        broken.mount('/dev', 'mode=755')
        for name, minor in (('null', 3), ('urandom', 9)):
            os.mknod('/dev/' + name, 0o666 | stat.S_IFCHR,
                     os.makedev(1, minor))
            os.chmod('/dev/' + name, 0o666)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind('/dev/log')
        self.socket.setblocking(False)

    def lines(self):
        """What came: priority, name and text of each."""
        found = []
        while True:
            try:
                line = self.socket.recv(65536).decode()
            except BlockingIOError:
                return found
            found.append(re.match(r'<(\d+)>.{15} (\w+)\[\d+\]: (.*)', line)
                         .groups())


def main():
    need_root()
    if not broken.private_mounts():
        skip_all('no mounts of its own')
    plan(10)
    log = Log()
    with Postern(QUOTA) as postern:
        def ctl(*args, sudo=None):
            env = dict(postern.env)
            env.pop('SUDO_USER', None)
            if sudo is not None:
                env['SUDO_USER'] = sudo
            return subprocess.run(
                [binary('POSTERNCTL'), 'quota', *args, '-x',
                 postern.conf_file], env=env, capture_output=True, text=True)

        ctl('lock', 'bob@example.org')
        is_(log.lines(), [], 'without Syslog nothing goes there')
        postern.configure(QUOTA + SYSLOG)
        for args, want in (
                (('lock', 'bob@example.org'), 'bob@example.org: is locked'),
                (('unlock', 'bob@example.org'),
                 'bob@example.org: is not locked'),
                (('reset', 'bob@example.org'),
                 'bob@example.org: the counts begin anew'),
                (('reset',), 'all accounts: the counts begin anew')):
            done = ctl(*args)
            is_((done.returncode, done.stdout, done.stderr), (0, '', ''),
                '%s: nothing is printed' % ' '.join(args))
            is_(log.lines(), [(str(FACILITY_LOCAL3 | INFO), 'gate',
                               'quota: %s, by posternctl of root (uid 0)' %
                               want)], '%s: the log has it' % ' '.join(args))
        ctl('lock', 'bob@example.org', sudo='eve\n\x1b[1m')
        like(log.lines()[0][2], r'\(uid 0, SUDO_USER eve\\x0a\\x1b\[1m\)$',
             'who called sudo, without what a log must not have')
    broken.end_mounts()


main()
