#!/usr/bin/python3
# What `postern -n` passes starts: each thing that keeps the daemon from
# starting is found by -n with the same words, and -n leaves everything as it
# was. Nothing that a configuration names makes either of them wait.

import ctypes
import fcntl
import os
import pwd
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
import broken
import proc

USER = pwd.getpwnam('nobody')
QUOTA = 'Quota default { Messages = 1/hour }\nQuotaRealms example.org\n'
REFUSED = 'expected a regular file, not a '
# Keyword, further lines. Each takes a path, @PATH@.
FILES = [
    ('Include', 'Include @PATH@\n'),
    ('RuleFile', 'Mode v\nRuleFile @PATH@\n'),
    ('RuleFile', 'Mode v\nRuleFile @DIR@/includes\n'),
    ('OpenDMARCConfig', 'Mode v\nOpenDMARCConfig @PATH@\n'),
    ('PublicSuffixList', 'Mode v\nOpenDMARCConfig @DIR@/opendmarc\n'),
    ('ResolverConfiguration', 'Mode v\nResolverConfiguration @PATH@\n'),
    ('TrustAnchorFile', 'Mode v\nTrustAnchorFile @PATH@\n'),
    ('PublicSuffixList',
     'Mode v\nOrganizationalDomain psl\nPublicSuffixList @PATH@\n'),
    ('PublicSuffixList', 'Mode v\nRuleFile @DIR@/body\n'
     'PublicSuffixList @PATH@\n'),
    ('KeyFile', 'Mode s\nDomain x.example\nSelector s\nKeyFile @PATH@\n'),
    ('KeyTable', 'Mode s\nKeyTable file:@PATH@\nSigningTable a=k\n'),
    ('KeyTable', 'Mode s\nKeyTable k=x.example:s:@PATH@\nSigningTable *=k\n'),
    ('SigningTable', 'Mode s\nKeyTable k=x.example:s:@PATH@\n'
     'SigningTable refile:@PATH@\n'),
    ('InternalHosts', 'InternalHosts @PATH@\n'),
    ('PeerList', 'PeerList mdb:@PATH@\n'),
    ('SocketPeers', 'SocketPeers file:@PATH@\n'),
    ('Nameservers', 'Mode v\nNameservers file:@PATH@\n'),
    ('TestPublicKeys', 'Mode v\nTestPublicKeys @PATH@\n'),
    ('TestDNSData', 'Mode v\nTestDNSData file:@PATH@\n'),
    ('QuotaExempt', QUOTA + 'QuotaExempt file:@PATH@\n'),
]


class Case:
    """A directory, the user's, with a configuration."""

    def __init__(self, name, text, said, user='nobody', args=(), limits=None,
                 socket_line='Socket local:@DIR@/s\n', starter=None):
        self.name, self.said, self.args = name, said, list(args)
        self.limits, self.starter = limits, starter
        self.dir = new_dir('case')
        os.chown(self.dir, USER.pw_uid, USER.pw_gid)
        self.path = os.path.join(self.dir, 'there')
        self.text = (('UserID %s\n' % user if user else '') + socket_line +
                     'Syslog no\n' + text)
        self.conf = os.path.join(self.dir, 'conf')

    def fill(self, text):
        return text.replace('@DIR@', self.dir).replace('@PATH@', self.path)

    def write(self, name, text, mode=0o644):
        return write_file(os.path.join(self.dir, name), self.fill(text), mode)

    def check(self, status=None):
        if not os.path.lexists(self.conf):
            self.write('conf', self.text)
        before = broken.tree(self.dir)
        done = {}
        for flag in '-n', '-f':
            done[flag] = broken.run(
                [flag, '-x', self.conf] + [self.fill(a) for a in self.args],
                limits=self.limits, user=self.starter, program=PROGRAM)
            if flag == '-n':
                is_(broken.tree(self.dir), before,
                    '%s: -n leaves all as it is' % self.name)
            ok(done[flag].returncode > 0, '%s, %s: fails' %
               (self.name, flag), done[flag].stderr)
            like(broken.last_words(done[flag]), self.fill(self.said),
                 '%s, %s: why' % (self.name, flag))
        is_(broken.last_words(done['-n']), broken.last_words(done['-f']),
            '%s: the same words' % self.name)
        if status is not None:
            is_(done['-f'].returncode, status, '%s: status' % self.name)
        is_(done['-n'].returncode, done['-f'].returncode,
            '%s: the same status' % self.name)


