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
import modules  # noqa: F401
from rig import *
import broken
import proc

# What looks like a command in a string, and in which a command could stand.
COMMANDS = re.compile(r'\b(chmod|chown|chgrp|install(?! Postfix)|mkdir|setfacl|useradd|'
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
HOME = pwd.getpwuid(0).pw_dir               # root's: a home like others
NAMED = HOME.strip('/').replace('/', '-')   # as copies of what is there are
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


def empty(top):
    """All in it, and what is not a mount itself."""
    if os.path.isdir(top):
        for entry in os.scandir(top):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)
        if not os.path.ismount(top):
            os.rmdir(top)


class Case:
    """Something broken below a place, for postern or who is said."""

    def __init__(self, name, text, user='postern', starter=None,
                 socket_line='Socket local:/run/ok/s\n', place='/srv/mail',
                 limits=None):
        self.name, self.user, self.starter = name, user, starter
        self.limits = limits
        self.at = place
        for top in ('/etc/postern', '/var/lib/postern', '/run/postern',
                    HOME, '/srv', '/opt'):
            empty(top)
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
            self.text = re.sub(r'(?m)^(QuotaTable|PidFile) .*$',
                               r'\1 %s/it' % path, self.text)
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
        if command is None or not re.search(want, command):
            command = 'false'   # the mounts here do not keep all from harm
        # A person copies it into a shell.
        ran = subprocess.run(['sh', '-ec', command], capture_output=True,
                             text=True)
        is_((ran.returncode, ran.stderr), (0, ''), '%s: runs' % self.name)
        self.follow(command, words, message)
        checked = self.run('-n')
        # An empty file is no table yet.
        said = [line for line in checked.stderr.splitlines()
                if not line.endswith('.bad-TIME')]
        is_((checked.returncode, said), (0, []),
            '%s: with that done, -n is fine' % self.name)
        ok(self.starts(), '%s: and it starts' % self.name)
        is_(home_modes(), homes, '%s: no home is touched' % self.name)
        is_([os.stat(p).st_uid for p in rooted], [0] * len(rooted),
            "%s: root's stays root's" % self.name)
        tried.append(message)

    def said(self, flag):
        write_file(self.conf, self.text)
        return self.run(flag).stderr.splitlines()

    def says(self, want):
        """And has no command for it."""
        for flag in '-n', '-f':
            lines = self.said(flag)
            like(lines[-1] if lines else '', want,
                 '%s, %s: is said' % (self.name, flag))
            is_([line for line in lines if COMMANDS.search(line)], [],
                '%s, %s: no command' % (self.name, flag))

    def asks(self, path, want, owner='root', group='postern', mode=0o640):
        self.says(r'user postern may not .*\(owner .*\); is that the right '
                  r'file\? .* below /etc/postern, with .*' + want)
        # What the words say, if it is.
        copy = '/etc/postern/copy'
        os.makedirs('/etc/postern', exist_ok=True)
        shutil.copy(path, copy)
        shutil.chown(copy, owner, group)
        os.chmod(copy, mode)
        self.text = self.text.replace(path, copy)
        write_file(self.conf, self.text)
        done = self.run('-n')
        is_((done.returncode, path in done.stderr), (0, False),
            '%s: and with a copy, -n is fine' % self.name)

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
            for p in (HOME, '/home', '/home/bob', '/var/lib/mysql')]


OURS = '/etc/postern'


