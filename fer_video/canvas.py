"""Drawing on a decoded picture in its own colour coding: the whole of it is never made RGB."""

from functools import lru_cache
from typing import Any, NamedTuple, cast

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange

from fer_video.planes import upright
from fer_video.types import Image, Rotation

Weights = np.ndarray[Any, np.dtype[np.uint16]]
Rect = tuple[int, int, int, int]
"""``(left, top, right, bottom)`` in pixels, half-open."""

# numbers of ITU-T H.273, table 4, "MatrixCoefficients": what a decoded frame carries
_BT709, _UNSPECIFIED, _BT2020 = 1, 2, (9, 10)
_HD_HEIGHT_PX = 720


class Coding(NamedTuple):
    """How a picture codes colour: the weights of red and blue in luma, and the range."""

    red: float
    blue: float
    full_range: bool

    @classmethod
    def of(cls, frame: VideoFrame) -> "Coding":
        """Read the coding of a picture; one that does not say is taken as players take it.

        Source: ITU-R BT.601-7, BT.709-6 and BT.2020-2 for the weights.
        """
        full_range = frame.color_range == ColorRange.JPEG
        if frame.colorspace in _BT2020:
            return cls(0.2627, 0.0593, full_range)
        untold_hd = frame.colorspace == _UNSPECIFIED and frame.height >= _HD_HEIGHT_PX
        if frame.colorspace == _BT709 or untold_hd:
            return cls(0.2126, 0.0722, full_range)
        return cls(0.299, 0.114, full_range)

    def encode(self, rgb: Image) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Turn RGB, shape ``(..., 3)``, into Y, Cb and Cr, shape ``(3, ...)``, from 0 to 255."""
        red, green, blue = np.moveaxis(rgb / 255, -1, 0)
        luma = self.red * red + (1 - self.red - self.blue) * green + self.blue * blue
        blueness = (blue - luma) / (2 - 2 * self.blue)
        redness = (red - luma) / (2 - 2 * self.red)
        if self.full_range:
            return np.stack([255 * luma, 128 + 255 * blueness, 128 + 255 * redness])
        return np.stack([16 + 219 * luma, 128 + 224 * blueness, 128 + 224 * redness])


class Patch(NamedTuple):
    """A small transparent picture, prepared once, to be laid over canvases of one coding."""

    keep: tuple[Weights, Weights, Weights]
    """For Y, Cb and Cr: how much of the picture below stays, 0 to 256."""
    add: tuple[Weights, Weights, Weights]
    """What is added to that, times 256."""

    @classmethod
    def of(cls, rgba: Image, coding: Coding) -> "Patch":
        """Prepare a picture with alpha, shape ``(height, width, 4)``, both even."""
        alpha = rgba[..., 3] / 255
        solid = coding.encode(rgba[..., :3]) * alpha
        covers = (alpha, _halved(alpha), _halved(alpha))
        adds = (solid[0], _halved(solid[1]), _halved(solid[2]))
        keep = tuple(256 - np.rint(cover * 256).astype(np.uint16) for cover in covers)
        add = tuple(np.rint(values * 256).astype(np.uint16) for values in adds)
        return cls(cast(Any, keep), cast(Any, add))

    @property
    def size_px(self) -> tuple[int, int]:
        """``(width, height)``."""
        height, width = self.keep[0].shape
        return width, height


class Canvas:
    """An upright picture that can be drawn on, 8-bit 4:2:0, apart from the decoder's memory."""

    def __init__(
        self, decoded: VideoFrame, rotation_deg: Rotation = 0, mirrored: bool = False
    ) -> None:
        frame = _to_yuv420p(decoded)
        if rotation_deg or mirrored:
            self.frame = _turned(frame, rotation_deg, mirrored)
        else:
            self.frame = frame
            # the decoder still predicts later pictures from this one
            self.frame.make_writable()
        self.coding = Coding.of(self.frame)
        self._planes = [plane(self.frame, index) for index in range(3)]

    def fill(self, rect: Rect, color: str) -> None:
        """Paint a rectangle, on even pixels and inside the picture, in a hex colour."""
        left, top, right, bottom = (max(0, side) for side in rect)
        for index, value in enumerate(_color_values(color, self.coding)):
            by = 2 if index else 1
            self._planes[index][top // by : bottom // by, left // by : right // by] = value

    def paste(self, patch: Patch, left: int, top: int) -> None:
        """Lay a patch over the picture; even, not negative; what sticks out is cut off."""
        for index, (keep, add) in enumerate(zip(patch.keep, patch.add, strict=True)):
            x, y = (left // 2, top // 2) if index else (left, top)
            below = self._planes[index][y : y + keep.shape[0], x : x + keep.shape[1]]
            cut = np.s_[: below.shape[0], : below.shape[1]]
            below[:] = (below * keep[cut] + add[cut]) >> 8


def plane(frame: VideoFrame, index: int) -> Image:
    """Show one plane of an 8-bit planar frame as an array that shares its memory."""
    stored = frame.planes[index]
    # a line of the plane is longer than what is shown of it
    rows = np.frombuffer(memoryview(stored), np.uint8).reshape(-1, stored.line_size)
    return rows[: stored.height, : stored.width]


def blank_like(frame: VideoFrame, width_px: int, height_px: int) -> VideoFrame:
    """Make a yuv420p frame of another size, shown at the same time and coded alike."""
    blank = VideoFrame(width_px, height_px, "yuv420p")
    blank.pts, blank.duration, blank.time_base = frame.pts, frame.duration, frame.time_base
    blank.colorspace, blank.color_range = frame.colorspace, frame.color_range
    blank.color_primaries, blank.color_trc = frame.color_primaries, frame.color_trc
    return blank


def _to_yuv420p(frame: VideoFrame) -> VideoFrame:
    if frame.format.name == "yuv420p":
        return frame
    matrix = None
    if frame.format.is_rgb or frame.format.has_palette:
        # the scaler would take BT.601 at every size, a player only below HD
        matrix = "ITU709" if frame.height >= _HD_HEIGHT_PX else "ITU601"
    return frame.reformat(format="yuv420p", dst_colorspace=matrix)


def _turned(frame: VideoFrame, rotation_deg: Rotation, mirrored: bool) -> VideoFrame:
    sides = (frame.height, frame.width) if rotation_deg % 180 else (frame.width, frame.height)
    turned = blank_like(frame, *sides)
    for index in range(3):
        plane(turned, index)[:] = upright(plane(frame, index), rotation_deg, mirrored)
    return turned


def _halved(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Average blocks of 2 x 2: the chroma of 4:2:0."""
    height, width = values.shape
    blocks: np.ndarray[Any, Any] = values.reshape(height // 2, 2, width // 2, 2)
    return np.asarray(blocks.mean(axis=(1, 3)))


@lru_cache(maxsize=256)
def _color_values(color: str, coding: Coding) -> tuple[int, int, int]:
    rgb = np.frombuffer(bytes.fromhex(color.removeprefix("#")), np.uint8)
    luma, blueness, redness = np.rint(coding.encode(rgb)).astype(int).tolist()
    return luma, blueness, redness