def make(path, kind):
    if kind == 'named pipe':
        os.mkfifo(path)
    elif kind == 'directory':
        os.mkdir(path)
    elif kind == 'socket':
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(path)
    elif kind == 'device':
        os.mknod(path, 0o20666, os.makedev(1, 5))     # /dev/zero


def check_kinds():
    """No file of any keyword may be waited for, or have no end."""
    for keyword, text in FILES:
        case = Case('%s, a pipe' % text.split('\n')[0], text,
                    r'%s.*(%snamed pipe|mdb:\S+: expected)' %
                    (keyword, REFUSED) if keyword != 'PublicSuffixList' else
                    r'%s: \S+there: %snamed pipe' % (keyword, REFUSED))
        make(case.path, 'named pipe')
        case.write('includes', 'include @PATH@\n')
        case.write('opendmarc', 'PublicSuffixList @PATH@\n')
        case.write('body', 'body X /x/\n')
        case.check()
    for kind in 'directory', 'socket', 'device':
        for keyword, text in FILES[0], FILES[3], FILES[6], FILES[9]:
            case = Case('%s, a %s' % (keyword, kind), text,
                        r'%s.* \S+there: %s%s' % (keyword, REFUSED, kind))
            make(case.path, kind)
            case.check()
    case = Case('the configuration itself', '', r'conf: %snamed' % REFUSED)
    os.mkfifo(case.conf)
    case.check()
    case = Case('rules in a directory', 'Mode v\nRuleFile @DIR@/rules\n',
                r'conf:\d+: RuleFile: .*b.cf: %snamed pipe' % REFUSED)
    os.mkdir(os.path.join(case.dir, 'rules'))
    os.mkfifo(os.path.join(case.dir, 'rules/b.cf'))
    case.check()
    case = Case('the null device', 'Mode v\nInclude /dev/null\n'
                'InternalHosts file:/dev/null\nRuleFile /dev/null\n', '')
    case.write('conf', case.text)
    is_(broken.run(['-n', '-x', case.conf], program=PROGRAM).returncode, 0,
        'the null device is an empty file')


def check_table():
    text = 'QuotaTable @DIR@/q/t\n' + QUOTA
    case = Case('no state directory', text, r'conf:\d+: QuotaTable: @DIR@/q/t'
                ': No such .*mend it with: install -d -o nobody -g nogroup '
                '-m 750 @DIR@/q$')
    case.check(78)
    for name, owner, mode in (("root's state directory", 0, 0o755),
                              ('a closed state directory', 0, 0o700)):
        case = Case(name, text, r'conf:\d+: QuotaTable: \S+: (create|open): '
                    'Permission denied.*mend it with: install -d -o nobody')
        os.mkdir(os.path.join(case.dir, 'q'), mode)
        os.chown(os.path.join(case.dir, 'q'), owner, owner)
        case.check(78)
    for name, owner, mode, said in (
            ("root's table", 0, 0o600,
             r'q/t: open: Permission denied.*chown nobody:nogroup @DIR@/q/t '),
            ('a table for all to write', USER.pw_uid, 0o666,
             r'lets others write.*mend it with: chmod 600 @DIR@/q/t$'),
            ('a table that is a directory', None, 0, r'q/t: open: Is a dir'),
            ('a table that is a pipe', None, 1, r'q/t: not a regular file')):
        case = Case(name, text, said)
        os.mkdir(os.path.join(case.dir, 'q'))
        os.chown(os.path.join(case.dir, 'q'), USER.pw_uid, USER.pw_gid)
        path = os.path.join(case.dir, 'q/t')
        if owner is None:
            make(path, ['directory', 'named pipe'][mode])
            os.chown(path, USER.pw_uid, USER.pw_gid)
        else:
            write_file(path, '', mode)
            os.chown(path, owner, owner)
        case.check(78)
    case = Case('a file in the place of a directory',
                'QuotaTable @DIR@/file/t\n' + QUOTA,
                'file/t: open: Not a directory: its directory must be there, '
                r'.*; mend it with: install -d -o nobody -g nogroup -m 750 '
                r'\S*/lib/postern, and name a file in there$')
    case.write('file', '')
    case.check(78)
    case = Case('a half-built table of root', 'QuotaTable @DIR@/t\n' + QUOTA,
                r't.new: create: Permission denied')
    case.write('t.new', '', 0o600)
    case.check(78)
    case = Case('a path of too many octets',
                'QuotaTable /' + 4000 * 'x' + '\n' + QUOTA,
                ': QuotaTable: expected a path of 1 to 3900 octets')
    case.check(78)
    case = Case('a limit for files', 'QuotaTable @DIR@/t\n' + QUOTA,
                r'File too large: a table of \d+ accounts takes \d+ MiB: '
                r'make room, or lower QuotaAccounts$',
                limits=lambda: resource.setrlimit(
                    resource.RLIMIT_FSIZE, (1 << 20, 1 << 20)))
    case.check(78)


