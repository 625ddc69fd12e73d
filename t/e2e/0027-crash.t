#!/usr/bin/python3
# With a libmilter that does not call our mi_rd_cmd, a malformed packet may
# kill the filter. The log says at start that it is so, and what is killed is
# there again at once, however often.

import os
import re
import socket
import struct
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import *
from milter import Conversation, Gone
import proc

CRASHES = 3


def packet(command, data=b''):
    return struct.pack('>I', len(data) + 1) + command + data


GREETING = packet(b'O', struct.pack('>III', 6, 0x1ff, 0x1fffff)) + \
    packet(b'C', b'x\x004\0\x19127.0.0.1\0')


def deadly(count):
    """A list with an odd number of strings, and a step at which macros are
    looked up past its end. What is there is a matter of luck."""
    strings = b'a\0' * (2 * (count % 20) + 1)
    return GREETING + packet(b'D', b'M' + strings) + \
        packet(b'M', b'<a@example.org>\0') + packet(b'Q')


def child(postern):
    path = '/proc/%d/task/%d/children' % (postern.pid, postern.pid)
    with open(path) as children:
        pids = children.read().split()
    return int(pids[0]) if pids else None


def attack(postern, count):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        client.connect(postern.address)
        try:
            client.sendall(deadly(count))
            while client.recv(65536):
                pass
        except (BrokenPipeError, ConnectionResetError):
            pass


def passes(postern):
    try:
        with Conversation(postern.address) as conversation:
            conversation.begin()
            return conversation.finish() in ('a', 'c')
    except Gone:
        return False


def kill(postern):
    """By hostile connections, until it has happened."""
    old = child(postern)
    for count in range(2000):
        attack(postern, count)
        if child(postern) != old:
            return True
    return False


class Unread(Postern):
    def run(self):
        self.served = self.times_served()
        self.start([binary('POSTERN_UNREAD'), '-f', '-x', self.conf_file],
                   env=self.env, up=self.is_up)


def check_unread():
    with Unread('AutoRestart yes\n') as postern:
        like(postern.log(), 'libmilter does not call our mi_rd_cmd',
             'the log says that packets are not checked')
        for count in range(CRASHES):
            ok(kill(postern), 'crash %d' % count)
            ok(passes(postern), 'crash %d: the next message passes' % count)
        lines = postern.wait_log('was killed by signal', CRASHES)
        is_([line for line in lines
             if not line.endswith('starting it again')], [],
            'it is started again without a pause')


def check_read():
    with Postern('AutoRestart yes\n') as postern:
        is_(postern.log_lines('libmilter'), [], 'ours: nothing is said')
        first = child(postern)
        for count in range(200):
            attack(postern, count)
        ok(passes(postern), 'ours: a message passes')
        is_(child(postern), first, 'ours: 200 such connections, no crash')
        is_(len(postern.log_lines('no packet of the milter protocol')), 1,
            'ours: said once')


def check_unit():
    with open(os.path.join(proc.SOURCE, 'etc/postern.service.in')) as file:
        unit = file.read()
    for line in (r'Restart=on-failure', r'RestartSec=[01]',
                 r'StartLimitIntervalSec=0'):
        like(unit, '(?m)^%s$' % line, 'the unit: %s' % line)


def main():
    plan(2 + 2 * CRASHES + 4 + 3)
    check_unread()
    check_read()
    check_unit()


main()
