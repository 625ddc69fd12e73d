# SPDX-License-Identifier: BSD-2-Clause
"""A private Sendmail from unpacked packages, beside nothing and for no one.

Its log lines are caught by a small preloaded library (sendmail_preload.c);
beside them .transcript() has all its SMTP sessions, as its -X option writes
them: `PID <<< what came in` and `PID >>> what went out`.
"""

import os
import pwd
import subprocess

import proc
import sasl

# Sendmail's submission program refuses to be root; any user will do.
SUBMIT_USER = 'news'

# Local submission goes by SMTP to the first listener, as on a real machine.
SUBMIT_MC = '''
OSTYPE(`linux')
define(`confDOMAIN_NAME', `%(hostname)s')
define(`confCF_VERSION', `rig-submit')
define(`MSP_QUEUE_DIR', `%(dir)s/clientqueue')
define(`confPID_FILE', `%(dir)s/submit.pid')
define(`confSERVICE_SWITCH_FILE', `%(dir)s/service.switch')
define(`confRUN_AS_USER', `%(submit_user)s')
define(`confTRUSTED_USER', `%(submit_user)s')
define(`confDONT_BLAME_SENDMAIL', `TrustStickyBit')
define(`STATUS_FILE', `')
FEATURE(`nocanonify')
define(`ESMTP_MAILER_ARGS', `TCP $h %(port)d')
define(`RELAY_MAILER_ARGS', `TCP $h %(port)d')
FEATURE(`msp', `[127.0.0.1]')
'''

SENDMAIL_MC = '''
OSTYPE(`linux')
define(`confCF_VERSION', `rig')
define(`confDOMAIN_NAME', `%(hostname)s')
define(`QUEUE_DIR', `%(dir)s/queue')
define(`confPID_FILE', `%(dir)s/sendmail.pid')
define(`STATUS_FILE', `')
define(`HELP_FILE', `')
undefine(`ALIAS_FILE')
define(`confSERVICE_SWITCH_FILE', `%(dir)s/service.switch')
define(`confTO_IDENT', `0')
define(`confDONT_PROBE_INTERFACES', `True')
dnl A busy test machine is no reason to refuse or defer.
define(`confQUEUE_LA', `10000')
define(`confREFUSE_LA', `10000')
define(`confDELAY_LA', `10000')
define(`confMIN_QUEUE_AGE', `0')
dnl The rig's directory is below one that all may write, with its sticky bit.
define(`confDONT_BLAME_SENDMAIL', `TrustStickyBit')
dnl No name service but the machine's own files.
FEATURE(`nocanonify')
FEATURE(`accept_unresolvable_domains')
FEATURE(`accept_unqualified_senders')
FEATURE(`no_default_msa')
DAEMON_OPTIONS(`Addr=127.0.0.1, Port=%(port)d, Name=%(daemon_name)s')
%(ipv6)s
DAEMON_OPTIONS(`Addr=127.0.0.1, Port=%(submission_port)d, Name=%(submission_name)s, M=Ea')
define(`confAUTH_MECHANISMS', `PLAIN LOGIN')
TRUST_AUTH_MECH(`PLAIN LOGIN')
define(`confAUTH_REALM', `%(hostname)s')
%(relay_domains)s
define(`RELAY_MAILER_ARGS', `TCP $h %(sink_port)d')
define(`SMART_HOST', `relay:[127.0.0.1]')
define(`MAIL_HUB', `relay:[127.0.0.1]')
%(filters)s
%(mc)s
MAILER(`smtp')
LOCAL_CONFIG
ESASL_CONF_PATH=%(dir)s/sasl
'''


