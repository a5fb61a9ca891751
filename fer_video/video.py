"""Reading recordings: place every picture in time, sample by time, choose key frames.

A header is believed in ``RecordingInfo`` only, where names say so. Times, sizes and ranges of
what flows on are those of the decoded frames.
"""

import math
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import dropwhile, islice
from pathlib import Path
from typing import TypeAlias, cast

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, VideoReformatter
from av.video.stream import VideoStream

from fer_video.container import open_container, picture_stream
from fer_video.cuts import CutDetector
from fer_video.errors import DAMAGED, VideoError
from fer_video.options import SampleOptions
from fer_video.types import Frame, Image, RecordingInfo, Rotation

# formats whose first plane is the luma, low bits first; the others go through swscale
_LUMA_FIRST = re.compile(r"(yuv[aj]?\d{3}p|gray)(\d+le)?|nv\d\d")

_ROUNDING_S = 1e-6
_FIRST_TRIES = 8
_LONGEST_SILENCE_S = 10.0
# codecs reorder at most 16 frames: more packets without a picture are no delay
_LONGEST_DELAY = 32
# a seek may land late by the reordering, and within a group of pictures in MPEG-TS
_RUN_UP_S = 10.0

# quoted: the stubs of PyAV know this type, at run time it takes no parameter
PicturePacket: TypeAlias = "Packet[VideoStream]"

Whole: TypeAlias = tuple[int, VideoFrame]
"""A frame that can be used, and its ``pts``."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One decoded frame as it is stored: not turned upright."""

    index: int
    """Position in presentation order among the frames decoded in this run, from 0."""
    pts: int
    """Presentation time stamp in units of the stream's time base."""
    time_s: float
    """Presentation time in seconds from the first frame of the recording."""
    duration_s: float
    """How long it is shown, in seconds; 0 where the container does not say."""
    frame: VideoFrame


@contextmanager
def open_recording(path: Path) -> Iterator["Recording"]:
    """Open a recording; what is read from it ends when the context does.

    Raises:
        VideoError: It cannot be opened, has no picture, or its first frames cannot be decoded.

    >>> with open_recording(Path("talk.mp4")) as recording:  # doctest: +SKIP
    ...     for frame in recording.frames(SampleOptions(fps=5), 0.2, 640):
    ...         print(frame.time_s, frame.gray.mean())
    """
    with ExitStack() as open_files:
        yield Recording(path, open_files)


