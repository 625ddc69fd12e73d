#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# BlockList, AllowList and RefuseAt behind Sendmail, which has no XCLIENT: the
# clients have other loopback addresses. At MAIL and RCPT Sendmail puts the
# address before the words.

import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import Client, Postern, Sendmail, Sink, is_, like, need_root, ok, plan

CONF = '''
Mode        v
AllowList   127.0.0.65
BlockList   file:@DIR@/block
'''
BLOCK = '''
127.0.0.64/31         451 Not from here
@spam.example         No mail from spam.example
helo:liar.example     We know better
rcpt:gone@example.org Bob has left
'''
MESSAGE = 'From: a@other.example\nSubject: hello\n\nHello.\n'

# RefuseAt; then which command is refused of a blocked client, and sender.
MOMENTS = [
    ('end', 'end', 'end'),
    ('rcpt', 'rcpt', 'rcpt'),
    ('mail', 'mail', 'mail'),
    ('blocklist=connect', 'mail', 'mail'),  # told at HELO, said at MAIL
]


def main():
    need_root()
    plan(5 * len(MOMENTS) + 1 + 4)
    with Sink() as sink, Postern(CONF, files={'block': BLOCK}) as postern, \
            Sendmail(sink, milter=postern, users={'bob': 'pw'}) as mta:
        for moment in MOMENTS:
            refuses(mta, postern, *moment)
        others(mta, postern)


def talk(mta, source, sender, rcpts, helo='mx.other.example'):
    """Which command is refused, and the reply."""
    with Client(mta.port, source=source, helo=helo) as client:
        if not client.ehlo.ok:
            return 'helo', client.ehlo
        sent = client.send(sender, rcpts, MESSAGE)
    if not sent.mail.ok:
        return 'mail', sent.mail
    if not sent.rcpts[0].ok:
        return 'rcpt', sent.rcpts[0]
    return (None, sent.data) if sent.data.ok else ('end', sent.data)


def refuses(mta, postern, at, blocked, spam):
    before = len(postern.log_lines('reloaded'))
    postern.configure(CONF + 'RefuseAt %s\n' % at)
    postern.reload()
    postern.wait_log('reloaded', before + 1)
    when, reply = talk(mta, '127.0.0.64', 'a@other.example', 'bob@example.org')
    is_(when, blocked, 'RefuseAt %s: the client' % at)
    like(str(reply), '^451 4.7.1 (<.*>... )?Not from here$',
         'in the list\'s words')
    if 'connect' in at:
        ok(postern.wait_log('client=127.0.0.64 verdict=tempfail by=blocklist '
                            'at=connect block=client/127.0.0.64/31 .*'
                            'reply="Not from here"'), 'and it is logged')
    when, reply = talk(mta, '127.0.0.2', 'a@spam.example', 'bob@example.org')
    is_(when, spam, 'RefuseAt %s: the sender' % at)
    like(str(reply), '^550 5.7.1 (<.*>... )?No mail from spam.example$',
         'in the list\'s words')
    when, reply = talk(mta, '127.0.0.65', 'a@spam.example', 'bob@example.org')
    is_(when, None, 'RefuseAt %s: who is allowed is let in' % at)


def others(mta, postern):
    before = len(postern.log_lines('reloaded'))
    postern.configure(CONF)
    postern.reload()
    postern.wait_log('reloaded', before + 1)
    when, reply = talk(mta, '127.0.0.2', 'a@other.example', 'bob@example.org',
                       'liar.example')
    is_((when, str(reply)), ('end', '550 5.7.1 We know better'), 'HELO')
    when, reply = talk(mta, '127.0.0.2', 'a@other.example',
                       ['gone@example.org', 'bob@example.org'])
    is_((when, str(reply)), ('rcpt', '550 5.7.1 <gone@example.org>... Bob has left'),
        'a recipient')
    when, reply = talk(mta, '127.0.0.64', 'a@other.example',
                       'postmaster@example.org')
    is_(when, None, 'postmaster is there')
    with Client(mta.submission_port, source='127.0.0.64',
                login=('bob', 'pw')) as client:
        sent = client.send('bob@spam.example', 'eve@example.net', MESSAGE)
    ok(sent.accepted, 'who logs in is let in', sent)


main()
