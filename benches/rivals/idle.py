"""What a run costs that moves nothing, or next to nothing: its start and end, a quiet container, a trickle."""
import contextlib
import json
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import threading
import time

from case import Case
from setting import FIFO_IN, FIFO_OUT, MEBIBYTE, check, connect
from table import Number, at_most, below


def run_true(setting):
    ended, _ = setting.run({'container_args': ['true']})
    return {'wall': ended.wall, 'memory': ended.memory}


def docker_true(setting):
    ended = setting.timed(setting.docker('true'))
    return {'wall': ended.wall, 'memory': ended.memory}


QUIET_SECONDS = 10


def quiet(setting):
    """How often the process is woken while its container sleeps, with a FIFO each way that nobody has opened."""
    url = 'http://127.0.0.1:9/'
    job = {'image': setting.image, 'pull_image': False, 'container_args': ['sh', '-c', 'echo there; exec sleep 600'],
           'stream_connectors': [
               connect({'type': 'HostFileToStream', 'path': '/bin/busybox'}, FIFO_IN),
               connect(FIFO_OUT, {'type': 'ChunkedTransferEncodingStream', 'url': url})]}
    path = setting.folder / 'quiet.json'
    path.write_text(json.dumps(job))
    command = [setting.gantline, 'run', '--progress', 'none', '--stop-timeout', '0', str(path)]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        check(run.stdout.readline() == 'there\n', 'the container has not started')
        # What the start has set off comes to rest.
        time.sleep(2)
        before = switches(run.pid)
        time.sleep(QUIET_SECONDS)
        woken = switches(run.pid) - before
    finally:
        run.send_signal(signal.SIGTERM)
        code = run.wait(timeout=30)
    check(code == 143, 'exit code', code)
    return {'switches': woken / QUIET_SECONDS}


def switches(process):
    """Voluntary context switches of all its threads."""
    statuses = pathlib.Path(f'/proc/{process}/task').glob('*/status')
    return sum(int(re.search(r'^voluntary_ctxt_switches:\s*(\d+)', status.read_text(), re.M)[1])
               for status in statuses)


MESSAGE, MESSAGES, PAUSE = 100, 20, 0.3


@contextlib.contextmanager
def trickling(burst):
    """A server for one GET: a burst at once, then a message every 300 ms that says when it was sent."""
    listener = socket.create_server(('127.0.0.1', 0))

    def serve():
        connection, _ = listener.accept()
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while not connection.recv(8192, socket.MSG_PEEK).endswith(b'\r\n\r\n'):
                pass
            connection.recv(8192)
            length = burst + MESSAGE * MESSAGES
            connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n' % length)
            connection.sendall(bytes(burst))
            for _ in range(MESSAGES):
                time.sleep(PAUSE)
                connection.sendall(b'%-*d' % (MESSAGE, time.monotonic_ns()))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f'http://127.0.0.1:{listener.getsockname()[1]}/'
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def trickle(burst):
    def run(setting):
        with trickling(burst) as url:
            stream = connect({'type': 'UrlToStream', 'url': url}, FIFO_IN)
            ended, _ = setting.run({'container_args': ['/bench/arrivals', str(burst), stream],
                                    'volumes': setting.job_volumes})
        # Those that were sent before the container read are not among them.
        delays = [int(line) / 1e6 for line in ended.output.split()]
        check(MESSAGES // 2 <= len(delays) <= MESSAGES, ended.output)
        return {'median': statistics.median(delays), 'most': max(delays)}
    return run


TRICKLE = '100 bytes every 300 ms → FIFO in a container'
BURST = 'the same after a burst of 64 MiB'
CASES = [
    Case('true', run_true, docker_true, 'docker run --rm', [
        Number('wall', 'a container that does nothing', bar=at_most(0.95)),
        Number('memory', 'a container that does nothing, peak memory', 'MiB', MEBIBYTE, at_most(12),
               has_rival=False, middle=max),
    ], times=8),
    Case('quiet', quiet, None, None, [
        Number('switches', 'a container that sleeps: voluntary context switches a second', '', bar=below(1)),
    ]),
    Case('trickle', trickle(0), None, None, [
        Number('median', f'{TRICKLE}, delay, median', 'ms', bar=below(20)),
        Number('most', f'{TRICKLE}, delay, most', 'ms', bar=below(20), middle=max),
    ]),
    Case('trickle-after-burst', trickle(64 * MEBIBYTE), None, None, [
        Number('median', f'{BURST}, delay, median', 'ms', bar=below(20)),
        Number('most', f'{BURST}, delay, most', 'ms', bar=below(20), middle=max),
    ]),
]
