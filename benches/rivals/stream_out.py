"""What a container writes: from a FIFO into a POST, and from its standard output into a file."""
import contextlib
import os
import subprocess
import time

from case import Case
from setting import BIG, FIFO_OUT, GIBIBYTE, check, connect, transfer
from table import Number, at_most


@contextlib.contextmanager
def sink(setting):
    """The server that takes one POST; gives its port, and what it says in the end."""
    server = subprocess.Popen([setting.program('sink')], stdout=subprocess.PIPE, text=True)
    try:
        yield server.stdout.readline().strip(), lambda: server.communicate(timeout=20)[0].split()
    finally:
        server.kill()
        server.wait()


def posted(size, said):
    """What the server has taken, and in which time since it was connected to."""
    taken, seconds = said
    check(int(taken) == size, said)
    return float(seconds)


def gantline(setting):
    with sink(setting) as (port, end):
        post = {'type': 'ChunkedTransferEncodingStream', 'url': f'http://127.0.0.1:{port}/'}
        ended, report = setting.run({'container_args': ['/bench/fill', str(BIG.size), connect(FIFO_OUT, post)],
                                     'volumes': setting.job_volumes})
        stream = posted(BIG.size, end())
    moved = transfer(report, 'post:')
    check(moved['bytes'] == BIG.size and moved['carrier'] == 'splice', moved)
    return {'wall': ended.wall, 'stream': stream, 'cpu': ended.cpu}


def rival(command):
    """A rival whose standard input is the FIFO; it begins when the writer has come."""
    def run(setting):
        with setting.fifo() as folder, sink(setting) as (port, end):
            began = time.monotonic()
            volumes = [f'{folder}:/pipes', setting.programs]
            writer = subprocess.Popen(
                setting.docker('/bench/fill', str(BIG.size), '/pipes/fifo', volumes=volumes))
            with open(f'{folder}/fifo', 'rb') as fifo:
                ended = setting.timed(command(setting, port), stdin=fifo)
            check(writer.wait() == 0, 'the writer failed')
            wall = time.monotonic() - began
            return {'wall': wall, 'stream': posted(BIG.size, end()), 'cpu': ended.cpu}
    return run


@rival
def splice_out(setting, port):
    return [setting.program('splice_out'), port, str(BIG.size)]


@rival
def curl(setting, port):
    return ['curl', '-sS', '-T', '-', '-H', 'Transfer-Encoding: chunked', f'http://127.0.0.1:{port}/']


def stdout_gantline(setting, **how):
    with target(setting) as path:
        stdout = connect({'type': 'ContainerStdOut'}, {'type': 'HostFile', 'path': path})
        ended, report = setting.run({'container_args': ['/bench/fill', str(GIBIBYTE)],
                                     'stream_connectors': [stdout], 'volumes': setting.job_volumes, **how})
        check(os.path.getsize(path) == GIBIBYTE, os.path.getsize(path))
    return {'wall': ended.wall, 'cpu': ended.cpu}


def stdout_docker(setting):
    with target(setting) as path:
        with open(path, 'wb') as file:
            ended = setting.timed(setting.docker('/bench/fill', str(GIBIBYTE), volumes=[setting.programs]),
                                  stdout=file)
        check(os.path.getsize(path) == GIBIBYTE, os.path.getsize(path))
    return {'wall': ended.wall, 'cpu': ended.cpu}


def stdout_fast(setting):
    return stdout_gantline(setting, fast_stdout=True)


def fifo_gantline(setting):
    with target(setting) as path:
        fifo = connect(FIFO_OUT, {'type': 'HostFile', 'path': path})
        ended, _ = setting.run({'container_args': ['/bench/fill', str(GIBIBYTE), fifo], 'volumes': setting.job_volumes})
        check(os.path.getsize(path) == GIBIBYTE, os.path.getsize(path))
    return {'wall': ended.wall, 'cpu': ended.cpu}


@contextlib.contextmanager
def target(setting):
    """Where a file is to be written, in memory: a disk would be what is measured."""
    path = str(setting.folder / 'written')
    try:
        yield path
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)


WHAT = '4 GiB FIFO in a container → chunked HTTP'
STREAM, WALL = f'{WHAT}, the stream alone', f'{WHAT}, with the container\'s start and end'
CASES = [
    Case('fifo-post', gantline, splice_out, 'splice_out', [
        Number('stream', STREAM, bar=at_most(1.10)),
        Number('wall', WALL, bar=at_most(1.10)),
        Number('cpu', f'{WHAT}, CPU of our process'),
    ], times=2),
    Case('fifo-post-curl', gantline, curl, 'curl', [
        Number('stream', STREAM, bar=at_most(0.7)),
        Number('wall', WALL, bar=at_most(0.7)),
        Number('cpu', f'{WHAT}, CPU of our process'),
    ], times=2),
    Case('stdout-file', stdout_gantline, stdout_docker, 'docker run', [
        Number('wall', '1 GiB of a container\'s stdout → file', bar=at_most(0.7)),
        Number('cpu', '1 GiB of a container\'s stdout → file, CPU of our process'),
    ]),
    Case('stdout-fast', stdout_fast, fifo_gantline, 'a FIFO → file', [
        Number('wall', '1 GiB of a container\'s stdout → file, `fast_stdout`', bar=at_most(1.25)),
        Number('cpu', '1 GiB of a container\'s stdout → file, `fast_stdout`, CPU of our process'),
    ], times=2),
]
