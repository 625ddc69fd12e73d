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
import modules  # noqa: F401
from rig import *

CONFIG = 78
NOUSER = 67
CANTCREAT = 73

MAIN = '''Socket inet:99999@localhost
Frobnicate yes
Syslgo yes
Mode sx
UMask 999
Include @DIR@/sub.conf
Include @DIR@/none*.conf
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
    ('conf:7', r'Include: .*none\*.conf: No such file or directory; a pattern '
     'stands for no other names: name each file'),
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
NO_SAFE_KEYS = 'RequireSafeKeys no\n'
SIGN = 'Mode sv\nSelector s\nKeyFile @DIR@/key\n' + NO_SAFE_KEYS
TABLES = ('Mode sv\n' + NO_SAFE_KEYS +
          'KeyTable file:@DIR@/%s\nSigningTable %s\n')
COUNT = ('QuotaRealms x.example\nQuotaTable @DIR@/quota\n'
         'Quota default { Messages = 5/day }\n')
# Right, and odd: one warning each.
ODD = [
    ('InternalHosts 127.0.0.1, *.example.com\n',
     r'conf:\d+: warning: InternalHosts: \*\.example\.com: .*expected \.example\.com'),
    ('PeerList *\n', r'conf:\d+: warning: PeerList: \*: .*expected 0\.0\.0\.0/0'),
    ('DMARCIgnoreHosts 192.0.2.*\n',
     r'conf:\d+: warning: DMARCIgnoreHosts: 192.*such as 192.0.2.0/24'),
    ('InternalHosts 127.0.0.1 10.0.0.0/8\n',
     r'conf:\d+: warning: InternalHosts: "127.0.0.1 10.0.0.0/8" is taken for one '
     r'entry: expected commas .*: 127.0.0.1, 10.0.0.0/8'),
    ('MustBeSigned From  Subject\n',
     r'conf:\d+: warning: MustBeSigned: "From  Subject" .*expected commas'),
    ('SendReports yes\n', r'conf:\d+: warning: SendReports: ignored: '),
    # Hosts that are none.
    ('BlockList block\n', r'conf:\d+: warning: BlockList: block: .*expected /PATH'),
    ('PeerList 192.168.\n', r'conf:\d+: warning: PeerList: 192\.168\.: .*whole addre'),
    ('PeerList @example.com\n', r'conf:\d+: warning: PeerList: @example\.com: .*an @'),
    ('PeerList 127.0.0.1; ::1\n',
     r'conf:\d+: warning: PeerList: "127.*expected commas .*: 127\.0\.0\.1, ::1$'),
    # Domains that are none.
    (SIGN + 'Domain @example.com\n',
     r'conf:\d+: warning: Domain: @example\.com: expected .* without an @'),
    (SIGN + 'Domain *.example.com\n',
     r'conf:\d+: warning: Domain: \*\.example\.com: .*SubDomains yes'),
    (SIGN + 'Domain .example.com\n', r'conf:\d+: warning: Domain: .*SubDomains yes'),
    (SIGN + 'Domain example.com\nExemptDomains a@example.com\n',
     r'conf:\d+: warning: ExemptDomains: a@example\.com: expected a domain'),
    (SIGN + 'Domain example.com\nDontSignMailTo @example.com\n',
     r'conf:\d+: warning: DontSignMailTo: @example\.com: expected an address such as'),
    # Tables that match nothing.
    (TABLES % ('kt-turned', '*=k'), r'kt-turned:1: warning: KeyTable: k: its signatures '
     r'would have no key .* domain:selector:key, such as example\.com:s1:'),
    (TABLES % ('kt-dns', '*=k'), r'kt-dns:1: warning: KeyTable: k: its signatures'),
    (TABLES % ('kt', 'file:@DIR@/st-at'),
     r'st-at:2: warning: SigningTable: @b\.example: .* expected the domain alone'),
    (TABLES % ('kt', 'refile:@DIR@/st-at'),
     r'st-at:1: warning: SigningTable: a\.example: .* expected \*@ before the domain'),
    (TABLES % ('kt', '<a@b.example>=k'),
     r'conf:\d+: warning: SigningTable: <a@b\.example>: .* without quotes, < and >'),
    (TABLES % ('kt', '*=k') + 'SignHeaders From:Subject:To\n',
     r'conf:\d+: warning: SignHeaders: From:Subject:To: .* without colons'),
    ('MustBeSigned Subject:\n', r'conf:\d+: warning: MustBeSigned: Subject:: expected n'),
    ('SenderLogins a.example=bob\n', r'conf:\d+: warning: SenderLogins: a\.example: '
     'expected an address, or a domain with an @ before it'),
    ('SenderLogins *@a.example=bob\n',
     r'conf:\d+: warning: SenderLogins: \*@a\.example: .* refile:PATH'),
    ('SenderLogins file:@DIR@/owners-colon\n', r'conf:\d+: warning: SenderLogins: '
     r'owners-colon:2: a@b\.example:: .* a colon behind it'),
    ('SenderLogins @a.example=bob;ann\n',
     r'conf:\d+: warning: SenderLogins: @a\.example: expected commas'),
    ('DMARCIgnoreFrom *.example.com\n',
     r'conf:\d+: warning: DMARCIgnoreFrom: \*\.example\.com: .*refile:PATH'),
    ('TrustSignaturesFrom example.com.\n',
     r'conf:\d+: warning: TrustSignaturesFrom: .* without a dot at its end'),
    ('DMARCMailingLists file:@DIR@/odd-domains\n',
     r'conf:\d+: warning: DMARCMailingLists: odd-domains:2: @b\.example: expected'),
    # What belongs to the MTA.
    ('MTA {daemon_name}\n', r'conf:\d+: warning: MTA: \{daemon_name\}: expected the n'),
    ('MacroList {a}|b\n', r'conf:\d+: warning: MacroList: \{a\}\|b: expected macro='),
    ('SocketPeers nobody\n', r'conf:\d+: warning: SocketPeers: an MTA of this machine '
     r'can.t connect: .*: SocketPeers nobody, postfix$'),
    ('SocketPeers file:@DIR@/nobodies\n',
     r'conf:\d+: warning: SocketPeers: an MTA .*: postfix in file:nobodies$'),
    # Where a process begins differs.
    ('KeyFile ./key\nSelector s\nDomain example.com\n' + NO_SAFE_KEYS,
     r'conf:\d+: warning: KeyFile: \./key begins in whatever .*BaseDirectory'),
    ('PidFile pid\n', r'conf:\d+: warning: PidFile: pid begins in whatever directory'),
    ('RingFile ring\n', r'conf:\d+: warning: RingFile: ring begins in whatever directory'),
    ('RuleStats none\nRuleFile rules.cf\n',
     r'conf:\d+: warning: RuleFile: rules\.cf begins in whatever directory'),
    ('BlockList file:patterns\n',
     r'conf:\d+: warning: BlockList: patterns begins in whatever directory'),
    # Values.
    ('UMask 22\n', r'conf:\d+: warning: UMask: 22 is decimal, 026 in octal: .*: 022$'),
    ('SyslogName "postern"\n',
     r'conf:\d+: warning: SyslogName: the quotes are part of the value "postern"'),
    ('SyslogName \u201cpostern\u201d\n',
     r'conf:\d+: warning: SyslogName: the quotes are part of the value'),
    # Programs that send by ::1.
    (SIGN + 'Domain example.com\n', r'default: warning: InternalHosts: is 127\.0\.0\.1 and not ::1: .*'
     r'uncounted; .*: InternalHosts 127\.0\.0\.1, ::1$'),
    (COUNT + 'Mode sv\nInternalHosts @DIR@/loopback\n',
     r'conf:\d+: warning: InternalHosts: has 127.*; expected both: ::1 in loopback$'),
    (COUNT + 'Mode sv\nInternalHosts 127.0.0.0/8, 192.0.2.7\n',
     r'conf:\d+: warning: InternalHosts: has 127.* 127\.0\.0\.0/8, 192\.0\.2\.7, ::1$'),
]
NOT_ODD = ['InternalHosts 192.0.2.7\n', COUNT + 'InternalHosts 127.0.0.1,::1\n',
           COUNT + 'InternalHosts 192.0.2.7\n',
           'SenderLogins a@b.example=bob,@c.example=ann bob\n',
           'SenderLogins refile:@DIR@/any-owner\nMustBeSigned From,To\n',
           'UMask 022\nPidFile @DIR@/pid\n',
           'BaseDirectory @DIR@\nPidFile pid\nBlockList refile:patterns\n',
           'SocketPeers *\nMTA MSA\nMacroList {a}=b|c\n',
           'PeerList localhost, .example, mx.example.com, 2001:db8::/32\n',
           'DMARCIgnoreFrom example.com, b\u00fccher.example\n',
           'SendReports no\nFixCRLF false\nAllowSHA1Only 0\n',
           'InternalHosts .example.com, 127.0.0.1\n',
           'InternalHosts refile:@DIR@/patterns\n',
           'OpenDMARCConfig @DIR@/off.conf\n']
WRONG = [
    ('Socket unix:postern/postern.sock', r'Socket: expected a path that begins '
     r'with /, not postern/postern\.sock; in Postfix.*queue_directory: '
     r'local:/var/spool/postfix/postern/postern\.sock$'),
    ('Socket "local:/run/s"', 'Socket: expected a path that begins with /'),
    ('PidFile "/x y/p"', r'PidFile: expected a path without quotes, .*: "/x y/p"$'),
    ('KeyFile \'k\'', 'KeyFile: expected a path without quotes'),
    ('UserID postern postfix', 'UserID: expected USER or USER:GROUP, without b'),
    ('UserID nobody.nogroup', 'UserID: expected USER or USER:GROUP, with a colon'),
    ('UserID "postern"', 'UserID: expected USER or USER:GROUP'),
    ('UMask 770', r'UMask: expected a number from 0 to 0777, .*\(007\), not 770'),
    ('Selector "s1"', 'Selector: expected the selector alone'),
    ('Selector s1._domainkey', r'Selector: expected .* without quotes or \._dom'),
    ('Qouta bob { Messages = 5/day }', r'Qouta: .* did you mean Quota\?'),
    ('RejectFailures true', 'RejectFailures: unknown keyword; opendmarc.conf has '
     'it: name that file with OpenDMARCConfig'),
    ('Syslog: yes', 'Syslog:: expected a blank behind the keyword Syslog'),
    ('Syslog\u00a0yes', r'a blank that is none \(such as U\+00A0'),
]
WRONG_IDS = ['my_server:25', '"mx.example.org"', 'mx example org', 'mx;x',
             'mx/1', '(mx)', 'mx=1', 'a@b', 'mx..org', '.mx', 'b\xfc\xff.org']
RIGHT_IDS = ['mx.example.org', 'HOSTNAME', 'localhost', 'my_server',
             'b\u00fccher.example', 'MX.example.org.']


def run(program, *args, cwd=None):
    return subprocess.run([binary(program)] + list(args), cwd=cwd,
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
               'KeyTable csl:k1=x,k2=example.com:s:/nope.key,tab\n'
               'SigningTable csl:a@b=k3,c=k1\n')
    done = run('POSTERN', '-n', '-x', path)
    check_said(said(done.stderr, directory), [
        ('conf:2', 'KeyTable: k1: expected domain:selector:key'),
        ('conf:2', 'KeyTable: k2: /nope.key: No such file'),
        ('conf:2', 'KeyTable: tab: expected name=domain:selector:key, or the '
         '/PATH of a file'),
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
    is_(done.returncode, NOUSER, 'a user who is not there')
    check_said(said(done.stderr, directory),
               want + [('conf:5', 'UserID: there is no user no-such-user')],
               'and the tables all the same')


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
        os.mkdir(os.path.join(top, 'closed'), 0o700)
        put(os.path.join(top, 'closed'), 'allow', '192.0.2.1\n')
        path = put(top, 'conf2', 'Socket local:@DIR@/s\nUserID nobody\nMode v\n'
                   'AllowList file:@DIR@/closed/allow\n')
        check_said(said(run('POSTERN', '-n', '-x', path).stderr, top), [
            ('conf2:4', 'AllowList: closed/allow: Permission denied; closed: '
             r'user nobody may not enter it .*; is that the right file\?')],
                   'a list below a directory that is closed')
        text = text.replace('UserID nobody\n', '')
        path = put(top, 'conf', text + 'Frob x\n')
        done = run('POSTERN', '-n', '-u', 'nobody', '-x', path)
        is_(len(said(done.stderr, top)), 4, 'and for the user of -u')
        os.chmod(path, 0o600)
        done = run('POSTERN', '-n', '-u', 'nobody', '-x', path)
        like(done.stderr, 'Frob: unknown keyword',
             'mistakes of a file that is closed to the user are said')
        lines = said(done.stderr, top)
        is_((len(lines), [n for n, line in enumerate(lines)
                          if 'conf: user nobody may not read it' in line]),
            (5, [4]), 'and that it is closed, once')
        # Root opens the socket: that the place is closed to the user is no
        # part of what is wrong.
        put(top, 'closed/s', '')
        path = put(top, 'conf', 'Socket local:@DIR@/closed/s\nUserID nobody\n'
                   'Frob x\n')
        check_said(said(run('POSTERN', '-n', '-x', path).stderr, top), [
            ('conf:1', r'Socket: closed/s: is there and is no socket: remove it, '
             'or name another path$'), ('conf:3', 'Frob: ')],
                   'no cure is added to what has one')
    finally:
        shutil.rmtree(top)


# All that is seen before a file is opened that the configuration names, and
# what such files have.  Keys of what is said: the status of a start that it
# stops first, the line, the words.
START = '''Socket local:@DIR@/none/s
UserID @USER@
PidFile @DIR@/none/pid
Syslog no
QuotaTable @DIR@/gone/quota
Quota default { Messages = 5/day }
QuotaRealms file:@DIR@/realms
KeyTable k1=x, k2=example.com:s:/nope.key
SigningTable a@b=k3
RuleFile @DIR@/second.cf
RuleFile @DIR@/first.cf
RuleFile @DIR@/rules.cf
RuleFile @DIR@/third.cf
ResolverConfiguration @DIR@/unbound.conf
TrustAnchorFile @DIR@/anchors
TestPublicKeys @DIR@/missing
'''
START_SAID = [
    ('conf:1', r'Socket: \S*none/s: \S*none is not there: '),
    ('conf:3', r'PidFile: \S*none/pid: No such file'),
    ('conf:5', r'QuotaTable: \S*gone/quota: No such file'),
    ('conf:7', 'QuotaRealms: .*realms:1: '),
    ('conf:7', 'QuotaRealms: .*realms:3: '),
    ('conf:8', 'KeyTable: k1: expected domain:selector:key'),
    ('conf:8', 'KeyTable: k2: /nope.key: No such file'),
    ('conf:9', 'SigningTable: a@b: names a key that KeyTable does not have'),
    ('conf:10', r'RuleFile: \S*second.cf: error: No such file'),
    ('conf:11', r'RuleFile: \S*first.cf: error: No such file'),
    ('conf:12', r'RuleFile: \S*rules.cf:1: error: scroe'),
    ('conf:12', r'RuleFile: \S*rules.cf:3: error: '),
    ('conf:13', r'RuleFile: \S*third.cf: error: No such file'),
    ('conf:14', r'ResolverConfiguration: \S*unbound.conf: '),
    ('conf:15', r'TrustAnchorFile: \S*anchors: expected trust anchors: '),
    ('conf:16', r'TestPublicKeys: \S*missing: No such file'),
]


def both_say(path, directory, status, want, name, args=(), descriptors=1024):
    """What -n says the start says, with the same status."""
    for flag in '-n', '-f':
        done = subprocess.run(
            ['sh', '-c', 'ulimit -n %d; exec "$@"' % descriptors, 'sh',
             binary('POSTERN'), flag, '-x', path] + list(args),
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=PATIENCE, env=no_leak_check(), check=False)
        is_(done.returncode, status, '%s, %s: status' % (name, flag))
        # libunbound has words of its own.
        check_said([line for line in said(done.stderr, directory)
                    if 'unbound.conf:1: error' not in line and
                    not line.startswith('read ')], want,
                   '%s, %s: all' % (name, flag))


def fill_start(where):
    for name, text in (('realms', FILES['realms']), ('anchors', 'x\n'),
                       ('rules.cf', FILES['rules.cf']),
                       ('unbound.conf', 'foo: {\n')):
        write_file(os.path.join(where, name), text)


def check_start():
    """What ends a start early hides nothing, whichever it is; and the status
    is that of the first."""
    directory = new_dir('start')
    fill_start(directory)

    def conf(user, more='', text=START):
        return put(directory, 'conf', text.replace('@USER@', user) + more)
    both_say(conf('root'), directory, CANTCREAT, START_SAID, 'a start')
    both_say(conf('root'), directory, CANTCREAT,
             START_SAID + [('30 descriptors are too few', 'it takes ')],
             'a start, few descriptors', descriptors=30)
    both_say(conf('root', 'MaxConnections 5000\n'), directory, CANTCREAT,
             START_SAID + [('conf:17', 'MaxConnections: 1024 descriptors are')],
             'a start, too few for MaxConnections')
    both_say(conf('root', 'Frob x\n'), directory, CONFIG,
             START_SAID + [('conf:17', 'Frob: unknown keyword')],
             'a start, and a mistake in the file')
    done = run('POSTERN', '-T', '-x', conf('no-such', 'Frob x\n'))
    check_said(said(done.stderr, directory),
               [('conf:17', 'Frob: unknown keyword')],
               'what is only printed is not looked into')
    both_say(conf('no-such:neither'), directory, NOUSER,
             START_SAID[:1] +
             [('conf:2', 'UserID: there is no user no-such: create it with: '
               'useradd '),
              ('conf:2', 'UserID: there is no group neither: create it with: '
               'groupadd ')] + START_SAID[1:], 'a start, no user, no group')
    both_say(conf('root:neither'), directory, NOUSER, START_SAID[:1] +
             [('conf:2', 'UserID: there is no group neither: ')] +
             START_SAID[1:], 'a start, no group')
    both_say(conf('root'), directory, NOUSER,
             START_SAID[2:] + [
                 ('-u', 'UserID: there is no user no-such: '),
                 ('-p', r'Socket: \S*none2/s: '),
                 ('-P', r'PidFile: \S*none/pid2: No such file')],
             'a start, by options', ['-p', 'local:%s/none2/s' % directory,
                                     '-u', 'no-such', '-P',
                                     '%s/none/pid2' % directory])
    both_say(conf('root', 'BaseDirectory @DIR@/none\n'), directory, CONFIG,
             START_SAID + [('conf:17', r'BaseDirectory: \S*none: No such')],
             'a start, no directory')
    both_say(conf('root', 'ChangeRootDirectory @DIR@/none\n'), directory,
             CANTCREAT, START_SAID[:2] +
             [('conf:17', r'ChangeRootDirectory: \S*none: No such')],
             'a start, no new root')


def check_chroot():
    """Files below ChangeRootDirectory have theirs told, too."""
    root = new_dir('root')
    inside = os.path.join(root, root.lstrip('/'))
    os.makedirs(inside)
    fill_start(inside)
    text = (START.replace('@USER@', 'root').replace('@DIR@', root) +
            'ChangeRootDirectory %s\n' % root)
    frob = [('conf:18', 'Frob: unknown keyword')]
    for more, more_inside, status, also in (
            ('', '', CANTCREAT, []),
            ('Frob x\n', 'Frob x\n', CONFIG, frob),
            ('Frob x\n', '', CONFIG, frob)):
        write_file(os.path.join(inside, 'conf'), text + more_inside)
        path = write_file(os.path.join(root, 'conf'), text + more)
        both_say(path, root, status, START_SAID + also, 'in a new root')


def check_warnings():
    """Warnings have one form and stand once, in the order of the file; of what
    is refused they are not said."""
    directory = new_dir('warnings')
    put(directory, 'key', KEY)
    os.chmod(os.path.join(directory, 'key'), 0o644)
    os.mkdir(os.path.join(directory, 'empty'))
    put(directory, 'rules.cf', ''.join(
        'score GONE%d 1\n' % i for i in range(2500)) + ''.join(
            'body BAD%d /(/\n' % i for i in range(30)))
    text = ('Mode sv\nTestDNSData csl:x\nRuleStats none\n'
            'RequireSafeKeys no\n'
            'Domain a.example b.example\n'
            'KeyFile @DIR@/key\nSelector s\nRuleFile @DIR@/empty\n'
            'RuleFile @DIR@/rules.cf\nSendReports yes\nSelector s\n'
            'InternalHosts 127.0.0.1, ::1\n')
    path = put(directory, 'conf', 'Socket local:@DIR@/s\n' + text)
    done = run('POSTERN', '-n', '-x', path)
    is_(done.returncode, 0, 'warnings: -n passes')
    lines = said(done.stderr, directory)
    check_said(lines, [
        ('conf:6', 'warning: Domain: "a.example b.example" is taken for one '),
        ('conf:7', 'warning: KeyFile: .*lets every user'),
        ('conf:9', 'warning: RuleFile: empty: there is no .*cf in this dir'),
        ('conf:11', 'warning: SendReports: ignored'),
        ('conf:12', 'warning: Selector: given before')] +
        [('rules.cf:%d' % (2501 + i), 'warning: BAD%d: .*never hits' % i)
         for i in range(20)] +
        [('warning', 'rules: 10 more warnings'),
         ('warning', 'rules: names in scores and metas that no rule has: '
          '2500, see')], 'warnings: -n names each once, in order')
    with Postern(text.replace('@DIR@', directory)) as postern:
        # Where lines are is not the same in its configuration.
        started = '\n'.join(postern.log_lines('warning: '))
        is_([re.sub(r'\S*\bconf:\d+', 'conf', line) for line in
             said(started, directory)],
            [re.sub(r'\S*\bconf:\d+', 'conf', line) for line in lines],
            'warnings: the start says the same')
    put(directory, 'keys', 'k a.example:s:@DIR@/key\n')
    path = put(directory, 'conf', 'Socket local:@DIR@/s\nSelector s\n'
               'RequireSafeKeys no\nKeyTable file:@DIR@/keys\n'
               'SigningTable csl:*=k\nInternalHosts 127.0.0.1, ::1\n')
    check_said(said(run('POSTERN', '-n', '-x', path).stderr, directory), [
        ('conf:4', 'warning: KeyTable: Domain and Selector are not used'),
        ('keys:1', 'warning: KeyTable: k: .*lets every user')],
               'warnings: of keys in a table')
    path = put(directory, 'conf', 'Socket local:@DIR@/none/s\n' + text)
    both_say(path, directory, CANTCREAT, START_SAID[:1],
             'warnings: not of what is refused')


def check_copy():
    """A copy is looked at while the daemon of the original runs."""
    with Postern(GOOD + 'PidFile @DIR@/pid\n'.replace(
            '@DIR@', new_dir('copy'))) as postern:
        with open(postern.conf_file, encoding='ascii') as f:
            text = f.read()
        directory = new_dir('copied')
        path = put(directory, 'conf', text)
        done = run('POSTERN', '-n', '-x', path)
        is_(done.returncode, 0, 'a copy: -n passes')
        lines = said(done.stderr, directory)
        check_said(sorted(lines, key=lambda line: 'PidFile' in line), [
            (r'conf:\d+', r'warning: Socket: \S+: process %d has it, a '
             'postern with another conf' % postern.pid),
            (r'conf:\d+', r'warning: PidFile: \S+: process %d has it, a '
             'postern with another conf' % postern.pid)],
                   'a copy: and says what runs')
        done = run('POSTERN', '-n', '-x', postern.conf_file)
        is_((done.returncode, done.stderr), (0, ''),
            'the original: there is nothing to say')
        done = run('POSTERN', '-f', '-x', path)
        is_(done.returncode, 69, 'a copy: does not start')
        check_said(sorted(said(done.stderr, directory),
                          key=lambda line: 'PidFile' in line), [
            (r'conf:\d+', r'Socket: \S+: process %d serves it' % postern.pid),
            (r'conf:\d+', r'PidFile: \S+: process %d has it' % postern.pid)],
                   'a copy: and says all that is in the way')
        ok(postern.is_up(), 'a copy: the original serves on')


def check_many():
    directory = new_dir('many')
    # The last: comparing each with all keywords would take minutes.
    for count in 100, 101, 1500, 200000:
        path = put(directory, 'conf', ''.join(
            'Frob%d x\n' % i for i in range(count)) + 'Socket local:@DIR@/s\n')
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
    put(directory, 'nobodies', 'nobody\n')
    put(directory, 'loopback', '127.0.0.1\n')
    put(directory, 'any-owner', '*.example bob\n')
    put(directory, 'patterns', '*.example.com\n')
    put(directory, 'odd-domains', 'a.example\n@b.example\n')
    put(directory, 'rules.cf', '')
    for name, value in (('kt', 'example.com:s1'), ('kt-turned', 's1:example.com'),
                        ('kt-dns', 'example.com:s1._domainkey')):
        put(directory, name, 'k %s:@DIR@/key\n' % value)
    put(directory, 'st-at', 'a.example k\n@b.example k\n')
    put(directory, 'owners-colon', '@c.example bob\na@b.example: bob\n')
    write_file(os.path.join(directory, 'key'), KEY, 0o600)
    put(directory, 'off.conf', ''.join(
        '%s false\n' % w for w in (
            'FailureReports', 'FailureReportsOnNone', 'ForensicReports',
            'ForensicReportsOnNone', 'RecordAllMessages')))
    socket = 'Socket local:@DIR@/s\n'
    for text, words in ODD:
        name = text.strip().replace('\n', '; ')
        path = put(directory, 'conf', GOOD + socket + text)
        done = run('POSTERN', '-n', '-x', path, cwd=directory)
        is_(done.returncode, 0, '%s is no mistake' % name)
        lines = said(done.stderr, directory)
        ok(any(re.match(words, line) for line in lines),
           '%s is named' % name, done.stderr)
        done = run('POSTERNCTL', 'check', '-x', path, mail, cwd=directory)
        is_((done.returncode, done.stderr), (0, ''),
            '%s: posternctl is silent' % name)
    for text in NOT_ODD:
        good = GOOD.replace('Mode v\n', '') if COUNT in text else GOOD
        path = put(directory, 'conf', good + socket + text)
        done = run('POSTERN', '-n', '-x', path)
        is_((done.returncode, done.stderr), (0, ''),
            'nothing to say of %s' % text.splitlines()[-1])


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


def check_no_text():
    """Where nothing of a file was read, nothing is missing in it."""
    directory = new_dir('notext')
    put(directory, 'none', '\0')
    for name, text, want in (
            ('a NUL', 'Socket local:@DIR@/s\n\0', 'conf:2: a NUL octet: .*'),
            ('a long one', '#' * (5 << 20), 'conf: longer than .*'),
            ('an included one', 'Include @DIR@/none\n', 'none:1: a NUL .*'),
            ('one that is not there', 'Include @DIR@/gone\n',
             'conf:1: Include: gone: No such .*'),
            ('a quoted path', 'Socket local:@DIR@/s\nQuotaTable "/q"\n'
             'Quota bob { Messages = 5/day }\nQuotaRealms a.example\n',
             'conf:2: QuotaTable: expected a path without .*')):
        path = put(directory, 'conf', text)
        for flag in '-n', '-f':
            lines = said(run('POSTERN', flag, '-x', path).stderr, directory)
            ok(len(lines) == 1 and re.fullmatch(want, lines[0]),
               '%s, %s: one mistake' % (name, flag), '\n'.join(lines))


def check_values():
    directory = new_dir('values')
    for text, words in WRONG:
        path = put(directory, 'conf', 'Mode v\n' + text)
        for flag in '-n', '-f':
            done = run('POSTERN', flag, '-x', path)
            is_(done.returncode, CONFIG, '%s, %s: refused' % (text, flag))
            like('\n'.join(said(done.stderr, directory)), '(?m)^conf:2: ' + words,
                 '%s, %s: what was expected' % (text, flag))


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
        ('warning', 'rules: names in scores and metas that no rule has: 1')],
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
    text = 'Mode v\nTestDNSData csl:x\nBlockList block\nUMask 22\n'
    with Postern(text) as postern:
        for count, when in (1, 'the start'), (2, 'a reload'):
            lines = postern.wait_log('(BlockList: block: |UMask: 22 is dec)',
                                     2 * count)
            is_(len(lines), 2 * count, '%s says what is odd' % when)
            if count == 1:
                postern.reload()


def main():
    need_root()
    plan(6 + 13 + 6 + 5 + 1 + 10 + 3 * len(ODD) + len(NOT_ODD) +
         2 * len(WRONG_IDS + RIGHT_IDS) + 2 + 4 * 12 + 4 + 4 + 6 + 3 +
         4 * len(WRONG) + 2 + 10)
    check_all()
    check_the_rest()
    check_files()
    check_start()
    check_chroot()
    check_warnings()
    check_copy()
    check_lost_rules()
    check_many()
    check_many_rules()
    check_odd()
    check_ids()
    check_values()
    check_no_text()
    check_reload()


main()
