#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# What an administrator reads on Tuesday: the line in the log of mail that was
# refused, held, left unsigned or kept out through Postfix names the rules, the
# Message-ID, the recipients and the entry of a list; what stands in the queue
# shows its score, LogWhy has what led to it under its queue id, and posternctl
# check says the same in words.

import os
import re
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import Client, Postern, Postfix, Sink, is_, like, need_root, ok, plan

RULES = '''
header PILLS Subject =~ /cheap pills/i
describe PILLS Sells pills
score  PILLS 4
body   NOW /buy now/i
score  NOW 2
'''
BLOCK = '''
192.0.2.66            Your server sends spam: ask "abuse"
rcpt:gone@example.org 450 Bob has left
'''
CONF = '''
Mode       sv
SPF        no
DMARC      no
IPRev      no
HELO       no
RuleFile   @DIR@/local.cf
RuleStats  none
BlockList  file:@DIR@/block
RejectScore 5
OutboundQuarantineScore 5
LogWhy     yes
Quota default {
	Recipients = {2/1h}
}
QuotaTable @DIR@/quota
'''
SPAM = ('From: a@example.com\nMessage-ID: <1 "a"@example.com>\n'
        'Subject: Cheap pills\n\nBuy now!\n')
HAM = 'From: a@example.com\nMessage-ID: <2@example.com>\n\nAt noon?\n'


def main():
    need_root()
    plan(21)
    with Sink() as sink, \
            Postern(CONF, files={'local.cf': RULES, 'block': BLOCK}) as daemon, \
            Postfix(sink, milter=daemon, users={'bob': 'secret'}) as mta:
        refused(mta, daemon)
        recipient(mta, daemon)
        blocked(mta, daemon)
        held(mta, daemon)
        unsigned(mta, daemon)
        over_quota(mta, daemon)
        checked(daemon)


def send(mta, daemon, message, rcpts='bob@example.org', login=None,
         ip='192.0.2.1'):
    """The line of the message, and the answer."""
    before = len(daemon.log_lines(': direction='))
    with Client(mta.submission_port if login else mta.port,
                login=('bob', 'secret') if login else None,
                xclient=None if login else {
                    'ADDR': ip, 'NAME': '[UNAVAILABLE]'}) as client:
        sent = client.send('a@example.com', rcpts, message)
    return daemon.summaries(before + 1)[before], sent


def refused(mta, daemon):
    line, sent = send(mta, daemon, SPAM, ['b@example.org', 'c@example.org'])
    like(str(sent), 'looks like spam', 'spam is refused')
    is_((line['tests'], line['msgid'], line['rcpt'], line['by']),
        ('PILLS,NOW', '<1 "a"@example.com>',
         ['b@example.org', 'c@example.org'], 'rules'),
        'its line names the rules, the mail and the recipients')
    like(line['line'], r' msgid="<1 \\"a\\"@example.com>" .* reply="The message '
         r'looks like spam \(score 6.0 of 5.0\)" ', 'quoted as they must be')
    why = daemon.wait_log(
        line['id'] + ': rules: at the end: refused, because the score 6.0 '
        'reaches RejectScore, which is 5.0', 1)
    is_(len(why), 1, 'LogWhy says what the score reached')
    is_(len(daemon.log_lines(
        line['id'] + r': rules: rule PILLS hits: 4, by "Cheap pills"')), 1,
        'and what the rule met')
    is_(len(daemon.log_lines(
        line['id'] + r': direction: inbound: client 192\.0\.2\.1 did not')), 1,
        'and why it was inbound, under the queue id')


def recipient(mta, daemon):
    line, sent = send(mta, daemon, HAM, ['gone@example.org', 'b@example.org'])
    like(str(sent.rcpts[0]), '450 4.7.1 Bob has left', 'a recipient is refused')
    is_((line['verdict'], line['rcpt'], line['block'], line['msgid']),
        ('accept', ['gone@example.org'], 'rcpt/rcpt:gone@example.org',
         '<2@example.com>'),
        'the line names that one, and not who got it')


def blocked(mta, daemon):
    line, sent = send(mta, daemon, HAM, ip='192.0.2.66')
    like(str(sent), 'ask "abuse"', 'a client is blocked in the words of the list')
    is_((line['block'], line['tests'].split(',')[0], line['reply']),
        ('client/192.0.2.66', 'USER_IN_BLOCKLIST',
         'Your server sends spam: ask "abuse"'),
        'its line names the entry')


def held(mta, daemon):
    line, sent = send(mta, daemon, SPAM, login=True)
    ok(sent.accepted, 'outbound spam is taken', sent)
    is_((line['verdict'], line['tests'], line['rcpt']),
        ('quarantine', 'PILLS,NOW', ['bob@example.org']),
        'and held; its line names the rules and the recipient')
    text = mta.command('postcat', '-qh', line['id']).stdout.decode()
    like(text, r'(?m)^X-Spam-Status: Yes, score=6\.0 required=5\.0 '
         r'tests=NOW,OUTBOUND,PILLS', 'what stands in the queue has its score')
    like(text, r'(?m)^Subject: Cheap pills$', 'and its subject')
    mta.command('postsuper', '-d', 'ALL', 'hold')


def unsigned(mta, daemon):
    line, sent = send(mta, daemon, HAM, login=True)
    ok(sent.accepted, 'mail without a key leaves', sent)
    is_((line.get('unsigned'), line.get('rcpt')),
        ('no key is configured', None), 'its line says that it is unsigned')


def over_quota(mta, daemon):
    line, sent = send(mta, daemon, HAM, 'd@example.org', login=True)
    like(str(sent.rcpts[0]), '450 4.7.1', 'over the quota')
    is_((line['verdict'], line['by'], line['rcpt'], line['quota']),
        ('tempfail', 'quota', ['d@example.org'], 'recipients/1h:2/2'),
        'the line names limit and recipient')


def checked(daemon):
    done = daemon.ctl('check', '--client-ip', '192.0.2.1', '--rcpt',
                      'b@example.org', '--output', 'text', input=SPAM)
    text = re.sub(r'\s+', ' ', done.stdout)
    like(text, r' why It is refused by rules, because the score 6\.0 reaches '
         r'RejectScore, which is 5\.0: most of it comes from PILLS \(4\.0\) and '
         r'NOW \(2\.0\)\. reply 550 5\.7\.1 The message ',
         'posternctl check says why in a sentence')
    like(text, r' rule PILLS 4\.000 Sells pills rule NOW 2\.000 ',
         'and which rules hit')
    like(text, r' insert X-Spam-Status: Yes, score=6\.0 required=5\.0 '
         r'tests=NOW,PILLS autolearn=no ', 'and what each edit holds')


main()
