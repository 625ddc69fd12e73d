#!/usr/bin/python3
# OpenDKIM's and OpenDMARC's own conversations between an MTA and its filter have
# the same outcome here: replies, whether a field is added, and what it says.
# Each is played by an MTA that offers all of protocol version 6, and by an old
# one. OpenDMARC's configurations are read by OpenDMARCConfig. What does not
# apply to a filter that is both stands in UNPLAYED and OTHERWISE, with the
# reason; it is counted and printed.
#
# The conversations are data (cases.json) that is not part of this source:
# POSTERN_DATA names the directory they are below, else ../shared/data. With
# POSTERN_PEER=opendkim they are played to OpenDKIM, to test this test.

import json
import os
import re
import signal
import subprocess
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import *
from proc import SOURCE

DATA = os.environ.get('POSTERN_DATA',
                      os.path.join(SOURCE, '..', 'shared', 'data'))
CASES = os.path.join(DATA, 'milter-opendkim-opendmarc', 'cases.json')
PEER = os.environ.get('POSTERN_PEER') == 'opendkim'

# The tables that configurations name.
TWO_KEYS = 'testkey example.com:test:./testkey.private\n' \
    'testkey2 example.net:test2:./testkey.private\n'
SIGNERS = 'user@example.com testkey\n' \
    'user2@example.com testkey:signer@example.com\n' \
    'user3@example.com testkey:signer@foo.%\n'
FILES = {
    't-conf-check.keytable': 'key1 example.com:ts:./testkey.private\n',
    't-conf-check.signtable': 'example.com key1\nexample.net key2\n',
    't-conf-check2.keytable': 'key1 example.com:ts:./testkey.private\n'
                              'key2 example.net:ts\n',
    't-conf-check2.signtable': 'example.com key1\nexample.net key2\n',
    't-peer.list': '192.168.1.0/24\n!192.168.1.64\n!192.168.1.128/30\n'
                   '2001:db8::/64\n!2001:db8::99\n!2001:db8::fff0/126\n'
                   '.example.com\n!.nonpeer.example.com\n'
                   '!nonpeer.example.com\nallowed.nonpeer.example.com\n'
                   'smtp.example.net\n',
    't-sign-rs-multiple.keys': TWO_KEYS,
    't-sign-rs-multiple.sign': 'user@example.com testkey\n'
                               'example.com testkey2\n',
    't-sign-rs-tables.keys': 'testkey example.com:test:./testkey.private\n',
    't-sign-rs-tables.sign': SIGNERS,
    't-sign-rs-tables-bad.keys':
        'testkey example.com test ./testkey.private\n',
    't-sign-rs-tables-token.keys': 'testkey %:test:./testkey.private\n',
    't-sign-ss-macro-value-file.list': 'testmacro testvalue\n',
}

# Whether mail of a client is left alone (accept) or signed (continue).
PEERS = [
    ('peer.example.com', '127.0.0.1', 'accept'),
    ('bob.example.net', '127.0.0.1', 'continue'),
    ('nonpeer.example.com', '127.0.0.1', 'continue'),
    ('xyz.nonpeer.example.com', '127.0.0.1', 'continue'),
    ('allowed.nonpeer.example.com', '127.0.0.1', 'accept'),
    ('smtp.example.net', '127.0.0.1', 'accept'),
    ('localhost', '127.0.0.1', 'continue'),
    ('localhost', '192.168.1.1', 'accept'),
    ('localhost', '192.168.1.64', 'continue'),
    ('localhost', '192.168.1.128', 'continue'),
    ('localhost', '192.168.1.131', 'continue'),
    ('localhost', '192.168.1.132', 'accept'),
    ('localhost', '9001:db8::8:800:200c:417a', 'continue'),
    ('localhost', '2001:db8::91', 'accept'),
    ('localhost', '2001:db8::fff0', 'continue'),
    ('localhost', '2001:db8::fff3', 'continue'),
    ('localhost', '2001:db8::fff4', 'accept'),
]

