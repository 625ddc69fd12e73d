# SPDX-License-Identifier: BSD-2-Clause
"""Set-ups in which postern can't start, and mounts and users of the test's
own to make them with."""

import ctypes
import os
import re
import shutil
import subprocess

import proc
from postern import binary

CLONE_NEWNS = 0x20000
_mounts = []


def private_mounts():
    """From here on mounts are this process's alone. False: not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        return False
    return subprocess.run(['mount', '--make-rprivate', '/'],
                          capture_output=True).returncode == 0


def mount(path, options):
    """A small file system in memory."""
    subprocess.run(['mount', '-t', 'tmpfs', '-o', options, 'test', path],
                   check=True)
    _mounts.append(path)


def remount(path, options):
    subprocess.run(['mount', '-o', 'remount,' + options, path], check=True)


def own_copy(path):
    """A directory of the system as a copy that may be changed."""
    copy = proc.new_dir('copy')
    subprocess.run(['cp', '-a', path + '/.', copy], check=True)
    shutil.copystat(path, copy)
    subprocess.run(['mount', '--bind', copy, path], check=True)
    _mounts.append(path)


def end_mounts():
    while _mounts:
        subprocess.run(['umount', '-l', _mounts.pop()], check=True)


def run(args, timeout=proc.PATIENCE, user=None, program=None, limits=None,
        env=None):
    """postern with these arguments, to its end."""
    return subprocess.run([program or binary('POSTERN')] + args, user=user,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=timeout, preexec_fn=limits,
                          env=env)


def make_mdb(path):
    """An LMDB without an entry, and without its lock file."""
    lmdb = ctypes.CDLL('liblmdb.so.0')
    env = ctypes.c_void_p()
    nosubdir, nolock = 0x4000, 0x400000
    if lmdb.mdb_env_create(ctypes.byref(env)) != 0 or lmdb.mdb_env_open(
            env, path.encode(), nosubdir | nolock, 0o644) != 0:
        raise OSError('no LMDB at ' + path)
    lmdb.mdb_env_close(env)


def last_words(done):
    """What it ended with, whoever said it."""
    lines = done.stderr.strip().splitlines() or ['']
    return re.sub(r'^postern(\[\d+\])?: ', '', lines[-1])


def tree(*roots):
    """All that is there, and what may be known of each but when it was
    read."""
    found = {}
    for root in roots:
        for where, dirs, files in os.walk(root):
            for name in dirs + files:
                path = os.path.join(where, name)
                st = os.lstat(path)
                found[path] = (st.st_mode, st.st_uid, st.st_gid, st.st_size,
                               st.st_ino, st.st_mtime_ns, st.st_ctime_ns)
    return found
