"""HTTP into a FIFO that a program in a container reads."""
import contextlib
import json
import subprocess
import time

from case import Case
from setting import BIG, FIFO_IN, MEBIBYTE, SMALL, check, connect, girder_file, transfer
from table import Number, at_least, at_most


def gantline(setting, source=girder_file(BIG), flags=(), carrier='direct'):
    ended, report = setting.run({'container_args': ['drain', connect(source, FIFO_IN)]}, *flags)
    moved = transfer(report, 'fifo:in')
    check(int(ended.output) == moved['bytes'] == BIG.size, ended.output, moved)
    check(moved['carrier'] == carrier, moved)
    return {'wall': ended.wall, 'stream': moved['seconds'], 'cpu': ended.cpu, 'memory': ended.memory,
            'rate': BIG.size / moved['seconds'], 'run_rate': BIG.size / ended.wall}


def rival(command):
    """A rival whose standard output is the FIFO; it begins when the reader has come."""
    def run(setting):
        with setting.fifo() as folder:
            began = time.monotonic()
            reader = subprocess.Popen(setting.docker('drain', '/pipes/fifo', volumes=[f'{folder}:/pipes']),
                                      stdout=subprocess.PIPE, text=True)
            with open(f'{folder}/fifo', 'wb') as fifo:
                ended = setting.timed(command(setting), stdout=fifo)
            output, _ = reader.communicate()
            wall = time.monotonic() - began
            check(int(output) == BIG.size, output)
        return {'wall': wall, 'stream': ended.wall, 'cpu': ended.cpu, 'memory': ended.memory}
    return run


@rival
def splice_in(setting):
    path = f'/api/v1/file/{BIG.id}/download'
    return [setting.program('splice_in'), setting.port, path, str(MEBIBYTE), str(8 * MEBIBYTE)]


@rival
def splice_in_epoll(setting):
    path = f'/api/v1/file/{BIG.id}/download'
    return [setting.program('splice_in_epoll'), setting.port, path, str(8 * MEBIBYTE), str(MEBIBYTE)]


@rival
def curl(setting):
    return ['curl', '-sS', setting.download(BIG)]


@rival
def wget(setting):
    return ['wget', '-q', '-O', '-', setting.download(BIG)]


def girder_worker(setting):
    """A job by Celery, less an empty one: what remains is the stream."""
    def seconds(mode):
        peer = [setting.python, 'benches/rivals/girder_worker_peer.py', mode, SMALL.id, setting.url(), setting.image]
        # girder_worker prints as well.
        took, counted = setting.timed(peer).output.splitlines()[-1].split()
        check(mode == 'empty' or int(counted) == SMALL.size, counted)
        return float(took)
    rate = SMALL.size / (seconds('stream') - seconds('empty'))
    return {'rate': rate, 'run_rate': rate}


@contextlib.contextmanager
def nginx_tls(setting):
    """The URL of the file over TLS, and the certificate of the authority."""
    yield setting.download(BIG, 'https'), str(setting.folder / 'ca.pem')


@contextlib.contextmanager
def quick_tls(setting):
    """The same of the server that `gantline bench` has, which needs half of nginx's time: one block of bytes
    from memory again and again, encrypted by rustls, and not paced as nginx is where BBR is the default."""
    authority = str(setting.folder / 'quick.pem')
    server = subprocess.Popen([setting.gantline, 'bench-peer', 'serve-tls', authority, str(BIG.size)],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        said = json.loads(server.stdout.readline())
        check('Listening' in said, said)
        yield f'https://{said["Listening"]}/', authority
    finally:
        server.kill()
        server.wait()


def https(store):
    def run(setting):
        with store(setting) as (url, authority):
            return gantline(setting, {'type': 'UrlToStream', 'url': url}, ['--ca-file', authority], 'copy')
    return run


def curl_https(store):
    def run(setting):
        with store(setting) as (url, authority):
            return rival(lambda _: ['curl', '-sS', '--cacert', authority, url])(setting)
    return run


def https_case(name, store, what):
    what = f'4 GiB HTTPS{what} → FIFO in a container'
    return Case(name, https(store), curl_https(store), 'curl', [
        Number('stream', f'{what}, the stream alone', bar=at_most(0.40)),
        Number('wall', f'{what}, with its start and end', bar=at_most(0.40)),
        Number('cpu', f'{what}, CPU of our process'),
    ])


WHAT = '4 GiB HTTP → FIFO in a container'
STREAM, WALL = f'{WHAT}, the stream alone', f'{WHAT}, with the container\'s start and end'
CASES = [
    Case('http-fifo', gantline, splice_in, 'splice_in', [
        Number('stream', STREAM, bar=at_most(1.05)),
        Number('wall', WALL, bar=at_most(1.05)),
        Number('cpu', f'{WHAT}, CPU of our process', bar=at_most(0.8)),
        Number('memory', f'{WHAT}, its peak memory', 'MiB', MEBIBYTE),
    ], times=4),
    Case('http-fifo-epoll', gantline, splice_in_epoll, 'splice_in_epoll', [
        Number('stream', STREAM),
        Number('cpu', f'{WHAT}, CPU of our process'),
    ]),
    Case('http-fifo-curl', gantline, curl, 'curl', [
        Number('stream', STREAM, bar=at_most(0.20)),
        Number('wall', WALL, bar=at_most(0.20)),
        Number('cpu', f'{WHAT}, CPU of our process'),
    ]),
    Case('http-fifo-wget', gantline, wget, 'wget', [Number('stream', STREAM), Number('wall', WALL)]),
    Case('girder-worker', gantline, girder_worker, 'girder_worker', [
        Number('rate', f'{WHAT}, rate of the stream alone; 32 MiB', 'MB/s', 1e6, bar=at_least(200)),
        Number('run_rate', f'{WHAT}, rate with the container\'s start and end; 32 MiB without', 'MB/s', 1e6),
    ]),
    https_case('https-fifo', nginx_tls, ''),
    https_case('https-fifo-quick', quick_tls, ' from a quicker server'),
]
