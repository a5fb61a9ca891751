"""A small vocabulary for tests: drawn pictures, videos made of them, and a detector for them.

A bright square on a dark ground is a face.
"""

import random
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
from av.stream import Disposition

from fer_video.types import Box, Face, Image

DARK, BRIGHT = 40, 210
SIZE_PX = (64, 48)
"""Width and height of a picture."""
TICK_S = Fraction(1, 30000)
"""Time base of the videos: exact for 24, 25, 29.97, 30 and 60 frames per second."""

_OPTIONS = {"libx264": {"preset": "ultrafast", "crf": "10", "g": "12"}}

Draw = Callable[[int], Image]
"""The RGB picture of a frame, by its index."""


class Square(NamedTuple):
    """A face in a drawn picture, in pixels."""

    left: int
    top: int
    side: int = 16


def picture(*faces: Square, size_px: tuple[int, int] = SIZE_PX) -> Image:
    """Draw an RGB picture with a bright square for each face."""
    width_px, height_px = size_px
    rgb = np.full((height_px, width_px, 3), DARK, np.uint8)
    for left, top, side in faces:
        rgb[top : top + side, left : left + side] = BRIGHT
    return rgb


def walk(index: int) -> Image:
    """Draw a face that moves 2 px to the right in each frame, and comes back after 20."""
    return picture(Square(4 + 2 * (index % 20), 8))


def bright_square(pictures: Sequence[Image]) -> list[tuple[Face, ...]]:
    """Find a face in each bright blob, from left to right: a ``Detector`` for drawn pictures."""
    return [tuple(_face(box) for box in _bright_boxes(rgb)) for rgb in pictures]


def _bright_boxes(rgb: Image) -> list[Box]:
    bright = (rgb.mean(axis=2) > (DARK + BRIGHT) / 2).astype(np.uint8)
    _, _, blobs, _ = cv2.connectedComponentsWithStats(bright)
    boxes = [Box(x, y, x + width, y + height) for x, y, width, height, _ in blobs[1:].tolist()]
    return sorted(boxes)


def _face(box: Box) -> Face:
    left, top, width, height = box.left, box.top, box.width, box.height
    shares = [(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)]
    landmarks = np.array([(left + x * width, top + y * height) for x, y in shares], np.float32)
    return Face(box, 0.9, landmarks)


def steady(count: int, fps: float = 25.0, start_s: float = 0.0) -> list[float]:
    """Return the times of frames at a constant rate."""
    return [start_s + index / fps for index in range(count)]


def write_video(
    path: Path,
    times_s: Sequence[float],
    draw: Draw = walk,
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    clockwise_deg: int = 0,
    mirrored: bool = False,
    index_first: bool = True,
    sound_s: float = 0.0,
    tick_s: Fraction = TICK_S,
) -> Path:
    """Write one frame for each time; the container follows from the suffix of ``path``.

    Args:
        path: Where to write; also returned.
        times_s: When each frame is shown, in seconds on the container's clock.
        draw: The picture of each frame, as it is stored.
        codec: An encoder of FFmpeg.
        pix_fmt: The pixel format of the encoder; ``yuvj420p`` is full range.
        options: Of the encoder; H.264 by default has a key frame every 12, and no B-frames.
        clockwise_deg: The turn that makes the stored pictures upright, in the display matrix.
        mirrored: Whether they are to be mirrored from left to right after it.
        index_first: Whether a reader of mp4 finds the index before the pictures.
        sound_s: Seconds of a tone beside the pictures, from 0 of the container's clock.
        tick_s: Time base of the pictures; AVI has an empty frame for each tick between two.
    """
    has_index = path.suffix in (".mp4", ".mov") and index_first
    options_of_file = {"max_interleave_delta": "0"}  # sound beside its pictures, however long
    options_of_file |= {"movflags": "+faststart"} if has_index else {}
    with av.open(str(path), "w", options=options_of_file) as container:
        stream = container.add_stream(codec, rate=30)
        height_px, width_px = draw(0).shape[:2]
        stream.width, stream.height, stream.pix_fmt = width_px, height_px, pix_fmt
        stream.time_base = stream.codec_context.time_base = tick_s
        stream.options = options or _OPTIONS.get(codec, {})
        stream.codec_context.thread_count = 1  # with more, files differ from machine to machine
        if clockwise_deg or mirrored:
            stream.set_display_rotation(-clockwise_deg, hflip=mirrored)
        tone = container.add_stream("aac", rate=16000) if sound_s else None
        for index, time_s in enumerate(times_s):
            frame = av.VideoFrame.from_ndarray(draw(index), "rgb24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = round(time_s / tick_s), tick_s
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if tone:
            write_tone(container, tone, sound_s)
    return path


def write_sound(path: Path, seconds: float = 1.0, *, cover: bool = False) -> Path:
    """Write a tone without a video, perhaps with the cover picture of an album."""
    with av.open(str(path), "w") as container:
        tone = container.add_stream("aac", rate=16000)
        if cover:
            stream = container.add_stream("png", rate=1)
            stream.width, stream.height, stream.pix_fmt = *SIZE_PX, "rgb24"
            stream.disposition = Disposition.attached_pic
            container.mux(stream.encode(av.VideoFrame.from_ndarray(walk(0), "rgb24")))
        write_tone(container, tone, seconds)
    return path


def write_tone(container: av.container.OutputContainer, tone: av.AudioStream, seconds: float):
    wave = 0.1 * np.sin(np.arange(int(seconds * 16000)) * (2 * np.pi * 440 / 16000))
    frame = av.AudioFrame.from_ndarray(wave.astype(np.float32)[None], "fltp", "mono")
    frame.sample_rate, frame.pts, frame.time_base = 16000, 0, Fraction(1, 16000)
    container.mux(tone.encode(frame))
    container.mux(tone.encode(None))


def damage(path: Path, packet_index: int) -> Path:
    """Overwrite one packet of the pictures, in the order of the file, with noise."""
    start, size = _packet_place(path, packet_index)
    content = bytearray(path.read_bytes())
    content[start : start + size] = random.Random(0).randbytes(size)
    path.write_bytes(content)
    return path


def blank(path: Path, packet_index: int) -> Path:
    """Overwrite one packet of the pictures with zeros, as a copy over a bad cable may have them."""
    start, size = _packet_place(path, packet_index)
    content = bytearray(path.read_bytes())
    content[start : start + size] = bytes(size)
    path.write_bytes(content)
    return path


def truncate(path: Path, share: float) -> Path:
    """Keep only the first part of a file, as a copy that was interrupted."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def cut_before(path: Path, packet_index: int) -> Path:
    """Keep what is before one packet of the pictures, in the order of the file."""
    start, _ = _packet_place(path, packet_index)
    path.write_bytes(path.read_bytes()[:start])
    return path


def _packet_place(path: Path, packet_index: int) -> tuple[int, int]:
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    return packets[packet_index].pos, packets[packet_index].size
