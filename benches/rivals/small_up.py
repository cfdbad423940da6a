"""Files up: many small ones to a slow store, a large one to a quick store."""
import subprocess
import urllib.request

from case import Case
from setting import HALF, check
from table import Number, at_most

FILES = 500


def many(setting):
    script = f'mkdir $0; cd $0; i=0; while [ $i -lt {FILES} ]; do head -c 8192 /dev/zero > f$i; i=$((i+1)); done'
    out = {'type': 'VolumePath', 'filename': 'out'}
    hook = {'type': 'GirderUploadVolumePathToFolder', 'volumepath': out, 'folder_id': 'results'}
    requests(setting)
    _, report = setting.run({'girder_api_url': setting.slow, 'container_args': ['sh', '-c', script, out],
                             'girder_result_hooks': [hook]})
    check(len(report['uploads']) == FILES, len(report['uploads']))
    # One of them is a look at the folder before the container starts.
    return {'collect': report['phases']['collect'], 'requests': requests(setting) - 1}


def requests(setting):
    """Since it was asked last."""
    with urllib.request.urlopen(f'{setting.slow.removesuffix("/api/v1")}/requests') as answer:
        return int(answer.read())


def large(setting):
    ended = setting.timed([setting.gantline, 'upload', '--girder-url', f'{setting.taker}/api/v1',
                           '--girder-token', 'bench-token', '--folder', 'results', results(setting)],
                          stdout=subprocess.DEVNULL)
    return {'wall': ended.wall, 'cpu': ended.cpu}


def curl(setting):
    ended = setting.timed(['curl', '-sSf', '-T', results(setting), f'{setting.taker}/results'])
    return {'wall': ended.wall, 'cpu': ended.cpu}


def results(setting):
    return str(setting.folder / f'www/api/v1/file/{HALF.id}/download')


WHAT = f'upload of {FILES} × 8 KiB, 5 ms a request'
CASES = [
    Case('small-upload', many, None, None, [
        Number('collect', f'{WHAT}, `collect`', bar=at_most(1.2)),
        Number('requests', f'{WHAT}, requests once the container has ended', '', bar=at_most(501), middle=max),
    ]),
    Case('large-upload', large, curl, 'curl -T', [
        Number('wall', 'upload of 2 GiB to a quick server', bar=at_most(0.4)),
        Number('cpu', 'upload of 2 GiB to a quick server, CPU of our process', bar=at_most(0.4), has_rival=False),
    ], times=2),
]