# Of OpenDKIM's test key, as its tests publish it, and one that was revoked.
PUBKEYS = (
    'test._domainkey.example.com v=DKIM1; k=rsa; p='
    'MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC9p5rp5EjC8cZbnlUpasA5HoUY'
    'wSA+HEBsBZnxppmehsiCLY/rSGDxmYaOL2LhGJur4UnXzTRpB/VgPTNOn3bkudEA'
    'Rqu0H2W6afEcI46igMs8fuZlyIi+UMGdUbn5tgbTRS7g6r9bxOcxwTtZcKAhvCWf'
    'DiTc2QeEzzxxyL4jewIDAQAB\n'
    'revoked._domainkey.example.com v=DKIM1; k=rsa; p=\n')
# What the conversations rely on that stood in the DNS of their day.
ZONE = {
    '_dmarc.paypal.com': {'TXT': 'v=DMARC1; p=reject'},
    'paypal.com': {'TXT': 'v=spf1 ip4:192.0.2.1 -all'},
    '_dmarc.trusteddomain.org': {'TXT': 'v=DMARC1; p=none'},
    'trusteddomain.org': {'TXT': 'v=spf1 ip4:192.0.2.1 -all'},
}

# Why a conversation is not played: by a keyword, or by name.
UNPLAYED = [
    ('ReputationLimits', 'no reputation service is asked'),
    ('t-verify-received-spf-good',
     'results that stand in a message are not believed'),
    ('SetupPolicyScript', 'needs a Lua script'),
    ('FinalPolicyScript', 'needs a Lua script'),
    ('ATPSDomains', 'ATPS remained an experiment'),
    ('ReplaceRules', 'fields are signed as they are'),
]
# What is different on purpose: a conversation, what it expects, what is
# expected instead (None: nothing), and why.
ALWAYS = 'every inbound message gets its Authentication-Results'
OTHERWISE = [
    ('t-verify-malformed', 'must_be_absent', 'must_be_present', ALWAYS),
    ('t-verify-malformed', 'format', 'dmarc=permerror',
     'that From cannot be read is what DMARC says'),
    ('t-verify-unsigned-silent', 'must_be_absent', 'must_be_present', ALWAYS),
    ('t-verify-revoked', 'dkim=fail', 'dkim=permerror',
     'a revoked key is a permanent error (RFC 8601, section 2.7.1)'),
    ('t-verify-self-spf', 'smtp.mailfrom=trusteddomain.org',
     'smtp.mailfrom=user@trusteddomain.org',
     'it is the whole address (RFC 8601, section 2.7.2)'),
    ('t-verify-unsigned', 'unknown-host;', None,
     'the MTA gave no name; that of this host is taken'),
]
# Tags that are left out on purpose, by the keyword that asks for them.
UNWANTED = {'BodyLengthDB': ' l=', 'RequestReports': 'r=y'}


def name_of(case):
    return os.path.basename(case['source'])[:-len('.lua')]


def has(case, keyword):
    return any(line.split()[:1] == [keyword]
               for line in case['filter_config'].splitlines())


def unplayed(case):
    """The reason, or None."""
    if PEER and of_opendmarc(case):
        return 'the peer is OpenDKIM'
    for which, reason in UNPLAYED:
        if which == name_of(case) or has(case, which):
            return reason
    return None


def otherwise(case, wanted):
    """What is expected in place of that."""
    for name, theirs, ours, reason in OTHERWISE:
        if (name, theirs) == (name_of(case), wanted) and not PEER:
            DIFFERENT.add('%s: %s, not %s: %s' % (name, ours, theirs, reason))
            return ours
    return wanted


DIFFERENT = set()  # what was met of it


def of_opendmarc(case):
    return case['source'].startswith('OpenDMARC')


def conf_of(case):
    """The configuration, with our other default taken back, and a KeyFile
    that is found from everywhere."""
    if of_opendmarc(case):
        return 'Mode v\nOpenDMARCConfig @DIR@/opendmarc.conf\n'
    conf = re.sub(r'(?m)^((?:KeyFile|TestPublicKeys)\s+|TestDNSData\s+file:)',
                  r'\1@DIR@/', case['filter_config'])
    if not has(case, 'Canonicalization'):
        conf += 'Canonicalization simple/simple\n'
    if has(case, 'PeerList'):
        # All others are signed for, so that the difference can be seen.
        conf += 'InternalHosts 0.0.0.0/0,::/0\n'
    return conf


