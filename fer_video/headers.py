"""What the headers of a recording say, true or not."""

import os
from collections.abc import Callable
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
MP4_BOXES = frozenset(
    b"ftyp styp moov moof mdat mfra sidx ssix free skip wide pnot meta udta uuid".split()
)
"""Names of what an MP4 or MOV file consists of, at offset 4 of each part."""
_RIFF = b"RIFF"
"""The start of an AVI file."""
_FRAMES_OF_A_STREAMED_AVI = 1 << 30
"""As FFmpeg announces them where it cannot return to the header, or was killed before."""
_RIFF_SLACK_BYTES = 8
"""Some who write AVI count the header of a chunk, too."""
_MOST_PARTS = 100_000
"""That are looked at: more than a day of fragments of a second, in a third of a second."""
_PART_HEAD_BYTES = 16


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
    """Say how long the pictures are by their header, or the whole by its own; None if neither.

    Source:
        FFmpeg, ``libavformat/avidec.c``, "File is truncated adjusting duration": what the header
        of an AVI file says is multiplied by the share of the file that is there.
    """
    if container.format.name == "avi" and stream.frames:
        is_known = stream.frames < _FRAMES_OF_A_STREAMED_AVI
        return float(stream.frames * cast(Fraction, stream.time_base)) if is_known else None
    if stream.duration:
        return float(stream.duration * cast(Fraction, stream.time_base))
    return container.duration / av.time_base if container.duration else None


def missing_bytes(path: Path) -> int:
    """Say by how much a file of Matroska, AVI or MP4 is shorter than it says; 0 for any other.

    Other formats tell by frames that are announced and missing, or not at all. Only the headers of
    the outermost parts are read.
    """
    with path.open("rb", buffering=0) as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(0)
        head = file.read(8)
        if head.startswith(EBML):
            return max(0, _end_of_segment(file, length) - length)
        if head.startswith(_RIFF):
            missing = _end_of_parts(file, length, _riff_bytes) - length
            return missing if missing > _RIFF_SLACK_BYTES else 0
        if head[4:] in MP4_BOXES:
            return max(0, _end_of_parts(file, length, _box_bytes) - length)
    return 0


def _end_of_parts(file: IO[bytes], length: int, size_of: Callable[[bytes], int]) -> int:
    """Follow parts that lie behind each other; say where the last one ends by its own word.

    Args:
        file: It begins with such a part.
        length: Of the file, in bytes.
        size_of: From the first bytes of a part to its size, these included; 0 where it says
            nothing, or where it is no such part: what is behind the last one is not missed.
    """
    end = 0
    for _ in range(_MOST_PARTS):
        if end >= length:
            break
        file.seek(end)
        size = size_of(file.read(_PART_HEAD_BYTES))
        if not size:
            break
        end += size
    return end


def _riff_bytes(head: bytes) -> int:
    """Return the size of a RIFF chunk; an AVI file of more than a gigabyte has several.

    Source:
        IBM and Microsoft, "Multimedia Programming Interface and Data Specifications 1.0", 1991,
        chapter 2; OpenDML AVI M-JPEG File Format Subcommittee, "OpenDML AVI File Format
        Extensions 1.02", 1997, "Large AVI Files".
    """
    size = int.from_bytes(head[4:8], "little")
    # who streams, or was never closed, has left 0 there, or nearly the most of 31 or 32 bits
    if not head.startswith(_RIFF) or size % 2**31 >= 2**31 - 2**12:
        return 0
    return 8 + size + size % 2


def _box_bytes(head: bytes) -> int:
    """Return the size of a box of MP4 or an atom of QuickTime.

    Source:
        ISO/IEC 14496-12:2022, section 4.2.2: 1 is for a size of 64 bits, and 0 for all that is
        left of the file.
    """
    if head[4:8] not in MP4_BOXES:
        return 0
    size = int.from_bytes(head[:4], "big")
    return int.from_bytes(head[8:16], "big") if size == 1 else size


def _end_of_segment(file: IO[bytes], length: int) -> int:
    """Say where the segment of a Matroska file ends; 0 where that is unknown.

    Source:
        RFC 8794, section 4, for integers of variable size; RFC 9559, section 4.5.
    """
    file.seek(len(EBML))
    begin = (_read_size(file) or 0) + file.tell()
    if begin >= length:
        return 0
    file.seek(begin)
    if file.read(4) != _SEGMENT:
        return 0
    size = _read_size(file)
    return 0 if size is None else file.tell() + size  # None if it was streamed, as browsers do


def _read_size(file: IO[bytes]) -> int | None:
    """Read the size of an element; None where it is unknown."""
    first = file.read(1) or b"\0"
    n_more = 8 - first[0].bit_length()
    bits = 7 * (n_more + 1)
    size = int.from_bytes(first + file.read(n_more), "big") & ((1 << bits) - 1)
    return None if size == (1 << bits) - 1 else size
