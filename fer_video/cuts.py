"""Scene cuts: where a recording jumps to another picture, so that no track reaches across."""

import numpy as np

from fer_video.types import Image

POINTS_ACROSS = 64
"""Of a picture along a row, at least: enough to see a cut, too few to cost anything."""
_MIN_CHANGE = 18.0
"""Mean change in gray levels of 0 to 255. On our recordings cuts measured 24 to 126, and fast
motion, pans and people who leave the picture 12 at most."""
_MIN_JUMP = 2.0
"""A cut stands out from the change before it by this factor; a pan does not."""


class CutDetector:
    """Tells of each picture, given in order, whether a new scene begins with it."""

    change: float
    """Between the latest picture and the one before, in gray levels."""

    def __init__(self, previous: Image | None = None, change: float = 0.0) -> None:
        """Begin, or go on after a picture and its change."""
        self._previous = previous
        self.change = change

    def begins_scene(self, gray: Image) -> bool:
        """Compare a picture with the one before; the first begins no scene.

        Args:
            gray: Some ``POINTS_ACROSS`` of it, uint8, as many each time.
        """
        # looked up once, since each point is a cache line of its own; a view would hold the frame
        previous, self._previous = self._previous, gray.astype(np.int16)
        if previous is None:
            return False
        change = float(np.abs(self._previous - previous).mean())
        before, self.change = self.change, change
        return change > _MIN_CHANGE and change > _MIN_JUMP * before
