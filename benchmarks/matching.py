"""Pairing the faces of one picture in two timelines."""

from collections.abc import Sequence

from fer_video.types import Box

SAME_FACE_IOU = 0.3
"""Detectors draw their boxes differently, but two people sit apart."""

Pair = tuple[int, int, float]
"""Positions in two lists of boxes, and how well the boxes lie on one another."""


def pairs(mine: Sequence[Box], theirs: Sequence[Box]) -> list[Pair]:
    """Pair each box with one other at most, the best overlap first.

    >>> near, far = Box(0, 0, 10, 10), Box(50, 50, 60, 60)
    >>> pairs([far, near], [near, Box(1, 0, 11, 10)])
    [(1, 0, 1.0)]
    """
    overlaps = sorted(
        (
            (one.iou(other), row, column)
            for row, one in enumerate(mine)
            for column, other in enumerate(theirs)
        ),
        reverse=True,
    )
    found: dict[int, Pair] = {}
    taken: set[int] = set()
    for iou, row, column in overlaps:
        if iou >= SAME_FACE_IOU and row not in found and column not in taken:
            found[row] = row, column, iou
            taken.add(column)
    return list(found.values())
