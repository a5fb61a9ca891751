"""Recordings for measurements: faces that detectors find, as many and as large as are wanted.

The face is that of Eileen Collins (NASA, public domain), which scikit-image carries.
"""

from pathlib import Path

import av
import cv2
import numpy as np

FPS = 25
DRAWN_S = 4
"""Seconds that are drawn; a longer recording repeats them, and nothing jumps where it does."""
COLUMNS, ROWS = 4, 2
"""Places for faces: where each sits does not depend on how many there are."""
MOST_FACES = COLUMNS * ROWS
SIZES_PX = {
    "360p": (640, 360),
    "480p": (854, 480),
    "720p": (1280, 720),
    "1080p": (1920, 1080),
    "4K": (3840, 2160),
}

_FACE_SHARE = 0.75
"""Side of a portrait as a share of the height of its place."""
_SWAY_SHARE = 0.06
_NOISE_LEVELS = 14
"""Gray levels between the darkest and the brightest grain: without, decoding would be too easy."""
_H264 = {"preset": "veryfast", "crf": "23"}


def make_clip(out: Path, size_px: tuple[int, int], faces: int, seconds: float = DRAWN_S) -> Path:
    """Write a recording of some people who sway; returns ``out``.

    Args:
        out: Its suffix names the container.
        size_px: Width and height.
        faces: From 0 to ``MOST_FACES``.
        seconds: Length, rounded up to whole multiples of ``DRAWN_S``.
    """
    drawn = out.with_stem(f"{out.stem}.drawn")
    _write_drawn(drawn, size_px, faces)
    repeat(drawn, out, seconds)
    drawn.unlink()
    return out


def repeat(recording: Path, out: Path, seconds: float) -> None:
    """Copy the pictures of a recording again and again, without decoding them."""
    with av.open(str(out), "w") as target:
        stream = None
        shift = 0
        while stream is None or shift * stream.time_base < seconds:
            with av.open(str(recording)) as source:
                pictures = source.streams.video[0]
                stream = stream or target.add_stream_from_template(pictures)
                for packet in source.demux(pictures):
                    if packet.dts is None:
                        continue
                    packet.pts += shift
                    packet.dts += shift
                    packet.stream = stream
                    target.mux(packet)
                shift += pictures.duration


def _write_drawn(out: Path, size_px: tuple[int, int], faces: int) -> None:
    width_px, height_px = size_px
    portrait = _portrait(round(_FACE_SHARE * height_px / ROWS))
    chance = np.random.default_rng(0)
    noise = chance.integers(0, _NOISE_LEVELS, (height_px, width_px, 1), np.uint8).repeat(3, axis=2)
    with av.open(str(out), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options=_H264)
        stream.width, stream.height, stream.pix_fmt = width_px, height_px, "yuv420p"
        for index in range(DRAWN_S * FPS):
            scene = _scene(size_px, portrait, faces, phase=index / (DRAWN_S * FPS))
            grain = np.roll(noise, chance.integers(0, width_px, 2), axis=(0, 1))
            frame = av.VideoFrame.from_ndarray(cv2.add(scene, grain), "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _scene(size_px: tuple[int, int], portrait: np.ndarray, faces: int, phase: float) -> np.ndarray:
    """One RGB picture; ``phase`` in [0, 1) is where in their sway the people are."""
    width_px, height_px = size_px
    shade = np.linspace(60, 110, width_px, dtype=np.uint8)
    scene = np.repeat(np.tile(shade, (height_px, 1))[..., np.newaxis], 3, axis=2)
    cell_px = np.array([width_px / COLUMNS, height_px / ROWS])
    side_px = portrait.shape[0]
    for place in range(faces):
        angle = 2 * np.pi * (phase + place / MOST_FACES)
        sway_px = _SWAY_SHARE * side_px * np.array([np.sin(angle), np.cos(angle)])
        centre = (np.array([place % COLUMNS, place // COLUMNS]) + 0.5) * cell_px
        left, top = (centre + sway_px - side_px / 2).round().astype(int)
        scene[top : top + side_px, left : left + side_px] = portrait
    return scene


def _portrait(side_px: int) -> np.ndarray:
    from skimage import data

    face = data.astronaut()[0:260, 90:350]
    return cv2.resize(face, (side_px, side_px), interpolation=cv2.INTER_AREA)