def check_reading():
    case = Case('configuration', '')
    case.mend(r'^chgrp postern /etc/test.conf && chmod g.r /etc/test.conf$',
              mode=0o600)
    case = Case('configuration that its group may write', '')
    case.mend(r'^chgrp postern \S+ && chmod g=r \S+$', mode=0o660)
    case = Case('table', TABLE, place=OURS)
    case.put('hosts', mode=0o600)
    case.mend(r'^chgrp postern /etc/postern/hosts && '
              r'chmod g.r /etc/postern/hosts$')
    case = Case('table of the group', TABLE, place=OURS)
    case.put('hosts', mode=0o600, group='postern')
    case.mend(r'^chmod g.r /etc/postern/hosts$')
    case = Case('table of another group', TABLE, place=OURS)
    path = case.put('hosts', mode=0o640, group='mysql')
    before = os.stat(path)
    case.mend(r'^install -D -o root -g postern -m 640 /etc/postern/hosts '
              r'/etc/postern/etc-postern-hosts$')
    is_(os.stat(path)[:6], before[:6], 'and that group keeps its right')
    case = Case("another's table", 'InternalHosts @AT@/theirs\n', place=OURS)
    case.put('theirs', mode=0o600, owner='mysql', group='postern')
    case.mend(r'^install -D -o root -g postern -m 640 /etc/postern/theirs ')
    case = Case('own table', TABLE)
    case.put('hosts', mode=0o000, owner='postern')
    case.mend(r'^chmod u.r /srv/mail/hosts$')
    for name in "it's", 'my hosts', '$(id)', '-R', '`id`':
        case = Case('table of name ' + name,
                    'InternalHosts file:@AT@/d d/%s\n' % name, place=OURS)
        case.put('d d/' + name, mode=0o600)
        case.mend(re.escape('chgrp postern %s && chmod g+r ' %
                            shlex.quote('/etc/postern/d d/' + name)
                            .replace('\'"\'"\'', "'\\''")))
    case = Case('directory', 'InternalHosts @AT@/d/hosts\n', place=OURS)
    case.put('d/hosts')
    case.directory('d', 0o700)
    case.mend(r'^chgrp postern /etc/postern/d && chmod g.x /etc/postern/d$')
    case = Case('directory that its group may write',
                'InternalHosts @AT@/d/hosts\n', place=OURS)
    case.put('d/hosts')
    case.directory('d', 0o770)
    case.mend(r'^chgrp postern \S+ && chmod g=rx /etc/postern/d$')
    case = Case("another's directory in it", 'InternalHosts @AT@/d/hosts\n',
                place=OURS)
    case.put('d/hosts')
    case.directory('d', 0o700, 'mysql')
    case.mend(r'^install -D -o root -g postern -m 640 ')
    case = Case('a link to it', 'InternalHosts /srv/link/hosts\n', place=OURS)
    case.put('d/hosts')
    case.directory('d', 0o700)
    os.symlink('../etc/./postern/d', '/srv/link')
    case.mend(r'^chgrp postern /etc/postern/d && chmod g.x /etc/postern/d$')
    case = Case('own directory', 'InternalHosts @AT@/d/hosts\n')
    case.put('d/hosts')
    case.directory('d', 0o000, 'postern')
    case.mend(r'^chmod u.x /srv/mail/d$')
    for owner, group, mode in (('mysql', 'mysql', 0o750),
                               ('mysql', 'root', 0o700),
                               ('mysql', 'postern', 0o700)):
        case = Case("another's directory, %s %o" % (group, mode),
                    'InternalHosts @AT@/d/hosts\n')
        case.put('d/hosts')
        case.directory('d', mode, owner, group)
        case.mend(r'^install -D -o root -g postern -m 640 /srv/mail/d/hosts '
                  r'/etc/postern/srv-mail-d-hosts$')
        is_(oct(os.stat('/srv/mail/d').st_mode & 0o7777), oct(mode),
            'which stays shut')
    for home in HOME, '/home/bob', '/var/lib/mysql':
        case = Case('a table in %s' % home, TABLE, place=home)
        case.put('hosts')
        case.mend(r'^install -D -o root -g postern -m 640 %s/hosts '
                  r'/etc/postern/%s-hosts$' % (home, home[1:].replace('/', '-')))
    case = Case('a second of that name', TABLE, place=HOME)
    case.put('hosts')
    os.makedirs('/etc/postern')
    write_file('/etc/postern/%s-hosts' % NAMED, 'mine\n')
    case.mend(r' %s/hosts /etc/postern/2-%s-hosts$' % (HOME, NAMED))
    is_(open('/etc/postern/%s-hosts' % NAMED).read(), 'mine\n',
        'the first one stays')
    case = Case('a link into a home', 'InternalHosts /srv/mail/link\n',
                place=HOME)
    case.put('hosts')
    os.makedirs('/srv/mail')
    os.symlink(HOME + '/hosts', '/srv/mail/link')
    case.mend(r'^install -D -o root -g postern -m 640 /srv/mail/link '
              r'/etc/postern/srv-mail-link$')
    case = Case('the configuration, for who starts it', '', user=None,
                starter='postern')
    case.conf = '/etc/postern.conf'
    write_file(case.conf, case.text, 0o600)
    like(case.run('-f').stderr, 'mend it with: .*chmod g.r /etc/postern.conf$',
         'the configuration for who starts it is ours')
    like(case.run('-n').stderr, r'mode 0600\); run `postern -n` as root: ',
         'who only checks it may be anybody')
    os.unlink(case.conf)
    case = Case('the configuration in a home', '')
    case.conf = HOME + '/test.conf'
    case.mend(r'^install -D -o root -g postern -m 640 %s/test.conf '
              r'/etc/postern/%s-test.conf$' % (HOME, NAMED))
    case = Case('a table that everyone may write', TABLE)
    case.put('hosts', mode=0o666)
    case.mend(r'^chmod o-w /srv/mail/hosts$')


