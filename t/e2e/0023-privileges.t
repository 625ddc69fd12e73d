#!/usr/bin/python3
# Root's rights go, all of them and for good, before anything but the socket
# and the pid file is opened; what that user can't read is said with the command
# that mends it, by -n before a start as well.

import grp
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import *
from milter import Conversation

USER = pwd.getpwnam('nobody')
GROUP = grp.getgrnam('daemon')      # one that nobody is not in
CONFIG = 78

CONF = ('UserID nobody\nSocket local:@DIR@/run/s\nPidFile @DIR@/run/pid\n'
        'RingFile none\n')


def start(text, start=True, env=None):
    """With a directory `run` for socket and pid file."""
    postern = Postern(text, start=False, env=env)
    run = os.path.join(postern.dir, 'run')
    os.mkdir(run, 0o755)
    os.chown(run, USER.pw_uid, USER.pw_gid)
    postern.address = os.path.join(run, 's')
    if start:
        postern.run()
    return postern


def status(pid, key):
    """That line of /proc, for all threads; they must agree."""
    values = set()
    for task in os.listdir('/proc/%d/task' % pid):
        with open('/proc/%d/task/%s/status' % (pid, task)) as lines:
            values.update(line.split(':', 1)[1].split() and
                          ' '.join(line.split(':', 1)[1].split())
                          for line in lines if line.startswith(key + ':'))
    return values


def check_ids():
    # The groups of whoever starts it must go too.
    starter = os.getgroups()
    os.setgroups([0, 4, 27])
    with start(CONF) as postern:
        os.setgroups(starter)
        uid, gid = str(USER.pw_uid), str(USER.pw_gid)
        is_(status(postern.pid, 'Uid'), {' '.join([uid] * 4)}, 'every uid')
        is_(status(postern.pid, 'Gid'), {' '.join([gid] * 4)}, 'every gid')
        is_(status(postern.pid, 'Groups'), {gid}, 'the groups')
        is_(status(postern.pid, 'CapPrm') | status(postern.pid, 'CapEff'),
            {'0' * 16}, 'no capabilities')
        is_(os.stat(os.path.join(postern.dir, 'run/pid')).st_uid, 0,
            "the pid file is root's")
        with Conversation(postern.address) as conversation:
            conversation.begin()
            ok(conversation.finish() in 'ac', 'it serves')
    is_(os.listdir(os.path.join(postern.dir, 'run')), [],
        'socket and pid file are gone at the end')
    with start(CONF.replace('nobody', 'nobody:daemon')) as postern:
        is_(status(postern.pid, 'Gid'), {' '.join([str(GROUP.gr_gid)] * 4)},
            'USER:GROUP: every gid')
        is_(os.stat(postern.address).st_gid, GROUP.gr_gid,
            "USER:GROUP: the socket is the group's")


def check_modes():
    for mask, mode in (('007', 0o770), ('0117', 0o660), ('0', 0o777)):
        postern = Postern(CONF + 'UMask %s\n' % mask, start=False)
        os.mkdir(os.path.join(postern.dir, 'run'), 0o755)
        postern.address = os.path.join(postern.dir, 'run', 's')
        # is_up would change the mode.
        postern.start([binary('POSTERN'), '-f', '-x', postern.conf_file],
                      up=lambda: proc.accepts(postern.address))
        found = os.stat(postern.address)
        is_((stat.S_IMODE(found.st_mode), found.st_gid),
            (mode, USER.pw_gid), 'UMask %s: mode and group' % mask)
        postern.stop()
        # It stands in root's directory this time.
        is_(open(os.path.join(postern.dir, 'run/pid')).read(), '',
            'a pid file that can\'t be removed is emptied')


def refused(postern, *args):
    done = subprocess.run([binary('POSTERN'), '-x', postern.conf_file] +
                          list(args), stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=PATIENCE)
    return done.returncode, done.stderr


def check_unreadable(name, postern, path, words):
    for flag in ('-n', '-f'):
        returned, said = refused(postern, flag)
        is_(returned, CONFIG, '%s, %s: exit status' % (name, flag))
        like(said, r'%s: user nobody may not %s' % (path, words),
             '%s, %s: message' % (name, flag))
    is_(os.listdir(os.path.join(postern.dir, 'run')), [],
        '%s: nothing stays' % name)


