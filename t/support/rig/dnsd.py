#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A DNS server on loopback, UDP and TCP, that answers from a zone in memory.

As a module:

    with Dnsd({'example.org': {'A': '192.0.2.1', 'TXT': ['one', 'two'],
                               'MX': '10 mx.example.org'}},
              delay=0.02) as dns:
        conf = 'Nameservers 127.0.0.1@%d' % dns.port
        ...
        dns.count('example.org', 'TXT'), dns.queries, dns.clear()
        dns.serve(other_zone)       # from now on

As a program, until it is killed (--help tells the options):

    dnsd.py --delay 20 --log FILE ZONEFILE      prints its port

A zone maps names to records.  What stands under a name is either

    {TYPE: value or list of values}     {} is a name without records
    [{TYPE: value}, ...]                as in the SPF test suites
    a text, or a list of texts          TXT records

Types: A AAAA MX TXT SPF PTR CNAME NS.  MX is [preference, host] or a text, a
TXT value may be a list of the strings of one record; bytes are a record's data
as it is sent.  Instead of a value
TIMEOUT stands for no answer, SERVFAIL for that code, NODATA for nothing.  They
may stand instead of a name's records too.  In a list of records a bare
TIMEOUT is meant for each type that the list does not give before it.

As the SPF suites want it, a name with SPF records answers TXT with the same,
unless it has TXT records of its own or `TXT: NONE`; names that begin with
`error.` get no answer.  A name above another one exists.  CNAMEs are followed.

A zone file is JSON or, by its name in .yml or .yaml, YAML (with PyYAML).  Of a
document with the key `zone` or `zonedata` that is taken; --doc chooses one of
several YAML documents, from 0.
"""

import argparse
import asyncio
import collections
import ipaddress
import json
import struct
import threading

TYPES = {'A': 1, 'NS': 2, 'CNAME': 5, 'SOA': 6, 'PTR': 12, 'MX': 15,
         'TXT': 16, 'AAAA': 28, 'OPT': 41, 'RRSIG': 46, 'DNSKEY': 48, 'SPF': 99}
WORDS = {number: word for word, number in TYPES.items()}
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3
TTL = 300
CHAIN_MAX = 20      # CNAMEs that are followed
ANY_FAILURE = '*'   # in a name's records: for each type that is not given
FAILURES = ('TIMEOUT', 'SERVFAIL')


def _bytes(text):
    """YAML writes octets above 127 as characters."""
    try:
        return text.encode('latin-1')
    except UnicodeEncodeError:
        return text.encode()


def wire_name(name):
    """ValueError: it can't be written."""
    labels = [_bytes(label) for label in name.rstrip('.').split('.')]
    if labels == [b'']:
        return b'\0'
    if any(not 0 < len(label) < 64 for label in labels):
        raise ValueError(name)
    return b''.join(bytes([len(one)]) + one for one in labels) + b'\0'


def read_name(packet, at):
    """The name there, uncompressed as questions are, and where it ends."""
    labels = []
    while packet[at]:
        if packet[at] > 63:
            raise ValueError('compressed')
        labels.append(packet[at + 1:at + 1 + packet[at]].decode('latin-1'))
        at += 1 + packet[at]
    return '.'.join(labels), at + 1


def rdata(word, value):
    """A record's data; ValueError: there is no such record."""
    if isinstance(value, bytes):
        return value
    if word in ('A', 'AAAA'):
        return ipaddress.ip_address(value).packed
    if word == 'MX':
        if isinstance(value, str):
            value = value.split(None, 1)
        return struct.pack('!H', int(value[0])) + wire_name(value[1])
    if word in ('TXT', 'SPF'):
        strings = []
        for part in [value] if isinstance(value, str) else value or ['']:
            part = _bytes(part)
            strings += [part[i:i + 255]
                        for i in range(0, max(len(part), 1), 255)]
        return b''.join(bytes([len(one)]) + one for one in strings)
    return wire_name(value)


def _several(word, value):
    """Is it a list of values, rather than one that is a list?"""
    if not isinstance(value, list):
        return False
    if word == 'MX':
        return not (len(value) == 2 and isinstance(value[0], int))
    return True


