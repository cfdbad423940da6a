"""One docker_run through a real girder_worker, timed: prints the seconds, and what the container printed.

    python girder_worker_peer.py stream|empty FILE_ID API_URL IMAGE

The broker is GIRDER_WORKER_BROKER, with GIRDER_WORKER_BACKEND for results; a worker listens there."""
import sys
import tempfile
import time

from girder_client import GirderClient
from girder_worker.docker.tasks import docker_run
from girder_worker.docker.transforms import BindMountVolume, Connect, NamedInputPipe, VolumePath
from girder_worker.docker.transforms.girder import GirderFileIdToStream

mode, file_id, url, image = sys.argv[1:]
# What the container prints goes to the worker: a file says what it has read.
with tempfile.TemporaryDirectory() as folder:
    volume = BindMountVolume(folder, '/result')
    arguments = ['sh', '-c', 'if [ $# = 2 ]; then drain "$2" >"$1"; else echo 0 >"$1"; fi', 'sh',
                 VolumePath('bytes', volume)]
    if mode == 'stream':
        stream = GirderFileIdToStream(file_id, gc=GirderClient(apiUrl=url))
        arguments.append(Connect(stream, NamedInputPipe('in')))
    began = time.monotonic()
    docker_run.delay(image, pull_image=False, container_args=arguments, volumes=[volume]).get(timeout=600)
    seconds = time.monotonic() - began
    with open(f'{folder}/bytes') as file:
        print(f'{seconds:.3f} {file.read().strip()}')