def check_stats():
    """Mail does not depend on it: -n says it, and passes."""
    for kind in 'missing', 'closed':
        case = Case('RuleStats', 'Mode v\nRuleFile @DIR@/rules\n'
                    'RuleStats @DIR@/d/stats\n', '')
        case.write('rules', 'header X Subject =~ /x/\n')
        case.write('conf', case.text)
        if kind == 'closed':
            os.mkdir(os.path.join(case.dir, 'd'))
        before = broken.tree(case.dir)
        done = broken.run(['-n', '-x', case.conf], program=PROGRAM)
        with Starting(case) as starting:
            starting.starts()
            said = starting.log_lines('RuleStats')
        is_((done.returncode, broken.tree(case.dir) == before), (0, True),
            'RuleStats, %s: passes' % kind)
        is_([re.sub(r'^[^:]*: ', '', line) for line in said],
            [broken.last_words(done)],
            'RuleStats, %s: -n says what the log will' % kind)


def check_full(private):
    if not private:
        for n in range(FULL):
            skip('full', 'no mounts')
        return
    case = Case('a full disk, the table', 'QuotaTable @DIR@/m/t\n' + QUOTA,
                r'No space left on device: a table of \d+ accounts takes')
    os.mkdir(os.path.join(case.dir, 'm'))
    broken.mount(os.path.join(case.dir, 'm'), 'size=1m,mode=777')
    case.check(78)
    case = Case('a full disk, the pid file', 'PidFile @DIR@/m/pid\n',
                r'PidFile: \S+: No space left')
    where = os.path.join(case.dir, 'm')
    os.mkdir(where)
    broken.mount(where, 'size=16k,mode=777')
    with open(os.path.join(where, 'all'), 'wb', buffering=0) as f:
        try:
            while f.write(b'x' * 4096):
                pass
        except OSError:
            pass
    case.check()
    case = Case('no inode for the socket', '', r"can't create a file in \S+ \(mode \d+\): "
                'No space left', socket_line='Socket local:@DIR@/m/s\n')
    where = os.path.join(case.dir, 'm')
    os.mkdir(where)
    broken.mount(where, 'nr_inodes=2,mode=777')
    write_file(os.path.join(where, 'x'), '')
    case.check(73)
    for name, text, line, said in (
            ('table', 'QuotaTable @DIR@/m/t\n' + QUOTA, None,
             r'QuotaTable: .*Read-only.*ReadWritePaths='),
            ('socket', '', 'Socket local:@DIR@/m/s\n',
             r'Socket: .*Read-only.*ReadWritePaths='),
            ('pid file', 'PidFile @DIR@/m/p\n', None, r'PidFile: .*Read-only')):
        case = Case('read-only, the %s' % name, text, said,
                    **({'socket_line': line} if line else {}))
        where = os.path.join(case.dir, 'm')
        os.mkdir(where)
        broken.mount(where, 'mode=777')
        broken.remount(where, 'ro')
        case.check()


