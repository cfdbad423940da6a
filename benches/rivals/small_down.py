"""Many small files down, a large one that is summed, and what a plan of many costs: against who asks for the same."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.request

import real_girder
from case import Case
from setting import FIFO_IN, HALF, KIBIBYTE, MEBIBYTE, SUMMED, check, connect
from table import Number, at_most

MANY, SLOW, PLANNED, STREAMS, HUGE = 4000, 200, 16_000, 198, 100_000


def folder_of(name):
    return {'type': 'GirderFolderIdToVolume', 'id': name}


def downloaded(setting, url, name, count, **how):
    job = {'girder_api_url': url, 'container_args': ['true', folder_of(name)]}
    ended, report = setting.run(job, environment=in_memory(setting), **how)
    check(len(report['downloads']) == count, len(report['downloads']))
    return ended, report


def in_memory(setting):
    """With the volume in memory: what a disk takes for its folders is not what is measured."""
    return {'TMPDIR': str(setting.folder)}


def many(setting):
    ended, report = downloaded(setting, setting.many, 'many', MANY)
    return {'prepare': report['phases']['prepare'], 'cpu': ended.cpu / MANY}


def kept(setting):
    """The same requests, by four connections that are kept."""
    lines = ['/api/v1/folder/many', '/api/v1/folder?parentType=folder&parentId=many']
    lines += [f'/api/v1/item?folderId=many&limit=50&offset={at}' for at in range(0, MANY + 50, 50)]
    for nth in range(MANY):
        lines += [f'/api/v1/item/i{nth}/files?limit=50&offset=0', f'/api/v1/file/i{nth}/download']
    with emptied(setting) as out:
        began = time.monotonic()
        subprocess.run([setting.program('keepalive'), setting.many_port, '4', out], check=True,
                       input='\n'.join(lines).encode())
        took = time.monotonic() - began
        check(len(os.listdir(out)) == MANY)
    return {'prepare': took}


def curl(setting):
    """The bodies alone, without the listings, by curl's own four at once."""
    with emptied(setting) as out:
        lines = ''.join(f'url = {setting.many}/file/i{nth}/download\noutput = {out}/i{nth}\n' for nth in range(MANY))
        (setting.folder / 'curl.conf').write_text(lines)
        ended = setting.timed(['curl', '-sS', '--parallel', '--parallel-max', '4', '-K', setting.folder / 'curl.conf'],
                              stderr=subprocess.DEVNULL)
        check(len(os.listdir(out)) == MANY)
    return {'prepare': ended.wall, 'cpu': ended.cpu / MANY}


@contextlib.contextmanager
def emptied(setting):
    out = setting.folder / 'kept'
    out.mkdir()
    try:
        yield out
    finally:
        shutil.rmtree(out)


def calls(setting):
    """System calls, and threads, of a run with the downloads, less those of one without; the kernel counts them, since
    strace holds threads up, which makes them wait for each other more often."""
    def counted(**job):
        counts = setting.folder / 'counts'
        events = 'raw_syscalls:sys_enter,syscalls:sys_enter_clone,syscalls:sys_enter_clone3'
        setting.run(job, environment=in_memory(setting), within=['perf', 'stat', '-x,', '-o', counts, '-e', events])
        found = dict(reversed(re.match(r'(\d+),,([\w:]+),', line).groups())
                     for line in counts.read_text().splitlines() if re.match(r'\d+,,', line))
        return int(found.pop('raw_syscalls:sys_enter')), sum(map(int, found.values()))
    with_none = counted(container_args=['true'])
    with_all = counted(girder_api_url=setting.many, container_args=['true', folder_of('many')])
    made, threads = (a - b for a, b in zip(with_all, with_none))
    return {'calls': made / MANY, 'threads': threads}


def slow(setting):
    _, report = downloaded(setting, setting.slow, 'slow', SLOW)
    return {'prepare': report['phases']['prepare']}


def study(setting):
    """A folder of small files in a real Girder."""
    client = real_girder.client(setting)
    if not hasattr(client, 'study'):
        client.study = client.call('study', OF_GIRDER, 8 * KIBIBYTE)
    return client


