#!/usr/bin/python3
# Whatever an MTA (or something that claims to be one) does on the socket, the
# daemon lives, goes on answering, and gives back what it took. With a build
# of the asan preset (POSTERN=build/asan/milter/postern) it also shows that
# nothing is read or written where it should not be.

import os
import socket
import struct
import subprocess
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import *

CONF = '''
Mode             sv
SoftwareHeader   yes
RequireSafeKeys  no
Domain           example.org
Selector         hostile
KeyFile          @DIR@/key
InternalHosts    0.0.0.0/0
'''
MISSING = 60        # seconds until an answer counts as missing
GROWTH_MAX = 24576  # KiB of RssAnon that the whole test may add

CONNECT = ('connect', 'localhost', '127.0.0.1', 25)
GREETING = [CONNECT, ('helo', 'client.example.org')]
ENVELOPE = [('mail', '<bob@example.org>'), ('rcpt', '<eve@example.net>')]
HEADER = [('header', 'From', ' bob@example.org'), ('header', 'Subject', ' x')]
CONTENT = HEADER + [('eoh',), ('body', 'hello\r\n'), ('eom',)]
WHOLE = GREETING + ENVELOPE + CONTENT
ODD = ''.join(chr(octet) for octet in range(1, 256))
NUL = '\0'

# Conversations that no MTA has. A packet is not answered when libmilter drops
# what is out of order, so these are said without waiting. Each is played on a
# connection of its own that is then cut off.
M, R, L, N, B, E = 'MRLNBE'
FLOODS = {
    'end of message without MAIL': [(E, '')],
    'RCPT before MAIL': [(R, '<a@example.org>' + NUL)],
    'header before MAIL': [(L, 'From' + NUL + ' x' + NUL), (N, '')],
    'header after the end of the message':
        [(M, '<a@example.org>' + NUL), (R, '<b@example.org>' + NUL),
         (L, 'From' + NUL + ' x@example.org' + NUL), (N, ''), (E, ''),
         (L, 'From' + NUL + ' x' + NUL), (B, 'body'), (E, '')],
    'MAIL in a message': [(M, '<a@example.org>' + NUL)] * 50,
    'end of header a hundred times':
        [(M, '<a@example.org>' + NUL), (R, '<b@example.org>' + NUL)] +
        [(N, '')] * 100,
    'abort a hundred times': [('A', '')] * 100,
    'MAIL without an argument': [(M, ''), (M, NUL), (R, ''), (R, NUL)],
    'strings without their NUL':
        [(M, '<a@example.org>'), (R, 'b'), (L, 'From'), (L, 'From' + NUL)],
    'header without a name': [(M, '<a@example.org>' + NUL),
                              (R, '<b@example.org>' + NUL),
                              (L, NUL + 'x' + NUL), (L, NUL + NUL), (N, ''),
                              (E, '')],
    'connect twice': [('C', 'x' + NUL + 'U')] * 2,
    'connect with families that are none':
        [('C', 'x' + NUL), ('C', 'x' + NUL + 'Z'), ('C', 'x' + NUL + '4'),
         ('C', 'x' + NUL + '4' + '\0\x19' + '999.1.1.1' + NUL),
         ('C', 'x' + NUL + '6' + '\0\x19' + ':::::' + NUL)],
    'macros that are none': [('D', ''), ('D', 'M'), ('D', 'Mi'),
                             ('D', 'Mi' + NUL), ('D', '\xff' + ODD + NUL)],
    'commands that are none': [('z', 'x'), ('\x00', ''), ('\xff', ODD)],
    'a second negotiation': [('O', '\0\0\0\6\0\0\1\xff\0\x1f\xff\xff')] * 2,
    'a negotiation of nothing': [('O', '')],
    'a negotiation of version 1': [('O', '\0\0\0\1\0\0\0\0\0\0\0\0')],
}

# Macro lists that are none: libmilter looks for names in them two by two. Each
# is sent for every step, and followed by the steps that look macros up.
LISTS = {
    'one string': 'a\0',
    'three strings': 'a\0a\0a\0',
    'three, the last empty': 'a\0a\0\0',
    'one empty string': '\0',
    'three empty strings': '\0\0\0',
    '401 strings': 'a\0' * 401,
    'a name of ours without a value': '{auth_authen}\0',
    'such a name behind a pair': 'i\0x\0{daemon_name}\0',
    'no end': 'a\0b',
    'no end, and no string': 'a',
    'no end behind two strings': 'a\0b\0c',
    'the longest odd one': 'a\0' * 32764 + 'abcde\0',
}
STEPS = 'CHMRTENLB'
MANY = 6            # connections for each list