def check_others():
    Case('no such user', '', r'conf:1: UserID: there is no user no-such-user: create it with: '
         'useradd', user='no-such-user').check(67)
    Case('no such group', '', r'conf:1: UserID: there is no group no-such: create it with: '
         'groupadd', user='nobody:no-such').check(67)
    Case('no user given by -u', '', r'-u: UserID: there is no user no-such-user',
         args=['-u', 'no-such-user']).check(67)
    Case('socket, no directory', '', r'conf:2: Socket: \S+: \S+/none is not there',
         socket_line='Socket local:@DIR@/none/s\n').check()
    Case('socket, a file', '', r'is there and is no socket',
         socket_line='Socket local:@DIR@/conf\n').check()
    case = Case('socket, not for us', '', r"can't create a file in \S+ "
                r'\(mode 0755\): Permission denied; start postern as root',
                user=None, starter='nobody',
                socket_line='Socket local:@DIR@/root/s\n')
    os.mkdir(os.path.join(case.dir, 'root'), 0o755)
    case.check()
    with socket.socket() as busy:
        busy.bind(('127.0.0.1', 0))
        busy.listen()
        Case('port in use', '', r'in use: another process listens there',
             socket_line='Socket inet:%d@127.0.0.1\n' %
             busy.getsockname()[1]).check()
    case = Case('socket in use', '', r'process \d+ serves it already',
                socket_line='Socket local:@DIR@/busy\n')
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(os.path.join(case.dir, 'busy'))
        busy.listen()
        case.check()
    Case('foreign address', '', r'no address of this machine',
         socket_line='Socket inet:8891@192.0.2.1\n').check()
    Case('pid file, no directory', 'PidFile @DIR@/none/pid\n',
         r'conf:4: PidFile: \S+/none/pid: No such').check()
    case = Case('pid file, a pipe', 'PidFile @PATH@\n', r'no.* a plain file')
    make(case.path, 'named pipe')
    case.check()
    Case('few descriptors', '', r'30 descriptors are too few: it takes \d+; '
         'raise', limits=lambda: resource.setrlimit(
             resource.RLIMIT_NOFILE, (30, 30))).check()
    Case('too few for MaxConnections', 'MaxConnections 5000\n',
         r'conf:4: MaxConnections: 1024 descriptors are too few for MaxConnections: it takes \d+',
         limits=lambda: resource.setrlimit(
             resource.RLIMIT_NOFILE, (1024, 1024))).check()
    Case('BaseDirectory', 'BaseDirectory @DIR@/none\n',
         r'conf:4: BaseDirectory: \S+/none: No such').check()
    Case('chroot', 'ChangeRootDirectory @DIR@/none\n',
         r'conf:4: ChangeRootDirectory: \S+/none: No such').check()
    Case('unknown SocketPeers', 'SocketPeers no-such-user\n',
         r'conf:\d+: SocketPeers: there is no user no-').check()
    case = Case('a configuration for root alone', '', r'nobody may not read')
    case.write('conf', case.text, 0o600)
    case.check(78)


def check_limits():
    """Whatever the limit, -n and the start agree."""
    case = Case('', '', '')
    case.write('conf', case.text)
    wrong = []
    for limit in range(36, 62):
        def limits():
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        checked = broken.run(['-n', '-x', case.conf], limits=limits,
                             program=PROGRAM)
        with Starting(case, limits) as starting:
            if (checked.returncode == 0) and not starting.starts():
                wrong.append((limit, starting.log()))
    is_(wrong, [], 'descriptors: what -n passes starts, at any limit')


class Starting(proc.Server):
    name = 'starting'

    def __init__(self, case, limits=None):
        super().__init__()
        self.case = case
        command = [PROGRAM, '-f', '-x', case.conf]
        if limits is not None:
            command = ['sh', '-c', 'ulimit -n %d; exec "$@"' %
                       limits.__closure__[0].cell_contents, 'sh'] + command
        self.start(command)

    def starts(self):
        proc.wait_until(lambda: self.process.poll() is not None or
                        self.log_lines('serves$'), PATIENCE, 'start or end')
        return self.process.poll() is None


