"""Reading recordings: place every picture in time; what is sampled of them is in ``samples``.

A header is believed in ``RecordingInfo`` only, where names say so. Times, sizes and ranges of
what flows on are those of the decoded frames.
"""

import math
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import cast

import av
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from fer_video.container import open_container, picture_stream
from fer_video.decoding import Decoding, Whole
from fer_video.files import being_read, state_of
from fer_video.headers import missing_bytes, read_info
from fer_video.options_limits import USUAL_LIMITS, LimitOptions
from fer_video.planes import upright
from fer_video.samples import Picture, Samples, crc32
from fer_video.sampling import Grid, Plan, seconds
from fer_video.types import Frame, Image, Position, RecordingInfo

# a seek may land late by the reordering, and within a group of pictures in MPEG-TS
_RUN_UP_S = 10.0


@contextmanager
def open_recording(path: Path, limits: LimitOptions = USUAL_LIMITS) -> Iterator["Recording"]:
    """Open a recording; what is read from it ends when the context does.

    Raises:
        VideoError: It cannot be opened, has no picture, or its first frames cannot be decoded.

    >>> with open_recording(Path("talk.mp4")) as recording:  # doctest: +SKIP
    ...     for frame in recording.frames(SampleOptions(fps=5), 0.2, 640):
    ...         print(frame.time_s, frame.gray.mean())
    """
    with ExitStack() as open_files:
        yield Recording(path, open_files, limits)