class Recording:
    """A recording; each iteration reads the file anew, and only the latest one counts."""

    info: RecordingInfo
    first_frame_s: float
    """The first picture's time on the container's clock, in seconds: where ``time_s`` is 0."""
    frames_decoded: int
    """Whole frames of the latest iteration so far, sampled or not."""
    frames_corrupt: int
    """Frames of the latest iteration that were skipped: they could not be decoded, the decoder
    flagged them as corrupt, or their time stamp is missing or not after the one before."""
    ended_early_s: float | None
    """Seconds that the header promised and the file did not hold; None if it kept its word, or
    as long as the latest iteration has not come to the end of the file."""

    def __init__(self, path: Path, open_files: ExitStack) -> None:
        """Decode the first whole frame; called by ``open_recording``."""
        self._path = path
        self._open_files = open_files
        # two, since a scaler keeps its tables only from one result to the next of the same kind
        self._to_gray, self._to_rgb = VideoReformatter(), VideoReformatter()
        self._start_over()
        with open_container(path) as container:
            stream = picture_stream(path, container)
            first_pts, first = self._first_whole(container, stream)
            self._time_base = cast(Fraction, stream.time_base)
            header_pts = stream.start_time
            # the frames before the first whole one may be damaged, but they had their time
            self._start_pts = first_pts if header_pts is None else min(first_pts, header_pts)
            self._stored_size_px = first.width, first.height
            self.info = _read_info(path, container, stream, first)
        self.first_frame_s = float(self._start_pts * self._time_base)

    def frames(
        self, sample: SampleOptions, key_every_s: float, rgb_side_px: int
    ) -> Iterator[Frame]:
        """Decode the recording and yield its sampled frames, upright.

        With ``sample.fps`` a frame is taken when the next moment of the grid
        ``start_s + k / fps`` has come; a gap in the recording skips the moments in it.

        Args:
            sample: Which moments to take; frames with ``start_s <= time_s < end_s``.
            key_every_s: Seconds between key frames, counted from the first sampled frame: the
                first sampled frame at or after each multiple has ``rgb``, and so has each that
                begins a scene. 0 gives it to all.
            rgb_side_px: Longest side of ``rgb``; smaller pictures are not enlarged.

        Raises:
            VideoError: Nothing can be decoded for 10 s of recording.
        """
        # a time stamp is off by up to half a tick of its clock: 0.033 s is on a grid of 30 fps
        tolerance_s = max(_ROUNDING_S, float(self._time_base) / 2)
        period_s = 1 / sample.fps if sample.fps else 0.0
        sample_grid, key_grid = _Grid(sample.start_s, period_s, tolerance_s), None
        cuts = CutDetector()
        for picture in self.pictures(sample.start_s):
            if sample.end_s is not None and picture.time_s >= sample.end_s - _ROUNDING_S:
                return
            if picture.time_s < sample.start_s - _ROUNDING_S:
                continue
            if not sample_grid.takes(picture.time_s):
                continue
            key_grid = key_grid or _Grid(picture.time_s, key_every_s, tolerance_s)
            is_due = key_grid.takes(picture.time_s)
            frame = self._upright_frame(picture)
            cut = cuts.begins_scene(frame.gray)
            if is_due or cut:
                rgb = self._turned(_small_rgb(picture.frame, rgb_side_px, self._to_rgb))
                frame = replace(frame, rgb=rgb, cut=cut)
            yield frame

    def pictures(self, start_s: float = 0.0) -> Iterator[Picture]:
        """Decode the recording and yield every whole frame, not turned upright.

        Args:
            start_s: Seconds from the first frame. Some frames before it come too: the reading
                starts at a key frame before, or at the first where the container cannot seek.

        Raises:
            VideoError: Nothing can be decoded for 10 s of recording.
        """
        if start_s > _RUN_UP_S:
            near = self._read(start_s - _RUN_UP_S)
            first = next(near, None)
            if first is not None and first.time_s <= start_s:
                yield first
                yield from near
                return
            near.close()
        yield from self._read()

    def _read(self, seek_s: float = 0.0) -> Generator[Picture]:
        self._start_over()
        with open_container(self._path) as container:
            self._open_files.callback(container.close)  # for an iterator left half-way
            stream = picture_stream(self._path, container)
            tries = self._tries(container, stream)
            if seek_s:
                pts = self._start_pts + int(seek_s / self._time_base)
                with suppress(av.error.FFmpegError):  # then reading starts at the first frame
                    container.seek(pts, stream=stream)
                # what comes before a key frame is incomplete, which is no damage to count
                tries = dropwhile(lambda one: one is None or not one[1].key_frame, tries)
            for one in tries:
                if one is None:
                    self.frames_corrupt += 1
                    continue
                picture = self._place(*one)
                self.frames_decoded += 1
                self._pictures_end_s = self.first_frame_s + picture.time_s + picture.duration_s
                yield picture
            self.ended_early_s = self._missing_s(stream)

    def _start_over(self) -> None:
        self.frames_decoded = self.frames_corrupt = 0
        self.ended_early_s = None
        self._pictures_end_s = self._others_end_s = 0.0

    def _first_whole(self, container: InputContainer, stream: VideoStream) -> Whole:
        tries = list(islice(self._tries(container, stream), _FIRST_TRIES))
        for one in tries:
            if one is not None:
                return one
        count = f"none of the first {len(tries)} frames" if tries else "no frame"
        raise VideoError(self._path, f"{count} can be decoded; {DAMAGED}")

    def _tries(self, container: InputContainer, stream: VideoStream) -> Iterator[Whole | None]:
        """Yield each frame with its time stamp, or None for one that must be skipped."""
        last_pts: int | None = None
        silent = 0
        for packet in self._packets(container, stream):
            silent += not packet.is_discard  # an edit list discards what is before its start
            for frame in _decode(packet):
                if frame is None or frame.is_corrupt or frame.pts is None:
                    yield None
                elif last_pts is not None and frame.pts <= last_pts:
                    yield None  # a second picture at one moment, or one that comes too late
                else:
                    last_pts, silent = frame.pts, 0
                    yield last_pts, frame
            if silent > _LONGEST_DELAY and last_pts is not None and packet.pts is not None:
                silence_s = float((packet.pts - last_pts) * packet.time_base)
                if silence_s > _LONGEST_SILENCE_S:
                    reason = f"no frame can be decoded for {silence_s:.0f} s; {DAMAGED}"
                    raise VideoError(self._path, reason)

    def _packets(self, container: InputContainer, stream: VideoStream) -> Iterator[PicturePacket]:
        """Yield the packets of the stream; note where the others end."""
        try:
            for packet in container.demux():
                if packet.stream.index == stream.index:
                    yield cast(PicturePacket, packet)
                elif packet.pts is not None:
                    end_s = float((packet.pts + (packet.duration or 0)) * packet.time_base)
                    self._others_end_s = max(self._others_end_s, end_s)
        except av.error.FFmpegError:
            self.frames_corrupt += 1  # the container breaks off here

    def _missing_s(self, stream: VideoStream) -> float | None:
        promised_s = self.info.duration_from_header_s or 0.0
        if stream.duration:
            missing_s = self.first_frame_s + promised_s - self._pictures_end_s
        else:  # the promise is of the longest stream: sound may go on after the last picture
            missing_s = promised_s - max(self._pictures_end_s, self._others_end_s)
        return missing_s if missing_s > max(1.0, 0.02 * promised_s) else None

    def _place(self, pts: int, frame: VideoFrame) -> Picture:
        width_px, height_px = self._stored_size_px
        if (frame.width, frame.height) != self._stored_size_px:
            # a video call changes its size with the network
            frame = frame.reformat(width_px, height_px)
        time_s = float((pts - self._start_pts) * self._time_base)
        duration_s = float(frame.duration * self._time_base)
        return Picture(self.frames_decoded, pts, time_s, duration_s, frame)

    def _upright_frame(self, picture: Picture) -> Frame:
        gray, full_range = _luma(picture.frame, self._to_gray)
        return Frame(picture.index, picture.pts, picture.time_s, self._turned(gray), full_range)

    def _turned(self, array: Image) -> Image:
        return upright(array, self.info.rotation_deg)


