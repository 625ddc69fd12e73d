# SPDX-License-Identifier: BSD-2-Clause
"""The mails and the walk of the tests that send signed mail through an MTA:
every canonicalisation, every kind of key, every odd shape of header and body,
looked at by others where the MTA delivers them."""

import re

from rig import Client, Postern, Sink, is_, need_root, ok, plan
from verify import PASS, Key, verify

CANONS = [head + '/' + body for head in ('simple', 'relaxed')
          for body in ('simple', 'relaxed')]

# What signs is chosen by the author's domain.
KINDS = {'rsa2048.example.org': ['rsa2048'], 'rsa4096.example.org':
         ['rsa4096'], 'ed25519.example.org': ['ed25519'],
         'both.example.org': ['rsa2048', 'ed25519']}

CONF = '''
Mode                sv
RequireSafeKeys     no
MultipleSignatures  yes
SignHeaders         *,+Comments,+Keywords,+Sender,+X-Case
KeyTable            file:@DIR@/keys
SigningTable        refile:@DIR@/who
Canonicalization    %s
'''

HEAD = b'''\
From: "Bob, the sender" <bob@%(domain)s>\r
To: eve@example.net\r
Subject: %(case)s\r
Date: Sat, 21 Nov 2026 12:00:00 +0000\r
Message-ID: <%(id)s@%(domain)s>\r
X-Case: %(case)s\r
'''

TEXT = b'Hello.\r\n'

# Name, header fields beside those above, body, parameters of MAIL.
MAILS = [
    ('plain', b'', TEXT, ''),
    # Sendmail adds what is missing here behind the milter.
    ('undated', b'', TEXT, ''),
    ('folded',
     b'References: <1@x>\r\n\t<2@x>\r\n\t<3@x>\r\n'
     b'Comments: \r\n  folded at once,  two  spaces \t and a tail \t \r\n'
     b'Keywords:none\r\nKeywords:     many\r\nIn-Reply-To:\r\n', TEXT, ''),
    ('folded-list', b'Cc: a@example.net,\r\n b@example.net,\r\n'
     b'\t  c@example.net\r\n', TEXT, ''),
    ('dense-list', b'Cc: a@example.net,b@example.net\r\n', TEXT, ''),
    ('comment', b'Sender: bob (\\( a comment) @example.org\r\n', TEXT, ''),
    ('encoded',
     b'Reply-To: =?utf-8?q?J=C3=BCrg_?= =?utf-8?b?w6Q=?= <j@example.org>\r\n',
     TEXT, ''),
    ('mime',
     b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n'
     b' boundary="a b"\r\n', b'--a b\r\n\r\none \t \r\n--a b--\r\n', ''),
    ('8bit',
     b'MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n'
     b'Content-Transfer-Encoding: 8bit\r\n',
     'Grüße, 你好\r\n'.encode() + b'\xff\xfe\x80\r\n', 'BODY=8BITMIME'),
    ('8bit-header', b'Comments: raw \xe4\xf6 octets\r\n', TEXT, ''),
    ('smtputf8',
     'Comments: Grüße\r\nReply-To: 用户@例え.example\r\n'.encode(), TEXT,
     'SMTPUTF8 BODY=8BITMIME'),
    ('empty', b'', b'', ''),
    ('blank-lines', b'', b'\r\n' * 5, ''),
    ('unterminated', b'', b'one\r\ntwo', ''),
    ('spaces', b'', b'one  \t two \t \r\n \t\r\n\tthree\r\n \r\n\r\n', ''),
    ('only-spaces', b'', b' \r\n\t\r\n', ''),
    ('long-line', b'', b'x' * 990 + b'\r\n' + b'y' * 998 + b'\r\n', ''),
    ('longer-line', b'', b'z' * 2500 + b'\r\n', ''),
    ('longer-field', b'Comments: ' + b'c' * 2500 + b'\r\n', TEXT, ''),
    ('dots', b'', b'.\r\n..\r\n.two\r\n...\r\n', ''),
    ('bare-cr', b'', b'one\rtwo\r\r\nthree\r\n', ''),
    ('bare-lf', b'', b'one\ntwo\r\n\n.\nthree\r\n', ''),
    ('1mib', b'', (b'0123456789abcdef' * 4 + b' \r\n') * (1 << 20 >> 6), ''),
]

# Whether these are signed for whom From may mean, at the domain %s. What
# stands in the wrong place in <> an MTA may have quoted before we see it.
AUTHORS = [
    ('bob@%s <bob@%s>', True),
    ('"ceo@%s" <bob@%s>', True),
    ('<bob@%s> ceo@%s', False),
    ('ceo@%s <bob@%s>', False),
    ('ceo@%s: bob@%s;', False),
]


def message(case, fields, body, domain):
    head = HEAD % {b'domain': domain.encode(), b'case': case.encode(),
                   b'id': case.encode()}
    if case == 'undated':
        head = re.sub(rb'(?m)^(Date|Message-ID):.*\n', b'', head)
    return head + fields + b'\r\n' + body


