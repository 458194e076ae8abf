"""Cells of published tables beside what is found here, and whether they agree."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One published number and the one found; `slack` is how far apart they may be."""

    table: str
    row: str
    column: str
    published: float
    found: float
    slack: float

    @property
    def agrees(self) -> bool:
        """Whether both say the same; NaN, nothing to take a median of, agrees with nothing."""
        return abs(self.found - self.published) <= self.slack

    def __str__(self) -> str:
        sign = "" if self.agrees else "   DIFFERS"
        return (
            f"{self.table}  {self.row:36}{self.column:26}"
            f"{self.published:>10.5g}{self.found:>12.5g}{sign}"
        )


def chance(
    where: tuple[str, str, str], *, published: float, found: float, runs: tuple[int, int]
) -> Cell:
    """Compare chances of which the published was counted in runs[0] runs, the found in runs[1].

    `where` is (table, row, column).
    """
    p = min(max((published * runs[0] + found * runs[1]) / sum(runs), 0.5 / sum(runs)), 1.0)
    spread = math.sqrt(p * (1 - p) * (1 / runs[0] + 1 / runs[1]))
    # Both are counts, and published ones are rounded.
    return _cell(where, published, found, slack=3.5 * spread + 1 / min(runs) + 0.0005)


def number(
    where: tuple[str, str, str], *, published: float, found: float, share: float, grain: float
) -> Cell:
    """Compare times or sample sizes: within a share, or within one step of looking."""
    return _cell(where, published, found, slack=max(share * published, grain))


def _cell(where: tuple[str, str, str], published: float, found: float, *, slack: float) -> Cell:
    table, row, column = where
    return Cell(table=table, row=row, column=column, published=published, found=found, slack=slack)
