"""Many transfers at once, and a long path."""
import json

from case import Case
from setting import BIG, FAR, FIFO_IN, MEBIBYTE, check, connect, transfer
from table import Number, at_least, at_most

AT_ONCE = 64


def moved(setting, parallel):
    """`gantline bench`'s moving process: as many bytes in all, whatever the number of transfers."""
    data = setting.folder / 'bench.json'
    setting.timed([setting.gantline, 'bench', '--case', 'http-fifo', '--runs', '1', '--folder', str(setting.folder),
                   '--size', str(BIG.size // parallel), '--parallel', str(parallel), '--json', str(data)])
    case = json.loads(data.read_text())['cases'][0]
    check(case['bytes'] == BIG.size and case['carrier'] == 'direct', case)
    run = case['runs'][0]
    return {'rate': case['bytes_per_second'], 'memory': run['peak_memory_bytes'], 'threads': run['threads'],
            'cpu': run['cpu_user_seconds'] + run['cpu_system_seconds']}


def many(setting):
    return moved(setting, AT_ONCE)


def one(setting):
    return moved(setting, 1)


LINK = 1e9


def over_path(setting):
    stream = connect({'type': 'UrlToStream', 'url': setting.download(BIG, host=HOST)}, FIFO_IN)
    ended, report = setting.run({'container_args': ['drain', stream]}, within=setting.near)
    took = transfer(report, 'fifo:in')
    check(int(ended.output) == took['bytes'] == BIG.size, ended.output, took)
    rate = BIG.size / took['seconds']
    return {'rate': rate, 'share': rate * 8 / LINK}


def curl_over_path(setting):
    ended = setting.timed([*setting.near, 'curl', '-sS', '-o', '/dev/null', '-w', '%{size_download}',
                           setting.download(BIG, host=HOST)])
    check(int(ended.output) == BIG.size, ended.output)
    return {'rate': BIG.size / ended.wall}


def far(setting):
    """What is short enough for a connection's beginning to count."""
    stream = connect({'type': 'UrlToStream', 'url': setting.download(FAR, host=HOST)}, FIFO_IN)
    ended, report = setting.run({'container_args': ['drain', stream]}, within=setting.near)
    took = transfer(report, 'fifo:in')
    check(int(ended.output) == took['bytes'] == FAR.size, ended.output, took)
    return {'share': FAR.size / took['seconds'] * 8 / LINK, 'memory': ended.memory}


def aria2c(setting):
    command = ['aria2c', '-q', '-x', '16', '-s', '16', '-k', '1M', '--file-allocation=none', '-d', str(setting.folder),
               '-o', 'fetched', setting.download(FAR, host=HOST)]
    ended = setting.timed([*setting.near, *command])
    path = setting.folder / 'fetched'
    check(path.stat().st_size == FAR.size)
    path.unlink()
    return {'share': FAR.size / ended.wall * 8 / LINK, 'memory': ended.memory}


HOST = '10.97.0.2'
WHAT = '64 HTTP → FIFO at once, 64 MiB each, against one of 4 GiB'
SHORT = '100 MiB HTTP → FIFO in a container, 50 ms and 1 Gbit/s away'
PATH = '4 GiB HTTP → FIFO in a container, 50 ms and 1 Gbit/s away'


def cases(cores):
    return [
        Case('many', many, one, 'one transfer', [
            Number('rate', f'{WHAT}, rate', 'MB/s', 1e6, at_least(0.9)),
            Number('cpu', f'{WHAT}, CPU of our process'),
            Number('threads', f'{WHAT}, threads', '', bar=at_most(cores + 4), has_rival=False, middle=max),
            Number('memory', f'{WHAT}, peak memory', 'MiB', MEBIBYTE, at_most(40), has_rival=False, middle=max),
        ]),
        Case('long-path', over_path, curl_over_path, 'curl -o /dev/null', [
            Number('rate', f'{PATH}, rate', 'MB/s', 1e6),
            Number('share', f'{PATH}, share of the link\'s rate', '', bar=at_least(0.9), has_rival=False),
        ]),
        Case('far', far, aria2c, 'aria2c -x 16 → file', [
            Number('share', f'{SHORT}, share of the link\'s rate', '', bar=at_least(0.7), has_rival=False),
            Number('memory', f'{SHORT}, peak memory', 'MiB', MEBIBYTE, at_most(24), has_rival=False),
            Number('share', f'{SHORT}, share of the link\'s rate', ''),
            Number('memory', f'{SHORT}, peak memory', 'MiB', MEBIBYTE),
        ]),
    ]
