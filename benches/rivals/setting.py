"""Where it all happens: what rivals.sh has started, and how a process is run and measured in it."""
import contextlib
import dataclasses
import json
import os
import pathlib
import subprocess
import tempfile
import time

KIBIBYTE = 1 << 10
MEBIBYTE = 1 << 20
GIBIBYTE = 1 << 30


@dataclasses.dataclass
class File:
    """A file that nginx serves from memory: its id in the store, and its size."""
    id: str
    size: int


BIG = File('big', 4 * GIBIBYTE)
HALF = File('half', 2 * GIBIBYTE)
SMALL = File('small', 32 * MEBIBYTE)
# As HALF, with its sum in the record.
SUMMED = File('summed', 2 * GIBIBYTE)
# What is fetched over a long path.
FAR = File('far', 100 * MEBIBYTE)


class Wrong(Exception):
    """A process failed, or has not moved what it should."""


def check(holds, *what):
    if not holds:
        raise Wrong(*what)


@dataclasses.dataclass
class Ended:
    """A process that was measured."""
    wall: float
    cpu: float
    memory: float
    output: str


class Setting:
    """The memory folder with files and programs, a folder on the disk, the servers' ports, the image."""

    def __init__(self, args):
        self.folder = pathlib.Path(args.folder)
        self.disk = pathlib.Path(args.disk)
        self.image = args.image
        self.port, self.tls_port = args.port, args.tls_port
        self.python, self.girder = args.python, args.girder
        self.near = ['ip', 'netns', 'exec', args.near]
        self.gantline = os.path.realpath(args.gantline or 'target/release/gantline')
        # nginx with many small files, a store that takes its time, and one that takes what comes.
        self.many_port, self.many = args.many_port, f'http://127.0.0.1:{args.many_port}/api/v1'
        self.slow = f'http://127.0.0.1:{args.slow_port}/api/v1'
        self.taker = f'http://127.0.0.1:{args.taker_port}'

    def url(self, scheme='http', host='127.0.0.1'):
        return f'{scheme}://{host}:{self.tls_port if scheme == "https" else self.port}/api/v1'

    def download(self, file, scheme='http', host='127.0.0.1'):
        return f'{self.url(scheme, host)}/file/{file.id}/download'

    def program(self, name):
        return str(self.folder / 'bin' / name)

    def timed(self, command, **streams):
        """Runs a command to its end. GNU time stands between, since a process begins with the peak of the
        one that made it, and Python's is larger than what is measured."""
        streams = {'stdout': subprocess.PIPE, **streams}
        with tempfile.NamedTemporaryFile('r', dir=self.folder) as measured:
            began = time.monotonic()
            ended = subprocess.run(['/usr/bin/time', '-q', '-o', measured.name, '-f', '%U %S %M', *command],
                                   text=True, **streams)
            wall = time.monotonic() - began
            check(ended.returncode == 0, command[0], 'exit code', ended.returncode)
            user, system, kibibytes = map(float, measured.read().split())
        return Ended(wall, user + system, kibibytes * 1024, ended.stdout)

    def run(self, job, *flags, within=(), environment=None):
        """`gantline run` of a job, and its report."""
        job = {'image': self.image, 'pull_image': False, 'girder_api_url': self.url(), **job}
        path, report = self.folder / 'job.json', self.folder / 'report.json'
        path.write_text(json.dumps(job))
        command = [*within, self.gantline, 'run', '--progress', 'none', '--report', str(report), *flags, str(path)]
        ended = self.timed(command, env={**os.environ, **(environment or {})})
        return ended, json.loads(report.read_text())

    def docker(self, *command, volumes=()):
        """The command line of `docker run`."""
        mounts = [word for volume in volumes for word in ('-v', volume)]
        return ['docker', 'run', '--rm', *mounts, self.image, *command]

    @property
    def programs(self):
        """Mounts the programs, for docker; `job_volumes` is the same for a job."""
        return f'{self.folder}/bin:/bench:ro'

    @property
    def job_volumes(self):
        return {f'{self.folder}/bin': {'bind': '/bench', 'mode': 'ro'}}

    @contextlib.contextmanager
    def fifo(self):
        """A folder with a FIFO for a rival, whose default size nobody has changed yet."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            os.mkfifo(f'{folder}/fifo')
            yield folder


def transfer(report, sink):
    return next(t for t in report['transfers'] if t['sink'].startswith(sink))


def connect(source, sink):
    return {'type': 'Connect', 'input': source, 'output': sink}


def girder_file(file):
    return {'type': 'GirderFileIdToStream', 'id': file.id}


FIFO_IN = {'type': 'NamedInputPipe', 'name': 'in'}
FIFO_OUT = {'type': 'NamedOutputPipe', 'name': 'out'}