def filter_for(case, key, dns):
    files = dict(FILES, **{'testkey.private': key, 'pubkeys': PUBKEYS,
                           'opendmarc.conf': case['filter_config']})
    if not PEER:
        return Postern(conf_of(case) + 'Nameservers 127.0.0.1@%d\n' % dns.port,
                       files=files, start=False)
    return Peer(conf_of(case), files)


class Peer(OpenDKIM):
    """OpenDKIM with files beside its configuration."""

    def __init__(self, conf, files):
        self.conf, self.files = conf, files

    def run(self):
        super().__init__(self.conf)

    def start(self, *args, **more):
        for name, text in self.files.items():
            write_file(os.path.join(self.dir, name), text, 0o600)
        super().start(*args, **more)


class Player:
    """Plays the steps of a case; what went wrong gathers in .problems."""

    def __init__(self, talk, case, offer):
        self.talk, self.case = talk, case
        self.problems = []
        self.answer = self.end = None
        self.rcpt_said = False
        agreed = talk('negotiate', offer).told
        self.symbols = agreed['symbols']
        self.space = ' ' if agreed['steps'] & 0x100000 else ''

    def play(self):
        for verb, *args in self.case['steps']:
            getattr(self, 'do_' + verb)(*args)
            if self.answer.error:
                break
        return self.problems

    def problem(self, text):
        self.problems.append('%s (last answer: %r)' % (text, self.answer))

    def say(self, *command):
        self.answer = self.talk(*command)
        if self.answer.error:
            self.problem('%r: %s' % (command, self.answer.error))

    def do_conninfo(self, name, address):
        self.say('connect', name, address, 25)

    def do_helo(self, name):
        self.say('helo', name)

    def do_macro(self, _stage, *pairs):
        # An MTA sends what was asked for and nothing else.
        asked = self.symbols[2]
        for name in pairs[::2]:
            if asked is not None and name not in asked.split():
                self.problem('macro %s was not asked for' % name)
        self.talk('macro', 'mail', *pairs)

    def do_mailfrom(self, address):
        self.rcpt_said = False
        self.say('mail', '<%s>' % address)

    def do_rcptto(self, address):
        self.rcpt_said = True
        self.say('rcpt', '<%s>' % address)

    def do_header(self, name, value=None):
        if value is None:
            # Made by a program, and left out of the data: a long one.
            value = 'example.com; ' + 'dkim=pass header.d=example.com; ' * 999
        if not self.rcpt_said:
            # The conversations leave out what matters little to them, but
            # there is no header without a recipient.
            self.do_rcptto('recipient@example.com')
            self.say('data')
        self.say('header', name, self.space + value.replace('\r\n', '\n'))

    def do_eoh(self):
        self.say('eoh')

    def do_bodystring(self, text):
        self.say('body', text)

    def do_eom(self):
        self.say('eom')
        self.end = self.answer

    def do_expect_reply(self, word):
        want = word[len('SMFIR_'):].lower()
        got = self.answer.reply
        if want == 'reject' and got == 'replycode':
            got = want
        if want == 'continue' and self.end is not None and got == 'accept':
            got = want
        if want == 'replycode' and self.end is None and got in ('continue', 'none'):
            # Who refuses a message may do so at its end.
            self.do_eom()
            got = self.answer.reply
        if want == 'accept' and self.end is None and got != 'accept':
            # Who leaves a message alone may say so early or at its end.
            self.say('eom')
            if self.answer.reply != 'accept' or self.answer.edits:
                self.problem('the message is not left alone')
        elif got != want and {got, want} - {'continue', 'none', 'skip'}:
            # The three are alike; who skips the body does not read it.
            self.problem('%s expected' % want)

    def do_check_mod(self, what, polarity):
        field = what.split('"')[1]
        polarity = otherwise(self.case, polarity)
        present = bool(self.end.added(field))
        if present != (polarity == 'must_be_present'):
            self.problem('%s: %s' % (field, polarity))

    def do_added_header(self, which, text, polarity):
        if polarity == 'unclear' or \
                any(has(self.case, keyword) and text == unwanted and not PEER
                    for keyword, unwanted in UNWANTED.items()):
            return
        field = {'sig': 'DKIM-Signature', 'ar': 'Authentication-Results'}
        text = otherwise(self.case, text)
        if text is None:
            return
        values = self.end.added(field[which])
        found = any(text in value for value in values)
        if found != (polarity == 'must_contain'):
            self.problem('%s: %r %s' % (field[which], text, polarity))


