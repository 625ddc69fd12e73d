#!/usr/bin/python3
# Every command that a message prints mends what the message is about, and
# harms nothing: it is run here as it stands, by a root shell, in a set-up that
# is broken in that way, and the daemon starts afterwards. What commands there
# are is taken from the source, so that a new one fails here until it is tried.

import os
import pwd
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
from rig import *
import broken
import proc

# What looks like a command in a string, and in which a command could stand.
COMMANDS = re.compile(r'\b(chmod|chown|chgrp|install|mkdir|setfacl|useradd|'
                      r'groupadd|usermod|ulimit|move the)\b')
# Strings that are none, by what they say.
NO_COMMANDS = [
    r'install the package ',        # libpsl has a list built in
]
STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"')

LOOPBACK = 'InternalHosts 127.0.0.1, ::1\n'
QUOTA = ('Quota default { Messages = 1/hour }\nQuotaRealms example.org\n' +
         LOOPBACK)
KEY = ('Mode s\nDomain x.example\nSelector s\nKeyFile @AT@/key\n' +
       LOOPBACK)
TABLE = 'InternalHosts @AT@/hosts\n'
tried = []      # messages whose command was run, and mended


def strings():
    """The strings of the source that have a command in them."""
    found = set()
    for room in 'lib', 'milter':
        for where, _, names in os.walk(os.path.join(proc.SOURCE, room)):
            for name in names:
                if not name.endswith(('.c', '.h')):
                    continue
                with open(os.path.join(where, name)) as source:
                    text = re.sub(r'/\*.*?\*/', '', source.read(), flags=re.S)
                found.update(
                    s for s in STRING.findall(text)
                    if COMMANDS.search(s) and
                    not any(re.search(no, s) for no in NO_COMMANDS))
    return found


def as_regex(string):
    """What a format comes to."""
    parts = re.split(r'%-?[\d.*]*l*[a-zA-Z]', string)
    return '.*'.join(re.escape(part.encode().decode('unicode_escape'))
                     for part in parts)


