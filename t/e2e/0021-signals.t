#!/usr/bin/python3
# USR1 reloads, and a bad file changes nothing; conversations under way keep
# what they began with. Signals by the thousand do no harm. TERM, INT and HUP
# end the daemon, with nothing left behind and mail at work answered.

import os
import signal
import subprocess
import sys
import threading
import time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import *
from milter import Conversation, Gone

PLAIN = 'Mode s\n' 'PidFile @DIR@/pid\n'
HEADER = PLAIN + 'SoftwareHeader yes\n'
BURST = 2000


def edits(conversation):
    """What a whole message gets; the reply must let it pass."""
    conversation.begin()
    return finish(conversation)


def finish(conversation):
    reply = conversation.finish()
    return [kind for kind, _ in conversation.edits] if reply in 'ac' else reply


def descriptors(postern):
    return len(os.listdir('/proc/%d/fd' % postern.pid))


def check_reload(postern):
    old = Conversation(postern.address)
    is_(edits(old), [], 'before a reload: no field is added')
    old.begin()
    postern.configure(HEADER)
    postern.reload()
    is_(len(postern.wait_log('reloaded')), 1, 'reloaded')
    is_(finish(old), [], 'a message under way has what it began with')
    is_(edits(old), [], 'so has its conversation')
    old.close()
    with Conversation(postern.address) as new:
        is_(edits(new), ['i'], 'a new conversation has the new')


def check_bad_reload(postern):
    postern.configure(HEADER + 'Flavour sweet\n')
    postern.reload()
    lines = postern.wait_log('reload refused')
    like(lines[-1] if lines else '', r'stays: \S+conf:6: Flavour: ',
         'a bad file is refused, with its line')
    os.rename(postern.conf_file, postern.conf_file + '.away')
    postern.reload()
    lines = postern.wait_log('reload refused', 2)
    like(lines[-1] if lines else '', r'conf: No such file',
         'a missing one too')
    with Conversation(postern.address) as conversation:
        is_(edits(conversation), ['i'], 'the old one stays in force')
    postern.configure(HEADER.replace('pid', 'other'))
    postern.reload()
    lines = postern.wait_log('PidFile: changed, but read at start only')
    is_(len(lines), 1, 'what waits for a restart is said')


def check_burst(postern):
    postern.configure(HEADER)
    before = descriptors(postern)
    with Conversation(postern.address) as conversation:
        conversation.begin()
        for _ in range(BURST):
            postern.signal(signal.SIGUSR1)
            postern.signal(signal.SIGUSR2)
        is_(finish(conversation), ['i'], 'a message through a burst')
    # What came last must have been heeded.
    resets = len(postern.log_lines('quotas reset'))
    postern.signal(signal.SIGUSR2)
    count = len(postern.wait_log('quotas reset', resets + 1))
    ok(1 < count <= BURST + 1, 'quotas were reset', count)
    with Conversation(postern.address) as conversation:
        is_(edits(conversation), ['i'], 'and it serves on')
    proc.wait_until(lambda: descriptors(postern) <= before, PATIENCE,
                    'descriptors')
    ok(True, 'no descriptor was lost')
    diag('%d reloads and %d resets for %d signals of each' % (
        len(postern.log_lines(': reloaded')), count, BURST))


def check_stop(postern):
    idle = Conversation(postern.address)
    idle.connect()
    begun = time.monotonic()
    is_(postern.stop(), 0, 'TERM: exit status')
    diag('TERM to end: %.3f s' % (time.monotonic() - begun))
    is_([name for name in ('pid', 'socket')
         if os.path.exists(os.path.join(postern.dir, name))], [],
        'TERM: no pid file and no socket stays')
    idle.close()


def check_stop_with_mail():
    """The daemon waits two seconds for a message: where the test itself was
    held up for longer, it begins again."""
    for _ in range(10):
        with Postern(PLAIN) as postern:
            mail = Conversation(postern.address)
            mail.begin()
            begun = time.monotonic()
            postern.signal(signal.SIGTERM)
            proc.wait_until(lambda: refuses(postern), PATIENCE,
                            'no new conversations')
            try:
                reply = finish(mail)
            except Gone as gone:
                reply = gone
            took = time.monotonic() - begun
            mail.close()
            status = postern.stop()
        if took < 1.9:
            break
    is_(reply, [], 'TERM: a message under way is answered')
    is_(status, 0, 'TERM: and then it ends')