class _Grid:
    """Takes the first time at or after each moment ``start + k * period``, one for a gap."""

    def __init__(self, start_s: float, period_s: float, tolerance_s: float) -> None:
        self._start_s, self._period_s, self._tolerance_s = start_s, period_s, tolerance_s
        self._next = 0

    def takes(self, time_s: float) -> bool:
        since_s = time_s - self._start_s + self._tolerance_s
        if since_s < self._next * self._period_s:
            return False
        if self._period_s:
            self._next = math.floor(since_s / self._period_s) + 1
        return True


def upright(array: Image, rotation_deg: Rotation) -> Image:
    """Turn a stored picture clockwise by the ``rotation_deg`` of its recording.

    >>> upright(np.array([[1, 2]], np.uint8), 90).tolist()
    [[1], [2]]
    """
    if rotation_deg == 0:
        return array
    # OpenCV copies a picture with negative strides whenever it is asked for a piece of it
    return np.ascontiguousarray(np.rot90(array, -rotation_deg // 90))


def _decode(packet: PicturePacket) -> Sequence[VideoFrame | None]:
    try:
        return packet.decode()
    except av.error.FFmpegError:
        return [None]


def _read_info(
    path: Path, container: InputContainer, stream: VideoStream, first: VideoFrame
) -> RecordingInfo:
    # the display matrix turns counterclockwise
    rotation_deg = cast(Rotation, round(-first.rotation / 90) * 90 % 360)
    size_px = first.width, first.height
    width_px, height_px = size_px if rotation_deg in (0, 180) else reversed(size_px)
    time_base = cast(Fraction, stream.time_base)
    duration_s = None
    if stream.duration:
        duration_s = float(stream.duration * time_base)
    elif container.duration:
        duration_s = container.duration / av.time_base
    return RecordingInfo(
        path=path,
        width_px=width_px,
        height_px=height_px,
        duration_from_header_s=duration_s,
        frame_rate_from_header=float(stream.average_rate) if stream.average_rate else None,
        time_base=time_base,
        rotation_deg=rotation_deg,
    )


def _luma(frame: VideoFrame, to_gray: VideoReformatter) -> tuple[Image, bool]:
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


def _small_rgb(frame: VideoFrame, side_px: int, to_rgb: VideoReformatter) -> Image:
    """Scale and convert in one step; a large picture is never converted at full size."""
    scale = min(1.0, side_px / max(frame.width, frame.height))
    width_px, height_px = (max(1, round(side * scale)) for side in (frame.width, frame.height))
    small = to_rgb.reformat(frame, width_px, height_px, "rgb24", interpolation="AREA")
    return cast(Image, small.to_ndarray())
