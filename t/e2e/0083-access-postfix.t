#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# HELO, AllowList, BlockList and RefuseAt through Postfix: what outside clients
# say is judged, who is in the lists is refused in the words of the list and at
# the moment that is chosen, who logs in is not, and posternctl check says the
# same.

import json
import os
import re
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import Client, Dnsd, Postern, Postfix, Sink, is_, like, need_root, \
    ok, plan

CONF = '''
Mode          v
AuthservID    mx.example.org
IPRev         no
DNSTimeout    2
HELOOurs      .example.org
AllowList     file:@DIR@/allow
BlockList     file:@DIR@/block
Nameservers   127.0.0.1@%d
'''
BLOCK = '''
127.0.0.66            Not from here
192.0.2.66            Your server has sent spam, ask abuse@example.org
2001:db8:66::/48      No mail from this net
192.0.2.0/24          A whole net
.dyn.example          451 Use your provider's server
helo:liar.example     We know better
@spam.example         No mail from spam.example
rcpt:gone@example.org Bob has left
'''
ALLOW = '''
192.0.2.65
@friend.example
rcpt:abuse@example.org
'''
ZONE = {
    'mx.good.example': {'A': '198.51.100.1', 'AAAA': '2001:db8::1'},
    'friend.example': {'TXT': 'v=spf1 ip4:192.0.2.80 -all'},
    'strict.example': {'TXT': 'v=spf1 -all'},
    'dead.example': 'SERVFAIL',
}
GOOD = '198.51.100.1'  # in no list
MESSAGE = 'From: a@other.example\nSubject: hello\n\nHello.\n'

# Address, HELO; then its result and a symbol.
HELOS = [
    (GOOD, 'mx.good.example', 'name/pass', 'HELO_MATCH'),
    ('2001:db8::1', 'mx.good.example', 'name/pass', 'HELO_MATCH'),
    ('198.51.100.2', 'mx.good.example', 'name/fail', 'HELO_MISMATCH'),
    (GOOD, 'no.good.example', 'name/none', 'HELO_NO_ADDRESS'),
    (GOOD, 'dead.example', 'name/temperror', 'HELO_TEMPERROR'),
    (GOOD, 'mx.example.org', 'name/none/ours', 'HELO_OURS'),
    (GOOD, '[%s]' % GOOD, 'literal/pass', 'HELO_LITERAL'),
    ('2001:db8::1', '[IPv6:2001:db8::1]', 'literal/pass', 'HELO_LITERAL'),
    (GOOD, '[192.0.2.1]', 'literal/fail', 'HELO_BAD_LITERAL'),
    (GOOD, GOOD, 'address/pass', 'RCVD_NUMERIC_HELO'),
    (GOOD, 'desktop', 'word/none', 'HELO_NOT_FQDN'),
]

HELO_WORDS = {
    'name/pass': 'a name',
    'name/fail': "a name that is not the client's",
    'name/none': 'a name that has no address',
    'name/temperror': 'a name',
    'name/none/ours': 'a name of this host that has no address',
    'literal/pass': 'an address',
    'literal/fail': "an address that is not the client's",
    'address/pass': 'an address without brackets',
    'word/none': 'a name without a dot that has no address',
}

# What; address, name, HELO, sender, recipient; the reply, or None.
SPAM = '5.7.1 Your server has sent spam, ask abuse@example.org'
NET = '5.7.1 A whole net'
LISTS = [
    ('an address', '192.0.2.66', None, None, 'a@other.example', None, SPAM),
    ('a net', '192.0.2.67', None, None, 'a@other.example', None, NET),
    ('an IPv6 net', '2001:db8:66:1::1', None, None, 'a@other.example', None,
     '5.7.1 No mail from this net'),
    ('a name', GOOD, 'a.dyn.example', None, 'a@other.example', None,
     "451 4.7.1 Use your provider's server"),
    ('a HELO', GOOD, None, 'liar.example', 'a@other.example', None,
     '550 5.7.1 We know better'),
    ('a sender', GOOD, None, None, 'a@spam.example', None,
     '5.7.1 No mail from spam.example'),
    ('the null sender', GOOD, None, None, '', None, None),
    ('an allowed address', '192.0.2.65', None, None, 'a@spam.example', None,
     None),
    ('a friend', '192.0.2.80', None, None, 'a@friend.example', None, None),
    ('a false friend', '192.0.2.81', None, None, 'a@friend.example', None,
     NET),
    ('to abuse', '192.0.2.66', None, None, 'a@other.example',
     'abuse@example.org', None),
    ('to postmaster', '192.0.2.66', None, None, 'a@other.example',
     'postmaster@example.org', None),
]

