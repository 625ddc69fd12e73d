#!/usr/bin/python3
# Every mistake of all files, sections and data sets is said in one run, with
# its file and line, in order, by whoever reads the configuration: postern -n,
# its start, a reload, and posternctl.  What is only odd is said by postern
# alone, not by each command.

import os
import re
import shutil
import subprocess
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
from rig import *

CONFIG = 78

MAIN = '''Socket inet:99999@localhost
Frobnicate yes
Syslgo yes
Mode sx
UMask 999
Include @DIR@/sub.conf
Include @DIR@/none.conf
QuotaRealms file:@DIR@/realms
KeyTable file:@DIR@/keytable
SigningTable refile:@DIR@/signing
Quota bob {
  Messages = 200/hour, 1000/day
  Recipients = 200 per hour
  Bytes = 500MB
  Foo = bar
  Action = maybe
}
Quota @example.org {
  Messages = {200/fortnight, 5/day}
  Bytes = {5M/day, 500MB/day, none}
}
Quota "bob*" { Messages = 5/day }
Quota alice { Messages = {5/day, 7/day} }
Messages = 5/hour
Quotta carol {
  Messages = 5/hour
}
AllowList csl:user@,rcpt:x,good.example
BlockList file:@DIR@/block
Refuse csl:spf_fail,SPF_FAIL=999
SocketPeers nosuchuser,root,another
Nameservers 127.0.0.1,foo,bar
SenderLogins file:@DIR@/owners
QuotaExempt csl:@.,carol,realm:*
DNSBL notadomain { Score = 1 }
MustBeSigned file:@DIR@/missing
AuthservID my_server:25
OpenDMARCConfig @DIR@/opendmarc.conf
RuleFile @DIR@/rules.cf
QuotaTable @DIR@/quota
'''
FILES = {
    'sub.conf': 'DNSTimeout soon\nMilterDebug 77\nQuota "x {\n}\n',
    'realms': 'a@b\nok.example\n*\n',
    'keytable': 'k1 example.com\nk2 example.com:s:/nope.key\nbad\001 x\n',
    'signing': '*@a k1\n*@b nokey\n*@c\n',
    'owners': 'bob@x.example bob\nann@x.example\n@y.example ,\n',
    'block': '192.0.2.1 no\nuser@ no\n192.0.2.2 250 ok\n192.0.2.3 999 no\n',
    'opendmarc.conf': 'FailureReports false\nRejectFailure yes\n'
                      'DNSTimeout never\nAuthservID "mx"\nRejectString no\n',
    'rules.cf': 'scroe A 3\nheader A To =~ /x/\nheadre B To =~ /x/\n',
}
# What is said, in this order: the file and line, and what of its words.
SAID = [
    ('conf:1', 'Socket: expected a port'),
    ('conf:2', 'Frobnicate: unknown keyword'),
    ('conf:3', 'Syslgo: unknown keyword; did you mean Syslog'),
    ('conf:4', 'Mode: expected s, v or sv'),
    ('conf:5', 'UMask: expected a number'),
    ('sub.conf:1', 'DNSTimeout: expected a number'),
    ('sub.conf:2', 'MilterDebug: expected a number'),
    ('sub.conf:3', 'a quote is not closed on this line'),
    ('conf:7', 'Include: .*none.conf: No such file'),
    ('conf:8', 'QuotaRealms: .*realms:1: "a@b": expected a domain'),
    ('conf:8', r'QuotaRealms: .*realms:3: "\*": expected a domain'),
    ('conf:9', 'KeyTable: .*keytable:3: a control character'),
    ('conf:12', 'Messages: expected several values in braces, with commas '
     r'between them: Messages = \{200/hour, 1000/day\}'),
    ('conf:13', 'Recipients: expected a limit such as 200/hour.*not 200 per '
     'hour; .*second, minute, hour, day or week'),
    ('conf:14', 'Bytes: expected a limit .*not 500MB; .*K, M and G'),
    ('conf:15', 'Foo: unknown keyword'),
    ('conf:16', 'Action: expected hold, discard'),
    ('conf:18', 'Quota: Bytes: expected none to stand alone'),
    ('conf:19', 'Messages: expected a window .*not 200/fortnight; .*week'),
    ('conf:20', 'Bytes: expected a limit .*500MB/day; .*K, M and G'),
    ('conf:22', r'Quota: "bob\*": a \* stands for nothing'),
    ('conf:23', 'Quota: Messages: expected one limit for each window'),
    ('conf:24', r'Messages: unknown keyword; it stands inside of Quota'),
    ('conf:25', 'Quotta: unknown keyword; did you mean Quota'),
    ('conf:28', 'AllowList: user@: expected user@domain'),
    ('conf:28', 'AllowList: rcpt:x: expected user@domain'),
    ('conf:29', 'BlockList: .*block:2: user@: expected user@domain'),
    ('conf:29', 'BlockList: .*block:3: 192.0.2.2: expected a reply code'),
    ('conf:29', 'BlockList: .*block:4: 192.0.2.3: expected a reply code'),
    ('conf:30', 'Refuse: spf_fail: expected a symbol'),
    ('conf:30', 'Refuse: SPF_FAIL: expected a reply code'),
    ('conf:31', 'SocketPeers: there is no user nosuchuser'),
    ('conf:31', 'SocketPeers: there is no user another'),
    ('conf:32', 'Nameservers: foo: expected an address'),
    ('conf:32', 'Nameservers: bar: expected an address'),
    ('conf:33', 'SenderLogins: .*owners:2: ann@x.example: expected the logins'),
    ('conf:33', 'SenderLogins: .*owners:3: @y.example: expected the logins'),
    ('conf:34', 'QuotaExempt: "@.": expected @ and a domain'),
    ('conf:34', r'QuotaExempt: "realm:\*": expected'),
    ('conf:35', 'DNSBL: notadomain: expected the list'),
    ('conf:36', 'MustBeSigned: .*missing: No such file'),
    ('conf:37', 'AuthservID: expected a name such as mx.example.org'),
    ('conf:39', 'RuleFile: .*rules.cf:1: error: scroe'),
    ('conf:39', 'RuleFile: .*rules.cf:3: error: '),
    ('opendmarc.conf:2', 'RejectFailure: unknown keyword'),
    ('opendmarc.conf:3', 'DNSTimeout: expected a number'),
    ('opendmarc.conf:4', 'AuthservID: expected a name'),
    ('opendmarc.conf:5', 'RejectString: expected a text'),
    ('keytable:1', 'KeyTable: k1: expected domain:selector:key'),
    ('keytable:2', 'KeyTable: k2: /nope.key: No such file'),
    ('signing:2', r'SigningTable: \*@b: names a key'),
    ('signing:3', r'SigningTable: \*@c: expected the name of a key'),
]