def closed_file(postern, name, text):
    path = write_file(os.path.join(postern.dir, name), text, 0o600)
    with open(postern.conf_file, 'a') as conf:
        conf.write('InternalHosts %s\n' % path)
    return path


def check_files():
    postern = start(CONF, start=False)
    os.chmod(postern.conf_file, 0o600)
    check_unreadable('configuration', postern, postern.conf_file,
                     r'read it \(owner root:root, mode 0600\); mend it with: '
                     r'chgrp nogroup %s && chmod g.r %s' % (
                         postern.conf_file, postern.conf_file))
    postern = start(CONF, start=False)
    path = closed_file(postern, 'hosts', '192.0.2.1\n')
    check_unreadable('data set', postern, path,
                     r'read it .*mode 0600\); is that the right file\? ')
    os.chown(path, USER.pw_uid, -1)
    is_(refused(postern, '-n'), (0, ''), 'data set: with that done, -n is fine')
    postern = start(CONF, start=False)
    key = write_file(os.path.join(postern.dir, 'key'), 'no key\n', 0o600)
    postern.configure(CONF + 'Domain example.org\nSelector s\n'
                      'RequireSafeKeys no\nKeyFile %s\n' % key)
    check_unreadable('key', postern, key, 'read it .*: chown nobody ' + key)
    postern = start(CONF, start=False)
    path = closed_file(postern, 'hosts', '192.0.2.1\n')
    os.chown(path, USER.pw_uid, -1)
    os.chmod(path, 0)
    check_unreadable('own file', postern, path, 'read it .*: chmod u.r ' + path)
    directory = os.path.join(postern.dir, 'secret')
    os.mkdir(directory, 0o700)
    postern.configure(CONF)
    path = closed_file(postern, 'secret/hosts', '192.0.2.1\n')
    check_unreadable('directory', postern, directory,
                     r'enter it .*mode 0700\); is that the right file\? ')


def check_reload():
    with start(CONF) as postern:
        postern.reload()
        is_(len(postern.wait_log(': reloaded')), 1, 'reload: as that user')
        os.chmod(postern.conf_file, 0o600)
        postern.reload()
        lines = postern.wait_log('reload refused')
        like(lines[0] if lines else '',
             r'chgrp nogroup %s && chmod g.r ' % postern.conf_file,
             'reload: what it may not read is said')


def check_stranger():
    """Who only looks is told no command that would give him a key."""
    postern = start('Mode s\nDomain example.org\nSelector s\n'
                    'KeyFile @DIR@/keys/k\nSocket local:@DIR@/s\n',
                    start=False)
    keys = os.path.join(postern.dir, 'keys')
    os.mkdir(keys, 0o700)
    write_file(os.path.join(keys, 'k'), 'x')
    copy = os.path.join(new_dir('program'), 'posternctl')
    shutil.copy(binary('POSTERNCTL'), copy)
    os.chmod(postern.dir, 0o755)
    os.chmod(postern.conf_file, 0o644)
    done = subprocess.run(
        ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups',
         copy, 'check', '-x', postern.conf_file], input='From: a@b\n\n',
        capture_output=True, text=True)
    is_((done.returncode, re.findall('mend|chgrp|chown|install',
                                     done.stderr)), (77, []),
        'a stranger gets no command')
    like(done.stderr, r'user nobody may not enter it .*; run posternctl as '
         'root', 'but is told who may')


def check_chroot():
    # The sanitizer's check for leaks needs /proc, which a chroot hides.
    postern = start(CONF, start=False, env={
        'ASAN_OPTIONS': os.environ.get('ASAN_OPTIONS', '') +
        ':detect_leaks=0'})
    jail = os.path.join(postern.dir, 'jail')
    copy = jail + postern.conf_file
    postern.configure(CONF + 'ChangeRootDirectory @DIR@/jail\n')
    os.makedirs(os.path.dirname(copy))
    shutil.copy(postern.conf_file, copy)
    with postern:
        postern.run()
        is_(os.readlink('/proc/%d/root' % postern.pid), jail, 'chroot')
        postern.reload()
        is_(len(postern.wait_log(': reloaded')), 1, 'chroot: reloads')
    is_(os.listdir(os.path.join(postern.dir, 'run')), [],
        'chroot: socket and pid file are gone at the end')


def main():
    need_root()
    plan(48)
    check_ids()
    check_modes()
    check_files()
    check_reload()
    check_stranger()
    check_chroot()


import proc
main()
