#!/usr/bin/python3
# How postern starts, checks and prints: every mistake has a message that names
# its cause and cure, and an exit status of its kind; nothing of a failed start
# stays behind.

import os
import re
import socket
import subprocess
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import *

USAGE, NOUSER, UNAVAILABLE, CANTCREAT, NOPERM, CONFIG = 64, 67, 69, 73, 77, 78
LONG = '/' + 'x' * 120

# Name, configuration, further arguments, exit status, what is said. @DIR@ is
# an empty directory, @PORT@ a port in use, @PIPE@ a named pipe.
MISTAKES = [
    ('unknown flag', '', ['-Z'], USAGE, r'usage: postern'),
    ('argument', '', ['file'], USAGE, r'usage: postern'),
    ('unknown keyword', 'Mode sv\nFlavour sweet\n', [], CONFIG,
     r'conf:2: Flavour: '),
    ('no Socket', 'Mode sv\n', [], CONFIG, r'Socket: say where to listen'),
    ('socket type', 'Socket tcp:1@h\n', [], CONFIG,
     r'conf:1: Socket: expected local:PATH'),
    ('socket, as Postfix has it', 'Socket inet:127.0.0.1:8891\n', [], CONFIG,
     r'conf:1: Socket: .*Postfix'),
    ('-p', '', ['-p', 'inet:0@localhost'], CONFIG,
     r'inet:0@localhost: expected a port from 1 to 65535'),
    ('path too long', 'Socket local:%s\n' % LONG, [], CONFIG,
     r'conf:1: Socket: the path has 121 octets .*at most 106'),
    ('no directory', 'Socket local:@DIR@/none/s\n', [], CANTCREAT,
     r'none is not there: make it with: install -d -o root -g \S+ -m 7.. '
     r'\S+/none'),
    ('no socket there', 'Socket local:@DIR@\n', [], CANTCREAT,
     r'is there and is no socket: remove it'),
    ('port in use', 'Socket inet:@PORT@@127.0.0.1\n', [], UNAVAILABLE,
     r'port \d+ at 127.0.0.1: .*in use.*ss -ltnp'),
    ('foreign address', 'Socket inet:8891@192.0.2.1\n', [], UNAVAILABLE,
     r'192.0.2.1: .*no address of this machine'),
    ('unknown service', 'Socket inet:no-such@127.0.0.1\n', [], CONFIG,
     r'port no-such at 127.0.0.1: .*services'),
    ('UMask', 'UMask 01000\n', [], CONFIG, r'conf:1: UMask: expected'),
    ('AutoRestartRate', 'AutoRestartRate often\n', [], CONFIG,
     r'conf:1: AutoRestartRate: expected COUNT/TIME'),
    ('BaseDirectory', 'Socket local:@DIR@/s\nBaseDirectory @DIR@/none\n', [],
     CONFIG, r'BaseDirectory: \S+/none: No such'),
    ('PidFile', 'Socket local:@DIR@/s\nPidFile @DIR@/none/pid\n', [],
     CANTCREAT, r'PidFile: \S+/none/pid: No such.*; mend it with: install -d -o '
     r'root -g \S+ -m 750 \S+/none$'),
    ('PidFile, a pipe', 'Socket local:@DIR@/s\nPidFile @PIPE@\n', [],
     CANTCREAT, r'PidFile: \S+/pipe: is not a plain file'),
    ('-u', 'Socket local:@DIR@/s\n', ['-u', 'no-such-user'], NOUSER,
     r'no user no-such-user: create it with: useradd'),
    ('UserID', 'Socket local:@DIR@/s\nUserID nobody:no-such\n', [], NOUSER,
     r'no group no-such: create it with: groupadd'),
    ('UserID empty', 'Socket local:@DIR@/s\nUserID :x\n', [], CONFIG,
     r'UserID: expected USER'),
    ('chroot', 'Socket local:@DIR@/s\nChangeRootDirectory @DIR@\n', [],
     CONFIG, r'conf is not to be found in there, where a reload'),
]