def run(make_mta, broken, refused=(), downgrades=True, local=False):
    """make_mta(sink, milter, users) starts the MTA. broken: what it changes
    behind the milter's back, so that no signature could hold: case -> the
    canonicalisations that break. refused: the cases it does not take.
    downgrades: it has a way to send 8 bits where 8BITMIME is not offered.
    local: mail of local programs passes the milter too."""
    need_root()
    plan(len(CANONS) * (3 + len(KINDS) + len(refused)) + 4 + local +
         len(AUTHORS))
    keys = {'rsa2048': Key('example.org', 'r2', 'rsa', 2048),
            'rsa4096': Key('example.org', 'r4', 'rsa', 4096),
            'ed25519': Key('example.org', 'ed', 'ed25519')}
    files = {key.name: key.pem for key in keys.values()}
    files['who'] = ''.join(
        '*@%s %s\n' % (domain, keys[name].name)
        for domain, names in KINDS.items() for name in names)
    with Sink() as sink, Postern('Mode sv', files=files) as postern, \
            make_mta(sink, postern, {'bob': 'secret'}) as mta:
        with open(postern.dir + '/keys', 'w') as table:
            table.write(''.join(key.table for key in keys.values()).replace(
                '@DIR@', postern.dir))
        for number, canon in enumerate(CANONS):
            postern.configure(CONF % canon)
            postern.reload()
            ok(len(postern.wait_log('reloaded|configuration', number + 1)),
               canon + ': reloaded')
            _one_canon(mta, sink, keys, canon, broken, refused)
        _they_can_say_no(sink.mails, keys)
        _authors(mta, sink, keys)
        _downgraded(mta, sink, keys, downgrades)
        if local:
            _local(mta, sink, keys)


def _they_can_say_no(mails, keys):
    plain = next(mail.data for mail in mails
                 if mail.values('X-Case') == ['plain'] and
                 b'@ed25519.' in mail.data)
    for what, old, new in (('a body', b'Hello', b'Hallo'),
                           ('a field', b'Subject: p', b'Subject: b')):
        words = verify(plain.replace(old, new), keys.values())
        ok(len(words) == 1 and 'pass' not in words['example.org', 'ed'],
           what + ' that was changed does not verify', words)


def _authors(mta, sink, keys):
    domain = 'ed25519.example.org'
    for author, signed in AUTHORS:
        sink.clear()
        with Client(mta.submission_port, login=('bob', 'secret')) as client:
            client.send('bob@example.org', 'eve@example.net',
                        b'From: %s\r\nSubject: x\r\n\r\nHello.\r\n' %
                        author.replace('%s', domain).encode(), '')
        mail = sink.wait_for(1)[0]
        # Sendmail quotes a name behind the milter, and breaks the signature.
        is_(list(verify(mail.data, keys.values())),
            [('example.org', 'ed')] if signed else [],
            author + (': signed' if signed else ': not signed'))


def _downgraded(mta, sink, keys, downgrades):
    """Towards a server without 8BITMIME an MTA may encode what has 8 bits,
    after the milter saw it; then no signature can hold."""
    sink.clear()
    sink.extensions = ('SIZE',)
    with Client(mta.submission_port, login=('bob', 'secret')) as client:
        for mail in MAILS:
            if mail[0] in ('plain', '8bit'):
                _send(client, 'both.example.org', mail, {})
    for mail in sink.wait_for(2):
        case = mail.values('X-Case')[0]
        words = [word for pair in verify(mail.data, keys.values()).values()
                 for word in pair]
        good = case == 'plain' or not downgrades
        is_([word == 'pass' for word in words], [good] * 4,
            'no 8BITMIME: %s' % case)


def _one_canon(mta, sink, keys, canon, broken, refused):
    sink.clear()
    sent, answers = [], {}
    for domain in KINDS:
        with Client(mta.submission_port, login=('bob', 'secret')) as client:
            for mail in MAILS:
                if mail[0] in refused or not _offered(client, mail[3]):
                    continue
                _send(client, domain, mail, answers)
                sent.append((domain, mail[0]))
    for mail in MAILS:
        if mail[0] in refused:
            # It may end the session too.
            with Client(mta.submission_port, login=('bob', 'secret')) as one:
                ok(not _send(one, domain, mail, {}).accepted,
                   '%s: %s: refused' % (canon, mail[0]))
    is_(answers, {}, canon + ': all accepted')
    mails = {}
    for mail in sink.wait_for(len(sent), 60):
        domain = mail.values('From')[0].rpartition('@')[2].rstrip('>')
        mails[domain, mail.values('X-Case')[0]] = mail
    is_(sorted(mails), sorted(sent), canon + ': all delivered')
    for domain, names in KINDS.items():
        cases = {case: mails[domain, case] for where, case in sent
                 if where == domain and (domain, case) in mails}
        is_(_wrong(cases, keys, names, canon, broken), {},
            '%s, %s: %d mails verified by dkimpy and OpenDKIM' % (
                canon, ' and '.join(names), len(cases)))


def _local(mta, sink, keys):
    sink.clear()
    mta.sendmail('bob@example.org', 'eve@example.net',
                 b'From: bob@rsa2048.example.org\nSubject: local\n\nHello.\n')
    got = [verify(mail.data, keys.values()) for mail in sink.wait_for(1)]
    is_(got, [{('example.org', 'r2'): PASS}], 'sendmail(1): verified')


def _offered(client, params):
    return 'SMTPUTF8' not in params or 'SMTPUTF8' in client.ehlo.text


def _send(client, domain, mail, answers):
    case, fields, body, params = mail
    sent = client.send('bob@example.org', 'eve@example.net',
                       message(case, fields, body, domain), params)
    if not sent.accepted:
        answers[domain, case] = sent
    return sent


def _wrong(cases, keys, names, canon, broken):
    """What the verifiers say of mails of which they should not say it."""
    signers = sorted(('example.org', keys[name].selector) for name in names)
    wrong = {}
    for case, mail in cases.items():
        got = verify(mail.data, keys.values())
        good = canon not in broken.get(case, ())
        if sorted(got) != signers or any(
                (word == 'pass') != good
                for words in got.values() for word in words):
            wrong[case] = got
    return wrong
