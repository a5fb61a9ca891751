"""From decoded frames to pictures: luma without a copy, small RGB, the right way up."""

import math
import re
import struct
from collections.abc import Mapping
from typing import cast

import numpy as np
from av.buffer import Buffer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, VideoReformatter

from fer_video.types import Image, Rotation

# formats whose first plane is the luma, low bits first; the others go through swscale
_LUMA_FIRST = re.compile(r"(yuv[aj]?\d{3}p|gray)(\d+le)?|nv\d\d")

_SHRUNK_FIRST = {"yuv420p", "yuvj420p"}
"""Formats of which swscale converts small pictures by a short cut, in half the time of one step."""


def turn_of(frame: VideoFrame) -> tuple[Rotation, bool]:
    """Read the display matrix of a frame: the clockwise turn, and whether a mirror follows it.

    Source:
        ISO/IEC 14496-12, 6.2.2: ``x' = a x + c y`` and ``y' = b x + d y``, stored as a, b, u, c, d.
    """
    try:
        # quoted: the stubs of PyAV know the motion vectors only
        matrix = bytes(cast("Mapping[str, Buffer]", frame.side_data)["DISPLAYMATRIX"])
    except KeyError:
        return 0, False
    except ValueError:  # beside side data of a kind that PyAV does not know it shows none
        return cast(Rotation, round(-frame.rotation / 90) * 90 % 360), False
    a, b, _, c, d, *_ = struct.unpack("=9i", matrix)
    mirrored = a * d < b * c
    clockwise_deg = math.degrees(math.atan2(b, -a if mirrored else a))
    return cast(Rotation, round(clockwise_deg / 90) * 90 % 360), mirrored


def upright(array: Image, rotation_deg: Rotation, mirrored: bool = False) -> Image:
    """Turn a stored picture clockwise as its recording says, then mirror it.

    >>> upright(np.array([[1, 2]], np.uint8), 90).tolist()
    [[1], [2]]
    >>> upright(np.array([[1, 2]], np.uint8), 0, mirrored=True).tolist()
    [[2, 1]]
    """
    if rotation_deg == 0 and not mirrored:
        return array
    turned = np.rot90(array, -rotation_deg // 90)
    # OpenCV copies a picture with negative strides whenever it is asked for a piece of it
    return np.ascontiguousarray(turned[:, ::-1] if mirrored else turned)


def luma(frame: VideoFrame, to_gray: VideoReformatter, step: int = 1) -> tuple[Image, bool]:
    """Return the luma as uint8 ``(height, width)``, and whether it spans 0 to 255.

    8-bit luma is a view of the decoded frame: it holds the frame, and nothing is copied.

    Args:
        frame: As it is stored.
        to_gray: For formats without a plane of luma.
        step: Pixels from one that is returned to the next, along rows and columns.
    """
    plane, name = frame.planes[0], frame.format.name
    if not _LUMA_FIRST.fullmatch(name) or plane.line_size < 0:
        gray = cast(Image, to_gray.reformat(frame, format="gray").to_ndarray())
        return thinned(gray, step), True
    full_range = frame.color_range == ColorRange.JPEG or name.startswith("yuvj")
    if name.startswith("gray"):  # without a word about it, gray is full: for swscale, too
        full_range = frame.color_range != ColorRange.MPEG
    bits = frame.format.components[0].bits
    samples = np.frombuffer(memoryview(plane), np.dtype("u1" if bits == 8 else "<u2"))
    luma = thinned(samples.reshape(plane.height, -1)[:, : plane.width], step)  # lines are padded
    return luma if bits == 8 else (luma >> (bits - 8)).astype(np.uint8), full_range


def thinned(gray: Image, step: int) -> Image:
    """View every ``step``-th pixel of every ``step``-th row, from the middle of the first step."""
    return gray[step // 2 :: step, step // 2 :: step]


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
