"""Runs Python scripts without their start: half a second of a processor for Celery's imports, hundreds of times in the tests.

    warm_python.py SOCKET

Who connects sends the script and its arguments, as JSON in one line, and reads what it prints and then a line
"exit CODE". The script runs in a fork of this process, which has what the scripts import, and is a process of its own
in all else. It is killed when the connection ends. girder_worker is not imported: it reads its environment then.
"""
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import threading
import traceback

import celery.app.control  # noqa: F401
import celery.backends.redis  # noqa: F401
import celery.backends.rpc  # noqa: F401
import celery.events.receiver  # noqa: F401
import docker  # noqa: F401
import girder_client  # noqa: F401
import jsonpickle  # noqa: F401
import kombu  # noqa: F401
import kombu.transport.pyamqp  # noqa: F401
import kombu.transport.redis  # noqa: F401


def end_with(connection):
    connection.recv(1)
    os.kill(os.getpid(), signal.SIGKILL)


def run(connection):
    asked = b''
    while not asked.endswith(b'\n'):
        asked += connection.recv(1 << 20) or b'\n'
    sys.argv = json.loads(asked)
    os.dup2(connection.fileno(), 1)
    os.dup2(connection.fileno(), 2)
    threading.Thread(target=end_with, args=[connection], daemon=True).start()
    try:
        runpy.run_path(sys.argv[0], run_name='__main__')
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def start(listener, running):
    connection, _ = listener.accept()
    child = os.fork()
    if child == 0:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for other in (listener, *running.values()):
            other.close()
        run(connection)
    running[child] = connection


def end(running):
    """Tells of each that has ended."""
    while running:
        child, status = os.waitpid(-1, os.WNOHANG)
        if child == 0:
            return
        with running.pop(child) as connection:
            try:
                connection.sendall(b'exit %d\n' % os.waitstatus_to_exitcode(status))
            except OSError:  # who asked has gone
                pass


def main(path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    woken, wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    selector = selectors.DefaultSelector()
    for source in (listener, woken):
        selector.register(source, selectors.EVENT_READ)
    running = {}
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                start(listener, running)
            else:
                os.read(woken, 4096)
        end(running)


if __name__ == '__main__':
    main(sys.argv[1])
