#!/usr/bin/python3
# What is the same for every command of posternctl: help, options, what becomes
# of output that can't be written; and that a command needs no more of the
# configuration than it is about, so that a user who may read the rules or the
# table, and no key, can use what is about rules or the table.

import os
import pwd
import shutil
import subprocess
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import *

USER = pwd.getpwnam('nobody')
FINDING, USAGE, NOPERM, IOERR, CONFIG = 1, 64, 77, 74, 78

# Each with what it takes to do something.
COMMANDS = [
    ('check', '@DIR@/mail'),
    ('key', 'generate', 'example.org', '--directory', '@DIR@/new'),
    ('key', 'check', 'example.org'),
    ('quota', 'list'), ('quota', 'show', 'bob'), ('quota', 'reset'),
    ('quota', 'lock', 'bob'), ('quota', 'unlock', 'bob'),
    ('rules', 'lint'), ('rules', 'list'), ('rules', 'list', '@DIR@/mail'),
    ('simulate', '@DIR@/events'),
]
SILENT = ['reset', 'lock', 'unlock', 'lint']

CONF = '''\
Mode sv
Mode sv
KeyTable file:@DIR@/closed/keytable
SigningTable refile:@DIR@/closed/signing
InternalHosts file:@DIR@/closed/hosts
TestDNSData file:@DIR@/zone
SenderLogins file:@DIR@/closed/logins
RuleFile @DIR@/rules.cf
RuleStats @DIR@/counts
QuotaTable @DIR@/table/quota
Quota default { Messages = 3/hour }
CanaryRecipients trap@example.org
'''
FILES = {
    'rules.cf': 'header PILLS Subject =~ /pills/\n',
    'mail': 'From: a@example.org\nSubject: x\n\nx\n',
    'zone': '',
    'events': '{"t":1,"direction":"outbound","account":"bob",'
              '"rcpts":["trap@example.org"]}\n',
}
CLOSED = {
    'keytable': 's._domainkey.example.org example.org:s:@DIR@/closed/key\n',
    'signing': '*@example.org s._domainkey.example.org\n',
    'hosts': '127.0.0.1\n',
    'logins': '@example.org bob\n',
}


class Place:
    """A configuration whose keys and lists only root can read, a table that
    the daemon made, and a copy of the program that anybody can run."""

    def __init__(self):
        self.postern = Postern(start=False)
        self.dir = self.postern.dir
        os.chmod(self.dir, 0o755)
        for name in 'closed', 'table', 'new':
            os.mkdir(self.path(name), 0o700)
        for name, text in FILES.items():
            write_file(self.path(name), text, 0o644)
        for name, text in CLOSED.items():
            write_file(self.path('closed', name),
                       text.replace('@DIR@', self.dir), 0o600)
        self.key()
        self.configure(CONF)
        os.chmod(self.path('table'), 0o755)
        self.program = shutil.copy(binary('POSTERNCTL'),
                                   self.path('posternctl'))
        os.chmod(self.program, 0o755)
        with self.postern:
            self.postern.run()
            self.run('quota', 'lock', 'bob')

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def key(self):
        subprocess.run(['openssl', 'genpkey', '-algorithm', 'ed25519', '-out',
                        self.path('closed', 'key')], check=True)
        os.chmod(self.path('closed', 'key'), 0o600)

    def configure(self, text):
        self.postern.configure(text + 'RequireSafeKeys no\n')
        os.chmod(self.postern.conf_file, 0o644)

    def argv(self, *args):
        return [self.program, *(a.replace('@DIR@', self.dir) for a in args),
                '-x', self.postern.conf_file]

    def run(self, *args, **how):
        return subprocess.run(self.argv(*args), capture_output=True, text=True,
                              timeout=PATIENCE, check=False, **how)

    def as_user(self, *args):
        """Who may read what is open to all, and nothing else."""
        return subprocess.run(
            ['setpriv', '--reuid', str(USER.pw_uid), '--regid',
             str(USER.pw_gid), '--clear-groups', *self.argv(*args)],
            capture_output=True, text=True, timeout=PATIENCE, check=False)


def words(args):
    return ' '.join(args).replace('@DIR@/', '')


