#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# DNS lists behind a real Postfix: who is listed gets symbols or is refused,
# lists that are broken are switched off and said once, and nobody's own clients
# are asked about. posternctl check says the same, with and without a network.

import ipaddress
import json
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import Client, Dnsd, Postern, Postfix, Sink, is_, like, need_root, \
    ok, plan, skip

DATA = os.environ.get('POSTERN_DATA') or os.path.join(
    os.path.dirname(__file__), '../../../shared/data')
MESSAGE = 'From: eve@from.example\nSubject: hello\n\nHello.\n'
LISTED, PRIVATE, REFUSED = '192.0.2.1', '10.0.0.1', '192.0.2.6'


def on(zone, what):
    """The name to ask for."""
    try:
        reverse = ipaddress.ip_address(what).reverse_pointer
        what = reverse.rsplit('.', 2)[0]
    except ValueError:
        pass
    return '%s.%s' % (what, zone)


def lists(zone, *listed, code='127.0.0.2'):
    return {on(zone, what): {'A': code} for what in listed}


ZONE = {
    **lists('zen.example.net', '127.0.0.2', '::ffff:7f00:2'),
    **lists('zen.example.net', LISTED, PRIVATE, '2001:db8::1',
            code='127.0.0.4'),
    **lists('zen.example.net', '192.0.2.3', code='127.0.0.99'),
    **lists('zen.example.net', REFUSED, code='127.255.255.255'),
    **lists('v4.example.net', '127.0.0.2', LISTED, '2001:db8::1'),
    **lists('world.example.net', '127.0.0.1', '127.0.0.2', LISTED),
    **lists('refuses.example.net', '127.0.0.1', '127.0.0.2', LISTED,
            code='127.255.255.254'),
    **lists('foreign.example.net', '127.0.0.1', '127.0.0.2', LISTED,
            code='198.51.100.1'),
    **lists('empty.example.net', LISTED),
    **lists('odd.example.net', '127.0.0.2', code='127.0.3.2'),
    on('dead.example.net', '127.0.0.2'): 'SERVFAIL',
    on('dead.example.net', LISTED): {'A': '127.0.0.2'},
    **lists('dbl.example.net', 'test', 'helo.example', 'mail.example',
            'from.example', 'rdns.example', code='127.0.1.2'),
}
BROKEN = [
    ('world', 'it lists 1.0.0.127.world.example.net'),
    ('refuses', 'it answers 127.255.255.254: asked through a public resolver'),
    ('foreign', 'it answers 198.51.100.1, which is outside 127.0.0.0/8'),
    ('empty', 'it does not list its test entry 2.0.0.127.empty'),
    ('dead', 'it does not answer its self-test'),
]
CONF = '''
Mode v
IPRev no
SPF no
DMARC no
DNSTimeout 5
On-DNSError reject
Nameservers 127.0.0.1@%d
DNSBL "zen.example.net" {
    Codes = {127.0.0.2-127.0.0.11}
    Score = 4.0
}
DNSBL "v4.example.net" { Score = 1 }
DNSBL "odd.example.net" {}
DNSBL "dbl.example.net" {
    Ask = {helo, mailfrom, from, rdns}
    Codes = {127.0.1.0/24}
    Score = 2.0
}
''' + ''.join('DNSBL "%s.example.net" { Score = 100\nAction = reject }\n' % name
              for name, _ in BROKEN)
REJECT = CONF.replace('Score = 4.0', 'Action = reject\n'
                      'Reply = "%%about%% is in %%zone%% as %%code%%"')

# The client; the symbols.
CASES = [
    (LISTED, {'RCVD_IN_ZEN_EXAMPLE_NET': 4.0, 'RCVD_IN_V4_EXAMPLE_NET': 1.0}),
    ('192.0.2.2', {}),
    ('192.0.2.3', {}),
    ('2001:db8::1', {'RCVD_IN_ZEN_EXAMPLE_NET': 4.0}),
    (PRIVATE, {}),
]
DOMAINS = {'HELO_IN_DBL_EXAMPLE_NET': 2.0, 'DNS_FROM_DBL_EXAMPLE_NET': 2.0,
           'FROM_IN_DBL_EXAMPLE_NET': 2.0, 'RDNS_IN_DBL_EXAMPLE_NET': 2.0}
OFF_LINE = '''
2.0.0.127.zen.example.net A 127.0.0.2
1.2.0.192.zen.example.net A 127.0.0.4
'''


