#!/usr/bin/python3
# No mail is lost while the daemon behind a real Postfix is reloaded, killed and
# started again: whatever was answered 250 arrives, once and whole, and whatever
# was not was answered 4xx.

import os
import signal
import sys
import threading
import time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import *

SENDERS, EACH = 4, 100

CONF = 'AutoRestart yes\nSoftwareHeader yes\n'

MESSAGE = '''\
From: Bob <bob@example.org>
To: eve@example.net
Subject: %(number)d
Message-ID: <%(number)d@example.org>

Number %(number)d.
'''


class Flow:
    """Senders at work: .answers has the reply to each message by number."""

    def __init__(self, mta, first):
        self.mta, self.answers = mta, {}
        self.threads = [
            threading.Thread(target=self.send, args=(first + sender * EACH,))
            for sender in range(SENDERS)]
        for thread in self.threads:
            thread.start()

    def send(self, first):
        for number in range(first, first + EACH):
            self.answers[number] = self.send_one(number)

    def send_one(self, number):
        try:
            with Client(self.mta.port) as client:
                sent = client.send('bob@example.org', 'eve@example.net',
                                   MESSAGE % {'number': number})
        except (OSError, EOFError) as error:
            return Reply(599, str(error))
        replies = [sent.mail] + sent.rcpts + [sent.data]
        return [reply for reply in replies if reply is not None][-1] \
            if not sent.accepted else sent.data

    def working(self):
        return any(thread.is_alive() for thread in self.threads)

    def wait_for(self, count):
        """Until so many have been answered."""
        while len(self.answers) < count and self.working():
            time.sleep(0.005)

    def join(self):
        for thread in self.threads:
            thread.join()
        return self.answers


def arrived(sink, accepted):
    mails = sink.wait_for(len(accepted), 240)
    return sorted(int(mail.values('Subject')[0]) for mail in mails), mails


def check(name, sink, answers):
    accepted = sorted(number for number, reply in answers.items() if reply.ok)
    others = [reply for reply in answers.values() if not reply.ok]
    numbers, mails = arrived(sink, accepted)
    ok(accepted, '%s: mail was accepted' % name)
    is_([reply for reply in others if not 400 <= reply.code < 500], [],
        '%s: the rest was put off' % name)
    is_(numbers, accepted, '%s: what was accepted arrived, once' % name)
    is_([mail for mail in mails if not mail.values('DKIM-Filter') or
         mail.body != b'Number %s.\r\n' % mail.values('Subject')[0].encode()],
        [], '%s: and passed the filter whole' % name)
    diag('%s: %d accepted, %d put off' % (name, len(accepted), len(others)))
    sink.clear()


def child(postern):
    with open('/proc/%d/task/%d/children' % ((postern.pid,) * 2)) as children:
        return [int(pid) for pid in children.read().split()]


def reloads(postern, flow):
    while flow.working():
        postern.signal(signal.SIGUSR1)
        postern.signal(signal.SIGUSR2)
        time.sleep(0.002)
    flow.join()


def kills(postern, flow):
    for count in range(1, 6):
        flow.wait_for(count * SENDERS * EACH // 8)
        for pid in child(postern):
            os.kill(pid, signal.SIGKILL)
    flow.join()


def stops(postern, flow):
    """Ended and started as an administrator does, then killed altogether."""
    flow.wait_for(SENDERS * EACH // 4)
    postern.stop()
    postern.run()
    flow.wait_for(SENDERS * EACH // 2)
    postern.signal(signal.SIGKILL)
    postern.end()
    time.sleep(0.2)
    postern.run()
    flow.join()


def main():
    need_root()
    plan(12)
    with Sink() as sink, Postern(CONF) as postern, \
            Postfix(sink, milter=postern) as mta:
        for first, way in enumerate((reloads, kills, stops)):
            flow = Flow(mta, first * SENDERS * EACH)
            way(postern, flow)
            check(way.__name__, sink, flow.answers)


main()
