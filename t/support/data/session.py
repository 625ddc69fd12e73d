# SPDX-License-Identifier: BSD-2-Clause
"""The first test of every MTA: a message handed to it passes postern and is
delivered. By a logged-in account it is outbound, from a stranger inbound;
each leaves one summary line that the MTA's replies and the delivered copy
agree with."""

from rig import Client, Postern, Sink, is_, like, need_root, ok, plan

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
BODY = b'Hello.\r\n.a line that begins with a dot\r\n'

USERS = {'bob': 'secret'}


def run(make_mta, stranger):
    """make_mta(sink, milter, users) starts the MTA; stranger: what makes a
    Client come from elsewhere."""
    need_root()
    plan(18)
    with Sink() as sink, Postern(CONF) as postern, \
            make_mta(sink, postern, USERS) as mta:
        _outbound(mta, sink, postern)
        _inbound(mta, sink, postern, stranger)
        is_(len(postern.summaries(2)), 2, 'one summary line for each message')
    is_(postern.status, 0, 'postern ended well')


def _outbound(mta, sink, postern):
    with Client(mta.submission_port, login=('bob', 'secret')) as client:
        sent = client.send('bob@example.org', 'eve@example.net', MESSAGE)
    ok(sent.accepted, 'outbound: accepted', sent)
    mails = sink.wait_for(1)
    is_([mail.rcpts for mail in mails], [['eve@example.net']],
        'outbound: delivered')
    _delivered(mails[0], 'outbound')
    _summary(postern.summaries(1)[0], sent, {
        'direction': 'outbound', 'why': 'login', 'account': 'bob',
        'from': '<bob@example.org>', 'rcpts': '1', 'verdict': 'accept',
        'by': '-'}, 'outbound')


def _inbound(mta, sink, postern, stranger):
    with Client(mta.port, **stranger) as client:
        sent = client.send('eve@example.net',
                           ['bob@example.org', 'ann@example.org'], MESSAGE)
    ok(sent.accepted, 'inbound: accepted', sent)
    mails = sink.wait_for(2)[1:]
    is_([sorted(mail.rcpts) for mail in mails],
        [['ann@example.org', 'bob@example.org']], 'inbound: delivered')
    _delivered(mails[0], 'inbound')
    _summary(postern.summaries(2)[1], sent, {
        'direction': 'inbound', 'from': '<eve@example.net>', 'rcpts': '2',
        'verdict': 'accept', 'by': '-'}, 'inbound')


def _delivered(mail, name):
    field, value = mail.fields[0]
    is_(field, 'DKIM-Filter', '%s: SoftwareHeader stands at the top' % name)
    like(value, r'(?i)^ ?postern', '%s: and names postern' % name)
    is_(mail.body, BODY, '%s: the body is as it was' % name)


def _summary(entry, sent, expected, name):
    is_(entry['id'], sent.queue_id, '%s: the queue id is the MTA\'s' % name)
    is_({key: entry.get(key) for key in expected}, expected,
        '%s: what the summary says' % name)
    like(entry.get('time', ''), r'^\d+\.\d+$', '%s: time in seconds' % name)