def of_girder(setting):
    store = study(setting)
    _, report = real_girder.job(setting, container_args=['true', folder_of(store.study)])
    check(len(report['downloads']) == OF_GIRDER)
    return {'prepare': report['phases']['prepare']}


def its_zip(setting):
    store = study(setting)
    request = urllib.request.Request(f'{setting.girder}/folder/{store.study}/download',
                                     headers={'Girder-Token': store.store['token']})
    began = time.monotonic()
    with urllib.request.urlopen(request) as answer:
        check(len(answer.read()) > OF_GIRDER * 8 * KIBIBYTE)
    return {'prepare': time.monotonic() - began}


def girder_client(setting):
    with emptied(setting) as out:
        return {'prepare': study(setting).call('download_folder', study(setting).study, str(out))}


def checked(setting):
    ended, report = setting.run({'container_args': ['true', {'type': 'GirderFileIdToVolume', 'id': SUMMED.id}]},
                                environment=in_memory(setting))
    check(report['downloads'][0]['checked'] and report['downloads'][0]['bytes'] == SUMMED.size, report)
    return {'wall': report['phases']['prepare'], 'cpu': ended.cpu}


def openssl(setting):
    path = setting.folder / f'www/api/v1/file/{HALF.id}/download'
    ended = setting.timed(['openssl', 'dgst', '-sha512', path])
    return {'wall': ended.wall, 'cpu': ended.cpu}


def planned(setting):
    job = setting.folder / 'planned.json'
    files = [{'type': 'GirderFileIdToVolume', 'id': f'{nth:024x}', 'filename': f'f{nth}'} for nth in range(PLANNED)]
    job.write_text(json.dumps({'image': setting.image, 'girder_api_url': setting.many,
                               'volumes': [], 'stream_connectors': [], 'container_args': ['true', *files]}))
    ended = setting.timed([setting.gantline, 'check', str(job)])
    return {'wall': ended.wall}


def looked_up(setting):
    """How often the system is asked for the address of `localhost`: each time it opens /etc/hosts."""
    opened = setting.folder / 'opened'
    url = setting.many.replace('127.0.0.1', 'localhost')
    downloaded(setting, url, 'many', MANY, within=['strace', '-f', '-q', '-e', 'trace=openat', '-o', opened])
    return {'lookups': opened.read_text().count('"/etc/hosts"')}


def streams(setting):
    """Descriptors while so many inputs are open, and how many one of them takes."""
    most, few = open_at_once(setting, STREAMS), open_at_once(setting, 8)
    return {'descriptors': most, 'each': (most - few) / (STREAMS - 8)}


def open_at_once(setting, count):
    """The most that is open in a run that is allowed 1,024, from its inputs' opening to its end."""
    (setting.folder / 'hello').write_bytes(b'x' * 100_000)
    source = {'type': 'HostFileToStream', 'path': str(setting.folder / 'hello')}
    inputs = [connect(source, FIFO_IN | {'name': f'in{nth}'}) for nth in range(count)]
    job = {'container_args': ['sh', '-c', 'cat "$@" | wc -c', 'sh', *inputs]}
    with tally(setting) as seen:
        ended, _ = setting.run(job, within=['sh', '-c', 'ulimit -Sn 1024; exec "$0" "$@"'])
    check(int(ended.output) == count * 100_000, ended.output)
    return max(seen)


@contextlib.contextmanager
def tally(setting):
    """Counts the descriptors of gantline, the child of ours, over and over."""
    seen, over = [0], threading.Event()

    def count():
        while not over.wait(0.005):
            for process in pathlib.Path('/proc').glob('[0-9]*'):
                with contextlib.suppress(OSError):
                    if os.readlink(process / 'exe') == setting.gantline:
                        seen.append(len(os.listdir(process / 'fd')))
    thread = threading.Thread(target=count)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def huge(setting):
    """A folder of 100,000 files of 64 bytes from the depot: the memory of the run, and what a file adds to it."""
    with depot(setting) as url:
        lookup = f'{url}/resource/lookup?path=/collection/depot/files/study'
        with urllib.request.urlopen(lookup) as answer:
            folder = json.loads(answer.read())['_id']
        program = ['sh', '-c', 'ls "$0" | wc -l', folder_of(folder)]
        ended, report = setting.run({'girder_api_url': url, 'container_args': program},
                                    environment=in_memory(setting))
        check(int(ended.output) == len(report['downloads']) == HUGE, ended.output)
        small, _ = setting.run({'container_args': ['true']})
    return {'memory': ended.memory, 'each': (ended.memory - small.memory) / HUGE, 'wall': ended.wall}