KEY = subprocess.run(['openssl', 'genrsa', '2048'], capture_output=True,
                     text=True, check=True).stdout
GOOD = 'Mode v\nTestDNSData csl:x\n'
# Right, and odd: one warning each.
ODD = [
    ('InternalHosts 127.0.0.1, *.example.com\n',
     r'conf:\d+: InternalHosts: \*\.example\.com: .*expected \.example\.com'),
    ('PeerList *\n', r'conf:\d+: PeerList: \*: .*expected 0\.0\.0\.0/0'),
    ('DMARCIgnoreHosts 192.0.2.*\n',
     r'conf:\d+: DMARCIgnoreHosts: 192.*such as 192.0.2.0/24'),
    ('InternalHosts 127.0.0.1 10.0.0.0/8\n',
     r'conf:\d+: InternalHosts: "127.0.0.1 10.0.0.0/8" is taken for one '
     r'entry: expected commas .*: 127.0.0.1, 10.0.0.0/8'),
    ('MustBeSigned From  Subject\n',
     r'conf:\d+: MustBeSigned: "From  Subject" .*expected commas'),
    ('SendReports yes\n', r'conf:\d+: SendReports: ignored: '),
]
NOT_ODD = ['SendReports no\nFixCRLF false\nAllowSHA1Only 0\n',
           'InternalHosts .example.com, 127.0.0.1\n',
           'InternalHosts refile:@DIR@/patterns\n',
           'OpenDMARCConfig @DIR@/off.conf\n']
WRONG_IDS = ['my_server:25', '"mx.example.org"', 'mx example org', 'mx;x',
             'mx/1', '(mx)', 'mx=1', 'a@b', 'mx..org', '.mx', 'b\xfc\xff.org']
RIGHT_IDS = ['mx.example.org', 'HOSTNAME', 'localhost', 'my_server',
             'b\u00fccher.example', 'MX.example.org.']


def run(program, *args, user=None):
    return subprocess.run([binary(program)] + list(args),
                          stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=PATIENCE, check=False)