def check_term():
    """What hangs where it can't be helped hears TERM and INT all the same, and
    leaves nothing behind."""
    for name, extra, number in (('TERM', '', signal.SIGTERM),
                                ('INT', '', signal.SIGINT),
                                ('TERM', 'AutoRestart yes\n', signal.SIGTERM)):
        case = Case('TERM', 'Mode v\nPidFile @DIR@/pid\n' + extra +
                    'ResolverConfiguration @DIR@/unbound\n', '')
        make(case.path, 'named pipe')
        case.write('unbound', 'include: "@PATH@"\n')
        case.write('conf', case.text)
        with Starting(case) as starting:
            held = []

            # It is in there when the other end can be opened.
            def hold():
                try:
                    held.append(os.open(case.path,
                                        os.O_WRONLY | os.O_NONBLOCK))
                except OSError:
                    return False
                return True
            proc.wait_until(hold, PATIENCE, 'the pipe being opened')
            began = time.monotonic()
            starting.signal(number)
            status = starting.process.wait(PATIENCE)
            # The supervisor would kill a deaf child after so long.
            ok(time.monotonic() - began < 15,
               '%s during a start %s' % (name, extra))
            is_(status, 0, '%s: ends well' % name)
            os.close(held[0])
            is_([n for n in os.listdir(case.dir) if n in ('s', 'pid')], [],
                '%s: no socket and no pid file stay' % name)


def check_slips():
    """A PidFile that names somebody's file costs nobody that file."""
    for text in 'UserID nobody\n', '-----BEGIN\n', 'x', '1\n2 x\n', '\0':
        case = Case('pid file, of %r' % text, 'PidFile @DIR@/there\n',
                    r'conf:4: PidFile: @DIR@/there: holds something else')
        case.write('there', text)
        case.check(73)
        is_(open(case.path).read(), text, 'pid file, of %r: stays' % text)
    case = Case('pid file, the configuration', 'PidFile @DIR@/conf\n',
                r'conf:4: PidFile: @DIR@/conf: holds something else')
    case.check(73)
    is_(open(case.conf).read(), case.fill(case.text),
        'pid file, the configuration: stays')
    case = Case('pid file, empty', 'PidFile @DIR@/there\n', '')
    case.write('conf', case.text)
    case.write('there', '')
    with Starting(case) as started:
        ok(started.starts(), 'pid file, empty: is taken')


def check_socket_name():
    """The longest name that -n passes, and one octet more."""
    for octets in 106, 107:
        case = Case('', '', r'has 107 octets .*at most 106', socket_line='')
        name = os.path.join(case.dir, '')
        case.name = 'socket of %d octets' % octets
        case.text += 'Socket local:%s\n' % (
            name + 's' * (octets - len(name)))
        if octets == 107:
            case.check(78)
            continue
        case.write('conf', case.text)
        is_(broken.run(['-n', '-x', case.conf], program=PROGRAM).returncode, 0,
            '%s: -n' % case.name)
        with Starting(case) as started:
            ok(started.starts(), '%s: starts' % case.name)


def check_pid():
    """One pid file, one daemon."""
    case = Case('pid file', 'PidFile @DIR@/pid\n', '')
    case.write('conf', case.text)
    other = case.write('other', case.text.replace('/s\n', '/s2\n'))
    pid = os.path.join(case.dir, 'pid')

    def second():
        return broken.run(['-f', '-x', other], program=PROGRAM)
    for restart in '', 'AutoRestart yes\n':
        case.write('conf', case.text + restart)
        with Starting(case) as first:
            ok(first.starts(), 'pid file: the first starts')
            done = second()
            is_(done.returncode, 69, 'pid file: the second does not')
            like(done.stderr, r'PidFile: %s: process %d has it, and runs: '
                 'stop that one first' % (pid, first.pid),
                 'pid file: and says who has it')
            is_(int(open(pid).read()), first.pid, "pid file: the first's")
            is_(os.path.exists(os.path.join(case.dir, 's2')), False,
                'pid file: no socket stays')
            done = broken.run(['-n', '-x', other], program=PROGRAM)
            is_((done.returncode, broken.last_words(done)),
                (0, '%s:4: warning: PidFile: %s: process %d has it, a postern '
                 'with another configuration: stop that one before a start '
                 'with this one' % (other, pid, first.pid)),
                'pid file: -n says so')
            done = broken.run(['-n', '-x', case.conf], program=PROGRAM)
            is_(done.returncode, 0, "pid file: -n of the first's own is fine")
            first.signal(signal.SIGKILL)
            first.process.wait(PATIENCE)
            proc.wait_until(lambda: not proc.accepts(
                os.path.join(case.dir, 's')), PATIENCE, 'the end')
        ok(os.path.exists(pid), 'pid file: a killed one leaves it')
        # A reader's lock must not keep anybody from starting.
        with open(pid) as reader:
            fcntl.flock(reader, fcntl.LOCK_SH)
            fcntl.lockf(reader, fcntl.LOCK_SH)
            with Starting(case) as again:
                ok(again.starts(), 'pid file: and that hinders nobody')
                is_(int(open(pid).read()), again.pid, 'pid file: the new one')
    write_file(pid, '1\n')
    with Starting(case) as again:
        ok(again.starts(), 'pid file: a running process that does not hold it')