# RefuseAt; then which command is refused of a blocked client, and sender.
MOMENTS = [
    ('connect', 'mail', 'mail'),  # told at HELO, said at MAIL
    ('blocklist=connect', 'mail', 'mail'),
    ('mail', 'mail', 'mail'),
    ('blocklist=rcpt, mail', 'rcpt', 'rcpt'),
    ('end', 'end', 'end'),
]


def main():
    need_root()
    plan(4 * len(HELOS) + 1 + 3 * len(LISTS) + 2 + 3 * len(MOMENTS) + 1 + 6)
    with Dnsd(ZONE) as dns, Sink() as sink, \
            Postern(CONF % dns.port,
                    files={'allow': ALLOW, 'block': BLOCK}) as postern, \
            Postfix(sink, milter=postern, users={'bob': 'pw'},
                    settings={'inet_protocols': 'all'}) as mta:
        for case in HELOS:
            helo(mta, postern, *case)
        our_address(mta, postern)
        for case in LISTS:
            lists(mta, postern, *case)
        recipient(mta)
        moments(mta, postern, CONF % dns.port)
        checks(mta, postern, CONF % dns.port)


def client(mta, ip, name=None, said='mx.good.example', port=None, **kw):
    return Client(port or mta.port, helo=said, xclient={
        'ADDR': 'IPV6:' + ip if ':' in ip else ip,
        'NAME': name or '[UNAVAILABLE]'}, **kw)


def refusal(sent):
    """The command that was refused, and the reply."""
    if not sent.mail.ok:
        return 'mail', sent.mail
    if not sent.rcpts[0].ok:
        return 'rcpt', sent.rcpts[0]
    return (None, None) if sent.data.ok else ('end', sent.data)


def check(postern, *args):
    done = postern.ctl('check', *args, input=MESSAGE)
    return json.loads(done.stdout)


def symbols(got):
    return [s['name'] for s in got['symbols']]


def helo(mta, postern, ip, said, result, symbol):
    what = '%s from %s' % (said, ip)
    before = len(postern.log_lines(': direction='))
    with client(mta, ip, said=said) as smtp:
        sent = smtp.send('a@other.example', 'bob@example.org', MESSAGE)
    ok(sent.accepted, what + ': accepted', sent)
    line = postern.summaries(before + 1)[before]
    is_(line.get('helo'), result, '%s: helo=%s' % (what, result))
    got = check(postern, '--client-ip', ip, '--helo', said)
    is_(('%(form)s/%(result)s' % got['helo'], got['helo']['ours'],
         symbol in symbols(got)),
        (result.replace('/ours', ''), '/ours' in result, True),
        what + ': and so says posternctl check')
    like(why(postern), r' helo .* %s for %s, %s( HELO_NO_ADDRESS 0\.5)? %s ' % (
        result.split('/')[1], re.escape(said), HELO_WORDS[result], symbol),
        what + ': and so says posternctl why, in words')


def why(postern):
    """Of the last message, in one line."""
    return ' '.join(postern.ctl('why', '--since', '1h', '--limit', '1')
                    .stdout.split())


def our_address(mta, postern):
    """The MTA tells at which address it was reached."""
    before = len(postern.log_lines(': direction='))
    with client(mta, GOOD, said='[127.0.0.1]') as smtp:
        smtp.send('a@other.example', 'bob@example.org', MESSAGE)
    is_(postern.summaries(before + 1)[before].get('helo'),
        'literal/fail/ours', 'the address of the MTA is ours')