class Recording(Samples):
    """A recording; each iteration reads the file anew, and only the latest one counts."""

    info: RecordingInfo
    state: tuple[int, int, int]
    """Of the file when it was opened; see ``files.state_of``."""
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
    missing_bytes: int
    """That the file says it has, and does not have; 0 likewise."""

    def __init__(self, path: Path, open_files: ExitStack, limits: LimitOptions) -> None:
        """Decode the first whole frame; called by ``open_recording``."""
        super().__init__()
        self._path = path
        self._open_files = open_files
        self._limits = limits
        self._start_over()
        with open_container(path, limits) as container:
            with being_read(path):
                self.state = state_of(path)
            stream = picture_stream(path, container, limits)
            first_pts, first = Decoding(path, container, stream, limits).first_whole()
            self._time_base = cast(Fraction, stream.time_base)
            header_pts = stream.start_time
            # the frames before the first whole one may be damaged, but they had their time
            self._start_pts = first_pts if header_pts is None else min(first_pts, header_pts)
            self._stored_size_px = first.width, first.height
            self.info = read_info(path, container, stream, first)
        self.first_frame_s = seconds(self._start_pts, self._time_base)

    def pictures(self, start_s: float = 0.0, grid: Grid | None = None) -> Iterator[Picture]:
        """Decode the recording and yield every whole frame, not turned upright.

        Args:
            start_s: Seconds from the first frame. Some frames before it come too: the reading
                starts at a key frame before, or at the first where the container cannot seek.
            grid: Only the first frame in each of its cells is needed. Of the others, those that
                no frame refers to are left undecoded, as far as the codec tells.

        Raises:
            VideoError: It is longer than the limits allow.
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

    def _read_for(
        self, grid: Grid | None, seek_s: float = 0.0, near: Position | None = None
    ) -> Generator[Picture]:
        """Read what the grid needs; where that is damaged, go on as without a grid.

        The frame that stands in for a damaged one may have been left undecoded, so the reading
        starts anew; frames come once, and what is counted is as without a grid.

        With a position of an earlier reading, this one starts shortly before it, and counts from
        there on as the earlier one did.
        """
        plan = None if grid is None else Plan(lambda pts: grid.cell(self._time_s(pts)))
        self._seek_s, self._planned = seek_s, plan is not None
        begin_s = max(0.0, self._time_s(near.pts) - _RUN_UP_S) if near else seek_s
        by_pts, last_pts = near.pts if near else math.inf, -math.inf
        for picture in self._read(begin_s, plan, by_pts):
            last_pts = picture.pts
            if near and last_pts == near.pts:
                self._count_from(near)
            yield picture
        if plan and plan.failed and (near is None or last_pts >= near.pts):
            self._planned = False
            yield from (again for again in self._read(seek_s) if again.pts > last_pts)

    def _read(
        self, seek_s: float = 0.0, plan: Plan | None = None, by_pts: float = math.inf
    ) -> Generator[Picture]:
        """Read from a key frame before ``seek_s``; with a plan, until it fails.

        Where there is no key frame by ``by_pts``, nothing is read.
        """
        self._start_over()
        with open_container(self._path, self._limits) as container:
            self._open_files.callback(container.close)  # for an iterator left half-way
            stream = picture_stream(self._path, container, self._limits)
            self._decoding = decoding = Decoding(self._path, container, stream, self._limits)
            tries = decoding.tries(plan)
            if seek_s:
                pts = self._start_pts + int(seek_s / self._time_base)
                with suppress(av.error.FFmpegError):  # then reading starts at the first frame
                    container.seek(pts, stream=stream)
                # what comes before a key frame is incomplete, which is no damage to count
                tries = _from_key_frame(tries, by_pts)
            since_pts: list[int] = []  # of the frames since the picture before, and its own
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
                        since_pts += missing_pts
                picture = self._place(*one, since_pts)
                self.frames_decoded += 1
                since_pts = [picture.pts]
                self._reach(picture.time_s + picture.duration_s)
                yield picture
            if plan:
                self._leave_out(plan.ended())
                if plan.failed:
                    return
            self.frames_corrupt += decoding.breaks_off
            self.ended_early_s = self._missing_s(stream, decoding.others_end_s)
            with being_read(self._path):
                self.missing_bytes = missing_bytes(self._path)

    def _leave_out(self, undecoded_pts: Sequence[int]) -> None:
        self.frames_undecoded += len(undecoded_pts)
        for pts in undecoded_pts:
            self._reach(self._time_s(pts))

    def _reach(self, time_s: float) -> None:
        self._pictures_end_s = self.first_frame_s + time_s

    def _start_over(self) -> None:
        self.frames_decoded = self.frames_undecoded = self.frames_corrupt = 0
        self.ended_early_s, self.missing_bytes = None, 0
        self._pictures_end_s = 0.0

    def _position(self, frame: Frame) -> Position:
        return Position(
            pts=frame.pts,
            luma_crc32=crc32(frame.gray),
            seek_s=self._seek_s,
            planned=self._planned,
            frames_decoded=self.frames_decoded,
            frames_undecoded=self.frames_undecoded,
            frames_corrupt=self.frames_corrupt,
            others_end_s=self._decoding.others_end_s,
        )

    def _count_from(self, position: Position) -> None:
        self.frames_decoded = position.frames_decoded
        self.frames_undecoded = position.frames_undecoded
        self.frames_corrupt = position.frames_corrupt
        reached_s = self._decoding.others_end_s
        self._decoding.others_end_s = max(reached_s, position.others_end_s)

    def _missing_s(self, stream: VideoStream, others_end_s: float) -> float | None:
        promised_s = self.info.duration_from_header_s or 0.0
        if stream.duration:
            missing_s = self.first_frame_s + promised_s - self._pictures_end_s
        else:  # the promise is of the longest stream: sound may go on after the last picture
            missing_s = promised_s - max(self._pictures_end_s, others_end_s)
        # headers are rounded, and sound ends a little before or after the pictures; that grows
        # with the duration, but not to minutes
        tolerance_s = min(max(1.0, 0.02 * promised_s), 10.0)
        return missing_s if missing_s > tolerance_s else None

    def _place(self, pts: int, frame: VideoFrame, since_pts: Sequence[int]) -> Picture:
        width_px, height_px = self._stored_size_px
        if (frame.width, frame.height) != self._stored_size_px:
            # a video call changes its size with the network
            frame = frame.reformat(width_px, height_px)
        index = self.frames_decoded + self.frames_undecoded
        duration_s = seconds(frame.duration, self._time_base)
        gap = max((after - before for before, after in pairwise([*since_pts, pts])), default=0)
        gap_s = seconds(gap, self._time_base)
        return Picture(index, pts, self._time_s(pts), gap_s, duration_s, frame)

    def _time_s(self, pts: int) -> float:
        return seconds(pts - self._start_pts, self._time_base)

    def _turned(self, array: Image) -> Image:
        return upright(array, self.info.rotation_deg, self.info.mirrored)


def _from_key_frame(tries: Iterator[Whole | None], by_pts: float) -> Iterator[Whole | None]:
    for one in tries:
        if one is not None and one[1].key_frame:
            yield one
            yield from tries
        if one is not None and one[0] > by_pts:
            return
