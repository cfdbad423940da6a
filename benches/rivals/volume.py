"""HTTP into a file on a volume, which is on the disk that TMPDIR is on."""
import os
import shutil
import tempfile
import time

from case import Case
from setting import HALF, check
from table import Number, at_most


def gantline(setting):
    os.sync()
    file = {'type': 'GirderFileIdToVolume', 'id': HALF.id}
    ended, report = setting.run({'container_args': ['stat', '-c', '%s', file]})
    download = report['downloads'][0]
    check(int(ended.output) == download['bytes'] == HALF.size, ended.output, download)
    return {'download': download['seconds'], 'wall': ended.wall, 'cpu': ended.cpu}


def curl(setting):
    """The file, a container that has it on a volume, and its removal."""
    os.sync()
    began = time.monotonic()
    folder = tempfile.mkdtemp(dir=setting.disk)
    try:
        ended = setting.timed(['curl', '-sS', '-o', f'{folder}/file', setting.download(HALF)])
        size = setting.timed(setting.docker('stat', '-c', '%s', '/mnt/file', volumes=[f'{folder}:/mnt'])).output
        check(int(size) == HALF.size, size)
    finally:
        shutil.rmtree(folder)
    return {'download': ended.wall, 'wall': time.monotonic() - began, 'cpu': ended.cpu}


WHAT = '2 GiB HTTP → file on a volume'
CASES = [
    Case('http-volume', gantline, curl, 'curl -o', [
        Number('download', f'{WHAT}, the download alone', bar=at_most(1.0)),
        Number('wall', f'{WHAT}, with a container that has it, and its removal'),
        Number('cpu', f'{WHAT}, CPU of our process'),
    ]),
]
