# SPDX-License-Identifier: BSD-2-Clause
"""What the benchmarks of inbound mail share: the zone that answers for the
mails of bench_mail.c, its server, and the filters that judge them.

The peers ask the resolver of the machine. So the server listens on port 53 of
an address of 127/8, and each filter runs in a mount namespace of its own with a
resolv.conf that names it; without the right to do that there are no peers.
"""

import base64
import json
import os
import random
import subprocess
import sys

import proc
from proc import new_dir, unpacked, write_file
from postern import Milter, Postern
from tap import diag

CONF = '''
Mode          v
AuthservID    mail.example.org
Nameservers   %s@53
'''
OPENDKIM = '''
Syslog            no
Background        no
RequireSafeKeys   no
Mode              v
AuthservID        mail.example.org
AlwaysAddARHeader yes
'''
OPENDMARC = '''
Syslog                 false
Background             false
AuthservID             mail.example.org
TrustedAuthservIDs     mail.example.org
SPFIgnoreResults       true
SPFSelfValidate        true
RequiredHeaders        false
IgnoreAuthenticatedClients false
Socket                 %s
'''
# With nothing but what the others do; that it takes the text of a mail apart as
# well, word by word, can't be switched off.
RSPAMD = '''
options {
    filters = "dkim";  pidfile = "@DIR@/pid";  tempdir = "@DIR@";
    cache_file = "@DIR@/symbols.cache";  dynamic_conf = "@DIR@/dynamic";
    history_file = "@DIR@/history";  stats_file = "@DIR@/stats";  rrd = "";
    hs_cache_dir = "@DIR@/";  control_socket = "@DIR@/control mode=0600";
    url_tld = "@SHARE@/effective_tld_names.dat";
    dns { nameserver = ["%s:53:1"];  timeout = 2s;  retransmits = 2; }
}
logging { type = "console";  level = "warning"; }
modules {
    path = "@SHARE@/plugins/spf.lua";
    path = "@SHARE@/plugins/dmarc.lua";
    path = "@SHARE@/plugins/milter_headers.lua";
}
spf {}
dkim {}
dmarc {}
milter_headers { use = ["authentication-results"]; }
actions { reject = 1000; }
worker "rspamd_proxy" {
    bind_socket = "%s mode=0666";  milter = yes;  timeout = 120s;  count = 1;
    upstream "local" { default = yes;  self_scan = yes; }
}
'''
# By what SPF passes: the record of the sender's domain, and how many look-ups
# of a mail depend on each other.
SPF = {
    'a': ('v=spf1 a -all', 2),
    'mx': ('v=spf1 mx -all', 3),
    'mx include': ('v=spf1 mx:news.%s include:_spf.%s -all', 3),
}


def record(key_file):
    """The TXT record of an RSA key."""
    der = subprocess.run(
        ['openssl', 'pkey', '-in', key_file, '-pubout', '-outform', 'DER'],
        check=True, capture_output=True).stdout
    return 'v=DKIM1; k=rsa; p=' + base64.b64encode(der).decode()


