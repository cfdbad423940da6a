"""One case: what is run, against what, and which numbers are looked at."""
import dataclasses
import os
import sys
from typing import Callable, Optional

from table import Number, Row, short


@dataclasses.dataclass
class Case:
    """`ours` and `theirs` take the setting and give numbers by key. What is short is repeated `times` as often."""
    name: str
    ours: Callable
    theirs: Optional[Callable]
    rival: Optional[str]
    numbers: list[Number]
    times: float = 1

    def measure(self, setting, pairs):
        """A B A B, after one of each that is not counted."""
        say(f'{self.name}: warming up')
        self.run(setting)
        runs, pairs = [], max(1, round(pairs * self.times))
        for number in range(1, pairs + 1):
            runs.append(self.run(setting))
            say(f'{self.name}: {number} of {pairs}: {self.told(*runs[-1])}')
        return [self.row(number, runs) for number in self.numbers]

    def against(self, program):
        """The same case against another gantline."""
        def other(setting):
            setting.gantline, ours = os.path.realpath(program), setting.gantline
            try:
                return self.ours(setting)
            finally:
                setting.gantline = ours
        numbers = [dataclasses.replace(number, bar=None, has_rival=True) for number in self.numbers]
        return dataclasses.replace(self, theirs=other, rival='the other', numbers=numbers)

    def run(self, setting):
        ours = self.ours(setting)
        return ours, self.theirs(setting) if self.theirs else None

    def told(self, ours, theirs):
        def one(number):
            text = f'{number.key} {short(ours[number.key] / number.scale)}'
            if theirs and number.has_rival:
                text += f' / {short(theirs[number.key] / number.scale)}'
            return f'{text} {number.unit}'.strip()
        return ', '.join(map(one, self.numbers))

    def row(self, number, runs):
        theirs = [b[number.key] for _, b in runs] if self.theirs and number.has_rival else None
        return Row(self.name, number, self.rival if theirs else None, [a[number.key] for a, _ in runs], theirs)


def say(text):
    print(f'rivals: {text}', file=sys.stderr, flush=True)