def check_usage(place):
    shell = 'exec "$@" '
    for args in COMMANDS:
        done = place.run(*args, '--help')
        ok(done.returncode == 0 and done.stderr == '' and
           done.stdout.startswith('usage: posternctl [-x FILE] ' + args[0]),
           '%s --help' % words(args), done)
        done = place.run(*args, '--nonsense')
        ok(done.returncode == USAGE and done.stdout == '' and
           done.stderr.startswith('posternctl %s: ' % args[0]) and
           '--nonsense' in done.stderr.splitlines()[0],
           '%s: an unknown option is named' % words(args), done)
        first = subprocess.run(
            [place.program, '-x', '/absent', *place.argv(*args)[1:-2],
             '--json'], capture_output=True, text=True, check=False)
        again = place.run('-x', '/absent', *args, '--json')
        ok('/absent' in first.stderr and first.returncode != 0 and
           again.returncode != USAGE and '/absent' not in again.stderr,
           '%s: -x in front and behind, and --json' % words(args),
           (first, again))
        for how in '>/dev/full', '>&-':
            shutil.rmtree(place.path('new'))
            os.mkdir(place.path('new'))
            done = subprocess.run(
                ['sh', '-c', shell + how, 'sh', *place.argv(*args)],
                stderr=subprocess.PIPE, text=True, check=False)
            if args[1] in SILENT:
                is_((done.returncode, done.stderr), (0, ''),
                    '%s %s: has nothing to say' % (words(args), how))
                continue
            want = FINDING if args[:2] == ('key', 'check') else IOERR
            ok(done.returncode == want and 'standard output: ' in done.stderr,
               '%s %s: exit code' % (words(args), how), done)
    for args, code, what in (
            (('--help',), 0, 'usage: posternctl'),
            (('-x', '/dev/null', '--help'), 0, 'usage: posternctl'),
            (('--version',), 0, 'posternctl '),
            (('-x', '/dev/null', '--version'), 0, 'posternctl '),
            ((), USAGE, 'usage: posternctl'),
            (('--nonsense',), USAGE, 'posternctl: --nonsense: no such option'),
            (('nonsense',), USAGE, 'posternctl: nonsense: no such command'),
            (('key', 'nonsense'), USAGE,
             'posternctl key: nonsense: no such command of key\nusage: '),
            (('key', 'check'), USAGE,
             'posternctl key: check: expected one domain\nusage: '),
            (('quota', 'nonsense'), USAGE,
             'posternctl quota: nonsense: no such command of quota\nusage: '),
            (('quota', '--sort', 'used', 'reset'), USAGE,
             'posternctl quota: --sort is no option of reset\nusage: '
             'posternctl [-x FILE] quota reset [options] [ACCOUNT]\n'),
            (('quota', '--sort', 'size', 'list'), USAGE,
             'posternctl: --sort: expected account, used, last, clients or '
             'refused\nusage: '
             'posternctl [-x FILE] quota list [options]\n'),
            (('quota', 'show', 'bob', 'al'), USAGE,
             'posternctl quota: al: more than is expected here\nusage: '),
            (('quota', '--help'), 0,
             'usage: posternctl [-x FILE] quota list|show|history|reset|lock|'
             'unlock '
             '[options] [ACCOUNT]\n  list '),
            (('key', '--nonsense', 'check', '--help'), 0,
             'usage: posternctl [-x FILE] key check [options] DOMAIN\n'
             '  check DOMAIN '),
            (('rules', 'nonsense'), USAGE,
             'posternctl rules: nonsense: expected lint or list\nusage: ')):
        done = subprocess.run([place.program, *args], capture_output=True,
                              text=True, check=False)
        said, other = done.stdout, done.stderr
        if code != 0:
            said, other = other, said
        ok((done.returncode, other) == (code, '') and said.startswith(what),
           'posternctl %s' % ' '.join(args), done)


def check_pipe(place):
    """Nobody reads; with and without the signal that says so."""
    for args in COMMANDS:
        if args[1] in SILENT or args[1] == 'generate':
            continue
        for restore in True, False:
            read, write = os.pipe()
            os.close(read)
            done = subprocess.run(place.argv(*args), stdout=write,
                                  stderr=subprocess.PIPE, text=True,
                                  restore_signals=restore, check=False)
            os.close(write)
            ok(done.returncode != 0 and
               (not restore or done.stderr == '') and
               (restore or 'standard output: Broken pipe' in done.stderr),
               '%s: nobody reads' % words(args), done)


def check_descriptors(place):
    """What is said must not get into the table, whose descriptor would be
    that of standard error."""
    table = place.path('table', 'quota')
    for _ in range(2):
        subprocess.run(['sh', '-c', 'exec "$@" 2>&-', 'sh',
                        *place.argv('quota', 'lock', 'new')], check=False)
        with open(table, 'rb') as f:
            ok(b'posternctl' not in f.read(), 'nothing is written into it')
    done = place.run('quota', 'show', 'new', '--json')
    ok('"locked":true' in done.stdout, 'the table is whole', done)
    place.run('quota', 'unlock', 'new')


def check_silence(place):
    """What is odd, a keyword that is given twice, is not said each time."""
    done = subprocess.run([binary('POSTERN'), '-n', '-x',
                           place.postern.conf_file], capture_output=True,
                          text=True, check=False)
    like(done.stderr, 'Mode: ', 'postern -n says what is odd')
    for args in COMMANDS:
        done = place.run(*args)
        ok('Mode' not in done.stderr, '%s does not' % words(args), done)