@contextlib.contextmanager
def depot(setting):
    place = setting.folder / 'depot'
    (place / 'study').mkdir(parents=True)
    for nth in range(HUGE):
        (place / 'study' / f'{nth:06}.dcm').write_bytes(b'x' * 64)
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        address = f'127.0.0.1:{free.getsockname()[1]}'
    server = subprocess.Popen([setting.gantline, 'depot', '--listen', address, str(place)],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        url = f'http://{address}/api/v1'
        # It says its address and each file, and serves when all of that has been read.
        for _ in range(1 + HUGE):
            check(server.stdout.readline(), 'the depot has ended')
        yield url
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(place)


OF_GIRDER = 500
WHAT = f'folder of {MANY:,} × 2 KiB, loopback'
CASES = [
    Case('small-many', many, kept, 'four kept connections', [
        Number('prepare', f'{WHAT}, `prepare`', bar=at_most(1.6)),
        Number('cpu', f'{WHAT}, CPU of our process a file', 'µs', 1e-6, bar=at_most(150), has_rival=False),
    ]),
    Case('small-many-curl', many, curl, 'curl --parallel, without the listings', [
        Number('prepare', f'{WHAT}, `prepare`'),
        Number('cpu', f'{WHAT}, CPU of our process a file', 'µs', 1e-6),
    ]),
    Case('small-calls', calls, None, None, [
        Number('calls', f'{WHAT}, system calls a file, its removal among them', '', bar=at_most(20)),
        Number('threads', f'{WHAT}, threads for all files', '', bar=at_most(40)),
    ]),
    Case('small-slow', slow, None, None, [
        Number('prepare', f'folder of {SLOW} × 8 KiB, 50 ms a request, `prepare`', bar=at_most(1.5)),
    ]),
    Case('small-girder', of_girder, its_zip, 'its zip', [
        Number('prepare', f'folder of {OF_GIRDER} × 8 KiB from a real Girder, `prepare`', bar=at_most(1.3)),
    ]),
    Case('small-girder-client', of_girder, girder_client, 'girder_client', [
        Number('prepare', f'folder of {OF_GIRDER} × 8 KiB from a real Girder, `prepare`'),
    ]),
    Case('checked', checked, openssl, 'openssl dgst -sha512', [
        Number('wall', 'checked download of 2 GiB, `prepare`', bar=at_most(1.1)),
        Number('cpu', 'checked download of 2 GiB, CPU of our process'),
    ]),
    Case('planned', planned, None, None, [
        Number('wall', f'`check` of a job with {PLANNED:,} downloads', bar=at_most(0.1)),
    ]),
    Case('small-huge', huge, None, None, [
        Number('memory', f'folder of {HUGE:,} × 64 bytes from the depot, peak memory', 'MiB', MEBIBYTE, at_most(80)),
        Number('each', f'folder of {HUGE:,} × 64 bytes from the depot, memory a file', 'KiB', KIBIBYTE, at_most(0.5)),
        Number('wall', f'folder of {HUGE:,} × 64 bytes from the depot'),
    ], times=0.2),
    Case('lookups', looked_up, None, None, [
        Number('lookups', f'{WHAT}, look-ups of the host', '', bar=at_most(1)),
    ], times=0.2),
    Case('descriptors', streams, None, None, [
        Number('descriptors', f'{STREAMS} inputs at `ulimit -Sn 1024`, descriptors', '', bar=at_most(1024), middle=max),
        Number('each', f'{STREAMS} inputs at `ulimit -Sn 1024`, descriptors an input', '', bar=at_most(5), middle=max),
    ], times=0.6),
]