def check_asking():
    """What may be somebody's secret is asked about: no command has it opened,
    or copied."""
    for name, path, owner, group, mode in (
            ('passwords', '/etc/shadow', 'root', 'shadow', 0o640),
            ('the like', '/etc/sudoers', 'root', 'root', 0o440),
            ('by another way', '/etc/postern/../sudoers', 'root', 'root',
             0o440),
            ("root's file", '/srv/mail/hosts', 'root', 'root', 0o600),
            ("another's file", '/srv/mail/hosts', 'mysql', 'root', 0o600),
            ('a file in a home', '/home/open/hosts', 'open', 'open', 0o600)):
        for keyword in 'InternalHosts', 'RuleFile', 'OpenDMARCConfig':
            case = Case('%s as %s' % (name, keyword),
                        '%s %s\n' % (keyword, path))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            case.put(os.path.normpath(path), '', mode, owner, group)
            case.asks(path, 'owner root, group postern and mode 640$')
    for name, top in (("root's directory", '/srv/mail/d'),
                      ('of certificates', '/etc/ssl/private')):
        case = Case(name, 'InternalHosts %s/hosts\n' % top)
        case.put(top + '/hosts')
        case.directory(top, 0o710)
        case.asks(top + '/hosts', 'owner root, group postern and mode 640$')
    case = Case('a hidden file', 'InternalHosts %s/.ssh/hosts\n' % HOME)
    case.put(HOME + '/.ssh/hosts')
    case.asks(HOME + '/.ssh/hosts', ' mode 640$')
    case = Case('a key of another program', KEY.replace('@AT@', HOME + '/.ssh'))
    case.put(HOME + '/.ssh/key', KEY_TEXT, 0o600)
    case.asks(HOME + '/.ssh/key', 'mode 600$', 'postern', 'root', 0o600)
    case = Case("a file of /etc's own", KEY.replace('@AT@', '/etc'))
    case.put('/etc/key', KEY_TEXT, 0o600)
    case.asks('/etc/key', 'mode 600$', 'postern', 'root', 0o600)
    case = Case('what is no key', KEY.replace('@AT@/key', '/etc/shadow'))
    case.put('/etc/shadow', KEY_TEXT, 0o640, group='shadow')
    case.asks('/etc/shadow', 'owner postern, group root and mode 600$',
              'postern', 'root', 0o600)


def check_room():
    """No command is cut, as another would come of it."""
    deep = '/etc/postern' + 3 * ('/' + 100 * 'd')
    case = Case('a table at the end of a long path',
                'InternalHosts %s/hosts\n' % deep)
    case.put(deep + '/hosts', mode=0o600)
    case.says('mode 0600\\); # the path is too long .*$')
    case = Case('a key at the end of a long path', KEY.replace('@AT@', deep))
    case.put(deep + '/key', KEY_TEXT, 0o644)
    case.says('/key .*to mend it: # the path is too long .*$')


