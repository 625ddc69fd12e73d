# SPDX-License-Identifier: BSD-2-Clause
"""Inbound mail, the same for every MTA: it is judged by SPF, DKIM and DMARC
with a zone served on loopback, and delivered with one Authentication-Results
on top and none that somebody else wrote in our name. posternctl check says
the same."""

import json
import os
import re
import subprocess

from rig import Client, Dnsd, Postern, Sink, binary, is_, like, need_root, \
    ok, plan, write_file
from verify import Key

ID = 'mx.example.org'
CONF = '''
Mode           v
AuthservID     %s
RemoveARFrom   old.example.org
IPRev          no
DNSTimeout     2
Nameservers    127.0.0.1@%d
'''
SIGN_CONF = '''
Mode              s
Domain            sig.example
Selector          %s
KeyFile           %s
RequireSafeKeys   no
Canonicalization  relaxed/relaxed
'''
# %s: the client's addresses.
ZONE = {
    'good.example': {'TXT': 'v=spf1 ip4:%s ip6:%s -all'},
    '_dmarc.good.example': {'TXT': 'v=DMARC1; p=reject'},
    'strict.example': {'TXT': 'v=spf1 -all'},
    '_dmarc.strict.example': {'TXT': 'v=DMARC1; p=reject'},
    '_dmarc.dead.example': 'SERVFAIL',
    '_dmarc.sig.example': {'TXT': 'v=DMARC1; p=reject'},
    'helo.good.example': {'TXT': 'v=spf1 ip4:%s ip6:%s -all'},
    'xn--bcher-kva.example': {'TXT': 'v=spf1 ip4:%s ip6:%s -all'},
    '_dmarc.xn--bcher-kva.example': {'TXT': 'v=DMARC1; p=quarantine'},
    'local.example': {'TXT': 'v=spf1 exists:%%{l}.yes.example -all'},
    'u.yes.example': {'A': '127.0.0.2'},
    'xn--s-eha._domainkey.xn--bcher-kva.example': {
        'TXT': 'v=DKIM1; k=ed25519; '
               'p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo='},
}
FORGED = ('Authentication-Results: mx.example.org; dmarc=pass\n'
          'Authentication-Results: mx.example.net; dmarc=pass\n'
          'authentication-results: (x) "MX.example.ORG" 1;\n'
          '\tspf=pass\n'
          'Authentication-Results: old.example.org; dkim=pass\n')
# What somebody could still take for ours.
ODD = ''.join('Authentication-Results%s\n' % rest for rest in (
    ': mx.example.org\v; dmarc=pass', ': \fmx.example.org; dmarc=pass',
    ': \u00a0mx.example.org; dmarc=pass', ' : mx.example.org; dmarc=pass',
    ': mx.example.org,; dmarc=pass', ': ; mx.example.org; dmarc=pass',
    ': <mx.example.org>; dmarc=pass', ': mx.\n\texample.org; dmarc=pass',
    ': (x\\) mx.example.org; dmarc=pass;) mx.example.com; none',
    ': ' + '(' * 60 + ')' * 60 + ' mx.example.org; dmarc=pass',
    ': =?utf-8?B?bXguZXhhbXBsZS5vcmc=?=; dmarc=pass',
    ': mx.example.net; dmarc=pass'))
UTF8 = ' SMTPUTF8'
# By dkimpy, with the Ed25519 key of RFC 8463.
SIGNED_UTF8 = '''\
DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=b\u00fccher.example; i=\u00fc@b\u00fccher.example; q=dns/txt; s=s\u00fc;
 t=1700000000; h=from : subject;
 bh=yZQq1c8wjBl0fZ4Wc/oraMCAG1mZJv5v/hlvyFy+t6A=;
 b=YZ20UMghnPHjB6AyFehgpd8w8AJD1DiIjWqE5gnM7QnAL0vXMU7DGtYCQsiQ4SXBHRJgf
 IJ7I5moxy38AVqiAQ==
From: \u00fc@b\u00fccher.example
'''


