"""girder_client, told by lines of JSON what to do, and timed: python girder_client_peer.py API_URL

    ["store", FILE, BYTES]   makes a file of so many bytes of it, and uploads it; gives what others need to know
    ["item"]                 gives the id of a new item
    ["download", PATH]       gives the seconds that downloadFile takes
    ["study", COUNT, BYTES]  makes a folder of so many files of that size; gives its id
    ["download_folder", ID, PATH]  gives the seconds that downloadFolderRecursive takes
    ["upload"]               gives the seconds that uploadFileToItem takes, of the same file to a new item
"""
import io
import json
import os
import sys
import tempfile
import time
import uuid

from girder_client import GirderClient

client = GirderClient(apiUrl=sys.argv[1])
client.authenticate('admin', 'password')
user = client.get('user/me')
parent = client.createFolder(user['_id'], f'rivals-{uuid.uuid4()}', parentType='user')['_id']
scratch = tempfile.TemporaryDirectory()
path = f'{scratch.name}/file'
stored = None


def store(source, size):
    global stored
    with open(source, 'rb') as data, open(path, 'wb') as file:
        piece = data.read()
        for _ in range(0, size, len(piece)):
            file.write(piece)
        file.truncate(size)
    stored = client.uploadFileToItem(item(), path)['_id']
    return {'file': stored, 'folder': scratch.name, 'token': client.token}


def item():
    return client.createItem(parent, str(uuid.uuid4()))['_id']


def download(target):
    began = time.monotonic()
    client.downloadFile(stored, target)
    took = time.monotonic() - began
    assert os.path.getsize(target) == os.path.getsize(path)
    os.remove(target)
    return took


def upload():
    into = item()
    began = time.monotonic()
    file = client.uploadFileToItem(into, path)
    took = time.monotonic() - began
    assert file['size'] == os.path.getsize(path)
    return took


def study(count, size):
    folder = client.createFolder(parent, str(uuid.uuid4()))['_id']
    for nth in range(count):
        client.uploadStreamToFolder(folder, io.BytesIO(os.urandom(size)), f'{nth}.dcm', size)
    return folder


def download_folder(folder, target):
    began = time.monotonic()
    client.downloadFolderRecursive(folder, target)
    return time.monotonic() - began


COMMANDS = {function.__name__: function for function in (store, item, download, upload, study, download_folder)}
for line in sys.stdin:
    name, *words = json.loads(line)
    print(json.dumps(COMMANDS[name](*words)), flush=True)