def check_keys():
    case = Case('key', KEY)
    case.key(mode=0o600)
    case.mend(r'^chown postern /srv/mail/key$')
    case = Case("another's key", KEY)
    case.key(mode=0o600, owner='mysql')
    case.mend(r'^install -D -o postern -g root -m 600 /srv/mail/key '
              r'/etc/postern/srv-mail-key$')
    case = Case("root's key, which all read", KEY)
    case.key(mode=0o644)
    case.mend(r'^chown postern /srv/mail/key && chmod o= /srv/mail/key$')
    for home in HOME, '/home/bob':
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
    case = Case("a key in a group's directory", KEY)
    case.key(mode=0o600, owner='postern')
    case.directory('', 0o2775, group='mail')
    case.mend(r'^install -D -o postern -g root -m 600 /srv/mail/key ')
    is_(oct(os.stat('/srv/mail').st_mode & 0o7777), '0o2775',
        'which the group keeps')
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


def check_strangers():
    """What is closed to who is not UserID says nothing, and he gets no command
    that would make it his."""
    everything = KEY + 'QuotaTable @AT@/q/t\nPidFile @AT@/p/pid\n' + QUOTA
    for name in 'missing', 'in use':
        case = Case('an ordinary user, %s' % name, everything, starter='bob',
                    socket_line='Socket local:/srv/mail/r/s\n')
        case.key(mode=0o600, owner='postern')
        if name == 'in use':
            for directory in 'q', 'p', 'r':
                case.directory(directory, 0o750, 'postern')
        case.says(r'only root can become user postern|'
                  r'^postern: run `postern -n` as root: it reads with')
        is_([re.sub(r'^postern: (/\S+ )?|: .*', '', line)
             for line in case.said('-n')],
            ['UserID', 'run `postern -n` as root'],
            '%s: and is told no more' % name)
    case = Case('an ordinary user, and a word', 'Mode x\n', starter='bob')
    like(case.said('-n')[1], 'Mode: expected', 'the words are judged')
    case = Case('a key that others may read', KEY, starter='bob')
    case.key(mode=0o644, owner='postern')
    is_([line for line in case.said('-n') if 'KeyFile' in line], [],
        "whose is a key is judged for UserID alone")
    case = Case('UserID without its colon', KEY, user='postern.mail')
    case.key(mode=0o600, owner='postern')
    is_([re.sub(r'.*conf:', '', line) for line in case.said('-n')],
        ['1: UserID: expected USER or USER:GROUP, with a colon, not '
         'postern.mail'], 'while UserID is wrong nothing is judged for it')


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
    for name in '/srv/postern', '/opt/postern':
        case = Case('a directory %s with files of others' % name,
                    'QuotaTable %s/t\n' % name + QUOTA)
        case.put(name + '/theirs')
        case.mend(r'^install -d -o postern -g postern -m 750 /var/lib/postern$')
        is_(os.stat(name).st_uid, 0, 'which stays as it is')
    case = Case("root's own postern", 'QuotaTable %s/postern/t\n' % HOME + QUOTA)
    case.directory(HOME + '/postern')
    case.mend(r'^install -d -o postern -g postern -m 750 /var/lib/postern$')
    for top in '/dev', '/proc', '/proc/none', '/usr', '/usr/none', '/srv/mail':
        case = Case('a table in ' + top, 'QuotaTable %s/t\n' % top + QUOTA)
        case.directory('', 0o2775, group='mail')
        case.mend(r'^install -d -o postern -g postern -m 750 '
                  r'/var/lib/postern$')
    case = Case('a directory that anybody may make', 'QuotaTable /srv/tmp/q/t\n'
                + QUOTA)
    case.directory('/srv/tmp', 0o1777)
    case.mend(r'^install -d -o postern -g postern -m 750 /var/lib/postern$')
    for owner, group, mode in (('root', 'postern', 0o775),
                               ('postern', 'postern', 0o1777)):
        case = Case("another's file in a directory of mode %o" % mode,
                    'QuotaTable /srv/q/t\n' + QUOTA)
        case.put('/srv/q/t', '', 0o600, 'mysql')
        case.directory('/srv/q', mode, owner, group)
        case.mend(r'^install -d -o postern -g postern -m 750 '
                  r'/var/lib/postern$')
        is_(pwd.getpwuid(os.stat('/srv/q/t').st_uid).pw_name, 'mysql',
            'which stays whose it is')
    for name in '/srv/../etc/none', '/srv/link/none', '/srv/no/../../etc/none':
        case = Case('by another way into /etc: ' + name,
                    'QuotaTable %s/t\n' % name + QUOTA)
        os.symlink('/etc', '/srv/link')
        case.mend(r'^install -d -o postern -g postern -m 750 '
                  r'/var/lib/postern$')
    case = Case('by another way', 'QuotaTable /srv/link/q/t\n' + QUOTA)
    case.directory('/srv/mail/state')
    os.symlink('/srv/mail/state', '/srv/link')
    case.mend(r'^install -d -o postern -g postern -m 750 /srv/link/q$')
    case = Case("a group of Postfix's", 'QuotaTable /var/lib/postern/t\n' +
                QUOTA, user='postern:postfix')
    case.directory('/var/lib/postern')
    case.mend(r'^install -d -o postern -g postern -m 750 /var/lib/postern$')
    case = Case("another's file where all may put theirs",
                'QuotaTable /srv/tmp/t\n' + QUOTA)
    case.put('/srv/tmp/t', '', 0o600, 'mysql')
    case.directory('/srv/tmp', 0o1777)
    case.mend(r'^install -d -o postern -g postern -m 750 /var/lib/postern$')
    is_(pwd.getpwuid(os.stat('/srv/tmp/t').st_uid).pw_name, 'mysql',
        'which stays whose it is')
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
                place=HOME)
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
    case = Case('no directory for the socket, in a home', '', place=HOME,
                socket_line='Socket local:%s/x/s\n' % HOME)
    case.mend(r'^install -d -o postern -g postfix -m 750 /run/postern$')
    is_(postfix_enters('/run/postern'), 0, 'and Postfix may enter it')
    os.mkdir('/var/spool/postfix')
    case = Case('nor where Postfix does not see it', '', place=HOME,
                socket_line='Socket local:%s/x/s\n' % HOME)
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
    case = Case('a socket in a home', '', place=HOME,
                socket_line='Socket local:%s/s\n' % HOME)
    case.mend(r'^install -d -o postern -g postfix -m 750 /run/postern$',
              warns=True)
    case = Case('an own directory that is closed to Postfix', '',
                socket_line='Socket local:/srv/mail/run/s\n')
    case.directory('run', 0o700, 'postern', 'postern')
    case.mend(r'^install -d -o postern -g postfix -m 750 /srv/mail/run$',
              warns=True)
    is_(postfix_enters('/srv/mail/run'), 0, 'and Postfix may enter it')


    case = Case('a directory postern that holds more', '', user=None,
                starter='postern', socket_line='Socket local:/srv/mail/s\n')
    case.put('postern/theirs')
    case.mend(r'^install -d -o postern -g postfix -m 750 /run/postern$')
    for place in '/var/lib/postern', '/etc/postern/run', '/proc/none':
        case = Case('a socket in ' + place, '',
                    socket_line='Socket local:%s/s\n' % place)
        case.mend(r'^install -d -o postern -g postfix -m 750 /run/postern$')
    case = Case('our state, which is closed to Postfix', '',
                socket_line='Socket local:/var/lib/postern/s\n')
    case.directory('/var/lib/postern', 0o700, 'postern', 'postern')
    case.mend(r'^install -d -o postern -g postfix -m 750 /run/postern$',
              warns=True)
    is_(oct(os.stat('/var/lib/postern').st_mode & 0o777), '0o700',
        'which stays closed')


