# SPDX-License-Identifier: BSD-2-Clause
"""Ten kinds of mail, the same for every MTA, and what posternctl why says of
each: it is found by its queue id, or where the MTA had none by account, client
or sender, and the sentence names what made it so."""

import collections
import json
import os
import re

from rig import Client, Dnsd, Postern, Sink, is_, like, need_root, ok, plan, \
    write_file
from verify import Key

CONF = '''
Mode                sv
AuthservID          mx.example.org
IPRev               no
HELO                no
Domain              example.org
Selector            s1
KeyFile             @DIR@/key
RequireSafeKeys     no
SenderLogins        csl:bob@example.org=bob,eve@example.com=eve
DMARCPolicy         reject
RuleFile            @DIR@/local.cf
RuleStats           none
RejectScore         5
BlockList           file:@DIR@/block
RefuseAt            end,blocklist=connect
AllowList           %(allowed)s
QuotaTable          @DIR@/quota
DNSTimeout          2
Nameservers         127.0.0.1@%(port)d
DNSBL "dbl.example.net" {
    Ask    = {mailfrom}
    Codes  = {127.0.1.0/24}
    Action = reject
}
Quota "eve" {
    Recipients = {1/hour}
}
'''
RULES = '''
header PILLS Subject =~ /cheap pills/i
describe PILLS Sells pills
score  PILLS 4
body   NOW /buy now/i
score  NOW 2
'''
ZONE = {
    'good.example': {'TXT': 'v=spf1 ip4:192.0.2.0/24 ip4:127.0.0.0/24 -all'},
    '_dmarc.strict.example': {'TXT': 'v=DMARC1; p=reject'},
    '_dmarc.dead.example': 'SERVFAIL',
    'test.dbl.example.net': {'A': '127.0.1.2'},
    'listed.example.dbl.example.net': {'A': '127.0.1.4'},
}
EVIL = 'one \x1b[31mred\x1b[0m "x" \xe9 <b>\n\ttwo'

# what: a name. how: of Run's. sender, author, subject, body: of the mail. find:
# None: by its queue id; or the options by which it is found. why: what the
# sentence has.
Case = collections.namedtuple(
    'Case', 'what how sender author subject body find verdict why')
PLAIN = {'sender': 'a@good.example', 'author': 'a@good.example',
         'subject': 'hello', 'body': 'At noon?', 'how': 'inbound',
         'find': None, 'verdict': 'reject'}
CASES = [Case(**dict(PLAIN, **case)) for case in (
    {'what': 'signed', 'how': 'bob', 'sender': 'bob@example.org',
     'author': 'bob@example.org', 'verdict': 'accept',
     'why': r'^It is accepted: nothing refuses or holds it, and the score 0\.0 '
            r'is below the limits; it leaves signed with '
            r'example\.org/s1/rsa-sha256\.$'},
    {'what': 'over a quota', 'how': 'eve', 'sender': 'eve@example.com',
     'author': 'eve@example.com', 'find': ('--account', 'eve'),
     'verdict': 'tempfail',
     'why': r'^It is refused for now by quota, because the account eve would '
            r'be over its limit of 1 recipient in 1 hour, of which 1 is used; '
            r'there is room again after \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\.$'},
    {'what': 'DMARC fails', 'author': 'a@strict.example',
     'why': r'^It is refused by dmarc for the symbol DMARC_REJECT, because '
            r'DMARC is fail for strict\.example, and the policy of '
            r'strict\.example is reject: SPF says pass, but for good\.example, '
            r'which is not aligned, and there is no DKIM signature\.$'},
    {'what': 'listed', 'sender': 'a@listed.example',
     'why': r'^It is refused by dnsbl for the symbol DNS_FROM_DBL_EXAMPLE_NET, '
            r'because dbl\.example\.net lists listed\.example with '
            r'127\.0\.1\.4\.$'},
    {'what': 'rules', 'subject': 'Cheap pills', 'body': 'Buy now!',
     'why': r'^It is refused by rules, because the score 6\.0 reaches '
            r'RejectScore, which is 5\.0: most of it comes from PILLS \(4\.0\) and '
            r'NOW \(2\.0\)\.$'},
    {'what': 'no answer of the DNS', 'author': 'a@dead.example',
     'verdict': 'tempfail',
     'why': r'^It is refused for now by dmarc, because the DNS did not answer '
            r'for the DMARC policy, _dmarc\.dead\.example\.$'},
    {'what': 'not its From', 'how': 'ann', 'sender': 'ann@example.com',
     'author': 'bob@example.org',
     'why': r'^It is refused by login for the symbol FROM_NOT_OWNED, because '
            r'SenderLogins does not give bob@example\.org to the account '
            r'ann\.$'},
    {'what': 'blocked at connect', 'how': 'blocked', 'find': ('--client', ),
     'why': r'^At connect the client is refused by blocklist for the symbol '
            r'USER_IN_BLOCKLIST, because the client is in BlockList, by its '
            r'entry \S+\.$'},
    {'what': 'given up', 'how': 'gives up', 'sender': 'gone@good.example',
     'find': ('--from', 'gone@good.example'), 'verdict': 'none',
     'why': r'^It was given up by the client or the mail server before its '
            r'content, after 1 recipient; nothing else was decided\.$'},
    {'what': 'exempt', 'how': 'allowed', 'author': 'a@strict.example',
     'verdict': 'accept',
     'why': r'^It is accepted: its client is in AllowList; without that dmarc '
            r'would refuse it\.$'},
)]
CHECKS = 4 * len(CASES) + 21    # made below