# As an unprivileged user.
UNPRIVILEGED = [
    ('directory not writable', 'Socket local:@DIR@/s\n', [], CANTCREAT,
     r"can't create a file in \S+ \(mode 0755\): Permission denied; start "),
    ('port below 1024', 'Socket inet:1@127.0.0.1\n', [], UNAVAILABLE,
     r'only root may use a port below 1024'),
    ('another user', 'Socket local:@DIR@/s\n', ['-u', 'daemon'], NOPERM,
     r'only root can become user daemon'),
]


def busy_port():
    listener = socket.socket()
    listener.bind(('127.0.0.1', 0))
    listener.listen()
    return listener


def run(args, user=None, program=None):
    return subprocess.run([program or binary('POSTERN')] + args, user=user,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=PATIENCE, env=no_leak_check())


def conf(directory, text):
    return write_file(os.path.join(directory, 'conf'), text)


def check_mistake(case, port, user=None, program=None):
    name, text, args, status, said = case
    directory, empty = new_dir('start'), new_dir('empty')
    pipe = os.path.join(directory, 'pipe')
    os.mkfifo(pipe)
    for word, value in (('DIR', empty), ('PORT', port), ('PIPE', pipe)):
        text = text.replace('@%s@' % word, str(value))
    done = run(['-f', '-x', conf(directory, text)] + args, user, program)
    is_(done.returncode, status, '%s: exit status' % name)
    like(done.stderr, said, '%s: message' % name)
    is_((os.listdir(empty), sorted(os.listdir(directory))),
        ([], ['conf', 'pipe']), '%s: nothing stays' % name)


def check_mistakes():
    listener = busy_port()
    port = listener.getsockname()[1]
    # The one that was built may lie where others can't go.
    program = os.path.join(new_dir('program'), 'postern')
    with open(binary('POSTERN'), 'rb') as built:
        with open(program, 'wb') as copy:
            copy.write(built.read())
    os.chmod(program, 0o755)
    for case in MISTAKES:
        check_mistake(case, port)
    # ASan's reports would need a directory of the user's own.
    for case in UNPRIVILEGED:
        check_mistake(case, port, 'nobody', program)
    listener.close()


def check_missing_file():
    done = run(['-f', '-x', '/nowhere/postern.conf'])
    is_(done.returncode, CONFIG, 'no such file: exit status')
    like(done.stderr, r'/nowhere/postern.conf: No such file',
         'no such file: message')