def left_alone(milter, name, address):
    """Whether mail from that client is, early or at its end."""
    with Talk(milter, 20) as talk:
        talk('negotiate', 'plain')
        if talk('connect', name, address, 25).reply == 'accept':
            return True
        for command in (('mail', '<user@example.com>'),
                        ('rcpt', '<recipient@example.com>'),
                        ('header', 'From', 'user@example.com'), ('eoh',)):
            talk(*command)
        return not talk('eom').edits


def ask_peers(milter):
    return ['%s %s: %s expected' % (name, address, want)
            for name, address, want in PEERS
            if left_alone(milter, name, address) != (want == 'accept')]


def play(case, milter, offer):
    """Problems; none: the conversation went as it should."""
    if not milter.process:
        # No conversation at all is what an invalid configuration gets.
        return [] if invalid(case) else ['it does not start']
    if not case['steps']:
        return ['an invalid configuration was taken']
    if has(case, 'PeerList'):
        return ask_peers(milter)
    with Talk(milter, 20) as talk:
        return Player(talk, case, offer).play()


def invalid(case):
    return not case['steps'] or name_of(case).endswith('-bad')


def started(case, key, dns):
    milter = filter_for(case, key, dns)
    try:
        milter.run()
        if invalid(case):
            # It may listen before it has read everything.
            try:
                milter.process.wait(5)
            except subprocess.TimeoutExpired:
                return milter
            raise RigError(milter.log())
    except RigError as error:
        milter.stop()
        diag(error)
    return milter


def play_case(case, key, dns, milters):
    title = '%s: %s' % (name_of(case), case['description'])
    reason = unplayed(case)
    milter = None if reason else started(case, key, dns)
    for offer in ('all', 'plain'):
        name = '%s (%s)' % (title, offer)
        if reason:
            skip(name, reason)
            continue
        problems = play(case, milter, offer)
        ok(not problems, name, '\n'.join(problems))
    if milter and milter.process:
        milter.signal(signal.SIGTERM)
        milters.append(milter)


def main():
    if not os.path.exists(CASES):
        skip_all('no %s' % CASES)
    with open(CASES) as file:
        cases = json.load(file)['cases']
    key = subprocess.run(
        ['openssl', 'genpkey', '-quiet', '-algorithm', 'RSA', '-pkeyopt',
         'rsa_keygen_bits:2048'], check=True, capture_output=True,
        text=True).stdout
    plan(2 * len(cases) + 4)
    milters = []
    with Dnsd(ZONE) as dns:
        for case in cases:
            play_case(case, key, dns, milters)
    not_played = {name_of(c): unplayed(c) for c in cases if unplayed(c)}
    for name, reason in sorted(not_played.items()):
        diag('not played: %s: %s' % (name, reason))
    for text in sorted(DIFFERENT):
        diag('different on purpose: ' + text)
    is_(len(cases), 46, 'there are 46 conversations')
    is_(len(not_played), 16 if PEER else 9, 'all but 9 of them are played')
    is_(len(DIFFERENT), 0 if PEER else len(OTHERWISE),
        'what is different on purpose was met')
    # Told to stop above: libmilter takes its seconds for that.
    is_({milter.stop() for milter in milters}, {0}, 'all of them ended well')


main()
