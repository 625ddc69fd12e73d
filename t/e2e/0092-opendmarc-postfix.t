#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# A server that comes from OpenDMARC: its opendmarc.conf, as Debian ships it and
# as admins change it, does behind a real Postfix what it did; so do OpenDKIM's
# keywords for who verifies. And mail with more than one From, by what is
# configured for it.

import json
import os
import re
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import PATIENCE, Client, Dnsd, Postern, Postfix, Sink, is_, like, \
    need_root, ok, plan, wait_until, write_file
from verify import Key

CONF = '''
Mode             v
AuthservID       mx.example.org
SPF              yes
IPRev            no
DNSTimeout       2
Nameservers      127.0.0.1@%d
OpenDMARCConfig  @DIR@/opendmarc.conf
'''
# What is no comment in the file of Debian 12, and some of what is.
DEBIAN = '''\
# This is a basic configuration that can easily be adapted to suit a standard
# installation. For more advanced options, see openmarc.conf(5) and/or
# /usr/share/doc/opendmarc/examples/opendmarc.conf.sample.

##  AuthservID (string)
##  \tdefaults to MTA name
#
# AuthservID name

##  FailureReports { true | false }
##  \tdefault "false"
#
# FailureReports false

PidFile /run/opendmarc/opendmarc.pid

PublicSuffixList /usr/share/publicsuffix/public_suffix_list.dat

# RejectFailures false

Socket local:/run/opendmarc/opendmarc.sock

Syslog true

# SyslogFacility mail

# TrustedAuthservIDs HOSTNAME

UMask 0002

UserID opendmarc
'''
CHANGED = DEBIAN + '''
RejectFailures           true
HoldQuarantinedMessages  true
RejectString             no mail from %s, thank you
RejectMultiValueFrom     true
RequiredHeaders          true
IgnoreHosts              @DIR@/ignore.hosts
IgnoreMailFrom           ignored.example
HistoryFile              /run/opendmarc/opendmarc.dat
'''
HERE, IGNORED = '192.0.2.1', '198.51.100.9'
ZONE = {
    'good.example': {'TXT': 'v=spf1 ip4:192.0.2.1 -all'},
    '_dmarc.good.example': {'TXT': 'v=DMARC1; p=reject'},
    '_dmarc.strict.example': {'TXT': 'v=DMARC1; p=reject'},
    '_dmarc.soft.example': {'TXT': 'v=DMARC1; p=quarantine'},
    '_dmarc.ignored.example': {'TXT': 'v=DMARC1; p=reject'},
    '_dmarc.dead.example': 'SERVFAIL',
}
KEY = Key('good.example', 's1', 'ed25519')
ZONE[KEY.host] = {'TXT': KEY.record}
# OpenDKIM's keywords for who verifies: what is set, what is put on top of a
# signed mail, whose it is, and DKIM's result.
VERIFYING = [
    ('MustBeSigned Subject,Reply-To', 'Reply-To: x@y.example\n', '',
     'policy'),
    ('StrictHeaders yes', 'To: x@y.example\nTo: z@y.example\n', '',
     'permerror'),
    ('TrustSignaturesFrom other.example', '', 'sub.', 'policy'),
    ('TrustSignaturesFrom good.example', '', 'sub.', 'pass'),
    ('UnprotectedKey neutral', '', '', 'neutral'),
    ('UnprotectedKey fail', '', '', 'fail'),
    ('NoHeaderB yes', '', '', 'pass'),
]
DATE = 'Date: Sat, 21 Nov 2026 12:00:00 +0000\n'


class Site:
    """All of it, and how a mail fares there."""

    def __init__(self, mta, sink, postern, dns):
        self.mta, self.sink, self.postern = mta, sink, postern
        self.conf = CONF % dns.port
        self.reloads = 0

    def configure(self, opendmarc, more=''):
        """The reload is of both files."""
        write_opendmarc(self.postern, opendmarc)
        self.postern.configure(self.conf + more)
        self.postern.reload()
        self.reloads += 1
        self.postern.wait_log('reloaded', self.reloads)

    def send(self, header, ip=HERE, sender='a@good.example', date=DATE):
        with Client(self.mta.port, helo='helo.good.example',
                    xclient={'ADDR': ip, 'NAME': 'x.example',
                             'HELO': 'helo.good.example'}) as client:
            return client.send(sender, 'bob@example.org',
                               header + date + '\nHello.\n')

    def delivered(self, sent):
        """That mail; others may still be on their way."""
        for mail in self.sink.wait_for(1):
            if sent.queue_id in ' '.join(mail.values('Received')):
                return mail
        return None

    def results(self, sent):
        """Authentication-Results of what was delivered."""
        mail = wait_until(lambda: self.delivered(sent), PATIENCE, 'delivery')
        return re.sub(r'\s+', ' ', mail.values('Authentication-Results')[0])

    def summary(self, sent):
        self.postern.wait_log(sent.queue_id + ': direction=', 1)
        return [s for s in self.postern.summaries()
                if s['id'] == sent.queue_id][-1]

    def check(self, header, *args):
        done = self.postern.ctl(
            'check', '--client-ip', HERE, '--from', 'a@good.example',
            '--helo', 'helo.good.example', *args,
            input=header + DATE + '\nHello.\n')
        return json.loads(done.stdout)