# Strings that a step needs and that are not there, or do not end.
ARGUMENTS = {
    'C': ('', 'x', 'x\0', 'x\x004', 'x\x004\0', 'x\x004\0\x19',
          'x\x004\0\x19' + '127.0.0.1', 'x\x006\0\x19::1',
          'x\0L\0\0/path', '\0', 'x' * 65534),
    'H': ('', 'x', 'x\0y', 'x' * 65534),
    'M': ('', 'x', '<a@example.org>', '<a@example.org>\0SIZE=1',
          'x' * 65534),
    'R': ('', 'x', '<b@example.org>', '<b@example.org>\0X=1', 'x' * 65534),
    'L': ('', '\0', 'From', 'From\0', 'From\0x', '\0\0', '\0x\0',
          '\0x\0y\0', 'x' * 65534),
    'O': ('', '\0', '\0' * 11),
    'U': ('', 'x', 'x\0y'),
    'B': ('',),
}

# Octets instead of packets.
RAW = {
    'a packet of length 0': '\0\0\0\0',
    'a packet of 4 GiB': '\xff\xff\xff\xffM',
    'half a length': '\0\0',
    'a packet that ends early': '\0\0\1\0Mhalf',
    'an SMTP greeting': 'EHLO client.example.org\r\n',
}


def say(talk, *commands):
    """The last answer; stops at the first that is missing."""
    answer = None
    for command in commands:
        answer = talk(*command)
        if answer.error:
            break
    return answer


def fine(answer):
    return answer.reply in ('accept', 'continue', 'none')


def signed(answer):
    return fine(answer) and bool(answer.added('DKIM-Signature'))


def check_alive(postern, name):
    """A message on a connection of its own has its ordinary answer."""
    with Talk(postern, MISSING) as talk:
        answer = say(talk, *WHOLE)
    alive = postern.process.poll() is None
    ok(alive and signed(answer), 'goes on after: ' + name, answer)


def test_floods(postern):
    beginnings = ([], [('negotiate', 'all')], [('negotiate', 'plain')],
                  [('negotiate', 'all')] + GREETING)
    for name, packets in FLOODS.items():
        for beginning in beginnings:
            with Talk(postern, 1) as talk:
                say(talk, *beginning)
                for command, data in packets:
                    talk('packet', command, data)
                # What comes back, if anything, is of no interest; it is
                # enough that the packets are not held back.
                talk('packet', 'Q', '')
                talk('await')
        check_alive(postern, name)


def test_raw(postern):
    for name, octets in RAW.items():
        with Talk(postern, 1) as talk:
            talk('raw', octets)
            talk('packet', 'Q', '')
            talk('await')
        check_alive(postern, name)


def octets(command, data=''):
    data = data.encode('latin-1')
    return struct.pack('>I', len(data) + 1) + command.encode() + data


BEFORE = {
    'O': b'', 'C': octets('O', '\0\0\0\6\0\0\1\xff\0\x1f\xff\xff')}
BEFORE['H'] = BEFORE['C'] + octets('C', 'x\x004\0\x19127.0.0.1\0')
BEFORE['M'] = BEFORE['U'] = BEFORE['H'] + octets('H', 'x\0')
BEFORE['R'] = BEFORE['M'] + octets('M', '<bob@example.org>\0')
BEFORE['T'] = BEFORE['L'] = BEFORE['R'] + octets('R', '<eve@example.net>\0')
BEFORE['N'] = BEFORE['L'] + octets('L', 'From\0 bob@example.org\0')
BEFORE['B'] = BEFORE['E'] = BEFORE['N'] + octets('N')
AFTER = octets('B', 'hello') + octets('E')


