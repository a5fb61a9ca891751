"""What the headers of a recording say, true or not."""

import os
from fractions import Fraction
from pathlib import Path
from typing import IO, cast

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from fer_video.planes import turn_of
from fer_video.types import RecordingInfo

EBML = b"\x1aE\xdf\xa3"
"""The start of a Matroska file."""
_SEGMENT = b"\x18S\x80g"


def read_info(
    path: Path, container: InputContainer, stream: VideoStream, first: VideoFrame
) -> RecordingInfo:
    """Read what a recording says of its pictures, once the first of them is decoded."""
    rotation_deg, mirrored = turn_of(first)
    size_px = first.width, first.height
    width_px, height_px = size_px if rotation_deg in (0, 180) else reversed(size_px)
    return RecordingInfo(
        path=path,
        width_px=width_px,
        height_px=height_px,
        duration_from_header_s=duration_from_header_s(container, stream),
        frame_rate_from_header=float(stream.average_rate) if stream.average_rate else None,
        time_base=cast(Fraction, stream.time_base),
        rotation_deg=rotation_deg,
        mirrored=mirrored,
    )


def duration_from_header_s(container: InputContainer, stream: VideoStream) -> float | None:
    """Say how long the pictures are by their header, or the whole by its own; None if neither."""
    if stream.duration:
        return float(stream.duration * cast(Fraction, stream.time_base))
    return container.duration / av.time_base if container.duration else None


def missing_bytes(path: Path) -> int:
    """Say by how much a Matroska file is shorter than it says; 0 for any other.

    Other formats tell by frames that are announced and missing, or not at all.

    Source:
        RFC 8794, section 4, for integers of variable size; RFC 9559, section 4.5.
    """
    with path.open("rb") as file:
        if file.read(4) != EBML:
            return 0
        file.seek(_read_size(file) or 0, os.SEEK_CUR)
        if file.read(4) != _SEGMENT:
            return 0
        size = _read_size(file)
        if size is None:  # it was streamed, as browsers do
            return 0
        return max(0, file.tell() + size - file.seek(0, os.SEEK_END))


def _read_size(file: IO[bytes]) -> int | None:
    """Read the size of an element; None where it is unknown."""
    first = file.read(1) or b"\0"
    n_more = 8 - first[0].bit_length()
    bits = 7 * (n_more + 1)
    size = int.from_bytes(first + file.read(n_more), "big") & ((1 << bits) - 1)
    return None if size == (1 << bits) - 1 else size
