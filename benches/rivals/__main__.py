"""Times Gantline against its rivals; rivals.sh starts it and everything it needs."""
import argparse
import signal
import sys

import stream_in
from case import say
from setting import Setting
from table import HEAD, write_data

CASES = [case for module in (stream_in,) for case in module.CASES]


def arguments():
    parser = argparse.ArgumentParser(prog='rivals', description=__doc__)
    parser.add_argument('--list', action='store_true', help='print the names of the cases')
    parser.add_argument('--only', action='append', choices=[case.name for case in CASES], metavar='CASE')
    parser.add_argument('--pairs', type=int, default=5)
    parser.add_argument('--json', metavar='FILE')
    for name in ('folder', 'disk', 'image', 'port', 'tls-port', 'python', 'near'):
        parser.add_argument(f'--{name}')
    return parser.parse_args()


def main():
    args = arguments()
    if args.list:
        print(*(case.name for case in CASES), sep='\n')
        return
    # The script's trap ends us: what is under way is ended as at an error.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    setting = Setting(args)
    print(HEAD)
    rows = []
    for case in CASES:
        if not args.only or case.name in args.only:
            new = case.measure(setting, args.pairs)
            print(*(row.markdown() for row in new), sep='\n', flush=True)
            rows += new
            if args.json:
                write_data(args.json, args.pairs, rows)
    for row in rows:
        if not row.is_met:
            say(f'{row.case} misses its bar: {row.markdown()}')


main()