def said(stderr, directory):
    """The lines, without the program's name and the directory; and without the
    one that we all get for testing as root."""
    return [re.sub(r'^postern(\[\d+\])?: ', '', line).replace(
        os.path.realpath(directory) + '/', '').replace(directory + '/', '')
            for line in stderr.splitlines() if 'runs as root' not in line]


def check_said(lines, want, name):
    """As many lines as mistakes, each in its place."""
    wrong = ['%s: %s' % w for w, line in zip(want, lines)
             if re.match('%s: %s' % w, line) is None]
    ok(not wrong and len(lines) == len(want), name,
       'missing:\n%s\ngot:\n%s' % ('\n'.join(wrong), '\n'.join(lines)))


def put(directory, name, text):
    return write_file(os.path.join(directory, name),
                      text.replace('@DIR@', directory))


def check_all():
    directory = new_dir('mistakes')
    for name, text in FILES.items():
        put(directory, name, text)
    path = put(directory, 'conf', MAIN)
    for flags in ['-n'], ['-f']:
        done = run('POSTERN', *flags, '-x', path)
        is_(done.returncode, CONFIG, '%s: exit status' % flags[0])
        check_said(said(done.stderr, directory), SAID, '%s: all' % flags[0])
    done = run('POSTERNCTL', 'check', '-x', path, '/dev/null')
    is_(done.returncode, CONFIG, 'posternctl: exit status')
    check_said(said(done.stderr, directory), SAID, 'posternctl: all')
    return path


def check_the_rest():
    """What only tables have wrong; and where the start ends for another
    reason."""
    directory = new_dir('tables')
    put(directory, 'realms', FILES['realms'])
    put(directory, 'owners', FILES['owners'])
    text = ('Socket local:@DIR@/s\nBaseDirectory @DIR@\n'
            'QuotaRealms file:./realms\nSenderLogins file:./owners\n')
    want = [('conf:3', 'QuotaRealms: ./realms:1: '),
            ('conf:3', 'QuotaRealms: ./realms:3: '),
            ('conf:4', 'SenderLogins: ./owners:2: '),
            ('conf:4', 'SenderLogins: ./owners:3: ')]
    path = put(directory, 'conf', text)
    for flags in ['-n'], ['-f']:
        done = run('POSTERN', *flags, '-x', path)
        is_(done.returncode, CONFIG, 'tables, %s: exit status' % flags[0])
        check_said(said(done.stderr, directory), want,
                   'tables, %s: all' % flags[0])
    path = put(directory, 'conf', text + 'QuotaTable @DIR@/quota\n'
               'Quota default { Messages = 5/day }\n')
    done = run('POSTERN', '-f', '-x', path)
    is_(done.returncode, CONFIG, 'tables, with quotas')
    ok(not os.path.exists(os.path.join(directory, 'quota')),
       'what is refused creates nothing')
    path = put(directory, 'conf', 'Socket local:@DIR@/s\n'
               'KeyTable csl:k1=x,k2=example.com:s:/nope.key\n'
               'SigningTable csl:a@b=k3,@c=k1\n')
    done = run('POSTERN', '-n', '-x', path)
    check_said(said(done.stderr, directory), [
        ('conf:2', 'KeyTable: k1: expected domain:selector:key'),
        ('conf:2', 'KeyTable: k2: /nope.key: No such file'),
        ('conf:3', 'SigningTable: a@b: names a key')], 'tables in lists')
    path = put(directory, 'conf', 'Socket local:@DIR@/s\nSelector x\n')
    done = run('POSTERN', '-n', '-x', path)
    check_said(said(done.stderr, directory), [
        ('conf:2', 'Domain: expected Domain, KeyFile and Selector together')],
               'a keyword that others are missing beside')
    path = put(directory, 'conf', text + 'Frobnicate 1\n')
    done = run('POSTERN', '-n', '-x', path)
    check_said(said(done.stderr, directory),
               want + [('conf:5', 'Frobnicate: ')],
               'tables below BaseDirectory, beside a mistake in the file')
    path = put(directory, 'conf', text + 'UserID no-such-user\n')
    done = run('POSTERN', '-n', '-x', path)
    lines = said(done.stderr, directory)
    ok(done.returncode != 0 and 'no user no-such-user' in lines[0],
       'a user who is not there')
    check_said(lines[1:], want, 'and the tables all the same')