def refuses(postern):
    try:
        Conversation(postern.address).close()
    except (Gone, ConnectionError, FileNotFoundError):
        return True
    return False


def check_stop_without_end():
    with Postern(PLAIN) as postern:
        mail = Conversation(postern.address)
        mail.begin()
        is_(postern.stop(), 0, 'TERM: a message without end does not keep it')
        like(postern.log(), r'TEST: direction=', 'TERM: and is accounted for')
        mail.close()


def check_stop_at_work():
    """What does not come to its end is said with what it means."""
    silent = Dnsd({}, delay=3600)
    with Postern('Mode v\nDMARC no\nDNSTimeout 300\n'
                 'Nameservers 127.0.0.1@%d\n' % silent.port) as postern:
        mail = Conversation(postern.address)
        mail.begin()
        thread = threading.Thread(target=lambda: suppressed(mail))
        thread.start()
        proc.wait_until(lambda: silent.queries, PATIENCE, 'a look-up')
        is_(postern.stop(), 0, 'TERM: a look-up without end does not keep it')
        like(postern.log(), r'stopped while 1 connection waited for our reply'
             r'.*MTA goes by its milter_default_action; what they had reserved '
             r'of quotas stays counted', 'TERM: and what that means is said')
        thread.join()
        mail.close()
    with Postern('Mode v\nResolverConfiguration @DIR@/unbound\n',
                 start=False) as postern:
        pipe = os.path.join(postern.dir, 'pipe')
        unbound = os.path.join(postern.dir, 'unbound')
        write_file(unbound, 'server:\n')
        postern.run()
        os.mkfifo(pipe)
        write_file(unbound, 'include: "%s"\n' % pipe)
        postern.reload()
        with open(pipe, 'w'):       # when the reload reads it
            is_(postern.stop(), 0, 'TERM: nor does a reload without end')
        like(postern.log(), r'stopped during a reload, .* no mail is concerned',
             'TERM: that is said, too')


def suppressed(mail):
    try:
        mail.finish()
    except Gone:
        pass


def check_restart(socket, extra=''):
    """A start waits for the one that was told to end, and for no other."""
    directory = new_dir('restart')
    pid_file = os.path.join(directory, 'pid')
    if socket == 'local':
        address = os.path.join(directory, 's')
        line = 'local:' + address
    else:
        address = ('127.0.0.1', free_port())
        line = 'inet:%d@127.0.0.1' % address[1]
    conf = write_file(os.path.join(directory, 'conf'),
                      'Socket %s\nPidFile %s\nSyslog no\nMode s\n' %
                      (line, pid_file) + extra)

    def start():
        return subprocess.run([binary('POSTERN'), '-x', conf],
                              stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=PATIENCE,
                              env=no_leak_check())
    what = 'a restart, %s%s' % (socket, ', AutoRestart' if extra else '')
    is_(start().returncode, 0, what + ': starts')
    old = int(open(pid_file).read())
    is_(start().returncode, 69, what + ': while one serves, no other starts')
    mail = Conversation(address)
    mail.begin()        # for two seconds the stop waits for it
    os.kill(old, signal.SIGTERM)
    done = start()
    is_((done.returncode, 'already' in done.stderr), (0, False),
        what + ': the start waits for the end')
    new = int(open(pid_file).read())
    ok(new != old, what + ': and has the pid file')
    mail.close()
    mail = Conversation(address)
    mail.begin()
    is_(finish(mail), [], what + ': and serves')
    mail.close()
    os.kill(new, signal.SIGTERM)
    proc.wait_until(lambda: not os.path.exists(pid_file), PATIENCE, 'the end')


def check_others():
    for number in (signal.SIGINT, signal.SIGHUP):
        with Postern(PLAIN) as postern:
            postern.signal(number)
            postern.wait()
            is_(postern.status, 0, '%s: exit status' % number.name)
            is_(os.path.exists(postern.address), False,
                '%s: no socket stays' % number.name)


def main():
    plan(42)
    with Postern(PLAIN) as postern:
        check_reload(postern)
        check_bad_reload(postern)
        check_burst(postern)
        check_stop(postern)
    check_stop_with_mail()
    check_restart('local')
    check_restart('inet')
    check_restart('local', 'AutoRestart yes\n')
    check_stop_at_work()
    check_stop_without_end()
    check_others()


import proc
main()
