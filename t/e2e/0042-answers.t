#!/usr/bin/python3
# What an MTA is told, octet for octet: replies with odd words, edits for an MTA
# with exact headers and one without, an MTA that takes no edits; what the summary
# says of a message that ended early; a database that is cut off meanwhile.

import os
import re
import subprocess
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
import broken
from rig import *

CONF = '''
Mode             s
RequireSafeKeys  no
Canonicalization simple/simple
Domain           example.org
Selector         s
KeyFile          @DIR@/key
QuotaTable       @DIR@/quota
Quota default { Recipients = {2/hour} }
Quota exempt { Recipients = {none} }
'''
ADD, CHANGE = 1, 16      # SMFIF_ADDHDRS, SMFIF_CHGHDRS
LOGIN = 'exempt'


def begin(talk, login):
    talk('connect', 'client.example.org', '192.0.2.1', 25)
    talk('helo', 'client.example.org')
    talk('define', '{auth_authen}', login)
    return talk('mail', '<bob@example.org>')


def content(talk, space):
    talk('header', 'From', space + 'bob@example.org')
    talk('header', 'Subject', space + 'x')
    talk('eoh')
    talk('body', 'hello\r\n')
    return talk('eom')


def signature(postern, offer, space):
    with Talk(postern) as talk:
        talk('negotiate', *offer)
        begin(talk, LOGIN)
        talk('rcpt', '<eve@example.net>')
        answer = content(talk, space)
    return answer, (answer.added('DKIM-Signature') or [''])[0]


def part(field, tag):
    found = re.search(r'[;\s]%s=([^;]+)' % tag, field)
    return found and re.sub(r'\s', '', found.group(1))


def test_reply(postern):
    with Talk(postern) as talk:
        begin(talk, '50%off')
        for n in range(3):
            answer = talk('rcpt', '<eve%d@example.net>' % n)
        # The MTA makes one of two.
        like(answer.text, r'^450 4\.7\.1 50%%off@?\S* has reached its limit '
             r'of 2 recipients in 1 hour; .* \(in [0-9]+ minutes\)$',
             'a percent sign in a reply is doubled')
        answer = content(talk, ' ')
        ok(answer.reply in ('accept', 'continue'),
           'what was not refused is taken', answer)


def test_edits(postern):
    # t= is part of what is signed: both in one second, sooner or later.
    for _ in range(20):
        _, exact = signature(postern, ['all'], ' ')
        _, plain = signature(postern, ['plain'], '')
        if part(exact, 't') == part(plain, 't'):
            break
    ok(exact.startswith(' v=1;'), 'exact headers: with their space', exact)
    ok(plain.startswith('v=1;'), 'others: without', plain)
    ok(part(exact, 'b') and part(exact, 'b') == part(plain, 'b'),
       'the same octets are signed', (exact, plain))
    answer, _ = signature(postern, [CHANGE, 0], '')
    like(answer.text, '^451 4\\.7\\.1 ', 'an MTA that takes no fields: put off')
    answer, field = signature(postern, [ADD, 0], '')
    ok(field and answer.reply == 'accept', 'one that takes them', answer)


def test_abort(postern):
    with Talk(postern) as talk:
        begin(talk, 'gone')
        talk('rcpt', '<eve@example.net>')
        talk('abort')  # which has no answer, and the session stays open
        try:
            wait_until(lambda: '"used":0' in postern.ctl(
                'quota', 'show', '--json', 'gone').stdout, PATIENCE,
                       'given back')
            ok(True, 'an abort gives back at once')
        except RigError as error:
            ok(False, 'an abort gives back at once', error)


def test_early_end(postern):
    postern.ctl('quota', 'lock', LOGIN)
    before = len(postern.summaries(0))
    with Talk(postern) as talk:
        answer = begin(talk, LOGIN)
        like(answer.text, r'^450 4\.7\.1 exempt is locked', 'locked: at MAIL')
        talk('abort')
    last = postern.summaries(before + 1)[-1]
    ok(last['verdict'] == 'tempfail' and last['by'] == 'quota',
       'and the summary says so', last)


def test_cut_off():
    """A database that somebody cuts off puts mail off, and ends nothing."""
    with Postern('Mode s\nSenderLogins mdb:@DIR@/logins\n', start=False) as postern:
        path = os.path.join(postern.dir, 'logins')
        broken.make_mdb(path)
        postern.run()
        for count, want in (1, 'reject'), (2, 'tempfail'):
            with Talk(postern) as talk:
                begin(talk, LOGIN)
                talk('rcpt', '<eve@example.net>')
                content(talk, ' ')
            is_(postern.summaries(count)[-1]['verdict'], want,
                'logins in a database: %s' % want)
            os.truncate(path, 0)
        ok(postern.log_lines("login: SenderLogins can't be read"),
           'a database that is cut off while it serves is named')


def main():
    key = subprocess.run(['openssl', 'genpkey', '-quiet', '-algorithm',
                          'ED25519'], check=True, capture_output=True,
                         text=True).stdout
    plan(13)
    with Postern(CONF, files={'key': key}) as postern:
        test_reply(postern)
        test_edits(postern)
        test_abort(postern)
        test_early_end(postern)
    test_cut_off()


main()
