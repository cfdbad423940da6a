"""Times the cases of small_files.sh in pairs, and prints the table."""
import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import tempfile
import time
import urllib.request

MANY, LARGE_MIB = 4000, 512
UPLOAD = 2 << 30
DOWN = {'type': 'GirderFolderIdToVolume'}


class Setting:
    def __init__(self, args):
        self.folder = pathlib.Path(args.folder)
        self.quick = f'http://127.0.0.1:{args.port}/api/v1'
        self.slow = f'http://127.0.0.1:{args.store}/api/v1'
        self.port, self.store = args.port, args.store
        self.taker = f'http://127.0.0.1:{args.taker}'

    def run(self, program, job, *before):
        """The report of one run, and the processor's seconds of our process."""
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            place = pathlib.Path(place)
            (place / 'job').write_text(json.dumps(job | {'image': 'gantline-test:busybox', 'pull_image': False}))
            command = [*before, program, 'run', '--report', place / 'report', place / 'job']
            child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            said = child.stderr.read()
            _, status, used = os.wait4(child.pid, 0)
            if status:
                raise SystemExit(f'{program} failed: {said.decode()}')
            return json.loads((place / 'report').read_text()), used.ru_utime + used.ru_stime

    def requests(self):
        with urllib.request.urlopen(f'http://127.0.0.1:{self.store}/requests') as answer:
            return int(answer.read())


def download(url, what):
    return {'girder_api_url': url, 'container_args': ['true', what]}


def many(setting, program):
    report, cpu = setting.run(program, download(setting.quick, DOWN | {'id': 'many'}))
    assert len(report['downloads']) == MANY
    return {'wall': report['phases']['prepare'], 'cpu': cpu}


def kept(setting):
    """The same requests, by four connections that are kept."""
    out = setting.folder / 'kept'
    out.mkdir()
    lines = ['/api/v1/folder/many', '/api/v1/folder?parentType=folder&parentId=many']
    lines += [f'/api/v1/item?folderId=many&limit=50&offset={at}' for at in range(0, MANY + 50, 50)]
    for nth in range(MANY):
        lines += [f'/api/v1/item/i{nth}/files?limit=50&offset=0', f'/api/v1/file/i{nth}/download']
    began = time.monotonic()
    subprocess.run([setting.folder / 'keepalive', str(setting.port), '4', out], check=True,
                   input='\n'.join(lines).encode())
    wall = time.monotonic() - began
    assert len(os.listdir(out)) == MANY
    shutil.rmtree(out)
    return {'wall': wall}


def slow(setting, program):
    report, _ = setting.run(program, download(setting.slow, DOWN | {'id': 'slow'}))
    assert len(report['downloads']) == 200
    return {'wall': report['phases']['prepare']}


def upload(setting, program):
    script = 'mkdir $0; cd $0; i=0; while [ $i -lt 500 ]; do head -c 8192 /dev/zero > f$i; i=$((i+1)); done'
    out = {'type': 'VolumePath', 'filename': 'out'}
    hook = {'type': 'GirderUploadVolumePathToFolder', 'volumepath': out, 'folder_id': 'results'}
    setting.requests()
    report, _ = setting.run(program, {
        'girder_api_url': setting.slow, 'container_args': ['sh', '-c', script, out],
        'girder_result_hooks': [hook],
    })
    assert len(report['uploads']) == 500
    return {'wall': report['phases']['collect'], 'requests': setting.requests()}


def checked(setting, program):
    what = {'type': 'GirderFileIdToVolume', 'id': 'large'}
    report, cpu = setting.run(program, download(setting.quick, what))
    assert report['downloads'][0]['checked']
    return {'wall': report['phases']['prepare'], 'cpu': cpu}


def openssl(setting):
    began = time.monotonic()
    subprocess.run(['openssl', 'dgst', '-sha512', setting.folder / 'www/large'], check=True,
                   stdout=subprocess.DEVNULL)
    return {'wall': time.monotonic() - began}


def timed(command):
    """How long a command takes, and the processor's seconds of its process."""
    began = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = child.stderr.read()
    _, status, used = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f'{command[0]} failed: {said.decode()}')
    return {'wall': time.monotonic() - began, 'cpu': used.ru_utime + used.ru_stime}


