# SPDX-License-Identifier: BSD-2-Clause
"""A private Postfix from an unpacked package.

Nothing of it is installed, nothing outside its own directory is written, and
a Postfix of the machine's own does not notice. It needs root, as Postfix's
master does, but no mount, chroot or user of its own.
"""

import grp
import os
import pwd
import subprocess

import proc
import sasl

# Existing ids without a daemon or files of their own on Debian; Postfix wants
# an owner that is neither root nor default_privs, and a group apart from his.
MAIL_OWNER = 'news'
SETGID_GROUP = 'uucp'

QUEUES = ('active', 'bounce', 'corrupt', 'defer', 'deferred', 'flush', 'hold',
          'incoming', 'private', 'saved', 'trace')

# Listener name, port attribute, options of its smtpd.
MASTER_CF = '''
127.0.0.1:%(port)d inet n - %(chroot)s - - smtpd
127.0.0.1:%(submission_port)d inet n - n - - smtpd
  -o syslog_name=postfix/submission
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
  -o milter_macro_daemon_name=%(submission_name)s
pickup unix n - n 1 1 pickup
cleanup unix n - %(chroot)s - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
'''


class Postfix(proc.Server):
    """Postfix with two listeners: .port is like a port 25 (relays for
    relay_domains and for 127.0.0.1, lets loopback say XCLIENT),
    .submission_port wants a login of `users` (name -> password).

    milter, non_smtpd_milter: addresses in Postfix's spelling, or a list, or
    a Milter object. default_action: milter_default_action. daemon_name,
    submission_name: {daemon_name} of the two listeners. settings: further
    main.cf parameters. chroot: smtpd of .port and cleanup, which speak to
    milters, see no more than the queue, as on Debian. Everything is relayed
    to `sink`.
    """

    name = 'postfix'
    hostname = 'mx.example.org'

    def __init__(self, sink, milter=(), non_smtpd_milter=(), users=None,
                 relay_domains=('example.org',), default_action='tempfail',
                 daemon_name='MTA', submission_name='ORIGINATING',
                 settings=None, chroot=False):
        super().__init__()
        self.files, sasl_files = proc.unpacked('postfix', 'sasl2-bin')
        self.config = os.path.join(self.dir, 'etc')
        self.queue = os.path.join(self.dir, 'queue')
        self.data = os.path.join(self.dir, 'data')
        self.port, self.submission_port = proc.free_port(), proc.free_port()
        self._make_directories()
        sasl.make(sasl_files, os.path.join(self.config, 'sasl'), 'smtpd',
                  self.hostname, users or {}, MAIL_OWNER)
        self._write_config({
            'smtpd_milters': _milters(milter),
            'non_smtpd_milters': _milters(non_smtpd_milter),
            'milter_default_action': default_action,
            'milter_macro_daemon_name': daemon_name,
            'relayhost': '[127.0.0.1]:%d' % sink.port,
            'relay_domains': ', '.join(relay_domains),
            **(settings or {})}, submission_name, chroot)
        self.start([os.path.join(self.files, 'usr/lib/postfix/sbin/master'),
                    '-d', '-c', self.config], env=self._env(), up=self._is_up)

    def _is_up(self):
        return (proc.accepts(('127.0.0.1', self.port)) and
                proc.accepts(('127.0.0.1', self.submission_port)))

    def _make_directories(self):
        owner = pwd.getpwnam(MAIL_OWNER).pw_uid
        group = grp.getgrnam(SETGID_GROUP).gr_gid
        os.mkdir(self.config)
        os.mkdir(self.queue)
        os.mkdir(self.data, 0o700)
        os.chown(self.data, owner, -1)
        for name in QUEUES + ('maildrop', 'public', 'pid'):
            os.mkdir(os.path.join(self.queue, name), 0o700)
            os.chown(os.path.join(self.queue, name),
                     0 if name == 'pid' else owner, -1)
        for name, mode in (('maildrop', 0o1730), ('public', 0o2710)):
            os.chown(os.path.join(self.queue, name), -1, group)
            os.chmod(os.path.join(self.queue, name), mode)

    def _write_config(self, settings, submission_name, chroot):
        prefix = os.path.join(self.files, 'usr')
        main = {
            'compatibility_level': '3.6',
            'queue_directory': self.queue,
            'data_directory': self.data,
            'command_directory': prefix + '/sbin',
            'daemon_directory': prefix + '/lib/postfix/sbin',
            'shlib_directory': prefix + '/lib/postfix',
            'meta_directory': os.path.join(self.files, 'etc/postfix'),
            'sendmail_path': prefix + '/sbin/sendmail',
            'mailq_path': prefix + '/sbin/mailq',
            'newaliases_path': prefix + '/sbin/newaliases',
            'mail_owner': MAIL_OWNER,
            'setgid_group': SETGID_GROUP,
            # Postfix cleans its environment; without this its daemons would
            # not find the unpacked libraries (or find the installed ones).
            'import_environment': 'MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ '
                                  'LANG=C LD_LIBRARY_PATH POSTLOG_SERVICE '
                                  'POSTLOG_HOSTNAME',
            'export_environment': 'TZ LANG MAIL_CONFIG LD_LIBRARY_PATH',
            'maillog_file': self.log_file,
            'maillog_file_prefixes': self.dir,
            'myhostname': self.hostname,
            'myorigin': 'example.org',
            'mydestination': '',
            'mynetworks': '127.0.0.0/8',
            'inet_interfaces': '127.0.0.1',
            'inet_protocols': 'ipv4',
            'alias_maps': '',
            'local_recipient_maps': '',
            'default_database_type': 'hash',
            # No name service but the machine's own files.
            'smtp_dns_support_level': 'disabled',
            'smtp_host_lookup': 'native',
            'smtpd_relay_restrictions': 'permit_mynetworks, '
                                        'permit_sasl_authenticated, '
                                        'reject_unauth_destination',
            'smtpd_authorized_xclient_hosts': '127.0.0.1',
            'smtpd_client_connection_rate_limit': '0',
            'smtpd_client_connection_count_limit': '0',
            'smtpd_error_sleep_time': '0',
            'smtpd_peername_lookup': 'yes',
            'smtpd_tls_security_level': 'none',
            'smtp_tls_security_level': 'none',
            'smtpd_sasl_path': 'smtpd',
            # Empty: {auth_authen} is the bare name, and Cyrus looks it up in
            # the realm of myhostname.
            'smtpd_sasl_local_domain': '',
            'smtpd_sasl_security_options': 'noanonymous',
            'cyrus_sasl_config_path': os.path.join(self.config, 'sasl'),
            'in_flow_delay': '0',
            'queue_run_delay': '5s',
            'minimal_backoff_time': '5s',
            'maximal_backoff_time': '10s',
        }
        main.update(settings)
        proc.write_file(os.path.join(self.config, 'main.cf'), ''.join(
            '%s = %s\n' % pair for pair in main.items()))
        proc.write_file(os.path.join(self.config, 'master.cf'), MASTER_CF % {
            'port': self.port, 'submission_port': self.submission_port,
            'submission_name': submission_name,
            'chroot': 'y' if chroot else 'n'})

    def _env(self):
        return dict(os.environ, MAIL_CONFIG=self.config, LD_LIBRARY_PATH=
                    os.path.join(self.files, 'usr/lib/postfix'))

    def command(self, *argv, input=None):
        """Runs one of Postfix's commands (postqueue, postsuper, sendmail,
        ...) against this instance; input is text or bytes."""
        if isinstance(input, str):
            input = input.encode()
        return subprocess.run(
            [os.path.join(self.files, 'usr/sbin', argv[0])] + list(argv[1:]),
            env=self._env(), input=input, capture_output=True,
            timeout=proc.PATIENCE)

    def sendmail(self, sender, rcpts, message):
        """Local submission; the milter sees it as non_smtpd_milters."""
        done = self.command('sendmail', '-i', '-f', sender, '--',
                            *([rcpts] if isinstance(rcpts, str) else rcpts),
                            input=message)
        if done.returncode:
            raise proc.RigError('sendmail: %d %r' % (done.returncode,
                                                     done.stderr))

    def queued(self):
        """Queue ids of all mail not yet delivered."""
        listing = self.command('postqueue', '-p').stdout.decode()
        return [line.split()[0].rstrip('*!') for line in listing.splitlines()
                if line[:1].isalnum() and 'is empty' not in line]


def _milters(milters):
    """The main.cf value for an address, a Milter, or a list of those."""
    if not isinstance(milters, (list, tuple)):
        milters = [milters]
    return ', '.join(getattr(one, 'milter', one) for one in milters if one)
