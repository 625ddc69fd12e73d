#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# A slow DNS holds a message up for longer than the MTA waits for a milter: it
# hears that postern is at work, and takes the message.

import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import Client, Dnsd, Postern, Postfix, Sink, Talk, is_, need_root, \
    ok, plan

MESSAGE = 'From: eve@example.net\nSubject: hello\n\nHello.\n'
TIMEOUT = 8     # of look-ups; in it there is time for one word
PATIENCE = 6    # of Postfix's, which is shorter


def chain(domain):
    """SPF records, each known when the one before is: with an answer a second,
    more than there is time for."""
    names = ['%s.example' % domain] + \
        ['%s%d.example' % (domain, i) for i in range(10)]
    return {name: {'TXT': 'v=spf1 redirect=' + after}
            for name, after in zip(names, names[1:])}


ZONE = dict(chain('one'), **chain('two'))


def main():
    need_root()
    plan(5)
    conf = 'Mode v\nDNSTimeout %d\nNameservers 127.0.0.1@%%d\n' % TIMEOUT
    with Dnsd(ZONE, delay=1) as dns, Sink() as sink, \
            Postern(conf % dns.port) as postern, \
            Postfix(sink, milter=postern, settings={
                'milter_content_timeout': '%ds' % PATIENCE}) as mta:
        talked(postern)
        through_postfix(mta, postern, sink)


def talked(postern):
    with Talk(postern) as talk:
        told = [talk('connect', 'x.example', '192.0.2.1').progress,
                talk('helo', 'x.example').progress,
                talk('mail', '<eve@one.example>').progress,
                talk('rcpt', '<bob@example.org>').progress,
                talk('header', 'From', ' eve@example.net').progress,
                talk('eoh').progress,
                talk('body', 'Hello.\r\n').progress]
        end = talk('eom')
    is_(end.reply, 'accept', 'the message is taken')
    ok(sum(told) == 0 and end.progress > 0,
       'the MTA hears that we are at work, at the end alone',
       (told, end.progress))


def through_postfix(mta, postern, sink):
    before = len(postern.log_lines(': direction='))
    with Client(mta.port, xclient={'ADDR': '192.0.2.1', 'NAME': 'x.example'}) \
            as client:
        sent = client.send('eve@two.example', 'bob@example.org', MESSAGE)
    ok(sent.accepted, 'Postfix, which waits for less: the message is taken',
       sent)
    is_(postern.summaries(before + 1)[before].get('spf'), 'temperror',
        'Postfix: it was waited for')
    is_(len(sink.wait_for(1)), 1, 'Postfix: the message is delivered')


main()