def write_opendmarc(postern, text):
    write_file(os.path.join(postern.dir, 'opendmarc.conf'),
               text.replace('@DIR@', postern.dir))


def main():
    need_root()
    plan(59)
    with Dnsd(ZONE) as dns, Sink() as sink:
        postern = Postern(CONF % dns.port, start=False,
                          files={'ignore.hosts': '# ours\n%s\n' % IGNORED})
        write_opendmarc(postern, DEBIAN)
        postern.run()
        with postern, Postfix(sink, milter=postern) as mta:
            site = Site(mta, sink, postern, dns)
            as_shipped(site)
            marked(site)
            two_from_signed(site)
            verifying(site)
            two_from(site)
            changed(site)
            both_say(site)
            wrong(site)


def as_shipped(site):
    log = site.postern.log()
    ok('opendmarc' not in log, "Debian's file: nothing to say about it", log)
    done = site.postern.ctl('check', input='From: a@strict.example\n\n')
    is_(json.loads(done.stdout)['dmarc']['discovery'], 'psl',
        "Debian's file: domains by its list")


def marked(site):
    """What is decided, and why it is not done, is in the log and in check."""
    header = 'From: a@strict.example\n'
    sent = site.send(header)
    ok(sent.accepted, 'a failure is accepted', sent)
    like(site.results(sent), r'dmarc=fail \(p=reject dis=reject '
         r'override=local_policy\) header.from=strict.example '
         r'policy.dmarc=reject', 'it is marked, and why no more')
    summary = site.summary(sent)
    is_([summary.get('dmarc' + k) for k in
         ('', '_from', '_policy', '_override')],
        ['fail', 'strict.example', 'reject', 'local_policy'],
        'the log has result, domain, policy and override')
    got = site.check(header)
    is_([got['dmarc'][k] for k in ('result', 'policy', 'disposition',
                                   'override')],
        ['fail', 'reject', 'reject', 'local_policy'], 'and so has check')
    is_(got['verdict'], 'accept', 'check accepts it too')
    sent = site.send(header, ip='127.0.0.1')
    ok(sent.accepted, '127.0.0.1 is ignored: accepted', sent)
    ok('dmarc=' not in site.results(sent), '127.0.0.1 is ignored: no result')
    is_(site.summary(sent).get('dmarc'), 'ignored',
        '127.0.0.1 is ignored: the log says so')


def signed(header):
    """The header with a signature of its author in front, made by our own
    signer elsewhere."""
    conf = ('Mode s\nInternalHosts 127.0.0.1\nRequireSafeKeys no\n'
            'Domain good.example\nSelector s1\nKeyFile @DIR@/key\n'
            'OversignHeaders Subject\nSubDomains yes\n')
    elsewhere = Postern(conf, files={'key': KEY.pem}, start=False)
    done = elsewhere.ctl('check', '--client-ip', '127.0.0.1', '--output',
                         'message', input=header + DATE + '\nHello.\n')
    return done.stdout.replace('\r\n', '\n').split(DATE)[0]


def two_from_signed(site):
    """A second From on top of a mail whose signature does not forbid it."""
    header = signed('From: a@good.example\n')
    got = site.check(header)
    is_([d['result'] for d in got['dkim']], ['pass'], 'signed: passes')
    header = 'From: b@good.example\n' + header
    sent = site.send(header)
    like(site.results(sent), r'dkim=policy .*reason="there is more than one '
         r'From field".*dmarc=permerror',
         'signed, and another From: policy, not pass')
    got = site.check(header)
    is_([d['result'] for d in got['dkim']], ['policy'],
        'signed, and another From: so says check')


def verifying(site):
    for conf, top, below, want in VERIFYING:
        site.configure(DEBIAN, conf + '\n')
        header = top + signed('From: a@%sgood.example\n' % below)
        sent = site.send(header)
        results = site.results(sent)
        like(results, r' dkim=%s ' % want, conf + ': ' + want)
        is_([d['result'] for d in site.check(header)['dkim']], [want],
            conf + ': so says check')
    ok('header.b=' not in results, 'NoHeaderB: no header.b', results)
    site.configure(DEBIAN, 'Quarantine yes\n')
    sent = site.send(signed('From: a@good.example\n').replace(
        'From: a@', 'From: b@'))
    ok(sent.accepted, 'Quarantine: accepted', sent)
    held(site, 'Quarantine')


