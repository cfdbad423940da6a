"""Makes what nginx serves as a folder of 4,000 small files: pages of its items, and a body of 2 KiB."""
import json
import os
import pathlib
import sys

MANY = 4000
PAGE = 50


def main(folder):
    items = folder / 'items'
    items.mkdir(parents=True)
    (items / 'none').write_text('[]')
    for offset in range(0, MANY, PAGE):
        page = [{'_id': f'i{nth}', 'name': f'i{nth}.bin'} for nth in range(offset, offset + PAGE)]
        (items / str(offset)).write_text(json.dumps(page))
    (folder / 'small').write_bytes(os.urandom(2048))


if __name__ == '__main__':
    main(pathlib.Path(sys.argv[1]))
