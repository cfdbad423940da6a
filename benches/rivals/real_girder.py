"""A real Girder: downloads and uploads against girder_client's own."""
import json
import subprocess

from case import Case
from setting import MEBIBYTE, check
from table import Number, at_most

SIZE = 256 * MEBIBYTE


class Client:
    """girder_client in a process of its own, which lives as long as this one: what it is started for is not timed."""

    def __init__(self, setting):
        command = [setting.python, 'benches/rivals/girder_client_peer.py', setting.girder]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.store = self.call('store', str(setting.folder / 'www/api/v1/file/small/download'), SIZE)

    def call(self, *words):
        print(json.dumps(words), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        check(line, words, 'girder_client has ended')
        return json.loads(line)


def client(setting):
    if not hasattr(setting, 'client'):
        setting.client = Client(setting)
    return setting.client


def job(setting, **parts):
    store = client(setting).store
    return setting.run({'girder_api_url': setting.girder, **parts}, environment={'GIRDER_TOKEN': store['token']})


def download(setting):
    file = {'type': 'GirderFileIdToVolume', 'id': client(setting).store['file']}
    ended, report = job(setting, container_args=['stat', '-c', '%s', file])
    done = report['downloads'][0]
    check(int(ended.output) == done['bytes'] == SIZE, ended.output, done)
    return {'seconds': done['seconds']}


def upload(setting):
    store = client(setting).store
    volume = {'type': 'BindMountVolume', 'host_path': store['folder'], 'container_path': '/data'}
    _, report = job(setting, container_args=['true'], volumes=[volume], girder_result_hooks=[
        {'type': 'GirderUploadVolumePathToItem', 'item_id': client(setting).call('item'),
         'volumepath': {'type': 'VolumePath', 'filename': 'file', 'volume': volume}}])
    check(report['uploads'][0]['bytes'] == SIZE, report)
    return {'seconds': report['phases']['collect']}


def client_download(setting):
    return {'seconds': client(setting).call('download', str(setting.disk / 'downloaded'))}


def client_upload(setting):
    return {'seconds': client(setting).call('upload')}


CASES = [
    Case('girder-download', download, client_download, 'girder_client', [
        Number('seconds', '256 MiB from a real Girder → file', bar=at_most(1.0)),
    ]),
    Case('girder-upload', upload, client_upload, 'girder_client', [
        Number('seconds', '256 MiB of a file → a real Girder', bar=at_most(1.0)),
    ]),
]