def run_cure(said):
    subprocess.run(['sh', '-c', said.split('mend it with: ')[1]], check=True)


def check_mdb():
    """Who looks makes no lock file, which could keep out who serves."""
    text = 'PeerList mdb:@PATH@\n'
    case = Case('mdb', text, '')
    case.write('conf', case.text)
    broken.make_mdb(case.path)
    lock = case.path + '-lock'
    for program in [PROGRAM, '-n', '-x', case.conf], [
            binary('POSTERNCTL'), '-x', case.conf, 'check'], [
            binary('POSTERNCTL'), '-x', case.conf, 'lookup', 'PeerList', 'x']:
        before = broken.tree(case.dir)
        subprocess.run(program, capture_output=True)
        is_(broken.tree(case.dir), before, 'mdb, %s: no lock file' % program[1])
    with Starting(case) as started:
        ok(started.starts(), 'mdb: starts')
        is_(os.stat(lock).st_uid, USER.pw_uid, "mdb: the lock is the daemon's")
    os.chown(lock, 0, 0)
    os.chmod(lock, 0o600)
    closed = Case('mdb, locked by root', '', r'reading takes write access to '
                  r"LMDB's lock file\); mend it with: chown \S+ \S+there-lock$")
    closed.dir, closed.path, closed.conf = case.dir, case.path, case.conf
    closed.check(78)
    run_cure(broken.run(['-n', '-x', case.conf], program=PROGRAM).stderr)
    with Starting(case) as started:
        ok(started.starts(), 'mdb, locked by root: is mended')
    os.unlink(lock)
    os.chown(case.dir, 0, 0)
    closed.name = 'mdb, no place for a lock'
    closed.said = (r"LMDB's lock file\); mend it with: install -m 600 -o \S+ "
                   r'-g \S+ /dev/null \S+there-lock$')
    closed.check(78)
    run_cure(broken.run(['-n', '-x', case.conf], program=PROGRAM).stderr)
    with Starting(case) as started:
        ok(started.starts(), 'mdb, no place for a lock: is mended')


def left(path, kind=socket.SOCK_STREAM, mode=None):
    """A socket there, that may be served."""
    bound = socket.socket(socket.AF_UNIX, kind)
    bound.bind(path)
    if mode is not None:
        os.chmod(path, mode)
    return bound


def check_sockets():
    """A socket is replaced only if it is known that nobody serves it, and if
    it may be removed."""
    for kind in socket.SOCK_DGRAM, socket.SOCK_SEQPACKET:
        case = Case('socket of kind %d' % kind, '', r'serves it already',
                    socket_line='Socket local:@PATH@\n')
        with left(case.path, kind) as bound:
            if kind == socket.SOCK_SEQPACKET:
                bound.listen()
            case.check(69)
    case = Case('closed socket', '', r"can't tell whether a process serves it: "
                'Permission denied', user=None, starter='nobody',
                socket_line='Socket local:@PATH@\n')
    with left(case.path, mode=0) as bound:
        bound.listen()
        case.check(69)
        ok(os.path.exists(case.path), 'closed socket: stays')
    case = Case('umask', 'UMask 0777\n', '')
    case.write('conf', case.text)
    done = broken.run(['-n', '-x', case.conf], program=PROGRAM)
    is_(done.returncode, 0, 'UMask 0777: no mistake')
    like(done.stderr, r'conf:4: (warning: )?UMask: 0777 closes the socket to '
         'everybody', 'UMask 0777: a warning')
    case = Case('umask', 'UMask 0177\n', '')
    case.write('conf', case.text)
    done = broken.run(['-n', '-x', case.conf], program=PROGRAM)
    is_(done.stderr, '', 'UMask 0177: none')


