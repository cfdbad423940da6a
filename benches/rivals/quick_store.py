"""A store that takes what it is given as quickly as it comes, and keeps nothing: files with the request that makes them, in
chunks, and what `curl -T` sends. A thread a connection."""
import json
import socket
import sys
import threading
import urllib.parse

ROOM = 1 << 20


def answer(method, path, query, received):
    """What is said of a request whose body had so many bytes."""
    parts = path.removeprefix('/api/v1/').split('/')
    match method, parts:
        case 'GET', ['folder', name]:
            return {'_id': name, 'name': name, '_accessLevel': 2}
        case 'GET', ['item' | 'folder']:
            return []
        case 'POST', ['file'] if received < int(query['size']):
            # The id says how large it becomes.
            return {'_id': f'u{query["size"]}', 'name': query['name'], 'received': 0}
        case 'POST', ['file', 'chunk'] if int(query['offset']) + received < int(query['uploadId'][1:]):
            return {'_id': query['uploadId'], 'name': 'f', 'received': int(query['offset']) + received}
        case 'POST', ['item']:
            return {'_id': 'i', 'name': query['name']}
        case 'POST', ['file'] | ['file', 'chunk']:
            return {'_id': 'f', '_modelType': 'file', 'name': 'f', 'itemId': 'i',
                    'size': int(query.get('offset', 0)) + received}
    return {}


def serve(connection):
    """Answers one request after the other."""
    buffer = memoryview(bytearray(ROOM))
    with connection:
        while True:
            head = b''
            while b'\r\n\r\n' not in head:
                piece = connection.recv(65536)
                if not piece:
                    return
                head += piece
            head, begun = head.split(b'\r\n\r\n', 1)
            first, *lines = head.decode().split('\r\n')
            method, target, _ = first.split(' ')
            fields = dict(line.lower().split(': ', 1) for line in lines)
            if 'expect' in fields:
                connection.sendall(b'HTTP/1.1 100 Continue\r\n\r\n')
            length = int(fields.get('content-length', 0))
            left = length - len(begun)
            while left > 0:
                count = connection.recv_into(buffer[:min(left, ROOM)])
                if not count:
                    return
                left -= count
            url = urllib.parse.urlsplit(target)
            query = dict(urllib.parse.parse_qsl(url.query))
            data = json.dumps(answer(method, url.path, query, length)).encode()
            connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n' % len(data) + data)


def main():
    """Serves for ever."""
    with socket.create_server(('127.0.0.1', int(sys.argv[1]))) as server:
        while True:
            connection, _ = server.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=serve, args=[connection], daemon=True).start()


if __name__ == '__main__':
    main()