class Case:
    """sender and header are sent; `spf` and so on are the results. says: what
    else stands in the field. A header in surrogates is sent as those octets.
    signed: by sig.example, with the key of that selector."""

    def __init__(self, what, sender, header, spf, dmarc, symbol, says='',
                 params='', ipv6=False, dkim='none', signed=None):
        self.what, self.sender, self.header = what, sender, header
        self.spf, self.dkim, self.dmarc = spf, dkim, dmarc
        self.symbol, self.says, self.params = symbol, says, params
        self.ipv6, self.signed = ipv6, signed

    def message(self, sign):
        text = self.header + 'Subject: hello\n\nHello.\n'
        octets = text.replace('\n', '\r\n').encode('utf-8', 'surrogateescape')
        if self.signed:
            octets = sign(octets, self.signed)
        if self.dkim == 'fail':
            octets = octets.replace(b'Hello.', b'Hullo.')
        return octets


CASES = [
    Case('SPF passes', 'a@good.example', 'From: a@good.example\n', 'pass',
         'pass', 'DMARC_PASS', 'smtp.mailfrom=a@good.example'),
    Case('IPv6', 'a@good.example', 'From: a@good.example\n', 'pass', 'pass',
         'DMARC_PASS', ipv6=True),
    Case('IPv6, SPF fails', 'a@strict.example', 'From: a@strict.example\n',
         'fail', 'fail', 'DMARC_REJECT', ipv6=True),
    Case('from below', 'a@good.example', 'From: a@sub.good.example\n', 'pass',
         'pass', 'DMARC_PASS'),
    Case('a stranger', 'a@good.example', 'From: a@strict.example\n', 'pass',
         'fail', 'DMARC_REJECT', 'header.from=strict.example'),
    Case('SPF fails', 'a@strict.example', 'From: a@strict.example\n', 'fail',
         'fail', 'DMARC_REJECT'),
    Case('DKIM passes', 'a@strict.example', 'From: a@sig.example\n', 'fail',
         'pass', 'DKIM_VALID_AU', 'header.d=sig.example', dkim='pass',
         signed='s'),
    Case('DKIM fails', 'a@strict.example', 'From: a@sig.example\n', 'fail',
         'fail', 'DKIM_INVALID', 'header.d=sig.example', dkim='fail',
         signed='s'),
    Case('DKIM passes, the key in test mode', 'a@strict.example',
         'From: a@sig.example\n', 'fail', 'pass', 'DKIM_TESTING',
         'reason="the key is in test mode" header.d=sig.example', dkim='pass',
         signed='test'),
    Case('the null sender', '', 'From: a@good.example\n', 'pass', 'pass',
         'DMARC_PASS', 'smtp.helo=helo.good.example'),
    Case('no DMARC', 'a@none.example', 'From: a@none.example\n', 'none',
         'none', 'DMARC_MISSING'),
    Case('no answer', 'a@good.example', 'From: a@dead.example\n', 'pass',
         'temperror', 'DMARC_TEMPERROR'),
    Case('two addresses', 'a@good.example',
         'From: a@good.example, b@strict.example\n', 'pass', 'fail',
         'DMARC_REJECT'),
    Case('two From fields', 'a@good.example',
         'From: a@good.example\nFrom: b@strict.example\n', 'pass', 'fail',
         'MULTIPLE_FROM'),
    Case('an unreadable From', 'a@good.example', 'From: a@good.example <\n',
         'pass', 'permerror', 'FROM_INVALID'),
    Case('forged ones', 'a@good.example', FORGED + 'From: a@strict.example\n',
         'pass', 'fail', 'DMARC_REJECT'),
    Case('odd forged ones', 'a@good.example', ODD + 'From: a@strict.example\n',
         'pass', 'fail', 'DMARC_REJECT'),
    Case('an 8-bit From', 'a@xn--bcher-kva.example',
         'From: B\u00fccher <a@b\u00fccher.example>\n', 'pass', 'pass',
         'DMARC_PASS', 'header.from=xn--bcher-kva.example'),
    Case('no UTF-8 in From', 'a@xn--bcher-kva.example',
         'From: a@b\udcfccher.example\n', 'pass', 'permerror',
         'DMARC_PERMERROR'),
    Case('the macro of a local part', 'u@local.example',
         'From: u@local.example\n', 'pass', 'none', 'SPF_PASS'),
]
# Longer than Sendmail takes.
CASES_LONG = [
    Case('a long sender', '"%s@strict.example"@good.example' % ('a' * 320),
         'From: a@good.example\n', 'pass', 'pass', 'DMARC_PASS',
         '@good.example"'),
]
# Of those who announce SMTPUTF8.
CASES_UTF8 = [
    Case('U-labels', 'a@xn--bcher-kva.example', 'From: a@b\u00fccher.example\n',
         'pass', 'pass', 'DMARC_PASS', 'header.from=xn--bcher-kva.example',
         params=UTF8),
    Case('a sender of U-labels', '\u00fc@b\u00fccher.example',
         'From: \u00fc@b\u00fccher.example\n', 'pass', 'pass', 'DMARC_PASS',
         'smtp.mailfrom="\u00fc@b\u00fccher.example"', params=UTF8),
    Case('a signature in UTF-8', '\u00fc@local.example', SIGNED_UTF8, 'fail',
         'pass', 'DKIM_VALID_AU', 'header.d=xn--bcher-kva.example '
         'header.i="\u00fc@xn--bcher-kva.example"', params=UTF8,
         dkim='pass'),
    Case('a local part that is no macro', '\u00fc@local.example',
         'From: \u00fc@local.example\n', 'fail', 'none', 'SPF_FAIL',
         params=UTF8),
]
CHECKS = 7
# Of strict.example to some reader; with DMARCPolicy reject refused as its.
UNREADABLE = [
    '"CEO" <ceo@strict.example>>',
    'ceo@strict.example>',
    'ceo@strict.example (',
    'ceo@strict.example\v',
    '<> <ceo@strict.example>',
    'ceo@strict.example a@good.example',
    '<a@good.example> ceo@strict.example',
    'ceo@strict.example: a@good.example;',
    '<ceo@strict.example:a@good.example>',
    'ceo@strict.example <a@good.example>',
    'ceo@strict.example@good.example',
    '=?utf-8?q?ceo=40strict.example?= a@good.example',
    '<=?utf-8?b?Y2VvQHN0cmljdC5leGFtcGxl?==?utf-8?q?=00?=@good.example>',
]
# Names in which a reader may see it, beside the one author.
READABLE = [
    '"ceo@strict.example" <a@good.example>',
    'a@good.example (ceo@strict.example)',
    'a@good.example <a@good.example>',
    'Doe, Al <a@good.example>',
]