def main():
    need_root()
    plan(len(BROKEN) + 5 + 2 * len(CASES) + 8 + 4 + 4 + 2 + 1 + 1)
    with Dnsd(ZONE) as dns, Sink() as sink, \
            Postern(CONF % dns.port) as postern, \
            Postfix(sink, milter=postern, users={'bob': 'pw'},
                    settings={'inet_protocols': 'all'}) as mta:
        start(postern, dns)
        for case in CASES:
            one(mta, postern, *case)
        domains(mta, postern)
        own_clients(mta, postern, dns)
        refused_later(mta, postern, dns)
        rejects(mta, postern)
    off_line()
    dead()
    suite()


def start(postern, dns):
    """Before any mail."""
    for name, why in BROKEN:
        zone = name + '.example.net'
        lines = postern.wait_log('%s: switched off for IPv4' % zone)
        ok(len(lines) == 1 and why in lines[0],
           'self-test: %s is switched off, and says why' % zone, lines)
    for zone, kind in (('zen', 'IPv4'), ('zen', 'IPv6'), ('v4', 'IPv4'),
                       ('dbl', 'domains')):
        ok(postern.wait_log('%s.example.net: in use for %s' % (zone, kind)),
           'self-test: %s works for %s' % (zone, kind), postern.log())
    ok(postern.wait_log('odd.example.net: .* answers 127.0.3.2, which no Codes'),
       'self-test: codes that nobody counts are said', postern.log())


def send(mta, ip, sender='eve@mail.test', **names):
    address = 'IPV6:' + ip if ':' in ip else ip
    with Client(mta.port, helo=names.get('HELO', 'client.example.org'),
                xclient={'ADDR': address, **names}) as client:
        return client.send(sender, 'bob@example.org',
                           MESSAGE.replace('from.example', 'from.test')
                           if not names else MESSAGE)


def scores(symbols):
    return {s['name']: s['score'] for s in symbols if '_EXAMPLE_NET' in
            s['name']}


def one(mta, postern, ip, symbols):
    before = len(postern.log_lines(': direction='))
    sent = send(mta, ip)
    line = postern.summaries(before + 1)[before]
    got = [part.split('/')[0] for part in line.get('dnsbl', '').split(',')]
    is_((sent.accepted, [name for name in got if name]),
        (True, list(symbols)), '%s: accepted, and listed as it is' % ip)
    done = postern.ctl('check', '--client-ip', ip,
                       input='From: a@from.test\n\nHello.\n')
    found = json.loads(done.stdout)
    is_(scores(found['symbols']), symbols,
        '%s: and so says posternctl check' % ip)


def domains(mta, postern):
    before = len(postern.log_lines(': direction='))
    sent = send(mta, '192.0.2.2', 'eve@mail.example', NAME='rdns.example',
                HELO='helo.example')
    line = postern.summaries(before + 1)[before]
    is_((sent.accepted, sorted(part.split('/')[0] for part in
                               line.get('dnsbl', '').split(','))),
        (True, sorted(DOMAINS)), 'domains: each has its symbol')
    done = postern.ctl('check', '--client-ip', '192.0.2.2', '--client-name',
                       'rdns.example', '--helo', 'helo.example', '--from',
                       'eve@mail.example', input=MESSAGE)
    found = json.loads(done.stdout)
    is_((scores(found['symbols']), found['score'] >= 8), (DOMAINS, True),
        'domains: and so says posternctl check')
    entry = [e for e in found['dnsbl'] if e['about'] == 'helo.example']
    is_(entry, [{'list': 'dbl.example.net', 'zone': 'dbl.example.net',
                 'about': 'helo.example',
                 'asked': 'helo.example.dbl.example.net', 'result': 'listed',
                 'codes': ['127.0.1.2'],
                 'symbol': 'HELO_IN_DBL_EXAMPLE_NET'}],
        'domains: posternctl check prints what was asked')
    entry = [(e['result'], e['symbol']) for e in found['dnsbl']
             if e['zone'] == 'world.example.net']
    is_(entry, [('off', None)],
        'posternctl check: a broken list is off there too')


def own_clients(mta, postern, dns):
    before = len(postern.log_lines(': direction='))
    with Client(mta.submission_port, login=('bob', 'pw'),
                xclient={'ADDR': '192.0.2.44', 'NAME': 'rdns.example'}) \
            as client:
        client.send('bob@example.org', 'eve@mail.example', MESSAGE)
    line = postern.summaries(before + 1)[before]
    is_((line['direction'], line.get('dnsbl')), ('outbound', None),
        'a login: nothing is found')
    is_([name for name, _ in dns.queries if '44.2.0.192' in name], [],
        'a login: nothing is asked')
    is_([name for name, _ in dns.queries if '1.0.0.10.' in name], [],
        'a private client: nothing is asked')
    # By the daemon: posternctl asks while it tests.
    send(mta, '192.0.2.9')
    is_({name for name, _ in dns.queries if name.startswith('9.2.0.192.')},
        {on(zone + '.example.net', '192.0.2.9') for zone in
         ('zen', 'v4', 'odd')},
        'a list that is off is not asked')