def check_files():
    """Beside mistakes in the file: what is closed to UserID, and where its
    state can't stand, with cures for that user; the start says what -n does."""
    top = '/srv/postern-%d' % os.getpid()
    os.mkdir(top)
    try:
        os.chmod(top, 0o755)
        put(top, 'owners', 'a@b.example bob\n')
        os.chmod(os.path.join(top, 'owners'), 0o600)
        for name, owner in ('key', 'root'), ('own', 'nobody'):
            path = write_file(os.path.join(top, name), KEY, 0o600)
            shutil.chown(path, owner)
        put(top, 'keys', 'k a.example:s:@DIR@/key\no b.example:s:@DIR@/own\n')
        text = ('Socket local:@DIR@/s\nUserID nobody\nSyslog no\n'
                'QuotaRealms b.example\nSenderLogins file:@DIR@/owners\n'
                'QuotaTable @DIR@/state/quota\n'
                'Quota default { Messages = 5/day }\n'
                'KeyTable file:@DIR@/keys\nSigningTable csl:*=k\n')
        want = [
            ('conf:5', 'SenderLogins: .*user nobody may not read it.*; is that '
             r'the right file\? .*, group nogroup and mode 640$'),
            ('conf:6', 'QuotaTable: .*: install -d -o nobody -g nogroup '),
            ('keys:1', 'KeyTable: k: .*nobody may not read it.*: chown nobody')]
        for name, more, also in (
                ('closed files', '', []),
                ('and a mistake', 'Frob x\n', [('conf:10', 'Frob: ')])):
            path = put(top, 'conf', text + more)
            for flags in ['-n'], ['-f']:
                done = run('POSTERN', *flags, '-x', path)
                check_said(said(done.stderr, top), want[:2] + also + want[2:],
                           '%s, %s: all' % (name, flags[0]))
        text = text.replace('UserID nobody\n', '')
        path = put(top, 'conf', text + 'Frob x\n')
        done = run('POSTERN', '-n', '-u', 'nobody', '-x', path)
        is_(len(said(done.stderr, top)), 4, 'and for the user of -u')
        os.chmod(path, 0o600)
        done = run('POSTERN', '-n', '-u', 'nobody', '-x', path)
        like(done.stderr, 'Frob: unknown keyword',
             'mistakes of a file that is closed to the user are said')
    finally:
        shutil.rmtree(top)


def check_many():
    directory = new_dir('many')
    for count in 100, 101, 1500:
        path = put(directory, 'conf', ''.join(
            'Frob%d x\n' % i for i in range(count)))
        done = run('POSTERN', '-n', '-x', path)
        lines = said(done.stderr, directory)
        is_((lines[0], lines[99]), ('conf:1: Frob0: unknown keyword',
                                    'conf:100: Frob99: unknown keyword'),
            '%d mistakes: a hundred are told' % count)
        is_(lines[100:], ['and %d more' % (count - 100)] if count > 100
            else [], '%d mistakes: and how many more' % count)


    put(directory, 'block', 'a@ x\n' * 1500 + ''.join(
        'user%d@ x\n' % i for i in range(1500)))
    path = put(directory, 'conf', 'Socket local:@DIR@/s\nMode v\nCount x\n'
               'BlockList file:@DIR@/block\n')
    lines = said(run('POSTERN', '-n', '-x', path).stderr, directory)
    is_(lines[0], 'conf:3: Count: unknown keyword', 'a long table: others')
    like(lines[99], 'conf:4: BlockList: block:99: a@: ', 'a long table')
    is_(lines[100:], ['and 2901 more'], 'a long table: how many more')


def check_many_rules():
    directory = new_dir('manyrules')
    put(directory, 'rules.cf', ''.join(
        'headre R%d To =~ /x/\n' % i for i in range(3000)))
    path = put(directory, 'conf', 'Socket local:@DIR@/s\nMode v\n'
               'RuleFile @DIR@/rules.cf\n')
    lines = said(run('POSTERN', '-n', '-x', path).stderr, directory)
    is_((len(lines), lines[100:]), (101, ['and 2900 more']),
        'a rule file: its mistakes are counted to the last')