def ends(postern, data):
    """Sends it; whether the filter ends the connection, which it does at once
    where a packet is none. What came before is answered or not."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(MISSING)
        client.connect(postern.address)
        try:
            client.sendall(data)
            while client.recv(65536):
                pass
        except (BrokenPipeError, ConnectionResetError):
            pass
        except TimeoutError:
            return False
    return True


def test_lists(postern):
    for name, strings in LISTS.items():
        ended = [ends(postern, BEFORE['H'] + octets('D', step + strings) +
                      BEFORE['E'][len(BEFORE['H']):] + AFTER)
                 for step in STEPS for _ in range(MANY)]
        ok(all(ended), 'a macro list, %s: ends the connection' % name)
        check_alive(postern, 'a macro list, ' + name)


def test_arguments(postern):
    for step, cases in ARGUMENTS.items():
        wrong = [data[:40] for data in cases
                 if not ends(postern, BEFORE[step] + octets(step, data))]
        is_(wrong, [], 'arguments of %s: end the connection' % step)
        check_alive(postern, 'arguments of ' + step)


def test_disconnects(postern):
    """Cut off after each step, and in the middle of each packet."""
    for steps in range(len(WHOLE)):
        with Talk(postern, 1) as talk:
            say(talk, *WHOLE[:steps])
            talk('raw', '\0\0\0\x09M<')
            talk('await')
    check_alive(postern, 'an end after each step')


def in_message(postern, name, commands, expect):
    with Talk(postern, MISSING) as talk:
        answer = say(talk, *GREETING, *commands)
        ok(expect(answer), name, answer)
        # The connection serves the next message as ever.
        answer = say(talk, *ENVELOPE, *CONTENT)
        ok(signed(answer), 'the next message after: ' + name, answer)


def test_messages(postern):
    many = ENVELOPE + [('repeat', 100000, ('header', 'X-Many', ' value'))]
    in_message(postern, '100,000 fields', many + CONTENT, told)
    in_message(postern, '300 recipients with odd octets',
               ENVELOPE[:1] + [('rcpt', '<%s%d@example.net>' % (ODD, n))
                               for n in range(300)] + CONTENT, told)
    in_message(postern, 'empty strings',
               [('mail', ''), ('rcpt', ''), ('header', 'From', ''),
                ('eoh',), ('body', ''), ('eom',)], told)
    in_message(postern, 'a very long name',
               ENVELOPE + [('header', 'X' * 60000, ' y'),
                           ('header', 'Y', ' z' * 30000)] + CONTENT, told)
    in_message(postern, 'odd octets in fields',
               ENVELOPE + [('header', ODD, ODD),
                           ('header', 'Subject', ODD)] + CONTENT, told)
    in_message(postern, 'hundreds of From fields',
               ENVELOPE + [('repeat', 500, HEADER[0])] + CONTENT, told)
    in_message(postern, 'a From of many addresses',
               ENVELOPE + [('header', 'From', ' a@example.org,' * 4000),
                           ('eoh',), ('eom',)], told)
    in_message(postern, 'a long address',
               [('mail', '<%s@example.org>' % ('a' * 60000))] +
               ENVELOPE[1:] + CONTENT, told)
    in_message(postern, 'parameters of MAIL that are none',
               [('mail', '<a@example.org>', 'SIZE=', 'SIZE=-1',
                 'SIZE=99999999999999999999', '=', ODD)] +
               ENVELOPE[1:] + CONTENT, told)
    in_message(postern, 'a body of odd octets',
               ENVELOPE + HEADER + [('eoh',),
                                    ('body', ('\r' + NUL + ODD) * 2000),
                                    ('body', '\r'), ('body', '\n'),
                                    ('eom',)], told)
    in_message(postern, 'aborts',
               ENVELOPE + [('abort',)] + ENVELOPE + HEADER + [('abort',)] +
               ENVELOPE + CONTENT, told)


def told(answer):
    """Any answer will do, as long as it is one."""
    return answer.reply is not None


def anon_kib(pid):
    with open('/proc/%d/status' % pid) as file:
        return int(next(line for line in file
                        if line.startswith('RssAnon')).split()[1])


def main():
    key = subprocess.run(['openssl', 'genpkey', '-quiet', '-algorithm',
                          'ED25519'], check=True, capture_output=True,
                         text=True).stdout
    plan(len(FLOODS) + len(RAW) + 1 + 2 * 11 + 2 + 2 * len(LISTS) +
         2 * len(ARGUMENTS))
    with Postern(CONF, files={'key': key}) as postern:
        check_alive(postern, 'nothing yet')
        before = anon_kib(postern.pid)
        test_floods(postern)
        test_raw(postern)
        test_lists(postern)
        test_arguments(postern)
        test_disconnects(postern)
        test_messages(postern)
        grown = anon_kib(postern.pid) - before
        # A sanitizer keeps freed memory for a while, on purpose.
        ok('san/' in binary('POSTERN') or grown < GROWTH_MAX,
           'memory is given back', '%d KiB more' % grown)


main()
