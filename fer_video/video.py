"""Reading recordings: place every picture in time, sample by time, choose key frames.

A header is believed in ``RecordingInfo`` only, where names say so. Times, sizes and ranges of
what flows on are those of the decoded frames.
"""

import math
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import dropwhile
from pathlib import Path
from typing import TypeAlias, cast

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from fer_video.container import open_container, picture_stream
from fer_video.cuts import CutDetector
from fer_video.decoding import Decoding
from fer_video.options import SampleOptions
from fer_video.planes import luma, small_rgb, upright
from fer_video.sampling import ROUNDING_S, Grid, Plan
from fer_video.types import Frame, Image, RecordingInfo, Rotation

# a seek may land late by the reordering, and within a group of pictures in MPEG-TS
_RUN_UP_S = 10.0

Sampled: TypeAlias = tuple[Frame, VideoFrame | None]
"""A frame without ``rgb``, and on key frames what it is to be made of."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One decoded frame as it is stored: not turned upright."""

    index: int
    """Position in presentation order in this run, from 0; frames left undecoded count, too."""
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
    frames_undecoded: int
    """Frames of the latest iteration that no sample needs and no other frame refers to: they
    were not decoded, and damage in them was neither seen nor counted."""
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
        # a scaler keeps its tables only from one result to the next of the same kind
        self._to_gray, self._shrink, self._to_rgb = (VideoReformatter() for _ in range(3))
        self._start_over()
        with open_container(path) as container:
            stream = picture_stream(path, container)
            first_pts, first = Decoding(path, container, stream).first_whole()
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
        """Yield the sampled frames whole; see ``sampled`` and ``with_rgb``."""
        yield from self.with_rgb(self.sampled(sample, key_every_s), rgb_side_px)

    def with_rgb(self, sampled: Iterable[Sampled], side_px: int) -> Iterator[Frame]:
        """Give the key frames their ``rgb``; apart from decoding, so that another thread can.

        Args:
            sampled: From ``sampled``.
            side_px: Longest side of ``rgb``; smaller pictures are not enlarged.
        """
        for frame, stored in sampled:
            if stored is None:
                yield frame
            else:
                rgb = small_rgb(stored, side_px, self._shrink, self._to_rgb)
                yield replace(frame, rgb=self._turned(rgb))

    def sampled(self, sample: SampleOptions, key_every_s: float) -> Iterator[Sampled]:
        """Decode the recording and yield its sampled frames, upright, still without ``rgb``.

        With ``sample.fps`` a frame is taken when the next moment of the grid
        ``start_s + k / fps`` has come; a gap in the recording skips the moments in it.

        Args:
            sample: Which moments to take; frames with ``start_s <= time_s < end_s``.
            key_every_s: Seconds between key frames, counted from the first sampled frame: the
                first sampled frame at or after each multiple is one, and so is each that begins
                a scene. 0 makes it all of them.

        Raises:
            VideoError: Nothing can be decoded for 10 s of recording.
        """
        # a time stamp is off by up to half a tick of its clock: 0.033 s is on a grid of 30 fps
        tolerance_s = max(ROUNDING_S, float(self._time_base) / 2)
        period_s = 1 / sample.fps if sample.fps else 0.0
        sample_grid = Grid(sample.start_s, period_s, tolerance_s)
        key_grid = None
        cuts = CutDetector()
        for picture in self.pictures(sample.start_s, sample_grid if period_s else None):
            if sample.end_s is not None and picture.time_s >= sample.end_s - ROUNDING_S:
                return
            if not sample_grid.takes(picture.time_s):
                continue
            key_grid = key_grid or Grid(picture.time_s, key_every_s, tolerance_s)
            is_due = key_grid.takes(picture.time_s)
            frame = self._upright_frame(picture)
            cut = cuts.begins_scene(frame.gray)
            yield replace(frame, cut=cut), picture.frame if is_due or cut else None

    def pictures(self, start_s: float = 0.0, grid: Grid | None = None) -> Iterator[Picture]:
        """Decode the recording and yield every whole frame, not turned upright.

        Args:
            start_s: Seconds from the first frame. Some frames before it come too: the reading
                starts at a key frame before, or at the first where the container cannot seek.
            grid: Only the first frame in each of its cells is needed. Of the others, those that
                no frame refers to are left undecoded, as far as the codec tells.

        Raises:
            VideoError: Nothing can be decoded for 10 s of recording.
        """
        if start_s > _RUN_UP_S:
            near = self._read_for(grid, start_s - _RUN_UP_S)
            first = next(near, None)
            if first is not None and first.time_s <= start_s:
                yield first
                yield from near
                return
            near.close()
        yield from self._read_for(grid)

    def _read_for(self, grid: Grid | None, seek_s: float = 0.0) -> Generator[Picture]:
        """Read what the grid needs; where that is damaged, go on as without a grid.

        The frame that stands in for a damaged one may have been left undecoded, so the reading
        starts anew; frames come once, and what is counted is as without a grid.
        """
        if grid is None:
            yield from self._read(seek_s)
            return
        plan = Plan(lambda pts: grid.cell(self._time_s(pts)))
        last_pts = -math.inf
        for picture in self._read(seek_s, plan):
            last_pts = picture.pts
            yield picture
        if plan.failed:
            yield from (again for again in self._read(seek_s) if again.pts > last_pts)

    def _read(self, seek_s: float = 0.0, plan: Plan | None = None) -> Generator[Picture]:
        """Read from a key frame before ``seek_s``; with a plan, until it fails."""
        self._start_over()
        with open_container(self._path) as container:
            self._open_files.callback(container.close)  # for an iterator left half-way
            stream = picture_stream(self._path, container)
            decoding = Decoding(self._path, container, stream)
            tries = decoding.tries(plan)
            if seek_s:
                pts = self._start_pts + int(seek_s / self._time_base)
                with suppress(av.error.FFmpegError):  # then reading starts at the first frame
                    container.seek(pts, stream=stream)
                # what comes before a key frame is incomplete, which is no damage to count
                tries = dropwhile(lambda one: one is None or not one[1].key_frame, tries)
            for one in tries:
                if one is None:
                    self.frames_corrupt += 1
                    if plan:
                        plan.failed = True
                        return
                    continue
                if plan:
                    missing_pts = plan.came(one[0])
                    if plan.failed:
                        return
                    # what stands before the key frame that was sought is not part of this run
                    if self.frames_decoded or not seek_s:
                        self._leave_out(missing_pts)
                picture = self._place(*one)
                self.frames_decoded += 1
                self._reach(picture.time_s + picture.duration_s)
                yield picture
            if plan:
                self._leave_out(plan.ended())
                if plan.failed:
                    return
            self.frames_corrupt += decoding.breaks_off
            self.ended_early_s = self._missing_s(stream, decoding.others_end_s)

    def _leave_out(self, undecoded_pts: Sequence[int]) -> None:
        self.frames_undecoded += len(undecoded_pts)
        for pts in undecoded_pts:
            self._reach(self._time_s(pts))

    def _reach(self, time_s: float) -> None:
        self._pictures_end_s = self.first_frame_s + time_s

    def _start_over(self) -> None:
        self.frames_decoded = self.frames_undecoded = self.frames_corrupt = 0
        self.ended_early_s = None
        self._pictures_end_s = 0.0

    def _missing_s(self, stream: VideoStream, others_end_s: float) -> float | None:
        promised_s = self.info.duration_from_header_s or 0.0
        if stream.duration:
            missing_s = self.first_frame_s + promised_s - self._pictures_end_s
        else:  # the promise is of the longest stream: sound may go on after the last picture
            missing_s = promised_s - max(self._pictures_end_s, others_end_s)
        return missing_s if missing_s > max(1.0, 0.02 * promised_s) else None

    def _place(self, pts: int, frame: VideoFrame) -> Picture:
        width_px, height_px = self._stored_size_px
        if (frame.width, frame.height) != self._stored_size_px:
            # a video call changes its size with the network
            frame = frame.reformat(width_px, height_px)
        index = self.frames_decoded + self.frames_undecoded
        duration_s = float(frame.duration * self._time_base)
        return Picture(index, pts, self._time_s(pts), duration_s, frame)

    def _time_s(self, pts: int) -> float:
        return float((pts - self._start_pts) * self._time_base)

    def _upright_frame(self, picture: Picture) -> Frame:
        gray, full_range = luma(picture.frame, self._to_gray)
        return Frame(picture.index, picture.pts, picture.time_s, self._turned(gray), full_range)

    def _turned(self, array: Image) -> Image:
        return upright(array, self.info.rotation_deg)


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
