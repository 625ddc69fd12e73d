#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# Inbound mail through Postfix is judged by SPF, DKIM and DMARC, with a zone
# served on loopback, and is delivered with one Authentication-Results on top
# and none that somebody else wrote in our name. posternctl check says the same.

import json
import os
import re
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
from rig import Client, Dnsd, Postern, Postfix, Sink, is_, like, need_root, \
    ok, plan

HERE = '192.0.2.1'
ID = 'mx.example.org'
CONF = '''
Mode           v
AuthservID     %s
RemoveARFrom   old.example.org
IPRev          no
DNSTimeout     2
Nameservers    127.0.0.1@%d
'''
ZONE = {
    'good.example': {'TXT': 'v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all'},
    '_dmarc.good.example': {'TXT': 'v=DMARC1; p=reject'},
    'strict.example': {'TXT': 'v=spf1 -all'},
    '_dmarc.strict.example': {'TXT': 'v=DMARC1; p=reject'},
    '_dmarc.dead.example': 'SERVFAIL',
    'helo.good.example': {'TXT': 'v=spf1 ip4:192.0.2.1 -all'},
    'xn--bcher-kva.example': {'TXT': 'v=spf1 ip4:192.0.2.1 -all'},
    '_dmarc.xn--bcher-kva.example': {'TXT': 'v=DMARC1; p=quarantine'},
}
FORGED = ('Authentication-Results: mx.example.org; dmarc=pass\n'
          'Authentication-Results: mx.example.net; dmarc=pass\n'
          'authentication-results: (x) "MX.example.ORG" 1;\n'
          '\tspf=pass\n'
          'Authentication-Results: old.example.org; dkim=pass\n')

# What; sender; header; SPF's, DMARC's result; a symbol; parameters of MAIL.
CASES = [
    ('SPF passes', 'a@good.example', 'From: a@good.example\n', 'pass', 'pass',
     'DMARC_PASS', ''),
    ('from below', 'a@good.example', 'From: a@sub.good.example\n', 'pass',
     'pass', 'DMARC_PASS', ''),
    ('a stranger', 'a@good.example', 'From: a@strict.example\n', 'pass',
     'fail', 'DMARC_REJECT', ''),
    ('SPF fails', 'a@strict.example', 'From: a@strict.example\n', 'fail',
     'fail', 'DMARC_REJECT', ''),
    ('the null sender', '', 'From: a@good.example\n', 'pass', 'pass',
     'DMARC_PASS', ''),
    ('no DMARC', 'a@none.example', 'From: a@none.example\n', 'none', 'none',
     'DMARC_MISSING', ''),
    ('no answer', 'a@good.example', 'From: a@dead.example\n', 'pass',
     'temperror', 'DMARC_TEMPERROR', ''),
    ('two addresses', 'a@good.example',
     'From: a@good.example, b@strict.example\n', 'pass', 'fail',
     'DMARC_REJECT', ''),
    ('two From fields', 'a@good.example',
     'From: a@good.example\nFrom: b@strict.example\n', 'pass', 'fail',
     'MULTIPLE_FROM', ''),
    ('an unreadable From', 'a@good.example', 'From: a@good.example <\n',
     'pass', 'permerror', 'FROM_INVALID', ''),
    ('U-labels', 'a@xn--bcher-kva.example', 'From: a@b\u00fccher.example\n',
     'pass', 'pass', 'DMARC_PASS', ' SMTPUTF8'),
    ('forged ones', 'a@good.example', FORGED + 'From: a@strict.example\n',
     'pass', 'fail', 'DMARC_REJECT', ''),
]


def main():
    need_root()
    plan(7 * len(CASES) + 2 + 4)
    with Dnsd(ZONE) as dns, Sink() as sink, \
            Postern(CONF % (ID, dns.port)) as postern, \
            Postfix(sink, milter=postern,
                    settings={'inet_protocols': 'all'}) as mta:
        for case in CASES:
            one(mta, sink, postern, *case)
        ipv6(mta, sink, postern)
        refused(mta, sink, postern, dns)


def field(mail):
    """The results in the delivered mail, unfolded."""
    values = mail.values('Authentication-Results')
    return [re.sub(r'\s+', ' ', value).strip() for value in values]


def send(mta, sender, message, params='', ip=HERE):
    with Client(mta.port, helo='helo.good.example',
                xclient={'ADDR': ip, 'NAME': 'x.example',
                         'HELO': 'helo.good.example'}) as client:
        return client.send(sender, 'bob@example.org', message, params)


def one(mta, sink, postern, what, sender, header, spf, dmarc, symbol, params):
    message = header + 'Subject: hello\n\nHello.\n'
    sink.clear()
    sent = send(mta, sender, message, params)
    ok(sent.accepted, what + ': accepted', sent)
    mail = sink.wait_for(1)[0]
    names = [name for name, _ in mail.fields]
    is_(names[0], 'Authentication-Results', what + ': it stands on top')
    found = field(mail)
    is_([v for v in found if re.search('mx.example.org|old', v, re.I)],
        found[:1], what + ': it is the only one of ours')
    like(found[0], r'^mx\.example\.org; spf=%s .*\bdmarc=%s\b' % (spf, dmarc),
         what + ': spf=%s dmarc=%s' % (spf, dmarc))
    is_(found[1:], ['mx.example.net; dmarc=pass'] if 'example.net' in header
        else [], what + ": others' are left")
    done = postern.ctl('check', '--client-ip', HERE, '--from', sender,
                       '--helo', 'helo.good.example', input=message)
    got = json.loads(done.stdout)
    is_((got['spf']['result'], got['dmarc']['result']), (spf, dmarc),
        what + ': and so says posternctl check')
    ok(symbol in [s['name'] for s in got['symbols']],
       what + ': ' + symbol, got['symbols'])


def ipv6(mta, sink, postern):
    sink.clear()
    sent = send(mta, 'a@good.example', 'From: a@good.example\n\nHello.\n',
                ip='IPV6:2001:db8::1')
    ok(sent.accepted, 'IPv6: accepted', sent)
    like(field(sink.wait_for(1)[0])[0], 'spf=pass .*dmarc=pass',
         'IPv6: passes')


def refused(mta, sink, postern, dns):
    """DMARCPolicy reject."""
    postern.configure(CONF % (ID, dns.port) + 'DMARCPolicy reject\n')
    postern.reload()
    postern.wait_log('reloaded', 1)
    sink.clear()
    sent = send(mta, 'a@good.example', 'From: a@strict.example\n\nHello.\n')
    ok(not sent.accepted, 'DMARCPolicy reject: refused', sent)
    like(str(sent), '5.7.26 Refused by the DMARC policy of strict.example',
         'DMARCPolicy reject: and told why')
    sent = send(mta, 'a@good.example', 'From: a@dead.example\n\nHello.\n')
    like(str(sent), '451', 'DMARCPolicy reject: no answer is no policy')
    sent = send(mta, 'a@good.example', 'From: a@good.example\n\nHello.\n')
    ok(sent.accepted, 'DMARCPolicy reject: what passes, passes', sent)


main()
