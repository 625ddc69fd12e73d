# SPDX-License-Identifier: BSD-2-Clause
"""Logins for an MTA through Cyrus SASL: a sasldb of the test's own."""

import os
import pwd
import subprocess

import proc


def make(files, directory, service, realm, users, owner):
    """Makes directory with service.conf and a database of users (name ->
    password) in realm, or with @ in the name in their own, readable by owner
    only. files: unpacked sasl2-bin."""
    os.mkdir(directory)
    database = os.path.join(directory, 'sasldb2')
    proc.write_file(os.path.join(directory, service + '.conf'),
                    'pwcheck_method: auxprop\n'
                    'auxprop_plugin: sasldb\n'
                    'mech_list: PLAIN LOGIN\n'
                    'sasldb_path: %s\n' % database)
    for user, password in users.items():
        name, _, own = user.partition('@')
        add(files, database, own or realm, name, password)
    if users:
        os.chown(database, pwd.getpwnam(owner).pw_uid, -1)
        os.chmod(database, 0o600)


def add(files, database, realm, user, password):
    done = subprocess.run(
        [os.path.join(files, 'usr/sbin/saslpasswd2'), '-p', '-c',
         '-f', database, '-u', realm, user],
        input=password.encode(), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)
    if done.returncode:
        raise proc.RigError('saslpasswd2 %s: %r' % (user, done.stdout))
