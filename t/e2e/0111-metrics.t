#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# What Prometheus gets of a daemon behind a real Postfix: in the format, true of
# the mail that passed, never falling, and with no word from mail in it.

import http.client
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
import prom
from rig import *

CONF = ('Mode sv\nDNSTimeout 2\nNameservers 127.0.0.1@%d\n'
        'Http 127.0.0.1:%d\nQuotaTable @DIR@/quota\n'
        'Quota default { Messages = 2/hour }\n'
        'BlockList bad@secret-sender.example\n'
        'DNSBL "zen.example.net" { Score = 1.0 }\n')
ZONE = {'2.0.0.127.zen.example.net': {'A': '127.0.0.2'},
        '1.2.0.192.zen.example.net': {'A': '127.0.0.2'}}
MESSAGE = 'From: eve@secret-sender.example\nSubject: secret-subject\n\nHello.\n'


def get(postern, port):
    """The page's octets; None: there is none."""
    with open(os.path.join(postern.dir, 'http-token'), encoding='ascii') as f:
        token = f.read().strip()
    there = http.client.HTTPConnection('127.0.0.1', port, timeout=PATIENCE)
    there.request('GET', '/metrics',
                  headers={'Authorization': 'Bearer ' + token})
    answer = there.getresponse()
    data = answer.read()
    there.close()
    return data if answer.status == 200 else None


class Numbers:
    def __init__(self, data):
        self.data = data
        self.families = prom.parse(data)

    def of(self, name, suffix='', **labels):
        return self.families[name].series.get(
            (name + suffix, tuple(labels.items())), 0)

    def counters(self):
        """What may never fall."""
        for family in self.families.values():
            for key, n in family.series.items():
                if family.kind != 'gauge':
                    yield key, n


def main():
    need_root()
    port = free_port()
    with Dnsd(ZONE) as dns, Sink() as sink:
        postern = Postern(CONF % (dns.port, port), start=False)
        if 'Http' in postern.ctl('quota', 'list').stderr:
            skip_all('this postern has no page')
        plan(17)
        postern.run()
        with postern, Postfix(sink, milter=postern,
                              users={'secret-account': 'pw'}) as mta:
            postern.wait_log('zen.example.net: in use for IPv4')
            first = Numbers(get(postern, port))
            at_first(first)
            mail(mta)
            postern.summaries(5)
            then = wait_until(lambda: with_mail(postern, port), PATIENCE,
                              'the mail on the page')
            after_mail(then)
            is_([key for key, n in first.counters()
                 if n > dict(then.counters()).get(key, -1)], [],
                'no counter falls or goes away')
            postern.reload()
            postern.wait_log('reloaded$')
            again = wait_until(lambda: reloaded(postern, port, then),
                               PATIENCE, 'the reload on the page')
            is_([key for key, n in then.counters()
                 if n > dict(again.counters()).get(key, -1)], [],
                'nor at a reload')


def with_mail(postern, port):
    """The page, which is made anew once a second, when it has all."""
    n = Numbers(get(postern, port))
    seen = sum(n.families['postern_messages_total'].series.values())
    return n if seen >= 5 else None


def reloaded(postern, port, before):
    name = 'postern_config_last_reload_success_timestamp_seconds'
    n = Numbers(get(postern, port))
    return n if n.of(name) > before.of(name) else None


def at_first(n):
    is_(n.of('postern_messages_total', direction='outbound',
             verdict='tempfail', by='quota'), 0,
        'what can be expected begins at 0')
    ok(('postern_messages_total', (('direction', 'outbound'),
                                   ('verdict', 'tempfail'), ('by', 'quota')))
       in n.families['postern_messages_total'].series, 'and is there')
    is_(n.of('postern_dns_up'), 1, 'the name servers answer')


def mail(mta):
    for sender, ip in (('eve@secret-sender.example', '192.0.2.1'),
                       ('bad@secret-sender.example', '192.0.2.2')):
        with Client(mta.port, helo='secret-helo.example',
                    xclient={'ADDR': ip, 'NAME': 'secret-name.example'}) as c:
            c.send(sender, 'secret-rcpt@example.org', MESSAGE)
    for _ in range(3):
        with Client(mta.submission_port, login=('secret-account', 'pw')) as c:
            c.send('secret-account@example.org', 'x@example.net', MESSAGE)


def after_mail(n):
    ok(b'secret' not in n.data, 'no word from mail', n.data.decode())
    messages = n.families['postern_messages_total'].series
    is_(sum(messages.values()), 5, 'five messages')
    is_(n.of('postern_messages_total', direction='inbound', verdict='accept',
             by='-'), 1, 'one is let in')
    is_(sum(c for (_, labels), c in messages.items()
            if dict(labels)['by'] == 'blocklist'), 1, 'one is in BlockList')
    is_(n.of('postern_messages_total', direction='outbound',
             verdict='accept', by='-'), 2, 'two are let out')
    is_([n.of('postern_quota_refusals_total', what=what)
         for what in ('message', 'recipient')], [0, 1],
        'one is over its quota')
    is_(n.of('postern_quota_accounts'), 1, 'its account')
    is_(n.of('postern_message_duration_seconds', '_count',
             direction='outbound'), 3, 'their times')
    is_(n.of('postern_stage_duration_seconds', '_count', stage='direction'),
        5, 'and those in a stage')
    ok(n.of('postern_dns_queries_total', result='nxdomain') > 0 and
       n.of('postern_dns_duration_seconds', '_count') > 0, 'the DNS is asked')
    is_([n.of('postern_dnsbl_%s_total' % what, list='zen.example.net')
         for what in ('listed', 'failures')], [1, 0],
        'the DNS list has one client')
    done = prom.promtool('check', 'metrics', data=n.data)
    if done is None:
        skip('promtool finds no fault', 'there is no promtool')
    else:
        ok(done.returncode == 0 and not done.stdout + done.stderr,
           'promtool finds no fault', (done.stdout + done.stderr).decode())


main()
