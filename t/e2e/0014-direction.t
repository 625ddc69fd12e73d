#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# What is signed is decided by the way a mail takes through Postfix: a login,
# the listener's name, a macro, the client's address; and by who owns the From,
# and to whom it goes. Mail of local programs and bounces is signed too.

import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import Client, Postern, Postfix, Sink, is_, like, need_root, ok, plan
from verify import PASS, Key, verify

KEY = Key('example.org', 's', 'ed25519')
BASE = '''
Mode                sv
RequireSafeKeys     no
Domain              example.org
Selector            s
KeyFile             @DIR@/%s
''' % KEY.name

ELSEWHERE = {'ADDR': '192.0.2.1', 'NAME': 'mx.example.net'}
NEAR = {'ADDR': '198.51.100.7', 'NAME': 'app.example.org'}
FROM = 'bob@example.org'
TO = 'eve@example.org'      # a domain that the first listener relays for
LOGINS = '''
SenderLogins        csl:bob@example.org=bob
SenderLoginsAction  %s
'''
SIGNED = {('example.org', 's'): PASS}

# Name, configuration beside BASE, listener, client, From, recipient; then
# whether it is signed (None: refused) and the summary's why.
CASES = [
    ('a stranger', '', 'port', ELSEWHERE, FROM, TO, False, 'default'),
    ('a login', '', 'submission_port', 'bob', FROM, TO, True, 'login'),
    ('this machine', '', 'port', None, FROM, TO, True, 'InternalHosts'),
    ('not InternalHosts', 'InternalHosts 198.51.100.0/24', 'port', None, FROM,
     TO, False, 'default'),
    ('InternalHosts, by address', 'InternalHosts 198.51.100.0/24', 'port',
     NEAR, FROM, TO, True, 'InternalHosts'),
    ('InternalHosts, by name', 'InternalHosts .example.org', 'port', NEAR,
     FROM, TO, True, 'InternalHosts'),
    ('InternalHosts, but not this one',
     'InternalHosts 198.51.100.0/24,!198.51.100.7', 'port', NEAR, FROM, TO,
     False, 'default'),
    ('MTA', 'MTA other,MTA', 'port', ELSEWHERE, FROM, TO, True, 'MTA'),
    ('MTA, and a login', 'MTA ORIGINATING', 'submission_port', 'bob', FROM, TO,
     True, 'login'),
    ('MTA, another listener', 'MTA ORIGINATING', 'port', ELSEWHERE, FROM, TO,
     False, 'default'),
    ('MacroList, any value', 'MacroList {daemon_name}', 'port', ELSEWHERE,
     FROM, TO, True, 'MacroList'),
    ('MacroList, a value', 'MacroList client_name=a|mx.example.net', 'port',
     ELSEWHERE, FROM, TO, True, 'MacroList'),
    ('MacroList, another value', 'MacroList client_name=a|b', 'port',
     ELSEWHERE, FROM, TO, False, 'default'),
    ('PeerList', 'PeerList 192.0.2.1', 'port', ELSEWHERE, FROM, TO, False,
     None),
    ('SenderLogins, the owner', LOGINS % 'refuse', 'submission_port', 'bob',
     FROM, TO, True, 'login'),
    ('SenderLogins, refuse', LOGINS % 'refuse', 'submission_port', 'ann',
     FROM, TO, None, 'login'),
    ('SenderLogins, log', LOGINS % 'log', 'submission_port', 'ann', FROM, TO,
     False, 'login'),
    ('DontSignMailTo', 'DontSignMailTo list@example.net', 'submission_port',
     'bob', FROM, 'list@example.net', False, 'login'),
    ('DontSignMailTo, another', 'DontSignMailTo list@example.net',
     'submission_port', 'bob', FROM, TO, True, 'login'),
    ('a From of others', '', 'submission_port', 'bob', 'bob@example.com', TO,
     False, 'login'),
]

MESSAGE = 'From: %s\nTo: x@example.org\nSubject: %s\n\nHello.\n'


def main():
    need_root()
    plan(2 * len(CASES) + 7)
    with Sink() as sink, \
            Postern(BASE, files={KEY.name: KEY.pem}) as postern, \
            Postfix(sink, milter=postern, non_smtpd_milter=postern,
                    users={'bob': 'secret', 'ann': 'secret'},
                    settings={'internal_mail_filter_classes': 'bounce'}) \
            as mta:
        for number, case in enumerate(CASES):
            postern.configure(BASE + case[1] + '\n')
            postern.reload()
            postern.wait_log('reloaded', number + 1)
            one(mta, sink, postern, *case)
        postern.configure(BASE)
        postern.reload()
        postern.wait_log('reloaded', len(CASES) + 1)
        local(mta, sink, postern)
        bounce(mta, sink, postern)
        new_key(mta, sink, postern)


def one(mta, sink, postern, name, _conf, port, client, author, rcpt, signed,
        why):
    sink.clear()
    before = len(postern.log_lines(': direction='))
    how = {'login': (client, 'secret')} if isinstance(client, str) else \
        {'xclient': client}
    with Client(getattr(mta, port), **how) as smtp:
        sent = smtp.send(author, rcpt, MESSAGE % (author, name))
    if signed is None:
        ok(not sent.accepted and sent.data.code == 550, name + ': refused',
           sent)
    else:
        got = [verify(mail.data, [KEY]) for mail in sink.wait_for(1)]
        is_(got, [SIGNED if signed else {}],
            name + (': signed' if signed else ': not signed'))
    if why is None:
        # The client was accepted as such: its mail was never seen.
        is_(len(postern.log_lines(': direction=')), before,
            name + ': no summary')
        return
    lines = postern.summaries(before + 1)[before:]
    is_([line['why'] for line in lines], [why],
        name + ': the summary says why')


def local(mta, sink, postern):
    sink.clear()
    before = len(postern.log_lines(': direction='))
    mta.sendmail(FROM, 'eve@example.net', MESSAGE % (FROM, 'sendmail(1)'))
    is_([verify(mail.data, [KEY]) for mail in sink.wait_for(1)], [SIGNED],
        'sendmail(1): signed')
    line = postern.summaries(before + 1)[-1]
    is_(line['account'], 'sender:bob@example.org', 'and charged to its sender')


def bounce(mta, sink, postern):
    sink.clear()
    before = len(postern.log_lines(': direction='))
    sink.answers = {'gone@example.net': '550 5.1.1 no such user'}
    mta.sendmail(FROM, 'gone@example.net', MESSAGE % (FROM, 'to nobody'))
    mails = sink.wait_for(1)
    is_([(mail.sender, mail.rcpts) for mail in mails], [('', [FROM])],
        'a bounce is sent')
    like(mails[0].values('From')[0], r'(?i)mailer-daemon@', 'by the mailer')
    is_(verify(mails[0].data, [KEY]), SIGNED, 'signed for its From')
    line = postern.summaries(before + 2)[-1]
    is_((line['from'], line['account']), ('<>', 'sender:<>'),
        'and charged to the null sender')


def new_key(mta, sink, postern):
    sink.clear()
    key = Key('example.org', 's', 'rsa')
    with open(os.path.join(postern.dir, KEY.name), 'w') as file:
        file.write(key.pem)
    postern.reload()
    postern.wait_log('reloaded', len(CASES) + 2)
    mta.sendmail(FROM, 'eve@example.net', MESSAGE % (FROM, 'a new key'))
    is_([verify(mail.data, [key]) for mail in sink.wait_for(1)], [SIGNED],
        'a key that was replaced signs after a reload')


main()
