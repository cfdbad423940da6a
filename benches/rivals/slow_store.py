"""A store that takes its time: 50 ms for what is read, 5 ms for what is written. It counts requests.

A folder `slow` of 200 items, each one file of 8 KiB, and a folder `results` that takes files: with the request that
makes one, or in chunks.
"""
import asyncio
import json
import sys
import urllib.parse

FILES = 200
BODY = b'x' * 8192
READ, WRITE = 0.05, 0.005


class Store:
    def __init__(self):
        self.requests = 0

    async def answer(self, method, path, query, body):
        """The JSON, or bytes, that a request is answered with."""
        if path == '/requests':
            count, self.requests = self.requests, 0
            return count
        self.requests += 1
        await asyncio.sleep(READ if method == 'GET' and query.get('folderId') != 'results' else WRITE)
        parts = path.removeprefix('/api/v1/').split('/')
        match method, parts:
            case 'GET', ['folder', name]:
                return {'_id': name, 'name': name}
            case 'GET', ['folder']:
                return []
            case 'GET', ['item']:
                begin = int(query.get('offset', 0))
                names = range(begin, min(begin + 50, FILES)) if query.get('folderId') == 'slow' else []
                return [{'_id': f's{nth}', 'name': f's{nth}'} for nth in names]
            case 'GET', ['item', name, 'files']:
                return [{'_id': name, 'name': name, 'size': len(BODY)}]
            case 'GET', ['file', _, 'download']:
                return BODY
            case 'POST', ['folder']:
                return {'_id': 'below', 'name': query['name']}
            case 'POST', ['file'] if len(body) == int(query['size']):
                return file(query)
            case 'POST', ['file']:
                return {'_id': f'u-{query["size"]}', 'name': query['name'], 'received': 0}
            case 'POST', ['file', 'chunk']:
                return file({'name': 'chunk', 'size': len(body)})
        return None

    async def serve(self, reader, writer):
        try:
            while head := await reader.readuntil(b'\r\n\r\n'):
                first, *lines = head.decode().split('\r\n')
                method, target, _ = first.split(' ')
                fields = dict(line.lower().split(': ', 1) for line in lines if line)
                if 'expect' in fields:
                    writer.write(b'HTTP/1.1 100 Continue\r\n\r\n')
                body = await reader.readexactly(int(fields.get('content-length', 0)))
                url = urllib.parse.urlsplit(target)
                answer = await self.answer(method, url.path, dict(urllib.parse.parse_qsl(url.query)), body)
                status = '404 None' if answer is None else '200 OK'
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                writer.write(f'HTTP/1.1 {status}\r\nContent-Length: {len(data)}\r\n\r\n'.encode() + data)
                if fields.get('connection') == 'close':
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def file(query):
    return {'_id': 'f', 'name': query['name'], 'size': int(query['size']), 'itemId': 'i'}


async def main():
    server = await asyncio.start_server(Store().serve, '127.0.0.1', int(sys.argv[1]))
    await server.serve_forever()


if __name__ == '__main__':
    asyncio.run(main())
