#!/usr/bin/python3
# The local socket, made as the README says, with mode, group and SocketPeers in
# force: Postfix reaches it, whether its daemons are in its chroot or not, for
# mail by SMTP and of local programs, and so does Sendmail; nobody else does.

import grp
import os
import pwd
import socket
import stat
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import *
from postfix import MAIL_OWNER

USER = pwd.getpwnam('nobody')
GROUP = grp.getgrgid(pwd.getpwnam(MAIL_OWNER).pw_gid)
STRANGER = pwd.getpwnam('daemon').pw_uid
MESSAGE = 'From: bob@example.org\nTo: eve@example.net\nSubject: x\n\nHello.\n'


class Attached(Postern):
    """As README has it; what this class does not do is change the mode."""

    def __init__(self, directory, owner, group, mode, user):
        super().__init__('UserID %s\nUMask 007\nSocket local:%s/postern.sock\n'
                         'SoftwareHeader yes\n' % (user, directory),
                         start=False)
        os.mkdir(directory)
        os.chown(directory, owner, group)
        os.chmod(directory, mode)
        self.address = os.path.join(directory, 'postern.sock')
        self.run()

    def is_up(self):
        return self.times_served() > self.served


def connects(path, uid):
    """Whether that user, in no group of interest, gets as far as connecting."""
    pid = os.fork()
    if pid == 0:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        try:
            socket.socket(socket.AF_UNIX).connect(path)
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1] == 0


def check_socket(name, postern, group):
    found = os.stat(postern.address)
    is_((stat.S_IMODE(found.st_mode), found.st_gid), (0o770, group),
        '%s: mode and group of the socket' % name)
    ok(not connects(postern.address, STRANGER), '%s: closed to others' % name)


def check_postfix(chroot):
    name = 'Postfix, %s' % ('in its chroot' if chroot else 'without a chroot')
    address = 'unix:postern/postern.sock'
    with Sink() as sink, \
            Postfix(sink, milter=address, non_smtpd_milter=address,
                    chroot=chroot) as mta, \
            Attached(os.path.join(mta.queue, 'postern'), USER.pw_uid,
                     GROUP.gr_gid, 0o750,
                     'nobody:' + GROUP.gr_name) as postern:
        check_socket(name, postern, GROUP.gr_gid)
        check_through(name, mta, sink, postern)


def check_through(name, mta, sink, postern):
    with Client(mta.port) as client:
        sent = client.send('bob@example.org', 'eve@example.org', MESSAGE)
    ok(sent.accepted, '%s: mail by SMTP' % name, sent)
    mta.sendmail('bob@example.org', 'eve@example.org', MESSAGE)
    is_(len(sink.wait_for(2)), 2, '%s: mail of a local program, too' % name)
    is_(len(postern.summaries(2)), 2, '%s: postern saw both' % name)
    is_(postern.log_lines('SocketPeers'), [], '%s: nobody was kept out' % name)


def check_sendmail():
    directory = os.path.join(new_dir('spool'), 'postern')
    with Sink() as sink, \
            Attached(directory, 0, 0, 0o755, 'nobody') as postern, \
            Sendmail(sink, milter='local:' + postern.address) as mta:
        check_socket('Sendmail', postern, USER.pw_gid)
        check_through('Sendmail', mta, sink, postern)


def main():
    need_root()
    plan(3 * 6)
    check_postfix(True)
    check_postfix(False)
    check_sendmail()


main()