class Run:
    """make_mta(sink, postern); ips: the clients plain, blocked and allowed, as
    postern sees them; client(ip): what makes a Client come from there."""

    def __init__(self, make_mta, ips, client):
        self.make_mta, self.ips, self.client = make_mta, ips, client

    def run(self):
        need_root()
        plan(CHECKS)
        plain, blocked, allowed = self.ips
        self.ip = {'inbound': plain, 'gives up': plain, 'blocked': blocked,
                   'allowed': allowed}
        key = Key('example.org', 's1', 'rsa')
        with Dnsd(ZONE) as dns, Sink() as sink:
            self.postern = Postern(
                CONF % {'allowed': allowed, 'port': dns.port},
                files={'local.cf': RULES, 'key': key.pem,
                       'block': blocked + '\n'})
            with self.postern, self.make_mta(sink, self.postern) as self.mta:
                self.postern.wait_log(r'dbl\.example\.net: in use for domains')
                self.send(CASES[1])  # what eve may send
                for case in CASES:
                    self.one(case)
                self.escaped()
            self.down()

    def message(self, case):
        return ('From: %s\nTo: r@example.org\nSubject: %s\n'
                'Message-ID: <%s@id.example>\n\n%s\n' % (
                    case.author, case.subject, len(case.what), case.body))

    def send(self, case):
        """What the MTA said."""
        if case.how in ('bob', 'ann', 'eve'):
            with Client(self.mta.submission_port,
                        login=(case.how, 'secret')) as client:
                return client.send(case.sender, 'r@example.org',
                                   self.message(case))
        with Client(**dict({'port': self.mta.port},
                           **self.client(self.ip[case.how]))) as client:
            if case.how != 'gives up':
                return client.send(case.sender, 'r@example.org',
                                   self.message(case))
            client.cmd('MAIL FROM:<%s>' % case.sender)
            client.cmd('RCPT TO:<r@example.org>')
            client.cmd('RSET')
            return None

    def why(self, *args):
        """The objects."""
        done = self.postern.ctl('why', '--json', *args)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def find(self, case, sent):
        """How it is found."""
        if case.find == ('--client', ):
            return '--client', self.ip[case.how], '--verdict', case.verdict
        if case.find is not None:
            return (*case.find, '--verdict', case.verdict)
        if sent is not None and sent.queue_id:
            return (sent.queue_id, )
        # Refused at the end, it has an id that only the logs tell.
        return (self.postern.summaries()[-1]['id'], )

    def one(self, case):
        before = len(self.postern.log_lines(' verdict='))
        sent = self.send(case)
        self.postern.wait_log(' verdict=', before + 1)
        find = self.find(case, sent)
        found = self.why(*find)
        what = case.what + ': '
        ok(found, what + 'found by ' + find[0], find)
        one = found[-1] if found else {}
        is_(one.get('verdict'), case.verdict, what + case.verdict)
        like(one.get('why', ''), case.why, what + 'the sentence')
        page = self.postern.ctl('why', *find)
        text = re.sub(r'\s+', ' ', page.stdout)
        ok(one.get('why', 'none') in text and
           max(map(len, page.stdout.splitlines()), default=99) <= 80,
           what + 'so says the page, in 80 columns', page.stdout)
        self.details(case, one, page.stdout)

    def details(self, case, one, page):
        """Of some cases more."""
        if case.what == 'signed':
            is_((one['account'], one['sender'], one['recipients'],
                 one['recipient_count'], one['refused_recipients'],
                 one['subject'], one['signed'], one['queue_id'] is None),
                ('bob', 'bob@example.org', ['r@example.org'], 1, [], 'hello',
                 'example.org/s1/rsa-sha256', False),
                'signed: who, what and to whom')
            like(one['time'], r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$',
                 'signed: when')
            ok(one['duration_ms'] > 0 and one['size'] > 50 and
               'sign' in [stage['name'] for stage in one['stages']],
               'signed: how long', one)
        if case.what == 'over a quota':
            is_((one['quota'], one['refused_recipients']),
                ([{'level': 'account', 'kind': 'recipients', 'window_s': 3600,
                   'limit': 1, 'used': 1}], ['r@example.org']),
                'over a quota: the limit, and what is used')
        if case.what == 'rules':
            is_([(s['name'], s['score'], s.get('match')) for s in
                 one['symbols'] if s['score'] > 0.01],
                [('PILLS', 4.0, 'Cheap pills'), ('NOW', 2.0, 'Buy now')],
                'rules: what each matched')
            like(page, r'(?m)^    rules +6\.0 +[\d.]+ [mu]s  the sum of all',
                 'rules: the check, its score and its time')
            like(page, r'(?m)^ +PILLS 4, Sells pills: "Cheap pills"$',
                 'rules: the page has what each matched')
        if case.what == 'blocked at connect':
            is_((one['client']['ip'], one['sender'], one['queue_id']),
                (self.ip['blocked'], None, None),
                'blocked at connect: no message')

    def escaped(self):
        """Text from mail can do nothing to a terminal."""
        case = CASES[4]._replace(subject=EVIL + ' cheap pills',
                                 what='hostile')
        before = len(self.postern.log_lines(' verdict='))
        self.send(case._replace(body='Buy now!'))
        line = self.postern.wait_log(' verdict=', before + 1)[before]
        ok(' verdict=reject by=rules' in line, 'hostile: refused', line)
        for args in (('why', '--symbol', 'PILLS'), ('journal', ),
                     ('why', '--limit', '1', '--verdict', 'reject')):
            text = self.postern.ctl(*args).stdout
            ok(re.fullmatch(r'[\n\x20-\x7e]+', text),
               'hostile: %s is printable ASCII' % ' '.join(args), text)
        like(text, r'subject +one \\x1b\[31mred\\x1b\[0m "x" \\xc3\\xa9 <b>',
             'hostile: the subject is escaped')
        is_(self.why('--symbol', 'PILLS')[-1]['subject'].split('two')[0]
            .replace('\r', ''), EVIL.split('two')[0],
            'hostile: JSON has it as it is')

    def down(self):
        """Without the daemon."""
        all_of = self.why('--since', '1h')
        ok(len(all_of) >= len(CASES) + 1, 'down: all are there', all_of)
        times = [one['time'] for one in all_of]
        is_(times, sorted(times), 'down: the newest last')
        is_(self.why('--since', '1h', '--limit', '2'), all_of[-2:],
            'down: --limit')
        done = self.postern.ctl('why', 'NOSUCHID')
        is_((done.returncode, done.stdout), (1, ''), 'down: nothing is found')
        like(done.stderr, r'there is no such decision; the oldest one that is '
             r'kept is of \d{4}-', 'down: and how far back it goes is said')
        lines = self.postern.ctl('journal').stdout.splitlines()
        is_(len(lines), len(self.why('--since', '7d')),
            'down: journal has a line for each')
        is_([name for name in os.listdir(self.postern.dir)
             if name.startswith('ring')], ['ring'],
            'down: the ring is the first one')