def check_flags():
    done = run(['-V'])
    like(done.stdout, r'^postern \d+\.\d+\.\d+\n$', '-V')
    directory = new_dir('flags')
    path = conf(directory, 'Mode v\nSocket local:%s/s\nUMask 007\n'
                'SyslogName x" y\nLogWhy yes\n' % directory)
    done = run(['-n', '-x', path])
    is_((done.returncode, done.stdout, done.stderr), (0, '', ''), '-n')
    first = run(['-T', '-x', path])
    like(first.stdout, r'(?m)^Mode v$', '-T: a keyword that was given')
    like(first.stdout, r'(?m)^SyslogFacility mail$', '-T: and one that was not')
    again = run(['-T', '-x', conf(directory, first.stdout)])
    is_((again.returncode, again.stderr), (0, ''), '-T: can be read')
    is_(again.stdout, first.stdout, '-T: and says the same')
    done = run(['-n', '-x', conf(directory, first.stdout)])
    is_(done.returncode, 0, '-T: and is right')
    for flag in '-h', '--help':
        done = run([flag])
        ok(done.returncode == 0 and '-n  ' in done.stdout, flag)
    for text, status, said in (
            ('PidFile %s/none/pid\n', CANTCREAT,
             r'conf:2: PidFile: \S+/none/pid: No such'),
            ('QuotaTable %s/none/q\nQuota default { Messages = 1/hour }\n', CONFIG,
             r'conf:2: QuotaTable: \S+/none/q: No such .*must be there'),
            ('QuotaTable %s\nQuota default { Messages = 1/hour }\n', CONFIG,
             r'conf:2: QuotaTable: ')):
        done = run(['-n', '-x', conf(directory, 'Socket inet:8891@127.0.0.1\n'
                                     + text % directory)])
        is_(done.returncode, status, '-n: the status: %s' % text.split()[0])
        like(done.stderr, said, '-n: what is wrong: %s' % text.split()[0])
    with open(os.path.join(directory, 'k'), 'w') as f:
        f.write('k x.org:s:%s/key\n' % directory)
    with open(os.path.join(directory, 't'), 'w') as f:
        f.write('*@x.org k\n*@y.org k\nbob@* k\n')
    subprocess.run(['openssl', 'genpkey', '-algorithm', 'ed25519', '-out',
                    os.path.join(directory, 'key')], check=True)
    for kind, count in ('file', 1), ('refile', 0):
        done = run(['-n', '-x', conf(
            directory, 'Socket inet:8891@127.0.0.1\nRequireSafeKeys no\n'
            'KeyTable file:{0}/k\nSigningTable {1}:{0}/t\n'.format(
                directory, kind))])
        is_((done.returncode, done.stderr.count('take refile:')), (0, count),
            '-n: a * in a table of type %s' % kind)
    done = run(['-n', '-x', conf(directory, 'Mode x\n')])
    is_(done.returncode, CONFIG, '-n: a mistake')


def check_second():
    with Postern() as postern:
        done = run(['-f', '-x', postern.conf_file])
        is_(done.returncode, UNAVAILABLE, 'second daemon: exit status')
        like(done.stderr, r'%s: process %d serves it already: stop that' %
             (re.escape(postern.address), postern.pid),
             'second daemon: message')
        ok(postern.is_up(), 'second daemon: the first one serves on')
        done = run(['-n', '-x', postern.conf_file])
        is_(done.returncode, 0, 'second daemon: -n is fine')


def check_stale():
    directory = new_dir('stale')
    path = os.path.join(directory, 's')
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(path)
    with Postern('Socket local:%s\n' % path, start=False) as postern:
        postern.address = path
        postern.run()
        ok(postern.is_up(), 'stale socket: replaced')
    ok(not os.path.exists(path), 'and removed at the end')


def check_background():
    directory = new_dir('background')
    pid_file = os.path.join(directory, 'pid')
    path = conf(directory, 'BaseDirectory %s\nSocket local:./s\nSyslog no\n' %
                directory)
    done = run(['-x', path, '-P', pid_file])
    is_(done.returncode, 0, 'background: exit status')
    like(done.stderr, r'nothing will be logged', 'background: says so')
    pid = int(open(pid_file).read())
    ok(proc.accepts(os.path.join(directory, 's')),
       'background: serves when the first process ends')
    is_(os.readlink('/proc/%d/fd/2' % pid), '/dev/null',
        'background: the terminal is let go of')
    is_(os.getsid(pid) in (pid, os.getsid(0)), False,
        'background: no session leader, nor of our session')
    ok('services' in [open('/proc/%d/task/%s/comm' % (pid, task)).read().strip()
                      for task in os.listdir('/proc/%d/task' % pid)],
       'background: services are threads of the process that serves')
    os.kill(pid, 15)
    proc.wait_until(lambda: os.listdir(directory) == ['conf'], PATIENCE,
                    'the end')
    ok(True, 'background: socket and pid file are gone at the end')
    done = run(['-x', path, '-p', 'local:/none/s'])
    is_(done.returncode, CANTCREAT, 'background: a failure is told')


def main():
    need_root()
    plan(3 * len(MISTAKES + UNPRIVILEGED) + 34)
    check_mistakes()
    check_missing_file()
    check_flags()
    check_second()
    check_stale()
    check_background()


import proc
main()