def check_table(place):
    table = place.path('table', 'quota')
    os.chown(table, USER.pw_uid, USER.pw_gid)
    place.run('quota', 'lock', 'bob')
    done = place.as_user('quota', 'list', '--json')
    is_((done.returncode, done.stderr), (0, ''), 'list: without a key')
    like(done.stdout, r'^\{"account":"bob","locked":true,"limits":\[\{"kind":'
         r'"messages","window_s":3600,"limit":3,"used":0,"retry_at":null\}\]'
         r',"share":0', 'list --json: the object')
    for args in (('show', 'bob'), ('reset',), ('reset', 'bob'),
                 ('lock', 'bob'), ('unlock', 'bob')):
        done = place.as_user('quota', *args)
        # That there is no ring is said.
        is_((done.returncode, 'closed' in done.stderr), (0, False),
            '%s: without a key' % ' '.join(args))
    place.configure(CONF + 'QuotaExempt file:@DIR@/closed/logins\n'
                    'QuotaRealms file:@DIR@/closed/logins\n')
    done = place.as_user('quota', 'list')
    is_(done.returncode, NOPERM, 'list needs to know who is exempt')
    like(done.stderr, r'QuotaExempt: .*closed.*; run posternctl as root',
         'and says where, and who may')
    for args in ('reset', 'bob'), ('lock', 'bob@x.org'), ('unlock', 'bob'):
        done = place.as_user('quota', *args)
        is_((done.returncode, 'closed' in done.stderr), (0, False),
            '%s does not' % args[0])
    place.configure(CONF)
    os.chown(table, 0, 0)
    os.chmod(table, 0o644)
    is_(place.as_user('quota', 'list').returncode, 0,
        'who may read it can list it')
    for mode, args in ((0o644, ('reset',)), (0o600, ('list',)),
                       (0o600, ('show', 'bob')), (0o600, ('lock', 'bob'))):
        os.chmod(table, mode)
        done = place.as_user('quota', *args)
        is_(done.returncode, NOPERM, 'mode %o: %s' % (mode, args[0]))
        like(done.stderr, table + '.*Permission denied', 'and why')


def check_rules(place):
    os.unlink(place.path('counts'))
    for args in ('lint',), ('list',), ('lint', '@DIR@/rules.cf'):
        done = place.as_user('rules', *args)
        is_((done.returncode, 'closed' in done.stderr), (0, False),
            'rules %s: without a key' % words(args))
    place.configure(CONF.replace('InternalHosts', '#') +
                    'QuotaExempt file:@DIR@/closed/logins\n')
    done = place.as_user('rules', 'list', '@DIR@/mail', '--json')
    is_((done.returncode, done.stderr), (0, ''),
        'rules list of messages: without a key, or a quota')
    like(done.stdout, r'"name":"PILLS",.*"tried":1,', 'and they are tried')
    place.configure(CONF)
    write_file(place.path('counts'), '', 0o600)
    done = place.as_user('rules', 'list')
    is_(done.returncode, NOPERM, 'counts that may not be read')
    like(done.stderr, 'RuleStats: .*/counts.*Permission denied', 'and why')
    os.unlink(place.path('counts'))
    os.chmod(place.path('rules.cf'), 0o600)
    for args in ('lint',), ('list',), ('lint', '@DIR@/rules.cf'):
        done = place.as_user('rules', *args)
        is_(done.returncode, NOPERM, 'rules %s: rules that may not be read' %
            words(args))
        like(done.stdout + done.stderr, 'rules.cf: error: Permission denied',
             'and why')
    os.chmod(place.path('rules.cf'), 0o644)
    write_file(place.path('rules.cf'), 'blah\n')
    for mistakes in 'Frobnicate 1\n', 'Frobnicate 1\nMode q\nQuotaFull x\n':
        place.configure(CONF + mistakes)
        done = place.run('rules', 'lint')
        is_((done.returncode, done.stderr.count('\n')),
            (CONFIG, mistakes.count('\n')),
            'lint: every mistake of the configuration')
        like(done.stdout, r'rules\.cf:1: error: blah: ',
             'lint: and those of the rules')
    write_file(place.path('rules.cf'), FILES['rules.cf'])
    place.configure(CONF)


def check_closed(place):
    for args in ('check', '@DIR@/mail'), ('key', 'check', 'example.org'):
        done = place.as_user(*args)
        is_(done.returncode, NOPERM, '%s: may not read the keys' % args[0])
        like(done.stderr, r'(?m)^.*KeyTable: .*closed.*; run posternctl as '
             'root$', '%s: says which' % args[0])
    done = place.as_user('key', 'generate', 'example.org', '--directory',
                         '@DIR@/closed')
    is_((done.returncode, done.stderr), (NOPERM, 'posternctl: %s: Permission '
        'denied\n' % place.path('closed')), 'generate: may not make a key')
    os.chmod(place.postern.conf_file, 0o600)
    for args in COMMANDS:
        if args[1] == 'generate':
            continue
        done = place.as_user(*args)
        ok(done.returncode == NOPERM and 'Permission denied' in done.stderr and
           place.postern.conf_file in done.stderr,
           '%s: may not read the configuration' % words(args), done)
    os.chmod(place.postern.conf_file, 0o644)


def main():
    need_root()
    plan(160)
    place = Place()
    for step in (check_usage, check_pipe, check_descriptors, check_silence,
                 check_table, check_rules, check_closed):
        step(place)


main()