def check_no_postfix():
    """The group is Postfix's to make, and before that nothing can be right."""
    with open('/etc/group') as group:
        before = group.read()
    write_file('/etc/group', re.sub(r'(?m)^postfix:.*\n', '', before))
    case = Case('no Postfix', LOOPBACK, user='postern:postfix',
                socket_line='Socket local:/var/spool/postfix/postern/s\n')
    case.says('install Postfix first')
    like(case.said('-n')[0], 'UserID: there is no group postfix: install Postfix',
         'no Postfix: which UserID is about, too')
    is_([re.sub(r'^.*: (?=install)', '', line)
         for line in case.said('-n') if 'Socket: ' in line],
        ['install Postfix first: the group postfix comes with it'],
        'no Postfix: nor is a directory made without its group')
    write_file('/etc/group', before)


def check_sendmail():
    """Sendmail enters no directory that somebody else than root may write."""
    def sendmail_trusts(path):
        while path != '/':
            st = os.stat(path)
            if (st.st_uid, st.st_mode & 0o022) != (0, 0):
                return False
            path = os.path.dirname(path)
        return True
    place = '/var/spool/postern'
    line = 'Socket local:%s/s\n' % place
    for name, user in ('both', 'smmsp'), ('both, by its place', None):
        if user:
            subprocess.run(['useradd', '--system', '--user-group', user],
                           check=True)
        case = Case(name, '', socket_line=line)
        case.mend(r'^install -d -o root -g root -m 755 %s$' % place)
        ok(sendmail_trusts(place), '%s: Sendmail trusts it' % name)
        shutil.rmtree(place)
        if user:
            case = Case('a better place for Sendmail', '', place=HOME,
                        socket_line='Socket local:%s/x/s\n' % HOME)
            case.mend(r'^install -d -o root -g root -m 755 %s$' % place)
            shutil.rmtree(place)
            case = Case('for Postfix, by its group', '', user='postern:postfix',
                        socket_line='Socket local:/srv/mail/run/s\n')
            case.mend(r'^install -d -o postern -g postfix -m 750 ')
            subprocess.run(['userdel', user], check=True)