def zone(count, key_file, spf='a'):
    """What the mails of `count` domains need; see bench_mail.h."""
    key, names = record(key_file), {}
    for number in range(count):
        domain = 'n%d.example' % number
        client = '198.18.%d.%d' % (number // 256 % 256, number % 256)
        reverse = '.'.join(reversed(client.split('.'))) + '.in-addr.arpa'
        text = SPF[spf][0]
        names.update({
            's2026._domainkey.' + domain: {'TXT': key},
            '_dmarc.' + domain: {'TXT': 'v=DMARC1; p=reject'},
            'bounce.' + domain: {
                'TXT': text.replace('%s', domain), 'A': client,
                'MX': '10 out.' + domain},
            'out.' + domain: {'A': client},
            '_spf.' + domain: {'TXT': 'v=spf1 ip4:198.18.0.0/16 -all'},
            'news.' + domain: {'A': '192.0.2.9', 'MX': '10 www.' + domain},
            'www.' + domain: {'A': '192.0.2.9'},
            'mx.' + domain: {'A': client},
            reverse: {'PTR': 'mx.' + domain},
        })
    return names


class Dns(proc.Server):
    """The server, in a process of its own."""

    name = 'dns'

    def __init__(self, names, delay_ms=0):
        super().__init__()
        self.address = '127.%d.%d.53' % (random.randrange(1, 255),
                                         random.randrange(1, 255))
        self.queries_file = write_file(os.path.join(self.dir, 'queries'), '')
        zone_file = write_file(os.path.join(self.dir, 'zone.json'),
                               json.dumps(names))
        self.resolv_conf = write_file(
            os.path.join(self.dir, 'resolv.conf'),
            'nameserver %s\n' % self.address)
        self.start([sys.executable,
                    os.path.join(proc.SOURCE, 't/support/rig/dnsd.py'),
                    '--host', self.address, '--port', '53',
                    '--delay', str(delay_ms), '--log', self.queries_file,
                    zone_file], up=lambda: self.log_lines(r'^53$'))

    def queries(self):
        """[(name, type)] since the last call."""
        with open(self.queries_file) as lines:
            found = [tuple(line.split()) for line in lines]
        os.truncate(self.queries_file, 0)
        return found


class Peer(Milter):
    """A filter whose resolver is ours."""

    def begin(self, dns, argv, env=None):
        self.start(['unshare', '-m', 'sh', '-c',
                    'mount --bind "$0" /etc/resolv.conf && exec "$@"',
                    dns.resolv_conf] + argv, env=env, up=self.is_up)


class OpenDKIM(Peer):
    name = 'opendkim'

    def __init__(self, dns):
        super().__init__()
        files, = unpacked('opendkim')
        conf = write_file(os.path.join(self.dir, 'opendkim.conf'), OPENDKIM +
                          'Nameservers %s\n' % dns.address)
        self.begin(dns, [os.path.join(files, 'usr/sbin/opendkim'), '-f', '-l',
                         '-x', conf, '-p', self.socket])


class OpenDMARC(Peer):
    name = 'opendmarc'

    def __init__(self, dns):
        super().__init__()
        files, = unpacked('opendmarc')
        conf = write_file(os.path.join(self.dir, 'opendmarc.conf'),
                          OPENDMARC % self.socket)
        self.begin(dns, [os.path.join(files, 'usr/sbin/opendmarc'), '-f', '-l',
                         '-c', conf])


class Rspamd(Milter):
    """Its worker is a child of the process that is started."""

    name = 'rspamd'
    worker_word = 'rspamd_proxy'

    def __init__(self, dns):
        super().__init__()
        self.serve(RSPAMD % (dns.address, self.address))

    def serve(self, conf):
        files, = unpacked('rspamd')
        share = os.path.join(files, 'usr/share/rspamd')
        conf = write_file(
            os.path.join(self.dir, 'rspamd.conf'),
            conf.replace('@DIR@', self.dir).replace('@SHARE@', share))
        places = {'LUALIBDIR': share + '/lualib', 'SHAREDIR': share,
                  'PLUGINSDIR': share + '/plugins', 'CONFDIR': self.dir,
                  'RULESDIR': share + '/rules', 'LOCAL_CONFDIR': self.dir,
                  'DBDIR': self.dir, 'RUNDIR': self.dir, 'LOGDIR': self.dir}
        env = dict(os.environ,
                   LD_LIBRARY_PATH=os.path.join(files, 'usr/lib/rspamd'))
        self.start([os.path.join(files, 'usr/bin/rspamd'), '-i', '-f', '-u',
                    'root', '-g', 'root', '-c', conf] +
                   ['--var=%s=%s' % place for place in places.items()],
                   env=env, up=self.is_up, timeout=120)

    def is_up(self):
        return self.worker() and super().is_up()

    def worker(self):
        """The process that does the work; None: it is not there yet."""
        main = self.process.pid
        with open('/proc/%d/task/%d/children' % (main, main)) as children:
            for pid in children.read().split():
                with open('/proc/%s/cmdline' % pid) as line:
                    if self.worker_word in line.read():
                        return int(pid)
        return None

    @property
    def pid(self):
        return self.worker()


PEERS = {'opendkim+opendmarc': [OpenDKIM, OpenDMARC], 'rspamd': [Rspamd]}


def start(name, dns, conf=''):
    """The filters that a name stands for, in the order in which the MTA asks
    them; none: they can't be had here. conf is for postern."""
    if name == 'postern':
        return [Postern(CONF % dns.address + conf)]
    if name not in PEERS:
        raise SystemExit('no such filter: ' + name)
    try:
        return [make(dns) for make in PEERS[name]]
    except proc.RigError as error:
        diag('%s: %s' % (name, error))
        return []


def stop(filters):
    """At once: libmilter takes seconds to end by itself."""
    for one in filters:
        one.process.kill()
    for one in filters:
        one.stop()
