"""Makes what nginx serves: pages of 4,000 items, a body of 2 KiB, a large file and its record."""
import hashlib
import json
import os
import pathlib
import sys

MANY = 4000
PAGE = 50
LARGE = 512 << 20


def main(folder):
    items = folder / 'items'
    items.mkdir(parents=True)
    (items / 'none').write_text('[]')
    for offset in range(0, MANY, PAGE):
        page = [{'_id': f'i{nth}', 'name': f'i{nth}.bin'} for nth in range(offset, offset + PAGE)]
        (items / str(offset)).write_text(json.dumps(page))
    (folder / 'small').write_bytes(os.urandom(2048))
    piece, total = os.urandom(1 << 20), hashlib.sha512()
    with open(folder / 'large', 'wb') as file:
        for _ in range(LARGE >> 20):
            file.write(piece)
            total.update(piece)
    record = {'_id': 'large', 'name': 'large.bin', 'size': LARGE}
    (folder / 'large.json').write_text(json.dumps(record | {'sha512': total.hexdigest()}))


if __name__ == '__main__':
    main(pathlib.Path(sys.argv[1]))