def check_sticky():
    """In a place like /tmp an ordinary user can't have another one's name."""
    for name, text, line, said, status in (
            ('socket', '', 'Socket local:@DIR@/m/x\n',
             r'was left by user root, and in \S+ \(mode 1777\) nobody else '
             'may remove it: name another path', 73),
            ('pid file', 'PidFile @DIR@/m/x\n', 'Socket local:@DIR@/s\n',
             r'PidFile: \S+: Operation not permitted; mend it with: ', 73)):
        case = Case('sticky, ' + name, text, said, user=None,
                    starter='nobody', socket_line=line)
        where = os.path.join(case.dir, 'm')
        os.mkdir(where)
        os.chmod(where, 0o1777)
        if name == 'socket':
            left(os.path.join(where, 'x'), mode=0o666).close()
        else:
            write_file(os.path.join(where, 'x'), '')
        case.check(status)


def check_attributes():
    """What an attribute keeps from being changed."""
    for flag in 'i', 'a':
        for name, text in ('pid file', 'PidFile @PATH@\n'), (
                'table', QUOTA + 'QuotaTable @PATH@\n'):
            case = Case('%s, +%s' % (name, flag), text, r'Operation not '
                        r'permitted; mend it with: chattr -%s @PATH@$' % flag)
            write_file(case.path, '')
            os.chown(case.path, USER.pw_uid, USER.pw_gid)
            done = subprocess.run(['chattr', '+' + flag, case.path],
                                  capture_output=True)
            if done.returncode != 0:
                for _ in range(8):
                    skip(case.name, 'no attributes here')
                continue
            try:
                case.check()
                said = broken.run(['-n', '-x', case.conf], program=PROGRAM)
            finally:
                subprocess.run(['chattr', '-' + flag, case.path], check=True)
            done = broken.run(['-n', '-x', case.conf], program=PROGRAM)
            is_((said.returncode > 0, done.returncode), (True, 0),
                '%s: is mended' % case.name)


def check_paths():
    """What postern makes has a path of its own, whichever way it is named."""
    rules = 'Mode v\nRuleFile @DIR@/rules\n'
    for text, keyword, other in (
            ('PidFile @DIR@/./s\n', 'conf:4: PidFile', r'Socket \(\S+conf:2\)'),
            ('PidFile @DIR@/link/t\nQuotaTable @DIR@/t\n' + QUOTA,
             'conf:5: QuotaTable', r'PidFile \(\S+conf:4\)'),
            ('PidFile @DIR@/t.new\nQuotaTable @DIR@/t\n' + QUOTA,
             'conf:5: QuotaTable', r'PidFile \(\S+conf:4\)'),
            ('QuotaTable @DIR@/s\n' + QUOTA, 'conf:4: QuotaTable',
             r'Socket \(\S+conf:2\)'),
            ('QuotaTable @PATH@\n' + QUOTA + rules + 'RuleStats @DIR@/hard\n',
             'conf:4: QuotaTable', r'RuleStats \(\S+conf:9\)'),
            ('RingFile @DIR@/s\n', 'conf:4: RingFile',
             r'Socket \(\S+conf:2\)'),
            ('PidFile @DIR@/r.new\nRingFile @DIR@/r\n', 'conf:5: RingFile',
             r'PidFile \(\S+conf:4\)'),
            ('RingFile @PATH@\nPeerList file:@PATH@\n', 'conf:5: PeerList',
             r'RingFile \(\S+conf:4\)'),
            (rules + 'RuleStats @DIR@/rules\n', 'conf:5: RuleFile',
             r'RuleStats \(\S+conf:6\)'),
            ('PidFile @PATH@\nPeerList file:@PATH@\n', 'conf:5: PeerList',
             r'PidFile \(\S+conf:4\)')):
        case = Case('one path, ' + keyword, text, '')
        case.write('conf', case.text)
        case.write('rules', '')
        case.write('there', '')
        os.link(case.path, os.path.join(case.dir, 'hard'))
        os.symlink('.', os.path.join(case.dir, 'link'))
        before = broken.tree(case.dir)
        for flag in '-n', '-f':
            done = broken.run([flag, '-x', case.conf], program=PROGRAM)
            is_(done.returncode, 78, '%s, %s: status' % (case.name, flag))
            like(done.stderr, r'%s: \S+: is a file that postern makes for %s: '
                 'give each a path of its own' % (keyword, other),
                 '%s, %s: why' % (case.name, flag))
        is_(broken.tree(case.dir), before, '%s: nothing is made' % case.name)
    case = Case('', 'PidFile @DIR@/t\nQuotaTable @DIR@/t\n', '')
    case.write('conf', case.text)
    is_(broken.run(['-n', '-x', case.conf], program=PROGRAM).stderr, '',
        'one path, of which only one is written: fine')