def check_odd():
    directory = new_dir('odd')
    mail = put(directory, 'mail', 'From: a@example.org\n\nx\n')
    put(directory, 'patterns', '*.example.com\n')
    put(directory, 'off.conf', ''.join(
        '%s false\n' % w for w in (
            'FailureReports', 'FailureReportsOnNone', 'ForensicReports',
            'ForensicReportsOnNone', 'RecordAllMessages')))
    socket = 'Socket local:@DIR@/s\n'
    for text, words in ODD:
        path = put(directory, 'conf', GOOD + socket + text)
        done = run('POSTERN', '-n', '-x', path)
        is_(done.returncode, 0, '%s is no mistake' % text.strip())
        lines = said(done.stderr, directory)
        ok(any(re.match(words, line) for line in lines),
           '%s is named' % text.strip(), done.stderr)
        done = run('POSTERNCTL', 'check', '-x', path, mail)
        is_((done.returncode, done.stderr), (0, ''),
            '%s: posternctl is silent' % text.strip())
    for text in NOT_ODD:
        path = put(directory, 'conf', GOOD + socket + text)
        done = run('POSTERN', '-n', '-x', path)
        is_((done.returncode, done.stderr), (0, ''),
            'nothing to say of %s' % text.splitlines()[0])


def check_ids():
    directory = new_dir('ids')
    for value in WRONG_IDS + RIGHT_IDS:
        path = os.path.join(directory, 'conf')
        with open(path, 'wb') as f:
            f.write(b'Socket local:%s/s\nMode v\nAuthservID %s\n' % (
                directory.encode(), value.encode(
                    'latin-1' if value in WRONG_IDS else 'utf-8')))
        done = subprocess.run([binary('POSTERN'), '-n', '-x', path],
                              capture_output=True, timeout=PATIENCE,
                              check=False)
        wrong = value in WRONG_IDS
        is_(done.returncode, CONFIG if wrong else 0, 'AuthservID %a' % value)
        is_(b'conf:3: AuthservID: expected a name' in done.stderr, wrong,
            'AuthservID %a: what is said' % value)


def check_lost_rules():
    """What the start warns of in rule files, -n does, in the same words; and
    where something else is refused neither does."""
    directory = new_dir('lost')
    put(directory, 'rules.cf', 'header GONE Subject =~ /(?<n>a/\n'
        'body RUNS /a(?{1})b/\nmeta ODD NOPE && GONE\n')
    text = GOOD + 'RuleStats none\nRuleFile @DIR@/rules.cf\n'
    path = put(directory, 'conf', 'Socket local:@DIR@/s\n' + text)
    done = run('POSTERN', '-n', '-x', path)
    is_(done.returncode, 0, 'lost rules: -n passes')
    check_said(said(done.stderr, directory), [
        ('rules.cf:1', 'warning: GONE: .*never hits'),
        ('rules.cf:2', 'warning: RUNS: .*never hits'),
        ('rules', 'names in scores and metas that no rule has: 1')],
               'lost rules: -n names them')
    with Postern(text.replace('@DIR@', directory)) as postern:
        is_([re.sub(r'^postern\[\d+\]: ', '', line) for line in
             postern.log_lines('never hits|no rule has')],
            [re.sub(r'^postern\[\d+\]: ', '', line)
             for line in done.stderr.splitlines()],
            'lost rules: the start says the same')
    path = put(directory, 'conf', 'Socket local:@DIR@/s\nFrob x\n' + text)
    for flag in '-n', '-f':
        done = run('POSTERN', flag, '-x', path)
        check_said(said(done.stderr, directory), [('conf:2', 'Frob: ')],
                   'lost rules, %s: of what is refused the mistakes' % flag)


def check_reload():
    with Postern('Mode v\nTestDNSData csl:x\n') as postern:
        postern.configure('Mode v\nTestDNSData csl:x\nFrob x\n'
                          'Refuse spf_fail,X=999\nUMask 999\n')
        postern.reload()
        lines = postern.wait_log('conf:[0-9]+: (Frob|Refuse|UMask): ', 4)
        like(lines[0], r'reload refused, the configuration in force stays: '
             r'\S+conf:\d+: Frob: ', 'a reload is refused once')
        is_([re.search(r'conf:\d+: (\w+): ', line)[1] for line in lines],
            ['Frob', 'Refuse', 'Refuse', 'UMask'],
            'a reload says all mistakes')


def main():
    need_root()
    plan(6 + 11 + 6 + 5 + 1 + 9 + 3 * len(ODD) + len(NOT_ODD) +
         2 * len(WRONG_IDS + RIGHT_IDS) + 2)
    check_all()
    check_the_rest()
    check_files()
    check_lost_rules()
    check_many()
    check_many_rules()
    check_odd()
    check_ids()
    check_reload()


main()
