#!/usr/bin/python3
# Who may connect: only users that SocketPeers names have mail signed and
# counted, on every kind of socket, however they come and go.

import os
import pwd
import signal
import socket
import struct
import subprocess
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import *
import proc

UNAVAILABLE, CONFIG = 69, 78
STRANGER = 65534
CONF = '''
Mode             sv
RequireSafeKeys  no
Domain           example.org
Selector         peers
KeyFile          @DIR@/key
'''
SERVED = 3      # messages of the MTA after each attempt


def packet(command, data=b''):
    return struct.pack('>I', len(data) + 1) + command + data


# A whole message of a login, without waiting for a reply.
MAIL = b''.join([
    packet(b'O', struct.pack('>III', 6, 0x1ff, 0x1fffff)),
    packet(b'D', b'Cj\0mx.example.org\0{daemon_name}\0ORIGINATING\0'),
    packet(b'C', b'localhost\0' + b'4' + b'\0\x19' + b'127.0.0.1\0'),
    packet(b'D', b'M{auth_type}\0PLAIN\0{auth_authen}\0bob@example.org\0'),
    packet(b'M', b'<bob@example.org>\0'),
    packet(b'R', b'<eve@example.net>\0'),
    packet(b'L', b'From\0 bob@example.org\0'),
    packet(b'N'), packet(b'B', b'hello\r\n'), packet(b'E'), packet(b'Q')])


def connected(address):
    family = socket.AF_UNIX if isinstance(address, str) else \
        socket.AF_INET6 if ':' in address[0] else socket.AF_INET
    client = socket.socket(family)
    client.settimeout(PATIENCE)
    client.connect(address)
    return client


def send(client):
    """The filter may have closed already."""
    try:
        client.sendall(MAIL)
    except (BrokenPipeError, ConnectionResetError):
        pass


# How to come and go. In each the message is with the daemon's kernel, whole,
# before it accepts or while it does.

def and_wait(client):
    send(client)
    return client


def and_close(client):
    send(client)
    client.close()


def and_reset(client):
    send(client)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                      struct.pack('ii', 1, 0))
    client.close()


def and_shut(client):
    send(client)
    client.shutdown(socket.SHUT_WR)
    return client


def and_fork(client):
    """A child keeps it, and whoever connected is gone."""
    send(client)
    if os.fork() == 0:
        time.sleep(30)
        os._exit(0)
    client.close()


WAYS = (and_wait, and_close, and_reset, and_shut, and_fork)


def as_user(uid, what):
    """Runs what() in a process of that user, which stays until .kill()."""
    ready, done = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            if uid:
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
            kept = what()
            os.write(done, b'1')
            time.sleep(PATIENCE)
        finally:
            os._exit(0)
    os.close(done)
    fine = os.read(ready, 1) == b'1'
    os.close(ready)
    if not fine:
        raise RigError('the client failed')
    return pid


def end_user(pid):
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def serves(postern):
    """The MTA's own connection; by then all earlier ones were seen."""
    client = connected(postern.address)
    with client:
        send(client)
        while client.recv(65536):
            pass


def asleep(pid):
    """Whether every thread is stopped."""
    tasks = '/proc/%d/task' % pid
    states = set()
    for task in os.listdir(tasks):
        with open('%s/%s/stat' % (tasks, task)) as file:
            states.add(file.read().rsplit(')', 1)[1].split()[0])
    return states == {'T'}


def attack(postern, client, uid=STRANGER, comes=0):
    """How many messages come in when that user does client() while the daemon
    is asleep."""
    before = len(postern.log_lines('direction='))
    postern.signal(signal.SIGSTOP)
    proc.wait_until(lambda: asleep(postern.pid), PATIENCE, 'its sleep')
    try:
        pid = as_user(uid, client)
    finally:
        postern.signal(signal.SIGCONT)
    for _ in range(SERVED):
        serves(postern)
    # What came in earlier is over by then as well, but for a busy machine.
    found = postern.wait_log('direction=', before + SERVED + comes)
    end_user(pid)
    return len(found) - before - SERVED


def check_strangers(name, postern):
    for way in WAYS:
        is_(attack(postern, lambda: way(connected(postern.address))), 0,
            '%s: a stranger, %s' % (name, way.__name__))
    is_(attack(postern, lambda: and_wait(connected(postern.address)), 0, 1), 1,
        '%s: root' % name)
    is_(len(postern.log_lines(r'of user %d \(%s\) .*SocketPeers' % (
        STRANGER, pwd.getpwuid(STRANGER).pw_name))), 1,
        '%s: said once' % name)


def check_sockets():
    with Postern(CONF, files={'key': KEY}) as postern:
        check_strangers('local', postern)
    with Postern(CONF, socket='inet', files={'key': KEY}) as postern:
        check_strangers('inet', postern)
    if not has_ipv6():
        for _ in range(2 * (len(WAYS) + 2)):
            skip('inet6', 'no ::1')
        return
    for name, host, clients in (
            ('inet6', '[::1]', '::1'), ('mapped', '[::]', '127.0.0.1')):
        port = proc.free_port()
        postern = Postern(CONF + 'Socket inet6:%d@%s\n' % (port, host),
                          start=False, files={'key': KEY})
        postern.address = (clients, port)
        postern.run()
        with postern:
            check_strangers(name, postern)