def lists(mta, postern, what, ip, name, said, sender, rcpt, reply):
    said, rcpt = said or 'mx.good.example', rcpt or 'bob@example.org'
    before = len(postern.log_lines(': direction='))
    with client(mta, ip, name, said) as smtp:
        sent = smtp.send(sender, rcpt, MESSAGE)
    when, heard = refusal(sent)
    is_(when, reply and 'end', what + ': refused at the end, if at all')
    if reply:
        like(str(heard), reply, what + ': in the words of the list')
    else:
        line = postern.summaries(before + 1)[before]
        is_(line['verdict'], 'accept', what + ': accepted')
    got = check(postern, '--client-ip', ip, '--client-name', name or 'unknown',
                '--helo', said, '--from', sender, '--rcpt', rcpt)
    is_((got['decided_by'], got['reply'] and reply in got['reply']),
        ('blocklist', True) if reply else (None, None),
        what + ': and so says posternctl check')


def recipient(mta):
    with client(mta, GOOD) as smtp:
        sent = smtp.send('a@other.example',
                         ['gone@example.org', 'bob@example.org'], MESSAGE)
    like(str(sent.rcpts[0]), '550 5.7.1 Bob has left',
         'a recipient: refused at RCPT')
    ok(sent.accepted, 'a recipient: the other gets it', sent)


def use(postern, conf):
    """After a reload, which must have happened."""
    before = len(postern.log_lines('reloaded'))
    postern.configure(conf)
    postern.reload()
    postern.wait_log('reloaded', before + 1)


def moments(mta, postern, conf):
    for at, blocked, spam in MOMENTS:
        use(postern, conf + 'RefuseAt %s\n' % at)
        lines = len(postern.log_lines('by=blocklist at=connect'))
        with Client(mta.port, source='127.0.0.66') as smtp:
            sent = smtp.send('a@other.example', 'bob@example.org', MESSAGE)
        when, reply = refusal(sent)
        like(str(reply), '5.7.1 Not from here', 'the words: ' + at)
        is_(when, blocked, 'RefuseAt %s: the client' % at)
        if 'connect' in at:
            postern.wait_log('client=127.0.0.66 verdict=reject by=blocklist '
                             'at=connect block=client/127.0.0.66 .*'
                             'reply="Not from here"', lines + 1)
        with client(mta, GOOD) as smtp:
            sent = smtp.send('a@spam.example', 'bob@example.org', MESSAGE)
        is_(refusal(sent)[0], spam, 'RefuseAt %s: the sender' % at)
    use(postern, conf + 'RefuseAt mail\n')
    with client(mta, '192.0.2.66', port=mta.submission_port,
                login=('bob', 'pw')) as smtp:
        sent = smtp.send('bob@example.org', 'eve@example.net', MESSAGE)
    ok(sent.accepted, 'who logs in is let in', sent)


def checks(mta, postern, conf):
    """Results of other checks, by their symbols."""
    use(postern, conf + 'Refuse SPF_FAIL,HELO_OURS=That is me\n'
        'RefuseAt spf=mail, helo=rcpt\n')
    with client(mta, GOOD) as smtp:
        sent = smtp.send('a@strict.example', 'bob@example.org', MESSAGE)
    is_([str(part) for part in refusal(sent)],
        ['mail', '550 5.7.23 Refused for SPF_FAIL'], 'Refuse SPF_FAIL')
    with client(mta, GOOD, said='mx.example.org') as smtp:
        sent = smtp.send('a@other.example',
                         ['bob@example.org', 'postmaster@example.org'],
                         MESSAGE)
    is_(str(sent.rcpts[0]), '550 5.7.1 That is me', 'Refuse HELO_OURS')
    ok(sent.accepted, 'but postmaster is there', sent)
    with client(mta, GOOD) as smtp:
        sent = smtp.send('a@other.example', 'bob@example.org', MESSAGE)
    ok(sent.accepted, 'Refuse: what is not found does not refuse', sent)
    got = check(postern, '--client-ip', GOOD, '--from', 'a@strict.example',
                '--helo', 'mx.good.example')
    is_((got['verdict'], got['decided_by'], got['reply']),
        ('reject', 'spf', '550 5.7.23 Refused for SPF_FAIL'),
        'Refuse: and so says posternctl check')
    got = check(postern, '--client-ip', '192.0.2.65', '--from',
                'a@strict.example')
    is_((got['verdict'], got['allowed']), ('accept', 'client'),
        'Refuse: but not of who is in AllowList')


main()
