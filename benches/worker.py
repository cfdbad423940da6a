"""What benches/worker.sh measures: worker.py GANTLINE API_URL PAIRS. The broker is GIRDER_WORKER_BROKER."""
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time

logging.disable(logging.WARNING)
from girder_client import GirderClient  # noqa: E402
from girder_worker.docker.tasks import docker_run  # noqa: E402
from girder_worker.docker.transforms import BindMountVolume, Connect, NamedInputPipe, VolumePath  # noqa: E402
from girder_worker.docker.transforms.girder import GirderFileIdToStream  # noqa: E402

gantline, api, pairs = sys.argv[1], sys.argv[2], int(sys.argv[3])
broker, backend = os.environ['GIRDER_WORKER_BROKER'], os.environ['GIRDER_WORKER_BACKEND']
IMAGE = 'gantline-test:busybox'
SIZE = 256 << 20


def begin(name, command, ready):
    path = os.path.join(os.environ['TMPDIR'], f'{name}.log')
    log = open(path, 'w')
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    for _ in range(1200):
        if ready in open(path).read():
            return process
        time.sleep(0.1)
    process.kill()
    raise SystemExit(f'{name} is not ready: {open(path).read()}')


def empty(queue, **options):
    """Seconds from .delay() to the end of .get() of a job that does nothing."""
    began = time.monotonic()
    kwargs = {'pull_image': False, 'container_args': ['true'], **options}
    docker_run.apply_async(args=(IMAGE,), kwargs=kwargs, queue=queue).get(timeout=120, interval=0.01)
    return time.monotonic() - began


def compare(name, **options):
    empty('ours', **options), empty('theirs', **options)
    times = [(empty('ours', **options), empty('theirs', **options)) for _ in range(pairs)]
    ratios = sorted(a / b for a, b in times)
    print(f'{name}: gantline %.2f s, girder_worker %.2f s, ' % tuple(statistics.median(side) for side in zip(*times))
          + f"{statistics.median(ratios):.2f} of its time ({' '.join(f'{ratio:.2f}' for ratio in ratios)})", flush=True)


def pipe(queue):
    """Seconds for 256 MiB through a pipe into a container, by the container's clock."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        volume = BindMountVolume(folder, '/result')
        client = GirderClient(apiUrl=api)
        client.setToken('a-token')
        stream = GirderFileIdToStream('file', gc=client)
        script = 'read a _ </proc/uptime; n=$(drain "$1"); read b _ </proc/uptime; echo $n $a $b >"$0"'
        arguments = ['sh', '-c', script, VolumePath('times', volume), Connect(stream, NamedInputPipe('in'))]
        docker_run.apply_async(args=(IMAGE,), queue=queue, kwargs={
            'pull_image': False, 'container_args': arguments, 'volumes': [volume]}).get(timeout=900)
        with open(f'{folder}/times') as times:
            came, a, b = times.read().split()
    return int(came), max(float(b) - float(a), 0.01)


def memory(process):
    """MiB of a process: resident, and the most that was ever resident without files."""
    values = {}
    for line in open(f'/proc/{process}/status'):
        key, _, value = line.partition(':')
        if value.strip().endswith('kB'):
            values[key] = int(value.split()[0]) / 1024
    return values['VmRSS'], values['VmHWM'] - values['RssFile']


def children(process):
    return subprocess.run(['ps', '-o', 'pid=', '--ppid', str(process)], capture_output=True, text=True).stdout.split()


ours = begin('ours', [gantline, 'worker', '--broker', broker, '--backend', backend, '--queues', 'ours', '--hostname', 'ours@bench'],
             'connected to the broker')
theirs = begin('theirs', [sys.executable, '-m', 'celery', '-A', 'girder_worker.app', 'worker', '-Q', 'theirs', '-c', '1', '-n', 'theirs@bench',
                          '-l', 'INFO'], ' ready.')
try:
    time.sleep(10)
    print('idle: gantline %.1f MiB resident, %.1f at most without files; ' % memory(ours.pid)
          + 'girder_worker %.1f MiB, and its child %.1f' % (memory(theirs.pid)[0], sum(memory(child)[0] for child in children(theirs.pid))), flush=True)
    compare('empty job')
    # Most of the engine's start is the network namespace: without it the two themselves are seen better.
    compare('empty job without a network of its own', network_mode='host')
    for _ in range(2):
        (came, a), (whole, b) = pipe('ours'), pipe('theirs')
        print(f'256 MiB through a pipe: gantline {came / a / 1e6:.0f} MB/s ({came} bytes in {a:.2f} s), '
              f'girder_worker {whole / b / 1e6:.1f} MB/s ({whole} bytes in {b:.2f} s), {came / a / (whole / b):.0f} times', flush=True)
    print('after them: gantline %.1f MiB resident, %.1f at most without files' % memory(ours.pid), flush=True)
finally:
    for process in (ours, theirs):
        process.terminate()
        process.wait(60)