def check_pid_file():
    made = r'^install -d -o postern -g postern -m 750 %s$'
    for user, starter in ('postern', None), (None, 'postern'):
        for name, place in (('/run/postern/postern.pid', '/run/postern'),
                            ('/var/lib/postern/pid', '/var/lib/postern'),
                            ('/proc/none/pid', '/var/lib/postern')):
            case = Case('PidFile %s for %s' % (name, starter),
                        'PidFile %s\n' % name, user=user, starter=starter)
            case.mend(made % place)
    case = Case('PidFile in a directory of root', 'PidFile /run/x.pid\n',
                user=None, starter='postern')
    case.mend(made % '/run/postern')


def check_public_half():
    """That it is the wrong file is said, not that it is open to others."""
    public = subprocess.run(['openssl', 'pkey', '-pubout'], input=KEY_TEXT,
                            check=True, capture_output=True, text=True).stdout
    record = 's._domainkey IN TXT ( "v=DKIM1; k=ed25519; " "p=%s" )\n' % \
        ''.join(public.splitlines()[1:-1])
    for name, text, want in (('a public key', public, 'public key; .*private'),
                             ('a record', record, 'DNS.*public key; .*private'),
                             ('something else', 'x\n', 'not a private key')):
        case = Case(name, KEY)
        case.put('key', text)
        case.says(r'KeyFile: /srv/mail/key: .*' + want)
        case.put('key', KEY_TEXT, 0o600, 'postern')
        is_(case.run('-n').returncode, 0, name + ': the private one will do')


def check_nobody():
    """Where UserID is not there, it is not root who is to have the keys."""
    case = Case('no user, and its key', KEY, user='643')
    case.put('key', KEY_TEXT, 0o600)
    os.chown('/srv/mail/key', 643, 643)
    lines = case.said('-n')
    ok(any('there is no user 643: create it' in line for line in lines) and
       not any('should belong' in line for line in lines),
       'no user: the key is not judged', '\n'.join(lines))
    write_file(case.conf, case.text + 'Nameservers 127.0.0.1@1\n'
               'DNSTimeout 1\n')
    done = subprocess.run([binary('POSTERNCTL'), 'key', 'check', '-x',
                           case.conf, 'x.example'], capture_output=True,
                          text=True)
    is_(done.stderr, 'posternctl: UserID: there is no user 643, so who may '
        'read the keys is not judged\n', 'no user: posternctl says just that')
    case.put('key', KEY_TEXT, 0o604)
    case.text = case.text.replace('UserID 643', 'UserID %d' %
                                  pwd.getpwnam('postern').pw_uid)
    case.mend(r'^chown postern /srv/mail/key && chmod o= /srv/mail/key$')