class Zone:
    """records: see above. Names are compared without case."""

    def __init__(self, records):
        self.names = {}
        for name, entry in records.items():
            self._add(str(name).lower().rstrip('.'), entry)
        self.above = set()
        for name in self.names:
            while '.' in name:
                name = name.partition('.')[2]
                self.above.add(name)

    def _add(self, name, entry):
        into = self.names.setdefault(name, {})
        if isinstance(entry, str):
            entry = [entry]
        if isinstance(entry, dict):
            for word, value in entry.items():
                for one in value if _several(word, value) else [value]:
                    self._put(into, word, one)
            return
        for one in entry:
            if isinstance(one, dict):
                for word, value in one.items():
                    self._put(into, word, value)
            elif one in FAILURES:
                into[ANY_FAILURE] = one
            else:
                self._put(into, 'TXT', one)
        if 'SPF' in into and 'TXT' not in into:
            into['TXT'] = into['SPF']
        if ANY_FAILURE in into and into.get('TXT') == []:
            del into['TXT']     # NONE was there to keep SPF's out

    @staticmethod
    def _put(into, word, value):
        found = into.setdefault(word, [])
        if value in FAILURES:
            into[word] = value
        elif value not in ('NODATA', 'NONE') and isinstance(found, list):
            try:
                found.append(rdata(word, value))
            except ValueError:
                pass

    def look_up(self, name, word):
        """(records or a failure, code) of one name."""
        here = self.names.get(name)
        if name.startswith('error.'):
            return 'TIMEOUT', NOERROR
        if here is None:
            there = not name or name in self.above
            return [], NOERROR if there else NXDOMAIN
        if word in here:
            return here[word], NOERROR
        if 'CNAME' in here:
            return [], NOERROR
        return here.get(ANY_FAILURE, []), NOERROR

    def answer(self, name, word):
        """(code, [(owner, type, data)]); code None: say nothing."""
        records, owner = [], name
        for _ in range(CHAIN_MAX):
            found, code = self.look_up(owner.lower(), word)
            if found in FAILURES:
                return (None if found == 'TIMEOUT' else SERVFAIL), []
            records += [(owner, word, data) for data in found]
            link = self.names.get(owner.lower(), {}).get('CNAME')
            if found or not link:
                return code, records
            if link in FAILURES:
                return (None if link == 'TIMEOUT' else SERVFAIL), []
            if (owner, 'CNAME', link[0]) in records:
                break       # a loop
            records.append((owner, 'CNAME', link[0]))
            owner = read_name(link[0], 0)[0]
        return NOERROR, records


def load(path, doc=0):
    """The records of a zone file."""
    with open(path, encoding='utf-8') as file:
        if path.endswith(('.yml', '.yaml')):
            import yaml  # only here: the rest does without
            data = list(yaml.safe_load_all(file))[doc]
        else:
            data = json.load(file)
    for key in ('zone', 'zonedata'):
        if isinstance(data.get(key), dict):
            return data[key]
    return data


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server):
        self.server = server
        self.transport = None

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, packet, peer):
        reply = self.server.reply(packet, False)
        if reply:
            asyncio.get_running_loop().call_later(
                self.server.delay, self.transport.sendto, reply, peer)