def check_foreign():
    """What a start sets aside, -n tells of, and leaves."""
    for name, text in (('table', 'QuotaTable @PATH@\n' + QUOTA),
                       ('stats', 'Mode v\nRuleFile @DIR@/rules\n'
                        'RuleStats @PATH@\n'),
                       ('ring', 'RingFile @PATH@\n')):
        case = Case('foreign ' + name, text, '')
        case.write('conf', case.text)
        case.write('rules', 'header X Subject =~ /x/\n')
        case.write('there', 'something else\n' * 1000, 0o600)
        os.chown(case.path, USER.pw_uid, USER.pw_gid)
        before = broken.tree(case.dir)
        done = broken.run(['-n', '-x', case.conf], program=PROGRAM)
        is_((done.returncode, broken.tree(case.dir) == before), (0, True),
            '%s: -n passes, and leaves it' % case.name)
        like(broken.last_words(done), '%s: .*; a start keeps it as '
             r'%s.bad-TIME$' % (case.path, case.path), '%s: -n' % case.name)
        with Starting(case) as started:
            ok(started.starts(), '%s: starts' % case.name)
            said = started.log_lines('bad-')
        is_([re.sub(r'bad-\w+$', 'bad-TIME', re.sub(
            r'^postern(\[\d+\])?: ', '', line)) for line in said],
            [broken.last_words(done).replace('a start keeps it as',
                                             'it is kept as')],
            '%s: the same words' % case.name)


def check_capability():
    """Root without the right to be of another group."""
    def drop():
        ctypes.CDLL(None).prctl(24, 6, 0, 0, 0)    # PR_CAPBSET_DROP, SETGID

    Case('no CAP_SETGID', '', r"conf:1: UserID: can't become user nobody: "
         'Operation not permitted$', limits=drop).check(77)


def check_threads():
    """-n tries as many threads as a start has, and a stack for them."""
    Case('no threads', '', r"^can't start a thread: Resource temporarily "
         'unavailable$', limits=lambda: resource.setrlimit(
             resource.RLIMIT_NPROC, (1, 1))).check(71)
    Case('a small stack', '', '^a stack of 64 KiB is too small: it takes 512; '
         'raise it with ulimit -s', limits=lambda: resource.setrlimit(
             resource.RLIMIT_STACK, (64 << 10, 64 << 10))).check(71)


FULL = 6 * 7 + 2
PLAN = 780


def main():
    global PROGRAM
    need_root()
    # The one that was built may lie where others can't go.
    PROGRAM = os.path.join(new_dir('program'), 'postern')
    with open(binary('POSTERN'), 'rb') as built:
        with open(PROGRAM, 'wb') as copy:
            copy.write(built.read())
    os.chmod(PROGRAM, 0o755)
    private = broken.private_mounts()
    plan(PLAN)
    check_kinds()
    check_table()
    check_stats()
    check_full(private)
    check_others()
    check_limits()
    check_term()
    check_slips()
    check_socket_name()
    check_pid()
    check_mdb()
    check_sockets()
    check_sticky()
    check_attributes()
    check_paths()
    check_foreign()
    check_capability()
    check_threads()
    broken.end_mounts()


main()
