"""From decoded frames to pictures: luma without a copy, small RGB, the right way up."""

import re
from typing import cast

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, VideoReformatter

from fer_video.types import Image, Rotation

# formats whose first plane is the luma, low bits first; the others go through swscale
_LUMA_FIRST = re.compile(r"(yuv[aj]?\d{3}p|gray)(\d+le)?|nv\d\d")

_SHRUNK_FIRST = {"yuv420p", "yuvj420p"}
"""Formats of which swscale converts small pictures by a short cut, in half the time of one step."""


def upright(array: Image, rotation_deg: Rotation) -> Image:
    """Turn a stored picture clockwise by the ``rotation_deg`` of its recording.

    >>> upright(np.array([[1, 2]], np.uint8), 90).tolist()
    [[1], [2]]
    """
    if rotation_deg == 0:
        return array
    # OpenCV copies a picture with negative strides whenever it is asked for a piece of it
    return np.ascontiguousarray(np.rot90(array, -rotation_deg // 90))


def luma(frame: VideoFrame, to_gray: VideoReformatter) -> tuple[Image, bool]:
    """Return the luma as uint8 ``(height, width)``, and whether it spans 0 to 255.

    8-bit luma is a view of the decoded frame: it holds the frame, and nothing is copied.
    """
    plane, name = frame.planes[0], frame.format.name
    if not _LUMA_FIRST.fullmatch(name) or plane.line_size < 0:
        return cast(Image, to_gray.reformat(frame, format="gray").to_ndarray()), True
    full_range = frame.color_range == ColorRange.JPEG or name.startswith("yuvj")
    bits = frame.format.components[0].bits
    samples = np.frombuffer(memoryview(plane), np.dtype("u1" if bits == 8 else "<u2"))
    luma = samples.reshape(plane.height, -1)[:, : plane.width]  # lines are padded
    return luma if bits == 8 else (luma >> (bits - 8)).astype(np.uint8), full_range


def small_rgb(
    frame: VideoFrame, side_px: int, shrink: VideoReformatter, to_rgb: VideoReformatter
) -> Image:
    """Scale and convert; a large picture is never converted at full size.

    A scaler keeps its tables from one picture to the next of the same kind, so each step has one.
    """
    scale = min(1.0, side_px / max(frame.width, frame.height))
    width_px, height_px = (max(1, round(side * scale)) for side in (frame.width, frame.height))
    # one thread: more of them would take the cores of decoding and classifying
    if frame.format.name in _SHRUNK_FIRST:
        frame = shrink.reformat(frame, width_px, height_px, interpolation="AREA", threads=1)
    small = to_rgb.reformat(frame, width_px, height_px, "rgb24", interpolation="AREA", threads=1)
    return cast(Image, small.to_ndarray())
