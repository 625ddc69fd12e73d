# SPDX-License-Identifier: BSD-2-Clause
"""The MTA's side of the milter protocol, as little of it as tests of the
daemon's life need: one conversation, step by step."""

import socket
import struct

from proc import PATIENCE

VERSION = 6
ACTIONS = 0x1ff
# Steps that can be left out, and what else an MTA may offer, but not to go on
# without a reply: so that a step is over when it returns.
PROTOCOL = 0x100f7f
FINAL = b'acrtdy4'


class Gone(Exception):
    """The filter closed the connection."""


class Conversation:
    """Each step returns the reply's letter as text: 'c' continue, 'a' accept,
    't' tempfail, 'r' reject, ...

    address: a path or a (host, port) pair. .edits are the packets before the
    last reply that change the message, as (letter, octets).
    """

    def __init__(self, address, timeout=PATIENCE):
        self.socket = socket.socket(
            socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        self.socket.settimeout(timeout)
        self.socket.connect(address)
        self.edits = []
        self.greeted = False
        self._send(b'O', struct.pack('>III', VERSION, ACTIONS, PROTOCOL))
        command, _ = self._receive()
        if command != b'O':
            raise Gone('negotiation: %r' % command)

    def _send(self, command, data=b''):
        try:
            self.socket.sendall(struct.pack('>I', len(data) + 1) + command +
                                data)
        except ConnectionError:
            raise Gone('while sending %r' % command) from None

    def _octets(self, count):
        octets = b''
        while len(octets) < count:
            try:
                more = self.socket.recv(count - len(octets))
            except ConnectionError:
                more = b''
            if not more:
                raise Gone('while waiting for a reply')
            octets += more
        return octets

    def _receive(self):
        size, = struct.unpack('>I', self._octets(4))
        packet = self._octets(size)
        return packet[:1], packet[1:]

    def step(self, command, data=b''):
        self._send(command, data)
        self.edits = []
        while True:
            reply, octets = self._receive()
            if reply in FINAL:
                return reply.decode()
            self.edits.append((reply.decode(), octets))

    def macros(self, command, **values):
        self._send(b'D', command + b''.join(
            b'%s\0%s\0' % (name.encode(), value.encode())
            for name, value in values.items()))

    def connect(self, name='client.example.org', ip='192.0.2.1'):
        return self.step(b'C', b'%s\0%c%s%s\0' % (
            name.encode(), ord('4'), struct.pack('>H', 1025), ip.encode()))

    def helo(self, name='client.example.org'):
        return self.step(b'H', name.encode() + b'\0')

    def mail(self, sender='bob@example.org'):
        return self.step(b'M', b'<%s>\0' % sender.encode())

    def rcpt(self, address='eve@example.net'):
        return self.step(b'R', b'<%s>\0' % address.encode())

    def header(self, name, value):
        return self.step(b'L', b'%s\0%s\0' % (name.encode(), value.encode()))

    def eoh(self):
        return self.step(b'N')

    def body(self, octets):
        return self.step(b'B', octets)

    def eom(self):
        return self.step(b'E')

    def begin(self, queue_id='TEST'):
        """As far as the recipient of the first message, or a further one."""
        if not self.greeted:
            self.connect()
            self.helo()
            self.greeted = True
        self.macros(b'M', i=queue_id)
        self.mail()
        return self.rcpt()

    def finish(self, octets=b'Hello.\r\n'):
        """From there to the reply at the end of the message."""
        self.header('From', ' bob@example.org')
        self.eoh()
        self.body(octets)
        return self.eom()

    def close(self):
        try:
            self._send(b'Q')
        except Gone:
            pass
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
