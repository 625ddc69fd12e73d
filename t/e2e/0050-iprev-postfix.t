#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# A client of Postfix's is looked up by postern itself, whatever name Postfix
# gives it: the summary says what came of it, and posternctl check says the
# same. A reload forgets nothing; other clients are not looked up.

import ipaddress
import json
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import Client, Dnsd, Postern, Postfix, Sink, is_, need_root, ok, plan

MESSAGE = 'From: eve@example.net\nSubject: hello\n\nHello.\n'


def reverse(ip):
    return ipaddress.ip_address(ip).reverse_pointer


ZONE = {
    reverse('192.0.2.1'): {'PTR': 'mx.example.net'},
    'mx.example.net': {'A': '192.0.2.1', 'AAAA': '2001:db8::1'},
    reverse('192.0.2.2'): {'PTR': ['other.example.net', 'two.example.net']},
    'two.example.net': {'CNAME': 'real.example.net'},
    'real.example.net': {'A': ['192.0.2.99', '192.0.2.2']},
    'other.example.net': {'A': '192.0.2.99'},
    reverse('192.0.2.3'): {'PTR': 'mx.example.net'},
    reverse('192.0.2.4'): 'SERVFAIL',
    reverse('192.0.2.5'): 'TIMEOUT',
    reverse('192.0.2.6'): {'PTR': r'a b.example.net'},
    reverse('2001:db8::1'): {'PTR': 'mx.example.net'},
    reverse('10.0.0.1'): {'PTR': 'mx.example.net'},
}

# Address; then the result (None: not looked up) and the name.
CASES = [
    ('192.0.2.1', 'pass', 'mx.example.net'),
    ('2001:db8::1', 'pass', 'mx.example.net'),
    ('192.0.2.2', 'pass', 'two.example.net'),
    ('192.0.2.3', 'fail', 'mx.example.net'),
    ('192.0.2.4', 'temperror', None),
    ('192.0.2.5', 'temperror', None),
    ('192.0.2.6', 'fail', r'a\032b.example.net'),
    ('192.0.2.7', 'permerror', None),
    ('10.0.0.1', None, None),
]

SYMBOLS = {'pass': 'RDNS_PASS', 'fail': 'RDNS_FAIL', 'permerror': 'RDNS_NONE',
           'temperror': 'RDNS_TEMPERROR'}


def main():
    need_root()
    plan(4 * len(CASES) + 5)
    with Dnsd(ZONE) as dns, Sink() as sink, \
            Postern('Mode v\nDNSTimeout 3\nOn-DNSError reject\n'
                    'Nameservers 127.0.0.1@%d\n' % dns.port) as postern, \
            Postfix(sink, milter=postern, users={'bob': 'pw'},
                    settings={'inet_protocols': 'all'}) as mta:
        for case in CASES:
            one(mta, postern, *case)
        several(mta, postern, dns)
        login(mta, postern)


def one(mta, postern, ip, result, name):
    before = len(postern.log_lines(': direction='))
    address = 'IPV6:' + ip if ':' in ip else ip
    with Client(mta.port, xclient={'ADDR': address, 'NAME': 'x.example'}) \
            as client:
        sent = client.send('eve@example.net', 'bob@example.org', MESSAGE)
    ok(sent.accepted, '%s: accepted' % ip, sent)
    line = postern.summaries(before + 1)[before]
    is_(line.get('iprev'), result, '%s: iprev=%s' % (ip, result))
    done = postern.ctl('check', '--client-ip', ip, input=MESSAGE)
    got = json.loads(done.stdout)
    is_((got['rdns'], [s['name'] for s in got['symbols']
                       if s['name'].startswith('RDNS_')]),
        (result and {'result': result, 'name': name},
         [SYMBOLS[result]] if result else []),
        '%s: and so says posternctl check' % ip)
    page = ' '.join(postern.ctl('why', '--since', '1h', '--limit', '1')
                    .stdout.split())
    who = (', name ' + name if name else
           ', which has no name' if result == 'permerror' else '')
    want = (' %s for %s%s %s ' % (result, ip, who, SYMBOLS[result])
            if result else ' nothing found: ')
    ok(want in page, '%s: and so says posternctl why' % ip, (want, page))


def asked(dns):
    """What was; but for the name without an answer, which libunbound goes on
    asking for after everybody has given up, for 17 seconds."""
    return set(dns.counts()) - {(reverse('192.0.2.5'), 'PTR')}


def several(mta, postern, dns):
    """An address that postern does not know yet."""
    dns.serve(dict(ZONE, **{reverse('192.0.2.8'): {'PTR': 'mx8.example.net'},
                            'mx8.example.net': {'A': '192.0.2.8'}}))
    dns.clear()
    before = len(postern.log_lines(': direction='))
    with Client(mta.port, xclient={'ADDR': '192.0.2.8', 'NAME': 'x.example'}) \
            as client:
        for _ in range(2):
            client.send('eve@example.net', 'bob@example.org', MESSAGE)
    lines = postern.summaries(before + 2)[before:]
    is_([line.get('iprev') for line in lines], ['pass', 'pass'],
        'two messages in a session: both pass')
    # Not how often: libunbound repeats itself when the machine is busy.
    is_(asked(dns), {(reverse('192.0.2.8'), 'PTR'), ('mx8.example.net', 'A')},
        'two messages in a session: no more is asked than that')
    dns.clear()
    postern.reload()
    postern.wait_log('reloaded', 1)
    with Client(mta.port, xclient={'ADDR': '192.0.2.8', 'NAME': 'x.example'}) \
            as client:
        client.send('eve@example.net', 'bob@example.org', MESSAGE)
    is_(postern.summaries(before + 3)[-1].get('iprev'), 'pass',
        'after a reload: pass')
    is_(asked(dns), set(), 'after a reload: from the cache')


def login(mta, postern):
    before = len(postern.log_lines(': direction='))
    with Client(mta.submission_port, login=('bob', 'pw'),
                xclient={'ADDR': '192.0.2.1', 'NAME': 'x.example'}) as client:
        client.send('bob@example.org', 'eve@example.net', MESSAGE)
    line = postern.summaries(before + 1)[before]
    is_((line['direction'], line.get('iprev')), ('outbound', None),
        'outbound: not looked up')


main()