class Case:
    """Something broken below a place, for postern or who is said."""

    def __init__(self, name, text, user='postern', starter=None,
                 socket_line='Socket local:/run/ok/s\n', place='/srv/mail',
                 limits=None):
        self.name, self.user, self.starter = name, user, starter
        self.limits = limits
        self.at = place
        for top in '/srv', '/etc/postern', '/var/lib/postern', '/run/postern':
            shutil.rmtree(top, ignore_errors=True)
        os.makedirs(place, exist_ok=True)
        self.conf = '/etc/test.conf'
        self.text = ('UserID %s\n' % user if user else '') + socket_line + \
            'Syslog no\n' + text.replace('@AT@', place)

    def put(self, name, text='', mode=0o644, owner='root', group='root'):
        path = os.path.join(self.at, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_file(path, text, mode)
        shutil.chown(path, owner, group)
        return path

    def directory(self, name, mode=0o755, owner='root', group='root'):
        path = os.path.join(self.at, name) if name else self.at
        os.makedirs(path, exist_ok=True)
        shutil.chown(path, owner, group)
        os.chmod(path, mode)

    def key(self, *args, **kw):
        self.put('key', KEY_TEXT, *args, **kw)

    def run(self, flag):
        return broken.run([flag, '-x', self.conf], user=self.starter,
                          program=PROGRAM, limits=self.limits, timeout=20)

    def command(self, message):
        """The command, and the file or directory to be named afterwards."""
        found = re.search(r'(?:with|mend it|; run): '
                          r'(?:move the key out of [^:]*: )?'
                          r'(.*?)(?:, and (.*))?$',
                          message)
        return (found.group(1), found.group(2)) if found else (None, None)

    def follow(self, command, words, message):
        """What the words behind a command ask for."""
        path = shlex.split(command)[-1]
        if words is None:
            return
        if words.startswith('name that one instead'):
            source = shlex.split(command)[-2]
            if source == self.conf:
                self.conf = path
            self.text = self.text.replace(source, path)
        elif words.startswith('name the socket in there'):
            self.text = re.sub(r'(?m)^Socket .*$', 'Socket local:%s/s' % path,
                               self.text)
        elif words.startswith('name a file in there'):
            self.text = re.sub(r'(?m)^QuotaTable .*$',
                               'QuotaTable %s/quota' % path, self.text)
        else:
            raise RigError('what is meant by %r?' % words)
        if self.conf == '/etc/test.conf':
            write_file(self.conf, self.text)

    def mend(self, want, warns=False, mode=0o644):
        if os.path.exists(self.conf):
            os.unlink(self.conf)
        write_file(self.conf, self.text, mode)
        homes = home_modes()
        rooted = [p for p in ROOTS if os.path.exists(p)] + [self.conf]
        for flag in ('-n',) if warns else ('-n', '-f'):
            done = self.run(flag)
            message = done.stderr.strip()
            ok((done.returncode == 0) == warns, '%s, %s: broken' %
               (self.name, flag), message)
        message = message.splitlines()[-1] if message else ''
        command, words = self.command(message)
        like(command or message, want, '%s: the command' % self.name)
        if command is None:
            command = 'false'
        # A person copies it into a shell.
        ran = subprocess.run(['sh', '-ec', command], capture_output=True,
                             text=True)
        is_((ran.returncode, ran.stderr), (0, ''), '%s: runs' % self.name)
        self.follow(command, words, message)
        checked = self.run('-n')
        is_((checked.returncode, checked.stderr), (0, ''),
            '%s: with that done, -n is fine' % self.name)
        ok(self.starts(), '%s: and it starts' % self.name)
        is_(home_modes(), homes, '%s: no home is touched' % self.name)
        is_([os.stat(p).st_uid for p in rooted], [0] * len(rooted),
            "%s: root's stays root's" % self.name)
        tried.append(message)

    def starts(self):
        with Daemon(self) as daemon:
            return daemon.serves()


class Daemon(proc.Server):
    name = 'daemon'

    def __init__(self, case):
        super().__init__()
        command = [PROGRAM, '-f', '-x', case.conf]
        if case.starter:
            command = ['setpriv', '--reuid', case.starter, '--regid',
                       case.starter, '--init-groups'] + command
        if case.limits:
            command = ['sh', '-c', 'ulimit -n %d; exec "$@"' % LIMIT['now'],
                       'sh'] + command
        self.start(command)

    def serves(self):
        proc.wait_until(lambda: self.process.poll() is not None or
                        self.log_lines('serves$'), PATIENCE, 'start or end')
        if self.process.poll() is not None:
            diag(self.log())
        return self.process.poll() is None


ROOTS = ['/etc', '/etc/postern', '/etc/passwd', '/etc/postern/hosts', '/var/lib', '/run']
LIMIT = {}


def home_modes():
    return [(p, oct(os.stat(p).st_mode), os.stat(p).st_uid, os.stat(p).st_gid)
            for p in ('/root', '/home', '/home/bob', '/var/lib/mysql')]


def check_reading():
    case = Case('configuration', '')
    case.mend(r'^chgrp postern /etc/test.conf && chmod g.r /etc/test.conf$',
              mode=0o600)
    case = Case('configuration that its group may write', '')
    case.mend(r'^chgrp postern \S+ && chmod g=r \S+$', mode=0o660)
    case = Case('table', TABLE)
    case.put('hosts', mode=0o600)
    case.mend(r'^chgrp postern /srv/mail/hosts && chmod g.r /srv/mail/hosts$')
    case = Case('table of the group', TABLE)
    case.put('hosts', mode=0o600, group='postern')
    case.mend(r'^chmod g.r /srv/mail/hosts$')
    case = Case('table of another group', TABLE)
    path = case.put('hosts', mode=0o640, group='mysql')
    before = os.stat(path)
    case.mend(r'^install -D -o root -g postern -m 640 /srv/mail/hosts '
              r'/etc/postern/hosts$')
    is_(os.stat(path)[:6], before[:6], 'and that group keeps its right')
    case = Case('own table', TABLE)
    case.put('hosts', mode=0o000, owner='postern')
    case.mend(r'^chmod u.r /srv/mail/hosts$')
    case = Case('table with a strange name', "InternalHosts file:@AT@/it's\n")
    case.put("it's", mode=0o600)
    case.mend(r"^chgrp postern '/srv/mail/it'\\''s' && ")
    case = Case('table with blanks in its path',
                'InternalHosts file:@AT@/a b/my hosts\n')
    case.put('a b/my hosts', mode=0o600)
    case.mend(r"^chgrp postern '/srv/mail/a b/my hosts' && ")
    case = Case('directory', 'InternalHosts @AT@/d/hosts\n')
    case.put('d/hosts')
    case.directory('d', 0o700)
    case.mend(r'^chgrp postern /srv/mail/d && chmod g.x /srv/mail/d$')
    case = Case('directory that its group may write',
                'InternalHosts @AT@/d/hosts\n')
    case.put('d/hosts')
    case.directory('d', 0o770)
    case.mend(r'^chgrp postern /srv/mail/d && chmod g=rx /srv/mail/d$')
    case = Case('own directory', 'InternalHosts @AT@/d/hosts\n')
    case.put('d/hosts')
    case.directory('d', 0o000, 'postern')
    case.mend(r'^chmod u.x /srv/mail/d$')
    case = Case("another's directory", 'InternalHosts @AT@/d/hosts\n')
    case.put('d/hosts')
    case.directory('d', 0o750, 'mysql', 'mysql')
    case.mend(r'^install -D -o root -g postern -m 640 /srv/mail/d/hosts ')
    for home in '/root', '/home/bob', '/var/lib/mysql':
        case = Case('a table in %s' % home, TABLE, place=home)
        case.put('hosts')
        case.mend(r'^install -D -o root -g postern -m 640 %s/hosts '
                  r'/etc/postern/hosts$' % home)
    case = Case('a second of that name', TABLE, place='/root')
    case.put('hosts')
    os.makedirs('/etc/postern')
    write_file('/etc/postern/hosts', 'mine\n')
    case.mend(r' /root/hosts /etc/postern/2-hosts$')
    is_(open('/etc/postern/hosts').read(), 'mine\n', 'the first one stays')
    case = Case('a closed table in an open home', TABLE, place='/home/open')
    case.put('hosts', mode=0o600)
    case.mend(r'^install -D -o root ')
    case = Case('the configuration in a home', '')
    case.conf = '/root/test.conf'
    case.mend(r'^install -D -o root -g postern -m 640 /root/test.conf '
              r'/etc/postern/test.conf$')
    case = Case('a table that everyone may write', TABLE)
    case.put('hosts', mode=0o666)
    case.mend(r'^chmod o-w /srv/mail/hosts$')


def check_keys():
    case = Case('key', KEY)
    case.key(mode=0o600)
    case.mend(r'^chown postern /srv/mail/key$')
    case = Case("another's key", KEY)
    case.key(mode=0o600, owner='mysql')
    case.mend(r'^install -D -o postern -g root -m 600 /srv/mail/key '
              r'/etc/postern/key$')
    for home in '/root', '/home/bob':
        case = Case('a key in %s' % home, KEY, place=home)
        case.key(mode=0o600)
        case.mend(r'^install -D -o postern -g root -m 600 %s/key ' % home)
    case = Case('a key in an open home', KEY, place='/home/open')
    case.key(mode=0o644, owner='open')
    case.mend(r'^install -D -o postern ')
    case = Case('a key of another user', KEY)
    case.key(mode=0o604, owner='mysql')
    case.mend(r'^chown postern /srv/mail/key && chmod go= /srv/mail/key$')
    for mode, group, want in ((0o604, 'root', 'o='), (0o640, 'mail', 'g='),
                              (0o646, 'mail', 'go=')):
        case = Case('a key of mode %o' % mode, KEY)
        case.key(mode=mode, owner='postern', group=group)
        case.mend('^chmod %s /srv/mail/key$' % want)
    for mode, group, want in ((0o757, 'root', 'o-w'), (0o775, 'mail', 'g-w'),
                              (0o777, 'mail', 'go-w')):
        case = Case('a key in a directory of mode %o' % mode, KEY)
        case.key(mode=0o600, owner='postern')
        case.directory('', mode, group=group)
        case.mend('^chmod %s /srv/mail$' % want)
    case = Case('a key in a sticky directory', KEY)
    case.key(mode=0o600, owner='postern')
    case.directory('', 0o1777)
    case.mend(r'^install -D -o postern -g root -m 600 ')
    case = Case("a key in another's directory", KEY)
    case.key(mode=0o600, owner='postern')
    case.directory('', 0o755, 'mysql')
    case.mend(r'^install -D -o postern -g root -m 600 ')


def check_state():
    text = 'QuotaTable @AT@/q/t\n' + QUOTA
    Case('no state directory', text).mend(
        r'^install -d -o postern -g postern -m 750 /srv/mail/q$')
    case = Case("root's state directory", text)
    case.directory('q')
    case.mend(r'^install -d -o postern -g postern -m 750 /srv/mail/q/postern$')
    case = Case("root's directory, called after us",
                'QuotaTable @AT@/postern/t\n' + QUOTA)
    case.directory('postern')
    case.mend(r'^install -d -o postern -g postern -m 750 /srv/mail/postern$')
    case = Case("a closed state directory", text)
    case.directory('q', 0o700)
    case.mend(r'^install -d -o postern -g postern -m 750 /var/lib/postern$')
    for place in '/etc', '/etc/postern', '/etc/postern/state':
        case = Case('a table in ' + place,
                    'QuotaTable %s/t\n' % place + QUOTA)
        os.makedirs(place, exist_ok=True)
        case.mend(r'^install -d -o postern -g postern -m 750 '
                  r'/var/lib/postern$')
    case = Case('a table in a home', 'QuotaTable @AT@/t\n' + QUOTA,
                place='/root')
    case.mend(r'^install -d -o postern -g postern -m 750 /var/lib/postern$')
    for name, mode, owner, want in (
            ("root's table", 0o600, 'root', r'^chown postern:postern \S+ && '
             r'chmod 600 \S+$'),
            ("another's table", 0o600, 'mysql', r'^chown postern:postern '),
            ("another's table for all", 0o666, 'mysql', r'^chown postern:po'),
            ('a table for all to write', 0o666, 'postern', r'^chmod 600 \S+$')):
        case = Case(name, text)
        case.put('q/t', '', mode, owner)
        case.directory('q', 0o755, 'postern')
        case.mend(want)


def check_socket():
    def postfix_enters(path):
        return subprocess.run(['setpriv', '--reuid', 'postfix', '--regid',
                               'postfix', '--init-groups', 'ls', '-d',
                               path + '/.'], capture_output=True).returncode
    case = Case('no directory for the socket', '',
                socket_line='Socket local:/srv/mail/run/s\n')
    case.mend(r'^install -d -o postern -g postfix -m 750 /srv/mail/run$')
    is_(postfix_enters('/srv/mail/run'), 0, 'and Postfix may enter it')
    case = Case('no directory for the socket, in a home', '', place='/root',
                socket_line='Socket local:/root/x/s\n')
    case.mend(r'^install -d -o postern -g postfix -m 750 /run/postern$')
    is_(postfix_enters('/run/postern'), 0, 'and Postfix may enter it')
    os.mkdir('/var/spool/postfix')
    case = Case('nor where Postfix does not see it', '', place='/root',
                socket_line='Socket local:/root/x/s\n')
    case.mend(r'^install -d -o postern -g postfix -m 750 '
              '/var/spool/postfix/postern$')
    is_(postfix_enters('/var/spool/postfix/postern'), 0,
        'and Postfix may enter it')
    shutil.rmtree('/var/spool/postfix')
    case = Case('nor below a closed directory', '',
                socket_line='Socket local:/srv/mail/d/x/s\n')
    case.directory('d', 0o700)
    case.mend(r'^install -d -o postern -g postfix -m 750 /run/postern$')
    case = Case('not for who starts it', '', user=None, starter='postern',
                socket_line='Socket local:/srv/mail/s\n')
    case.mend(r'^install -d -o postern -g postfix -m 750 /srv/mail/postern$')
    case = Case('a socket in a home', '', place='/root',
                socket_line='Socket local:/root/s\n')
    case.mend(r'^install -d -o postern -g postfix -m 750 /run/postern$',
              warns=True)
    case = Case('an own directory that is closed to Postfix', '',
                socket_line='Socket local:/srv/mail/run/s\n')
    case.directory('run', 0o700, 'postern', 'postern')
    case.mend(r'^install -d -o postern -g postfix -m 750 /srv/mail/run$',
              warns=True)
    is_(postfix_enters('/srv/mail/run'), 0, 'and Postfix may enter it')


def check_users():
    for name, want in (('new', r'^useradd --system --user-group --shell \S+ '
                        'new$'),
                       ('games2', r'^useradd --system --gid games2 '),
                       ('643', r'^useradd --system --uid 643 .*postern-643$'),
                       ('postern:new2', r'^groupadd --system new2$')):
        Case('no user %s' % name, '', user=name).mend(want)


def check_descriptors():
    LIMIT['now'] = 30
    case = Case('few descriptors', '', limits=lambda: __import__(
        'resource').setrlimit(7, (LIMIT['now'], LIMIT['now'])))
    write_file(case.conf, case.text)
    done = case.run('-f')
    found = re.search(r'it takes (\d+); raise the limit \(ulimit -n',
                      done.stderr)
    ok(found and done.returncode > 0, 'descriptors: said', done.stderr)
    LIMIT['now'] = int(found.group(1))
    is_(case.run('-n').returncode, 0, 'descriptors: so many will do for -n')
    ok(case.starts(), 'descriptors: and for the start')
    tried.append(done.stderr)


def set_up():
    """Directories and users of our own to break."""
    for path in ('/etc', '/var/lib', '/var/spool', '/root', '/home', '/srv',
                 '/run'):
        if path == '/etc':
            broken.own_copy(path)
        else:
            broken.mount(path, 'mode=%s' % ('700' if path == '/root' else
                                            '755'))
    for name, home in (('postern', '/nonexistent'), ('postfix', '/var/spool'),
                       ('mysql', '/var/lib/mysql'), ('bob', '/home/bob'),
                       ('open', '/home/open')):
        if subprocess.run(['getent', 'passwd', name],
                          capture_output=True).returncode:
            subprocess.run(['useradd', '--system', '--user-group', '--home',
                            home, name], check=True)
    subprocess.run(['groupadd', '--system', 'games2'], check=True)
    for path, owner, mode in (('/var/lib/mysql', 'mysql', 0o700),
                              ('/home/bob', 'bob', 0o700),
                              ('/home/open', 'open', 0o755),
                              ('/run/ok', 'postern', 0o755)):
        os.mkdir(path)
        shutil.chown(path, owner, owner)
        os.chmod(path, mode)
    # Its first member, so that the group is more than a name.
    subprocess.run(['usermod', '-aG', 'mail', 'bob'], check=True)


def main():
    global PROGRAM, KEY_TEXT
    need_root()
    if not broken.private_mounts():
        skip_all('no mounts of its own')
    PROGRAM = os.path.join(new_dir('program'), 'postern')
    shutil.copy(binary('POSTERN'), PROGRAM)
    os.chmod(PROGRAM, 0o755)
    KEY_TEXT = subprocess.run(['openssl', 'genpkey', '-algorithm', 'ed25519'],
                              check=True, capture_output=True, text=True).stdout
    set_up()
    plan(PLAN)
    check_reading()
    check_keys()
    check_state()
    check_socket()
    check_users()
    check_descriptors()
    untried = [s for s in sorted(strings())
               if not any(re.search(as_regex(s), m) for m in tried)]
    is_(untried, [], 'there is no other command in the source')
    broken.end_mounts()


PLAN = 456
main()
