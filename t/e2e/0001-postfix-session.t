#!/usr/bin/python3
# A message handed to a real Postfix passes postern and is delivered: by a
# logged-in account it is outbound, from a stranger inbound, and each leaves
# one summary line that Postfix's log and the delivered copy agree with.

import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
from rig import *

CONF = '''
Mode            sv
SoftwareHeader  yes
'''

MESSAGE = '''\
From: Bob <bob@example.org>
To: eve@example.net
Subject: a walk through the gate
Date: Sat, 21 Nov 2026 12:00:00 +0000
Message-ID: <walk@example.org>

Hello.
.a line that begins with a dot
'''


def logged_in(mta):
    with Client(mta.submission_port, login=('bob', 'secret')) as client:
        return client.send('bob@example.org', 'eve@example.net', MESSAGE)


def stranger(mta):
    elsewhere = {'ADDR': '192.0.2.1', 'NAME': 'mx.example.net'}
    with Client(mta.port, xclient=elsewhere) as client:
        return client.send('eve@example.net',
                           ['bob@example.org', 'ann@example.org'], MESSAGE)


def check_summary(entry, sent, expected, name):
    is_(entry['id'], sent.queue_id, '%s: the queue id is Postfix\'s' % name)
    is_({key: entry.get(key) for key in expected}, expected,
        '%s: what the summary says' % name)
    like(entry.get('time', ''), r'^\d+\.\d+$', '%s: time in seconds' % name)


def check_delivered(mail, name):
    field, value = mail.fields[0]
    is_(field, 'DKIM-Filter', '%s: SoftwareHeader stands at the top' % name)
    like(value, r'(?i)^ ?postern', '%s: and postern signed it' % name)
    is_(mail.body, b'Hello.\r\n.a line that begins with a dot\r\n',
        '%s: the body is as it was' % name)


def main():
    need_root()
    plan(18)
    with Sink() as sink, Postern(CONF) as postern, \
            Postfix(sink, milter=postern, users={'bob': 'secret'}) as mta:
        sent = logged_in(mta)
        ok(sent.accepted, 'outbound: accepted', sent)
        mails = sink.wait_for(1)
        is_([mail.rcpts for mail in mails], [['eve@example.net']],
            'outbound: delivered')
        check_delivered(mails[0], 'outbound')
        entries = postern.summaries(1)
        check_summary(entries[0], sent, {
            'direction': 'outbound', 'why': 'login', 'account': 'bob',
            'from': '<bob@example.org>', 'rcpts': '1', 'verdict': 'accept',
            'by': '-'}, 'outbound')

        sent = stranger(mta)
        ok(sent.accepted, 'inbound: accepted', sent)
        mails = sink.wait_for(2)[1:]
        is_([sorted(mail.rcpts) for mail in mails],
            [['ann@example.org', 'bob@example.org']], 'inbound: delivered')
        check_delivered(mails[0], 'inbound')
        entries = postern.summaries(2)[1:]
        check_summary(entries[0], sent, {
            'direction': 'inbound', 'from': '<eve@example.net>',
            'rcpts': '2', 'verdict': 'accept', 'by': '-'}, 'inbound')
        is_(len(postern.summaries(2)), 2, 'one summary line for each message')
    is_(postern.status, 0, 'postern ended well')


main()
