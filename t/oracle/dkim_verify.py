#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Verify signed messages by others: dkimpy, and opendkim-testmsg.

    dkim_verify.py --keys DIR [--tool dkimpy|opendkim|all] [--all] PATH ...

DIR holds key records in files named SELECTOR._domainkey.DOMAIN.  Of each
message those signatures are verified whose key is there; all must pass (for
opendkim-testmsg: one, it says no more).  A PATH that is a directory stands for
the .eml files in it; `-` is one message on standard input.

opendkim-testmsg asks the DNS.  It gets the records from a server in a network
name space of its own, which takes root.

Prints `PATH: TOOL: WHY` for each failure (for all with --all) and a summary.
The exit code is 0 when all passed, 1 otherwise, 64 for wrong usage.
"""

import argparse
import collections
import logging
import os
import re
import socket
import struct
import subprocess
import sys
import threading

import dkim


def records(directory):
    """The key records by name, in lower case."""
    found = {}
    for name in os.listdir(directory):
        with open(os.path.join(directory, name), 'rb') as f:
            found[name.lower().rstrip('.')] = f.read().strip()
    return found


def tags(value):
    """The tags of a signature field, white space removed."""
    out = {}
    for part in value.split(b';'):
        name, sep, text = part.partition(b'=')
        if sep:
            out.setdefault(name.strip(), re.sub(rb'\s+', b'', text))
    return out


def by_dkimpy(message, keys):
    """What is wrong, or None."""
    verifier = dkim.DKIM(message, minkey=1024,
                         logger=logging.getLogger('dkim'))
    fields = [v for n, v in verifier.headers
              if n.lower().rstrip() == b'dkim-signature']
    wrong, seen = [], 0
    for i, value in enumerate(fields):
        t = tags(value)
        name = '%s._domainkey.%s' % (t.get(b's', b'').decode('latin-1'),
                                     t.get(b'd', b'').decode('latin-1'))
        if name.lower() not in keys:
            continue
        seen += 1
        try:
            ok = verifier.verify(i, dnsfunc=lambda n, timeout=5: keys.get(
                n.decode('latin-1').lower().rstrip('.')))
            if not ok:
                wrong.append('%s: false' % t.get(b'a', b'?').decode())
        except Exception as e:  # whatever it makes of odd mail
            wrong.append('%s: %s: %s' % (t.get(b'a', b'?').decode(),
                                         type(e).__name__, e))
    if seen == 0:
        wrong.append('no signature with a known key')
    return '; '.join(wrong) or None


def by_opendkim(message, _keys):
    """What is wrong, or None."""
    done = subprocess.run(['opendkim-testmsg'], input=message,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=60, check=False)
    if done.returncode == 0:
        return None
    why = done.stdout.decode('latin-1').strip().splitlines()
    return 'exit %d %s' % (done.returncode, why[0] if why else '')


def question(packet):
    """Name and end of a query's question."""
    labels, at = [], 12
    while packet[at] != 0:
        n = packet[at]
        labels.append(packet[at + 1:at + 1 + n].decode('latin-1'))
        at += 1 + n
    return '.'.join(labels).lower(), at + 5


def answer(packet, keys):
    """A reply with the TXT record, or NXDOMAIN."""
    name, end = question(packet)
    record = keys.get(name)
    flags = 0x8580 | (0 if record else 3)
    reply = packet[:2] + struct.pack('>HHHHH', flags, 1,
                                     1 if record else 0, 0, 0)
    reply += packet[12:end]
    if record:
        data = b''.join(bytes([len(record[i:i + 255])]) + record[i:i + 255]
                        for i in range(0, len(record), 255))
        reply += b'\xc0\x0c' + struct.pack('>HHIH', 16, 1, 60, len(data))
        reply += data
    return reply


def serve(keys):
    """The name server, on port 53 of this name space."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(('127.0.0.1', 53))

    def loop():
        while True:
            packet, peer = sock.recvfrom(4096)
            sock.sendto(answer(packet, keys), peer)
    threading.Thread(target=loop, daemon=True).start()


def enter_name_space(directory):
    """Run this program again where resolv.conf names our server."""
    conf = os.path.join(directory, '.resolv.conf')
    with open(conf, 'w', encoding='ascii') as f:
        f.write('nameserver 127.0.0.1\n')
    os.environ['DKIM_VERIFY_INSIDE'] = '1'
    script = ('ip link set lo up && mount --bind "$1" /etc/resolv.conf && '
              'shift && exec "$@"')
    os.execvp('unshare', ['unshare', '-mn', 'sh', '-c', script, 'sh', conf,
                          sys.executable] + sys.argv)


def messages(paths):
    """Path and bytes of each message."""
    for path in paths:
        if path == '-':
            yield path, sys.stdin.buffer.read()
            continue
        names = [path]
        if os.path.isdir(path):
            names = [os.path.join(path, n) for n in sorted(os.listdir(path))
                     if n.endswith('.eml')]
        for name in names:
            with open(name, 'rb') as f:
                yield name, f.read()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--keys', required=True)
    parser.add_argument('--tool', default='all',
                        choices=['dkimpy', 'opendkim', 'all'])
    parser.add_argument('--all', action='store_true')
    parser.add_argument('paths', nargs='+')
    args = parser.parse_args()
    tools = {'dkimpy': by_dkimpy, 'opendkim': by_opendkim}
    if args.tool != 'all':
        tools = {args.tool: tools[args.tool]}
    if 'opendkim' in tools and 'DKIM_VERIFY_INSIDE' not in os.environ:
        enter_name_space(args.keys)
    logging.getLogger('dkim').setLevel(logging.CRITICAL)
    keys = records(args.keys)
    if 'opendkim' in tools:
        serve(keys)
    counts = collections.Counter()
    for path, message in messages(args.paths):
        for tool, verify in tools.items():
            wrong = verify(message, keys)
            counts[tool, 'failed' if wrong else 'passed'] += 1
            if wrong or args.all:
                print('%s: %s: %s' % (path, tool, wrong or 'pass'))
    for (tool, what), n in sorted(counts.items()):
        print('%s: %d %s' % (tool, n, what))
    return 1 if any(w == 'failed' for _, w in counts) or not counts else 0


if __name__ == '__main__':
    sys.exit(main())