def two_from(site):
    """By default it is delivered; no signature passes, and DMARC never."""
    header = 'From: a@good.example\nFrom: b@good.example\n'
    sent = site.send(header)
    ok(sent.accepted, 'two From: accepted', sent)
    like(site.results(sent), 'spf=pass .*dmarc=permerror', 'two From: no pass')
    got = site.check(header)
    is_(got['dmarc']['result'], 'permerror', 'two From: so says check')
    ok('MULTIPLE_FROM' in [s['name'] for s in got['symbols']],
       'two From: the symbol', got['symbols'])
    site.configure(DEBIAN, 'MultipleFrom reject\n')
    sent = site.send(header)
    like(str(sent), '550 5.6.0 There is more than one From field',
         'MultipleFrom reject: refused')
    got = site.check(header)
    is_((got['verdict'], got['decided_by']), ('reject', 'header'),
        'MultipleFrom reject: so says check')
    site.configure(DEBIAN, 'MultipleFrom quarantine\n')
    sent = site.send(header)
    ok(sent.accepted, 'MultipleFrom quarantine: accepted', sent)
    held(site, 'MultipleFrom quarantine')


def held(site, name):
    listing = site.mta.command('postqueue', '-p').stdout.decode()
    is_(len(re.findall(r'(?m)^\w+!', listing)), 1, name + ': held')
    site.mta.command('postsuper', '-d', 'ALL', 'hold')


def changed(site):
    site.configure(CHANGED)
    like(site.postern.log(), r'opendmarc.conf:\d+: warning: HistoryFile: ignored: '
         'postern keeps no history', 'what is of no use is named')
    sent = site.send('From: a@strict.example\n')
    like(str(sent), '550 5.7.26 no mail from strict.example, thank you',
         'RejectFailures, RejectString: refused in these words')
    sent = site.send('From: a@dead.example\n')
    like(str(sent), '451 ', 'RejectFailures: no answer is no policy')
    sent = site.send('From: a@soft.example\n')
    ok(sent.accepted, 'HoldQuarantinedMessages: accepted', sent)
    held(site, 'HoldQuarantinedMessages')
    sent = site.send('From: a@strict.example\n', ip=IGNORED)
    ok(sent.accepted, 'IgnoreHosts: accepted', sent)
    ok('dmarc=' not in site.results(sent), 'IgnoreHosts: no result')
    sent = site.send('From: a@Ignored.example\n')
    ok(sent.accepted, 'IgnoreMailFrom: accepted', sent)
    sent = site.send('From: a@good.example, b@none.example\n')
    like(str(sent), '550 5.6.0 From names more than one domain',
         'RejectMultiValueFrom: refused')
    sent = site.send('From: a@good.example, b@good.example\n')
    ok(sent.accepted, 'RejectMultiValueFrom: one domain is accepted', sent)
    sent = site.send('From: a@good.example\nSubject: a\nSubject: b\n')
    like(str(sent), '550 5.6.0 There is more than one Subject field',
         'RequiredHeaders: refused')
    sent = site.send('From: a@good.example\n')
    ok(sent.accepted, 'what is well, is accepted', sent)
    site.configure(DEBIAN + 'RejectFailures true\n')
    sent = site.send('From: a@strict.example\n')
    ok(not sent.accepted, 'RejectFailures alone: refused', sent)
    sent = site.send('From: a@soft.example\n')
    ok(sent.accepted, 'RejectFailures alone: quarantine is accepted', sent)
    like(site.results(sent), 'dmarc=fail .*override=local_policy',
         'RejectFailures alone: and delivered')


def both_say(site):
    site.configure(CHANGED, 'DMARCPolicy tag\n')
    like(site.postern.log(), r'postern.conf:\d+: warning: DMARCPolicy: also given at '
         r'\S+opendmarc.conf:\d+; this one counts',
         'both say something: the log names both places')
    sent = site.send('From: a@strict.example\n')
    ok(sent.accepted, 'both say something: ours counts', sent)


def wrong(site):
    """The old configuration stays."""
    write_opendmarc(site.postern, DEBIAN + 'RejectFailure true\n')
    site.postern.reload()
    site.postern.wait_log(r'opendmarc.conf:\d+: RejectFailure: unknown '
                          r'keyword; did you mean RejectFailures\?', 1)
    ok(True, 'an unknown keyword: file, line, and what it may be')
    done = site.postern.ctl('check', input='From: a@b\n\n')
    is_(done.returncode, 78, 'an unknown keyword: check ends with 78')
    like(done.stderr, r'opendmarc.conf:\d+: RejectFailure: unknown',
         'an unknown keyword: check says where')
    sent = site.send('From: a@strict.example\n')
    ok(sent.accepted, 'an unknown keyword: the old configuration stays', sent)


main()