class Sendmail(proc.Server):
    """Sendmail with two listeners: .port is like a port 25 (relays for
    relay_domains and for 127.0.0.1), .submission_port wants a login of
    `users` (name -> password). It has no XCLIENT: a Client with another
    source address (127.0.0.2) is the stranger.

    milter: Milter objects or addresses in libmilter's spelling. flags is the
    F= of the filters: T tempfail, R reject, '' accept when one is dead.
    ipv6: there is a third listener, like .port, on ::1 and .ipv6_port.
    mc: further lines of the .mc file. Everything is relayed to `sink`.
    """

    name = 'sendmail'
    hostname = 'mx.example.org'

    def __init__(self, sink, milter=(), users=None,
                 relay_domains=('example.org',), flags='T',
                 daemon_name='MTA', submission_name='ORIGINATING', mc='',
                 ipv6=False):
        super().__init__()
        self.files, cf_files, sasl_files = proc.unpacked(
            'sendmail-bin', 'sendmail-cf', 'sasl2-bin')
        self.port, self.submission_port = proc.free_port(), proc.free_port()
        for name in ('queue', 'clientqueue'):
            os.mkdir(os.path.join(self.dir, name), 0o700)
        user = pwd.getpwnam(SUBMIT_USER)
        os.chown(os.path.join(self.dir, 'clientqueue'), user.pw_uid,
                 user.pw_gid)
        proc.write_file(os.path.join(self.dir, 'service.switch'),
                        'hosts files\naliases files\n')
        sasl.make(sasl_files, os.path.join(self.dir, 'sasl'), 'Sendmail',
                  self.hostname, users or {}, 'root')
        self.names = {
            'dir': self.dir, 'hostname': self.hostname, 'port': self.port,
            'submission_port': self.submission_port,
            'daemon_name': daemon_name, 'submission_name': submission_name,
            'sink_port': sink.port, 'filters': _filters(milter, flags),
            'relay_domains': ''.join('RELAY_DOMAIN(`%s\')\n' % domain
                                     for domain in relay_domains),
            'submit_user': SUBMIT_USER, 'mc': mc, 'ipv6': ''}
        if ipv6:
            self.ipv6_port = proc.free_port()
            self.names['ipv6'] = (
                "DAEMON_OPTIONS(`Family=inet6, Addr=::1, Port=%d, "
                "Name=%s6')" % (self.ipv6_port, daemon_name))
        self.cf_dir = os.path.join(cf_files, 'usr/share/sendmail/cf')
        self.config = self._compile('sendmail', SENDMAIL_MC)
        self.submit_config = self._compile('submit', SUBMIT_MC)
        self.env = self._environment()
        self.start([self._binary(), '-bD', '-q5s', '-C', self.config,
                    '-X', self._transcript()], env=self.env, up=self._is_up)

    def _binary(self):
        return os.path.join(self.files, 'usr/libexec/sendmail/sendmail')

    def _environment(self):
        """What Sendmail needs to run on any machine."""
        library = os.path.join(self.dir, 'preload.so')
        source = os.path.join(proc.HERE, 'sendmail_preload.c')
        subprocess.run([os.environ.get('CC', 'gcc'), '-shared', '-fPIC', '-O',
                        '-o', library, source], check=True)
        return dict(os.environ, LD_PRELOAD=library, RIG_LOG=self.log_file,
                    RIG_HOSTNAME=self.hostname)

    def _transcript(self):
        return os.path.join(self.dir, 'transcript')

    def transcript(self):
        with open(self._transcript(), errors='replace') as sessions:
            return sessions.read()

    def _is_up(self):
        return (proc.accepts(('127.0.0.1', self.port)) and
                proc.accepts(('127.0.0.1', self.submission_port)) and
                (not self.names['ipv6'] or
                 proc.accepts(('::1', self.ipv6_port))))

    def _compile(self, name, template):
        """Makes name.cf with m4; returns its path."""
        source = proc.write_file(os.path.join(self.dir, name + '.mc'),
                                 template % self.names)
        done = subprocess.run(
            ['m4', '-D_CF_DIR_=%s/' % self.cf_dir,
             os.path.join(self.cf_dir, 'm4/cf.m4'), source],
            cwd=self.dir, capture_output=True, text=True)
        if done.returncode or done.stderr:
            raise proc.RigError('m4 %s: %s' % (source, done.stderr))
        return proc.write_file(os.path.join(self.dir, name + '.cf'),
                               done.stdout)

    def command(self, *argv, input=None, config=None):
        """Runs sendmail with the daemon's configuration and these arguments
        (-bp, -q, -Q ...); input is text or bytes."""
        if isinstance(input, str):
            input = input.encode()
        return subprocess.run(
            [self._binary(), '-C', config or self.config] + list(argv),
            env=self.env, input=input, capture_output=True,
            timeout=proc.PATIENCE)

    def sendmail(self, sender, rcpts, message):
        """Local submission; the milter sees it come from 127.0.0.1."""
        done = self.command('-Ac', '-i', '-f', sender, '--',
                            *([rcpts] if isinstance(rcpts, str) else rcpts),
                            input=message, config=self.submit_config)
        if done.returncode:
            raise proc.RigError('sendmail: %d %r %r' % (
                done.returncode, done.stdout, done.stderr))

    def queued(self):
        """Queue ids of all mail not yet delivered, quarantined ones too."""
        names = os.listdir(os.path.join(self.dir, 'queue'))
        return [name[2:] for name in names if name[:2] in ('qf', 'hf')]


def _filters(milters, flags):
    """INPUT_MAIL_FILTER lines for a Milter or address, or a list of them."""
    if not isinstance(milters, (list, tuple)):
        milters = [milters]
    lines = []
    for number, one in enumerate(milters):
        lines.append('INPUT_MAIL_FILTER(`filter%d\', `S=%s, F=%s, '
                     'T=C:30s;S:30s;R:60s;E:5m\')' % (
                         number, getattr(one, 'socket', one), flags))
    return '\n'.join(lines)