class Run:
    """make_mta(sink, milter) starts the MTA; v4, v6: the client's addresses
    as postern sees them; client(v6): what makes a Client come from there."""

    def __init__(self, make_mta, v4, v6, client):
        self.make_mta, self.v4, self.v6, self.client = make_mta, v4, v6, client
        self.reloads = 0

    def run(self, cases, more=None, more_checks=0):
        """more(run): further checks."""
        need_root()
        plan(CHECKS * len(cases) + 4 + 2 * len(UNREADABLE) +
             2 * len(READABLE) + more_checks)
        zone = {name: entry if isinstance(entry, str) else
                {word: value % (self.v4, self.v6) if '%s' in value else
                       value.replace('%%', '%')
                 for word, value in entry.items()}
                for name, entry in ZONE.items()}
        with Dnsd(zone) as self.dns, Sink() as self.sink, \
                Postern(CONF % (ID, self.dns.port)) as self.postern, \
                self.make_mta(self.sink, self.postern) as self.mta:
            self._make_key(zone)
            for case in cases:
                self.one(case)
            if more:
                more(self)
            self.refused()

    def reconfigure(self, more):
        """The usual configuration and some more."""
        self.reloads += 1
        self.postern.configure(CONF % (ID, self.dns.port) + more)
        self.postern.reload()
        self.postern.wait_log('reloaded', self.reloads)

    def _make_key(self, zone):
        key = Key('sig.example', 's', 'rsa')
        self.key = write_file(os.path.join(self.postern.dir, key.name),
                              key.pem, 0o600)
        self.zone = dict(zone, **{
            key.host: {'TXT': key.record},
            'test._domainkey.sig.example': {'TXT': key.record + '; t=y'}})
        self.dns.serve(self.zone)

    def sign(self, message, selector):
        conf = write_file(os.path.join(self.postern.dir, 'sign.conf'),
                          SIGN_CONF % (selector, self.key))
        return subprocess.run(
            [binary('POSTERNCTL'), 'check', '-x', conf, '--auth', 'a',
             '--from', 'a@sig.example', '--output', 'message'],
            input=message, capture_output=True, check=True).stdout

    def send(self, sender, message, params='', ipv6=False):
        how = dict({'port': self.mta.port}, **self.client(self, ipv6))
        with Client(helo='helo.good.example', **how) as client:
            return client.send(sender, 'bob@example.org', message, params)

    def delivered(self):
        """The next mail."""
        mails = self.sink.wait_for(1)
        self.sink.clear()
        return mails[0]

    def one(self, case):
        what, message = case.what, case.message(self.sign)
        self.sink.clear()
        sent = self.send(case.sender, message, case.params, case.ipv6)
        ok(sent.accepted, what + ': accepted', sent)
        mail = self.delivered()
        is_(mail.fields[0][0], 'Authentication-Results',
            what + ': it stands on top')
        found = field(mail)
        is_([v for v in found if re.search('mx.example.org|old', v, re.I)],
            found[:1], what + ': it is the only one of ours')
        like(found[0], r'^mx\.example\.org; spf=%s .*\bdkim=%s\b.*'
             r'\bdmarc=%s\b' % (case.spf, case.dkim, case.dmarc),
             '%s: spf=%s dkim=%s dmarc=%s' % (what, case.spf, case.dkim,
                                              case.dmarc))
        is_((found[1:], case.says in found[0]),
            (['mx.example.net; dmarc=pass'] if 'example.net' in case.header
             else [], True), what + ": others' are left; " + case.says)
        done = self.postern.ctl(
            'check', '--client-ip', self.v6 if case.ipv6 else self.v4,
            '--from', case.sender, '--helo', 'helo.good.example',
            input=message)
        got = json.loads(done.stdout)
        is_((got['spf']['result'], [d['result'] for d in got['dkim']],
             got['dmarc']['result']),
            (case.spf, [case.dkim] if case.dkim != 'none' else [],
             case.dmarc),
            what + ': and so says posternctl check')
        ok(case.symbol in [s['name'] for s in got['symbols']],
           what + ': ' + case.symbol, got['symbols'])

    def refused(self):
        """DMARCPolicy reject."""
        self.reconfigure('DMARCPolicy reject\n')
        sent = self.send('a@good.example',
                         'From: a@strict.example\n\nHello.\n')
        ok(not sent.accepted, 'DMARCPolicy reject: refused', sent)
        like(str(sent), '5.7.26 Refused by the DMARC policy of strict.example',
             'DMARCPolicy reject: and told why')
        sent = self.send('a@good.example', 'From: a@dead.example\n\nHello.\n')
        like(str(sent), '451', 'DMARCPolicy reject: no answer is no policy')
        sent = self.send('a@good.example', 'From: a@good.example\n\nHello.\n')
        ok(sent.accepted, 'DMARCPolicy reject: what passes, passes', sent)
        for author in UNREADABLE + READABLE:
            self.strictest(author, author in UNREADABLE)

    def strictest(self, author, refused):
        message = ('From: %s\nSubject: x\n\nHello.\n' % author).encode()
        sent = self.send('a@good.example', message.replace(b'\n', b'\r\n'))
        reply = '550 5.7.26 Refused by the DMARC policy of strict.example'
        if refused:
            like(str(sent), reply, repr(author) + ': refused')
        else:
            ok(sent.accepted, repr(author) + ': accepted', sent)
        got = json.loads(self.postern.ctl(
            'check', '--client-ip', self.v4, '--from', 'a@good.example',
            '--helo', 'helo.good.example', input=message).stdout)
        is_([got['dmarc'][k] for k in ('result', 'policy', 'disposition')] +
            [got['verdict'], got['decided_by'], got['reply']],
            ['permerror', 'reject', 'reject', 'reject', 'dmarc', reply]
            if refused else
            ['pass', 'reject', 'none', 'accept', None, None],
            repr(author) + ': and so says posternctl check')


def field(mail):
    """The results in the delivered mail, unfolded."""
    values = mail.values('Authentication-Results')
    return [re.sub(r'\s+', ' ', value).strip() for value in values]
