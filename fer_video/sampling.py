"""Time stamps in seconds, which moments are sampled, and which packets they need decoded."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from heapq import heappop, heappush
from typing import Protocol, TypeVar

ROUNDING_S = 1e-6
# codecs reorder at most 16 frames
_LOOK_AHEAD = 32


def seconds(ticks: int, clock: Fraction) -> float:
    """Turn ticks of a clock into seconds, exact to the bit, without making a fraction.

    >>> seconds(1001, Fraction(1, 24000))
    0.04170833333333333
    """
    return ticks * clock.numerator / clock.denominator


class Grid:
    """Takes the first time at or after each moment ``start + k * period``, one for a gap."""

    last: int
    """Number of the latest moment that was taken; -1 before the first."""

    def __init__(self, start_s: float, period_s: float, tolerance_s: float = 0.0) -> None:
        """Lay the grid; a period of 0 takes every time from ``start_s`` on.

        Args:
            start_s: Nothing before it is taken.
            period_s: Distance of two moments.
            tolerance_s: By how much a time may miss its moment.
        """
        self.start_s, self.period_s, self.tolerance_s = start_s, period_s, tolerance_s
        self.last = -1

    def cell(self, time_s: float) -> int:
        """Number of the latest moment that has come by a time, from 0; -1 before the start.

        >>> [Grid(1, 0.5).cell(time_s) for time_s in (0.9, 1.0, 1.4, 1.5, 9.0)]
        [-1, 0, 0, 1, 16]
        """
        if time_s < self.start_s - ROUNDING_S:
            return -1
        since_s = max(0.0, time_s - self.start_s + self.tolerance_s)
        return math.floor(since_s / self.period_s) if self.period_s else self.last + 1

    def takes(self, time_s: float) -> bool:
        """Whether a new moment has come since the last time that was taken."""
        cell = self.cell(time_s)
        if cell <= self.last:
            return False
        self.last = cell
        return True


class _Timed(Protocol):
    """What a plan has to know of a packet."""

    @property
    def pts(self) -> int | None: ...
    @property
    def is_discard(self) -> bool: ...


P = TypeVar("P", bound=_Timed)


class Plan:
    """Tells of each packet whether a sample may need its frame, and whether that frame came.

    The first frame in each cell of a grid is needed. Packets come in the order of decoding, so
    that a few are looked at ahead.
    """

    def __init__(self, cell_of: Callable[[int], int]) -> None:
        """Plan for the cells of time stamps; frames in cells below 0 are not needed."""
        self._cell_of = cell_of
        self._first_in: dict[int, int] = {}
        self._expected: list[tuple[int, bool]] = []
        self.failed = False
        """Whether a frame that was needed did not come: another one has to stand in for it."""

    def judge(self, packets: Iterable[P]) -> Iterator[tuple[P, bool]]:
        """Pass packets on in order, each with whether it is needed."""
        ahead: deque[P] = deque()
        for packet in packets:
            self._note(packet)
            ahead.append(packet)
            if len(ahead) > _LOOK_AHEAD:
                yield self._judged(ahead.popleft())
        while ahead:
            yield self._judged(ahead.popleft())

    def came(self, pts: int) -> list[int]:
        """Take note of a frame, in presentation order.

        Returns:
            Time stamps of the frames before it that did not come.
        """
        return [left for left in self._passed(pts) if left < pts]

    def ended(self) -> list[int]:
        """Take note that no frame will come any more; see ``came``."""
        return self._passed(math.inf)

    def _passed(self, pts: float) -> list[int]:
        passed = []
        while self._expected and self._expected[0][0] <= pts:
            expected, needed = heappop(self._expected)
            self.failed |= needed and expected != pts
            passed.append(expected)
        return passed

    def _note(self, packet: P) -> None:
        if packet.pts is not None and not packet.is_discard:
            cell = self._cell_of(packet.pts)
            self._first_in[cell] = min(packet.pts, self._first_in.get(cell, packet.pts))
            if len(self._first_in) > 2 * _LOOK_AHEAD:
                del self._first_in[next(iter(self._first_in))]

    def _judged(self, packet: P) -> tuple[P, bool]:
        if packet.pts is None or packet.is_discard:
            return packet, True
        cell = self._cell_of(packet.pts)
        needed = cell >= 0 and packet.pts == self._first_in.get(cell, packet.pts)
        heappush(self._expected, (packet.pts, needed))
        return packet, needed