def check_users():
    for name, want in (('new', r'^useradd --system --user-group --shell \S+ '
                        'new$'),
                       ('games2', r'^useradd --system --gid games2 '),
                       ('643', r'^useradd --system --uid 643 .*postern-643$'),
                       ('postern:new2', r'^groupadd --system new2$')):
        Case('no user %s' % name, '', user=name).mend(want)


def check_names():
    """What a shell would take for more than a name."""
    case = Case('a strange group', '', user='postern:$(id)&a')
    like('\n'.join(case.said('-n')),
         r"groupadd --system '\$\(id\)&a'$", 'a strange group is quoted')
    case = Case('two keys of one name', 'KeyTable /srv/mail/table\n'
                'SigningTable csl:*=a\n')
    for place in 'a', 'b':
        case.put('/home/bob/%s/key' % place, KEY_TEXT, 0o644)
    case.put('table', 'a a.example:s:/home/bob/a/key\n'
             'b b.example:s:/home/bob/b/key\n')
    lines = case.said('-n')
    for line in lines:
        command, _ = case.command(line)
        if command and command.startswith('install -D -o postern -g root '):
            subprocess.run(['sh', '-ec', command], check=True)
    is_(len(lines), 2, 'two keys of one name are both said')
    is_(len(os.listdir('/etc/postern')), 2, 'and neither is written over')


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


def check_stack():
    def limit(kib):
        import resource
        return lambda: resource.setrlimit(resource.RLIMIT_STACK,
                                          (kib << 10, kib << 10))

    case = Case('a small stack', '', limits=limit(64))
    write_file(case.conf, case.text)
    done = case.run('-f')
    found = re.search(r'it takes (\d+); raise it with ulimit -s', done.stderr)
    ok(found and done.returncode > 0, 'stack: said', done.stderr)
    case.limits = limit(int(found.group(1)))
    is_(case.run('-n').returncode, 0, 'stack: so much will do')
    tried.append(done.stderr)


def check_lock_file():
    """LMDB's, which whoever reads must be able to write."""
    text = 'PeerList mdb:@AT@/peers.mdb\n' + LOOPBACK
    for mode, want in ((0o600, '$'), (0o400,
                        ' && chmod u.rw /srv/mail/peers.mdb-lock$')):
        case = Case("root's lock file of mode %o" % mode, text)
        broken.make_mdb('/srv/mail/peers.mdb')
        case.put('peers.mdb-lock', '', mode)
        case.mend('^chown postern /srv/mail/peers.mdb-lock' + want)
    case = Case('no lock file', text)
    broken.make_mdb('/srv/mail/peers.mdb')
    case.mend('^install -m 600 -o postern -g postern /dev/null '
              '/srv/mail/peers.mdb-lock$')
    case = Case("another's lock file", text)
    broken.make_mdb('/srv/mail/peers.mdb')
    case.put('peers.mdb-lock', '', 0o600, 'mysql')
    write_file(case.conf, case.text)
    like(case.run('-n').stderr, r"LMDB's lock file\)$",
         "another's lock file: is not given away")


def set_up():
    """Directories and users of our own to break."""
    for path in ('/etc', '/var/lib', '/var/spool', HOME, '/home', '/srv',
                 '/run', '/opt'):
        if path == '/etc':
            broken.own_copy(path)
        else:
            broken.mount(path, 'mode=%s' % ('700' if path == HOME else
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
    check_asking()
    check_room()
    check_keys()
    check_strangers()
    check_state()
    check_socket()
    check_no_postfix()
    check_sendmail()
    check_pid_file()
    check_public_half()
    check_nobody()
    check_users()
    check_names()
    check_descriptors()
    check_stack()
    check_lock_file()
    untried = [s for s in sorted(strings())
               if not any(re.search(as_regex(s), m) for m in tried)]
    is_(untried, [], 'there is no other command in the source')
    broken.end_mounts()


PLAN = 1023
main()
