#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Shows postern's main job on a private Postfix, for etc/quickstart.

POSTERN and POSTERNCTL name the programs. Everything is below one temporary
directory and on loopback ports; at the end, or when it is killed, nothing of
it is left.
"""

import email.utils
import json
import os
import smtplib
import subprocess
import sys
import tempfile
import textwrap

import dkim

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..'))
import modules  # noqa: F401,E402
import proc
import tap
from quota import refusal, reset
from rig import Client, Postern, Postfix, RigError, Sink

DOMAIN = 'example.org'
SELECTOR = 'demo'
LIMIT = 5
PASSWORD = 'secret'
LOG_LINES = 15

CONF = '''\
Mode           s
Domain         %s
Selector       %s
KeyFile        @DIR@/%s/%s.private
QuotaTable     @DIR@/quota
Quota default {
    Messages = {%d/hour}
}
''' % (DOMAIN, SELECTOR, DOMAIN, SELECTOR, LIMIT)

MESSAGE = '''\
From: Bob <bob@example.org>
To: Alice <alice@example.net>
Subject: Mail number %d
Date: %s
Message-ID: %s

Dear Alice,
this left through the gate.
'''

BOLD, DIM, PLAIN = '\033[1m', '\033[2m', '\033[0m'
COLOUR = sys.stdout.isatty() and 'NO_COLOR' not in os.environ


def paint(colour, text):
    return colour + text + PLAIN if COLOUR else text


def step(text):
    print(paint(BOLD, '* ' + text), flush=True)


def say(text):
    print(textwrap.fill(text, 76, initial_indent='  ', subsequent_indent='  ',
                        break_long_words=False, break_on_hyphens=False),
          flush=True)


def quote(text):
    """Something that another program said, as it said it."""
    for line in text.replace('\r\n', '\n').rstrip('\n').split('\n'):
        print(paint(DIM, '    | ' + line), flush=True)


def need(held, what):
    if not held:
        raise RigError(what)


def ctl(postern, *words):
    """What `posternctl words` prints."""
    step('posternctl ' + ' '.join(words[:3]))
    done = postern.ctl(*words)
    need(done.returncode == 0, 'posternctl: ' + done.stderr)
    return done.stdout


def make_key(postern):
    """Makes the key that CONF names; returns its DNS record's text."""
    key = json.loads(ctl(postern, 'key', 'generate', DOMAIN, '--selector',
                         SELECTOR, '--directory', postern.dir, '--json'))
    say('makes a key. Its public half belongs into the DNS:')
    quote(key['zone'])
    return key['record']


def send(mta, number):
    """Mail `number` from bob, who logs in for it."""
    with Client(mta.submission_port, login=('bob', PASSWORD)) as client:
        need(client.login_reply.ok, 'login: %s' % client.login_reply)
        return client.send('bob@' + DOMAIN, 'alice@example.net', MESSAGE % (
            number, email.utils.formatdate(localtime=True),
            email.utils.make_msgid(domain=DOMAIN)))


def verified(message, record):
    """What dkimpy says, with record in place of the DNS."""
    name = ('%s._domainkey.%s.' % (SELECTOR, DOMAIN)).encode()
    return dkim.verify(message, dnsfunc=lambda asked, timeout=5:
                       record.encode() if asked == name else None)


def signed_mail(mta, sink, record):
    step('Bob logs in and sends a mail')
    sent = send(mta, 1)
    need(sent.accepted, 'the mail was refused: %s' % sent)
    say('Postfix says: %s' % sent.data)
    mails = sink.wait_for(1)
    need(mails, 'the mail was not delivered')
    step('The mail as it was delivered')
    quote(mails[0].data.decode())
    need(mails[0].values('DKIM-Signature'), 'it has no DKIM-Signature')
    step('An independent verifier, dkimpy, looks at it')
    need(verified(mails[0].data, record), 'dkimpy: the signature is not valid')
    say('The signature is valid.')
    need(not verified(mails[0].data.replace(b'Alice,', b'Malice,'), record),
         'dkimpy takes a changed mail for signed')
    say('With a letter added to the text it is not, as it should be.')


def until_refused(mta):
    """Returns the number of the next mail."""
    step('Bob may send %d messages an hour, and sends on' % LIMIT)
    for number in range(2, LIMIT + 2):
        sent = send(mta, number)
        reply = refusal(sent)
        say('mail %d: %s' % (number, reply or sent.data))
        need((reply is None) == (number <= LIMIT),
             'mail %d was to be %s' % (number, 'accepted' if number <= LIMIT
                                       else 'refused'))
    return number + 1


def after_reset(mta, postern, number):
    step('The admin begins all counts anew: kill -USR2 %d' % postern.pid)
    reset(postern)
    sent = send(mta, number)
    say('mail %d: %s' % (number, refusal(sent) or sent.data))
    need(sent.accepted, 'mail %d was to be accepted' % number)


def show():
    # Not /tmp: postern wants a key where only root can replace it.
    tempfile.tempdir = '/run'
    postern = Postern(CONF, start=False)
    record = make_key(postern)
    step('Starting a Postfix of our own, with postern as its smtpd_milters')
    postern.run()
    with Sink() as sink, postern, \
            Postfix(sink, milter=postern, users={'bob': PASSWORD}) as mta:
        say('Port %d of 127.0.0.1 takes mail from who logs in. All files are '
            'in %s, until the end. postern.conf is:' %
            (mta.submission_port, proc.root()))
        quote(open(postern.conf_file).read())
        signed_mail(mta, sink, record)
        number = until_refused(mta)
        quote(ctl(postern, 'quota', 'list'))
        after_reset(mta, postern, number)
        quote(ctl(postern, 'quota', 'list'))
    step('Done. Nothing is left running; the README says how to attach '
         'postern\n  to a mail server of yours.')


def main():
    tap.no_test()
    try:
        show()
    except (RigError, OSError, smtplib.SMTPException,
            subprocess.SubprocessError) as error:
        sys.stdout.flush()
        proc.show_logs(lambda text: print(text, file=sys.stderr), LOG_LINES)
        print('quickstart failed: %s' % error, file=sys.stderr)
        sys.exit(1)


main()
