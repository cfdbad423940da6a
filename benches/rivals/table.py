"""What was measured, as a table for people and as data for programs."""
import dataclasses
import json
import os
import platform
import statistics
from typing import Callable, Optional

MEBIBYTE = 1 << 20
MANY = 9


@dataclasses.dataclass(frozen=True)
class Bar:
    """What is to be reached: of the ratio if there is a rival, else of our own number."""
    sign: str
    number: float

    def __str__(self):
        return f'{self.sign} {self.number:g}'

    def met_by(self, number):
        return {'≤': number <= self.number, '<': number < self.number, '≥': number >= self.number}[self.sign]


def at_most(number):
    return Bar('≤', number)


def below(number):
    return Bar('<', number)


def at_least(number):
    return Bar('≥', number)


@dataclasses.dataclass(frozen=True)
class Number:
    """One number of a case's runs: its key in what a run gives, and how it is shown and judged."""
    key: str
    label: str
    unit: str = 's'
    scale: float = 1.0
    bar: Optional[Bar] = None
    has_rival: bool = True
    middle: Callable = statistics.median


@dataclasses.dataclass
class Row:
    case: str
    number: Number
    rival: Optional[str]
    ours: list
    theirs: Optional[list]

    @property
    def ratio(self):
        if self.theirs is None:
            return None
        return self.number.middle(self.ours) / self.number.middle(self.theirs)

    @property
    def pairs(self):
        return sorted(a / b for a, b in zip(self.ours, self.theirs or []))

    @property
    def spread(self):
        """The ratios of the pairs; of many the least, the quartiles and the most."""
        pairs = self.pairs
        if len(pairs) > MANY:
            pairs = [pairs[0], *statistics.quantiles(pairs, n=4, method='inclusive'), pairs[-1]]
        return ' '.join(short(pair) for pair in pairs)

    @property
    def is_met(self):
        judged = self.ratio if self.theirs else self.number.middle(self.ours) / self.number.scale
        return self.number.bar is None or self.number.bar.met_by(judged)

    def shown(self, numbers):
        return f'{short(self.number.middle(numbers) / self.number.scale)} {self.number.unit}'.strip()

    def markdown(self):
        bar = str(self.number.bar or '')
        cells = [self.number.label, self.shown(self.ours)]
        if self.theirs:
            cells += [f'{self.rival}: {self.shown(self.theirs)}', short(self.ratio), bar,
                      self.spread]
        else:
            # Without a rival the bar is one for the number, and has its unit.
            cells += ['', '', f'{bar} {self.number.unit}'.strip() if bar else '', '']
        return '| ' + ' | '.join(cells) + ' |'

    def data(self):
        return {'case': self.case, 'what': self.number.label, 'unit': self.number.unit, 'rival': self.rival,
                'gantline': [n / self.number.scale for n in self.ours],
                'theirs': self.theirs and [n / self.number.scale for n in self.theirs],
                'ratio_of_medians': self.ratio, 'ratios_of_pairs': self.pairs,
                'bar': self.number.bar and str(self.number.bar), 'is_met': self.is_met}


def short(number):
    """Three digits, or all before the point."""
    if number >= 100:
        return f'{number:,.0f}'
    return f'{number:.1f}' if number >= 10 else f'{number:.2f}'


HEAD = '| case | gantline | rival | ratio | bar | ratios of the pairs |\n|---|---|---|---|---|---|'


def write_table(path, rows, is_whole):
    """Puts the table in the place of the one that is there; the rows alone, if they are not all."""
    with open(path) as file:
        lines = file.read().split('\n')
    begin = lines.index(HEAD.split('\n')[0])
    end = next(at for at in range(begin, len(lines)) if not lines[at].startswith('|'))
    new = [row.markdown() for row in rows]
    if not is_whole:
        new = merged(lines[begin + 2:end], new)
    lines[begin:end] = HEAD.split('\n') + new
    with open(path, 'w') as file:
        file.write('\n'.join(lines))


def merged(old, new):
    """The old rows, each in its new state if it has one, and those that were not there."""
    def name(row):
        case, _, rival, *_ = row.split(' | ')
        return case, rival.split(':')[0]
    new = {name(row): row for row in new}
    return [new.pop(name(row), row) for row in old] + list(new.values())


def machine():
    with open('/proc/cpuinfo') as file:
        names = [line.split(':', 1)[1].strip() for line in file if line.startswith('model name')]
    return {'processor': names[0] if names else None, 'cores': len(os.sched_getaffinity(0)),
            'kernel': platform.release(), 'load': os.getloadavg()}


def write_data(path, pairs, rows):
    with open(path, 'w') as file:
        json.dump({'machine': machine(), 'pairs': pairs, 'rows': [row.data() for row in rows]}, file, indent=1)
        file.write('\n')