def results(setting):
    path = setting.folder / 'results'
    if not path.exists():
        subprocess.run(['head', '-c', str(UPLOAD), '/dev/urandom'], check=True, stdout=path.open('wb'))
    return path


def large_upload(setting, program):
    return timed([program, 'upload', '--girder-url', f'{setting.taker}/api/v1', '--girder-token', 'bench-token',
                  '--folder', 'results', results(setting)])


def curl(setting):
    return timed(['curl', '-sSf', '-T', results(setting), f'{setting.taker}/results'])


def calls(setting, program):
    """System calls, and threads, of a run with the downloads, less those of one without."""
    def counted(job):
        summary = setting.folder / 'strace'
        setting.run(program, job, 'strace', '-f', '-c', '-o', summary)
        count = {}
        for line in summary.read_text().splitlines():
            if match := re.match(r'\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$', line):
                count[match[2]] = int(match[1])
        return count
    empty = counted({'container_args': ['true']})
    full = counted(download(setting.quick, DOWN | {'id': 'many'}))
    total = sum(full.values()) - sum(empty.values()) - full.get('total', 0) + empty.get('total', 0)
    threads = sum(full.get(name, 0) - empty.get(name, 0) for name in ('clone', 'clone3'))
    return {'calls': total / MANY, 'threads': threads}


CASES = {
    'many': ('folder of 4,000 x 2 KiB, loopback, `prepare`', many, ('four kept connections', kept)),
    'slow': ('folder of 200 x 8 KiB, 50 ms a request, `prepare`', slow, None),
    'upload': ('upload of 500 x 8 KiB, 5 ms a request, `collect`', upload, None),
    'large-upload': ('upload of 2 GiB to a quick server', large_upload, ('curl -T', curl)),
    'checked': ('checked download of 512 MiB, `prepare`', checked, ('openssl dgst', openssl)),
}


def measure(setting, programs, name, pairs):
    label, case, rival = CASES[name]
    seen = {who: [] for who in [*programs, *([rival[0]] if rival else [])]}
    for _ in range(pairs):
        for who, program in programs.items():
            seen[who].append(case(setting, program))
        if rival:
            seen[rival[0]].append(rival[1](setting))
    first = next(iter(programs))
    for who, runs in seen.items():
        walls = [run['wall'] for run in runs]
        ratio = statistics.median(ours['wall'] / run['wall'] for ours, run in zip(seen[first], runs))
        cells = [label, who, f'{statistics.median(walls):.2f} s', f'{min(walls):.2f}-{max(walls):.2f}',
                 '' if who == first else f'{ratio:.2f}']
        more = {key: statistics.median(run[key] for run in runs) for key in runs[0] if key != 'wall'}
        if name == 'many' and 'cpu' in more:
            more['cpu a file'] = f'{more.pop("cpu") / MANY * 1e6:.0f} us'
        elif 'cpu' in more:
            more['cpu'] = f'{more["cpu"]:.2f} s'
        print('| ' + ' | '.join([*cells, ', '.join(f'{key} {value}' for key, value in more.items())]) + ' |',
              flush=True)


def main():
    parser = argparse.ArgumentParser()
    for name in ['program', 'folder', 'port', 'store', 'taker']:
        parser.add_argument(f'--{name}', required=True)
    parser.add_argument('--against')
    parser.add_argument('--only', action='append', choices=[*CASES, 'calls'])
    parser.add_argument('pairs', nargs='?', type=int, default=3)
    args = parser.parse_args()
    setting = Setting(args)
    programs = {'gantline': os.path.abspath(args.program)}
    if args.against:
        programs['the other'] = os.path.abspath(args.against)
    print(f'{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {args.pairs} pairs\n')
    print('| case | who | median | range | gantline takes so many times as long | beside |\n|---|---|---|---|---|---|')
    for name in CASES:
        if not args.only or name in args.only:
            measure(setting, programs, name, args.pairs)
    if (not args.only or 'calls' in args.only) and shutil.which('strace'):
        for who, program in programs.items():
            found = calls(setting, program)
            print(f'| system calls a file of the first case, the removal of the file among them | {who} | {found["calls"]:.1f} | | | '
                  f'{found["threads"]} threads |', flush=True)


if __name__ == '__main__':
    main()