class Dnsd:
    """records: a zone as above. delay: seconds before each answer.
    log: a file for a line `NAME TYPE` a query. sign(name, type, records):
    gives the RRSIG of records, for those who ask for DNSSEC."""

    def __init__(self, records, delay=0.0, port=0, log=None, sign=None,
                 host='127.0.0.1'):
        self.delay, self.log, self.sign = delay, log, sign
        self.host = host
        self.queries = []           # (name, type) in order
        self._want_port, self.port = port, None
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()
        self._error = None
        self.serve(records)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._up.wait()
        if self._error:
            raise self._error

    def serve(self, records):
        self.zone = Zone(records)

    def clear(self):
        self.queries = []

    def count(self, name=None, word=None):
        """How often it was asked; None is any."""
        return sum(1 for asked in list(self.queries) if
                   (name is None or asked[0] == name.lower()) and
                   (word is None or asked[1] == word))

    def counts(self):
        """{(name, type): how often}"""
        return collections.Counter(list(self.queries))

    def _run(self):
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._listen())
        except OSError as error:
            self._error = error
        self._up.set()
        if not self._error:
            self._loop.run_forever()

    async def _listen(self):
        """One port for both; a few tries, as others take ports too."""
        for attempt in range(20):
            tcp = await asyncio.start_server(
                self._tcp, self.host, self._want_port)
            port = tcp.sockets[0].getsockname()[1]
            try:
                await self._loop.create_datagram_endpoint(
                    lambda: _Udp(self), local_addr=(self.host, port))
            except OSError:
                tcp.close()
                if self._want_port or attempt == 19:
                    raise
                continue
            self.port = port
            return

    async def _tcp(self, reader, writer):
        try:
            while True:
                size, = struct.unpack('!H', await reader.readexactly(2))
                reply = self.reply(await reader.readexactly(size), True)
                await asyncio.sleep(self.delay)
                if reply:
                    writer.write(struct.pack('!H', len(reply)) + reply)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _note(self, name, word):
        self.queries.append((name.lower(), word))
        if self.log:
            self.log.write('%s %s\n' % (name.lower(), word))
            self.log.flush()

    def reply(self, packet, tcp):
        """The answer to a query; None: none."""
        try:
            ident, flags, _, _, _, extra = struct.unpack('!6H', packet[:12])
            name, end = read_name(packet, 12)
            number, _ = struct.unpack('!2H', packet[end:end + 4])
        except (ValueError, IndexError, struct.error):
            return None
        question = packet[12:end + 4]
        size, opt, secure = 512, b'', False
        if extra and packet[end + 4:end + 7] == b'\0\0\x29':
            size = max(size, struct.unpack('!H', packet[end + 7:end + 9])[0])
            secure = bool(packet[end + 11] & 0x80)      # DO, RFC 3225
            opt = b'\0' + struct.pack('!HHIH', TYPES['OPT'], 1232,
                                      0x8000 if secure else 0, 0)
        word = WORDS.get(number, 'TYPE%d' % number)
        self._note(name, word)
        code, records = self.zone.answer(name, word)
        if code is None:
            return None
        if secure and self.sign:
            records = records + self._signatures(records)
        body, truncated = self._body(code, records), 0
        if not tcp and 12 + len(question) + len(body) + len(opt) > size:
            body, records, truncated = b'', None, 0x200
        head = struct.pack(
            '!6H', ident, 0x8480 | truncated | (flags & 0x100) | code, 1,
            len(records or ()), 1 if records == [] else 0, 1 if opt else 0)
        return head + question + body + opt

    def _signatures(self, records):
        sets = {}
        for owner, word, data in records:
            sets.setdefault((owner, word), []).append(data)
        return [(owner, 'RRSIG', self.sign(owner, word, datas))
                for (owner, word), datas in sets.items()]

    @staticmethod
    def _body(code, records):
        """Answers, or for how long "no" is to be remembered (RFC 2308), as
        if all were the root's zone."""
        if not records:
            ttl = 0 if code == SERVFAIL else TTL
            records = [('', 'SOA', b'\0\0' + struct.pack(
                '!5I', 1, 3600, 600, 86400, ttl))]
        return b''.join(
            wire_name(owner) + struct.pack(
                '!HHIH', TYPES[word], 1, TTL, len(data)) + data
            for owner, word, data in records)

    def stop(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def main():
    parser = argparse.ArgumentParser(description='Answer DNS from a file.')
    parser.add_argument('zonefile')
    parser.add_argument('--host', default='127.0.0.1')
    parser.add_argument('--port', type=int, default=0)
    parser.add_argument('--delay', type=float, default=0,
                        help='milliseconds before each answer')
    parser.add_argument('--log', help='a file for the queries')
    parser.add_argument('--doc', type=int, default=0,
                        help='which YAML document, from 0')
    args = parser.parse_args()
    log = open(args.log, 'a', encoding='utf-8') if args.log else None
    server = Dnsd(load(args.zonefile, args.doc), args.delay / 1000, args.port,
                  log, host=args.host)
    print(server.port, flush=True)
    threading.Event().wait()


if __name__ == '__main__':
    main()
