"""The pairs of stream_in.sh: python3 stream_in.py FOLDER PORT IMAGE PAIRS"""
import json
import os
import statistics
import subprocess
import sys
import time

folder, port, image, pairs = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
PATH = '/api/v1/file/big/download'
BYTES = 4 << 30
MEBIBYTE = 1 << 20


def timed(command):
    """Runs a command; its standard output, CPU seconds and peak memory. GNU time stands between, since a
    process begins with the peak of the one that made it, and Python's is larger than what is measured."""
    measured = f'{folder}/measured'
    output = subprocess.run(['/usr/bin/time', '-o', measured, '-f', '%U %S %M', *command],
                            stdout=subprocess.PIPE, text=True, check=True).stdout
    with open(measured) as file:
        user, system, kibibytes = map(float, file.read().split())
    return output, user + system, kibibytes * 1024


def ours():
    job = {
        'image': image, 'pull_image': False, 'girder_api_url': f'http://127.0.0.1:{port}/api/v1',
        'container_args': ['drain', {'type': 'Connect',
                                     'input': {'type': 'GirderFileIdToStream', 'id': 'big'},
                                     'output': {'type': 'NamedInputPipe', 'name': 'in'}}]}
    with open(f'{folder}/job.json', 'w') as file:
        json.dump(job, file)
    began = time.monotonic()
    output, cpu, memory = timed(['target/release/gantline', 'run', '--progress', 'none',
                                 '--report', f'{folder}/report.json', f'{folder}/job.json'])
    wall = time.monotonic() - began
    assert int(output) == BYTES, output
    with open(f'{folder}/report.json') as file:
        transfer = next(t for t in json.load(file)['transfers'] if t['sink'] == 'fifo:in')
    assert transfer['carrier'] == 'direct' and transfer['bytes'] == BYTES, transfer
    return {'wall': wall, 'stream': transfer['seconds'], 'cpu': cpu, 'memory': memory}


def reference():
    fifo = f'{folder}/in'
    os.mkfifo(fifo)
    began = time.monotonic()
    reader = subprocess.Popen(['docker', 'run', '--rm', '-v', f'{folder}:/pipes', image, 'drain', '/pipes/in'],
                              stdout=subprocess.PIPE, text=True)
    output, cpu, memory = timed([f'{folder}/splice_in', fifo, port, PATH, str(MEBIBYTE), str(8 * MEBIBYTE)])
    drained, _ = reader.communicate()
    wall = time.monotonic() - began
    os.remove(fifo)
    moved, seconds = output.split()
    assert int(moved) == int(drained) == BYTES, (output, drained)
    return {'wall': wall, 'stream': float(seconds), 'cpu': cpu, 'memory': memory}


ours(), reference()  # not counted
runs = [(ours(), reference()) for _ in range(pairs)]


def row(name, key, unit, scale=1.0):
    a, b = ([run[side][key] / scale for run in runs] for side in (0, 1))
    ratio = statistics.median(a) / statistics.median(b)
    spread = ' '.join(f'{x:.2f}' for x in sorted(x / y for x, y in zip(a, b)))
    print(f'| {name} | {statistics.median(a):.2f} {unit} | {statistics.median(b):.2f} {unit} | {ratio:.2f} | {spread} |')


print(f'Medians of {pairs} pairs, 4 GiB plain HTTP into a FIFO that a container reads:\n')
print('| | gantline | splice_in | ratio | ratios of the pairs |')
print('|---|---|---|---|---|')
row('the stream alone, wall', 'stream', 's')
row('with the container\'s start and end, wall', 'wall', 's')
row('CPU of the process that moves the bytes', 'cpu', 's')
row('its peak memory', 'memory', 'MiB', MEBIBYTE)
