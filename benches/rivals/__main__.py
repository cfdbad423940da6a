"""Times Gantline against its rivals; rivals.sh starts it and everything it needs."""
import argparse
import os
import signal
import sys

import idle
import many
import real_girder
import small_down
import small_up
import stream_in
import stream_out
import volume
from case import say
from setting import Setting, Wrong
from table import HEAD, write_data, write_table

CORES = len(os.sched_getaffinity(0))
CASES = [*stream_in.CASES, *stream_out.CASES, *volume.CASES, *many.cases(CORES), *idle.CASES, *real_girder.CASES,
         *small_down.CASES, *small_up.CASES]


def arguments():
    parser = argparse.ArgumentParser(prog='rivals', description=__doc__)
    parser.add_argument('--list', action='store_true', help='print the names of the cases')
    parser.add_argument('--only', action='append', choices=[case.name for case in CASES], metavar='CASE')
    parser.add_argument('--pairs', type=int, default=5)
    parser.add_argument('--json', metavar='FILE')
    for name in ('folder', 'disk', 'image', 'port', 'tls-port', 'python', 'near', 'girder', 'many-port', 'slow-port',
                 'taker-port', 'gantline', 'against'):
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
    print(HEAD, flush=True)
    rows, failed = [], []
    for case in CASES:
        if args.only and case.name not in args.only:
            continue
        try:
            measured = case.against(args.against) if args.against else case
            new = measured.measure(setting, args.pairs)
        except (Wrong, OSError, ValueError) as error:
            # The others are worth having.
            say(f'{case.name} could not be measured: {error!r}')
            failed.append(case.name)
            continue
        print(*(row.markdown() for row in new), sep='\n', flush=True)
        rows += new
        if args.json:
            write_data(args.json, args.pairs, rows)
    if not args.against:
        write_table(os.path.join(os.path.dirname(__file__), os.pardir, 'README.md'), rows, is_whole=not args.only and not failed)
    for row in rows:
        if not row.is_met:
            say(f'{row.case} misses its bar: {row.markdown()}')
    sys.exit(1 if failed else 0)


main()