def check_local_addresses():
    """A listener on all addresses: whoever is of this machine is checked, by
    whichever address, and a warning says that others can't be."""
    port = proc.free_port()
    postern = Postern(CONF + 'Socket inet:%d@0.0.0.0\n' % port, start=False,
                      files={'key': KEY})
    postern.address = ('127.0.0.1', port)
    postern.run()
    with postern:
        for source in '127.0.0.1', '127.0.0.9':
            def client():
                one = socket.create_connection(('127.0.0.1', port),
                                               source_address=(source, 0))
                and_close(one)
            is_(attack(postern, client), 0, '0.0.0.0: from %s' % source)
        is_(len(postern.log_lines('another machine')), 1, '0.0.0.0: a warning')
        done = check(postern)
        is_(done.returncode, 0, '0.0.0.0: -n is fine')
        like(done.stderr, 'another machine', '0.0.0.0: -n warns')


def check(postern):
    return subprocess.run([binary('POSTERN'), '-n', '-x', postern.conf_file],
                          capture_output=True, text=True, timeout=PATIENCE)


def check_keyword():
    for words, uid, comes in (
            ('*', STRANGER, 1), ('65534', STRANGER, 1), ('65533', STRANGER, 0),
            ('65533', 0, 0), ('@DIR@/peers', STRANGER, 1),
            (pwd.getpwuid(STRANGER).pw_name, STRANGER, 1)):
        for kind in 'unix', 'inet':
            with Postern(CONF + 'SocketPeers %s\n' % words, socket=kind,
                         files={'key': KEY, 'peers': '# who\nroot\nnobody\n'}
                         ) as postern:
                def client():
                    return and_wait(connected(postern.address))
                pid = as_user(uid, client)
                if comes:
                    found = len(postern.wait_log('direction=', 1))
                else:
                    postern.wait_log('SocketPeers does not name')
                    found = len(postern.log_lines('direction='))
                is_(found, comes, 'SocketPeers %s, %s: user %d' % (
                    words, kind, uid))
                end_user(pid)


def check_reload():
    with Postern(CONF, files={'key': KEY}) as postern:
        def client():
            return and_wait(connected(postern.address))
        is_(attack(postern, client), 0,
            'before a reload: kept out')
        postern.configure(CONF + 'SocketPeers root, %d\n' % STRANGER)
        postern.reload()
        postern.wait_log(': reloaded')
        is_(attack(postern, client, comes=1), 1, 'after it: let in')
        postern.configure(CONF + 'SocketPeers no-such-user\n')
        postern.reload()
        like('\n'.join(postern.wait_log('reload refused')),
             r'conf:\d+: SocketPeers: there is no user no-such-user',
             'a name that is none: refused')
        is_(check(postern).returncode, CONFIG, 'and by -n')


def check_default():
    """Who runs it, and root."""
    postern = Postern(start=False)
    write_file(postern.conf_file,
               'UserID nobody\nSocket local:%s\nSyslog no\nMode v\n' %
               postern.address)
    postern.run()
    with postern:
        for uid, comes in (STRANGER, 1), (0, 1), (1, 0):
            is_(attack(postern, lambda: and_wait(connected(postern.address)),
                       uid, comes), comes, 'default: user %d' % uid)


# As where a sandbox allows no such socket.
NO_NETLINK = '''
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
int socket(int domain, int type, int protocol)
{
	if (domain != AF_NETLINK)
		return (int)syscall(SYS_socket, domain, type, protocol);
	errno = EAFNOSUPPORT;
	return -1;
}
'''


def check_no_netlink():
    directory = new_dir('preload')
    library = os.path.join(directory, 'preload.so')
    source = write_file(os.path.join(directory, 'preload.c'), NO_NETLINK)
    subprocess.run([os.environ.get('CC', 'gcc'), '-shared', '-fPIC', '-o',
                    library, source], check=True)
    env = dict(os.environ, LD_PRELOAD=library,
               ASAN_OPTIONS='verify_asan_link_order=0')
    postern = Postern(CONF, socket='inet', files={'key': KEY}, start=False)
    done = subprocess.run([binary('POSTERN'), '-f', '-x', postern.conf_file],
                          env=env, capture_output=True, text=True,
                          timeout=PATIENCE)
    is_(done.returncode, UNAVAILABLE, 'no netlink, TCP: refused')
    like(done.stderr, r'SocketPeers: the system does not say which user .*'
         r'AF_NETLINK', 'no netlink, TCP: said')
    for kind, words in ('inet', 'SocketPeers *\n'), ('unix', ''):
        with Postern(CONF + words, socket=kind, files={'key': KEY},
                     env=env) as postern:
            serves(postern)
            is_(len(postern.wait_log('direction=')), 1,
                'no netlink, %s %s: serves' % (kind, words.strip()))


KEY = subprocess.run(['openssl', 'genpkey', '-quiet', '-algorithm',
                      'ED25519'], check=True, capture_output=True,
                     text=True).stdout


def main():
    need_root()
    plan(4 * (len(WAYS) + 2) + 5 + 12 + 4 + 3 + 4)
    check_sockets()
    check_local_addresses()
    check_keyword()
    check_reload()
    check_default()
    check_no_netlink()


main()