def refused_later(mta, postern, dns):
    """A list that worked, until now."""
    sent = [send(mta, ip) for ip in (REFUSED, LISTED, REFUSED)]
    ok(all(one.accepted for one in sent), 'a refusal: mail is accepted', sent)
    lines = postern.wait_log('zen.example.net: switched off')
    ok(len(lines) == 1 and '127.255.255.255: asked too often' in lines[0],
       'a refusal: the list is off, and says so once', lines)
    is_(postern.summaries()[-2].get('dnsbl'),
        'RCVD_IN_V4_EXAMPLE_NET/127.0.0.2',
        'a refusal: others still count')
    postern.reload()
    postern.wait_log('reloaded', 1)
    before = len(postern.log_lines(': direction='))
    send(mta, LISTED)
    is_(postern.summaries(before + 1)[before].get('dnsbl'),
        'RCVD_IN_V4_EXAMPLE_NET/127.0.0.2',
        'a refusal: is not forgotten by a reload')


def rejects(mta, postern):
    """Through another resolver all is tested anew."""
    with Dnsd(ZONE) as other:
        used = len(postern.log_lines('zen.example.net: in use for IPv4'))
        postern.configure(REJECT % other.port)
        postern.reload()
        ok(postern.wait_log('zen.example.net: in use for IPv4', used + 1),
           'another resolver: the list is tested anew', postern.log())
        sent = send(mta, LISTED)
        like(str(sent), '550 5.7.1 192.0.2.1 is in zen.example.net as '
             '127.0.0.4', 'Action reject: refused, and told why')
        is_((postern.summaries()[-1]['verdict'],
             postern.summaries()[-1]['by']), ('reject', 'dnsbl'),
            'Action reject: the log says by whom')
        sent = send(mta, '192.0.2.2')
        ok(sent.accepted, 'Action reject: others pass', sent)


def off_line():
    """TestDNSData, without any server."""
    conf = 'Mode v\nTestDNSData file:@DIR@/zone\nDNSBL "zen.example.net" {}\n'
    postern = Postern(conf, files={'zone': OFF_LINE}, start=False)
    for ip, codes in ((LISTED, ['127.0.0.4']), ('192.0.2.2', [])):
        done = postern.ctl('check', '--client-ip', ip, input=MESSAGE)
        found = json.loads(done.stdout)['dnsbl']
        is_([e['codes'] for e in found], [codes], 'off line: %s' % ip)


def dead():
    """One that never answers takes nothing from those behind it."""
    zone = dict(ZONE, **{on('dead.example.net', what): 'TIMEOUT' for what in
                         ('127.0.0.1', '127.0.0.2', LISTED)})
    with Dnsd(zone) as dns:
        postern = Postern('Mode v\nSPF no\nDMARC no\nDNSTimeout 2\n'
                          'Nameservers 127.0.0.1@%d\n'
                          'DNSBL "dead.example.net" {}\n'
                          'DNSBL "zen.example.net" {}\n' % dns.port,
                          start=False)
        done = postern.ctl('check', '--client-ip', LISTED, input=MESSAGE)
        is_([e['result'] for e in json.loads(done.stdout)['dnsbl']],
            ['off', 'listed'], 'posternctl check: a dead list and another')


def suite():
    """SpamAssassin's zone: who is asked about decides the codes."""
    what = "SpamAssassin's zone"
    try:
        with open(os.path.join(DATA, 'rules-sa-testsuite',
                               'dnsbl-zone.json')) as file:
            zone = json.load(file)['zone']
    except FileNotFoundError:
        skip(what, 'no rules-sa-testsuite; POSTERN_DATA says where it is')
        return
    top = 'dnsbltest.spamassassin.org'
    want, got = {}, {}
    for name, records in zone.items():
        labels = name[:-len(top) - 1].split('.')
        if len(labels) == 4 and all(one.isdigit() for one in labels):
            want['.'.join(reversed(labels))] = records['A']
    zone.update(lists(top, '127.0.0.2'))
    with Dnsd(zone) as dns:
        postern = Postern('Mode v\nNameservers 127.0.0.1@%d\n'
                          'DNSBL "%s" { Codes = 127.0.0.1-127.0.0.255 }\n'
                          % (dns.port, top), start=False)
        for ip in want:
            done = postern.ctl('check', '--client-ip', ip, input=MESSAGE)
            got[ip] = [code for entry in json.loads(done.stdout)['dnsbl']
                       for code in entry['codes']]
    ok(len(want) == 5 and got == want, what, (want, got))


main()
