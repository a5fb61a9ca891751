"""What is sampled of a recording: frames, key frames among them, snapshots among those."""

import math
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
from typing import TypeAlias

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from fer_video.cuts import POINTS_ACROSS, CutDetector
from fer_video.errors import VideoError
from fer_video.options import SampleOptions
from fer_video.planes import luma, small_rgb, thinned
from fer_video.sampling import ROUNDING_S, Grid
from fer_video.types import Frame, Image, Position, Sampling, Snapshot

_BEAT_S = 10.0
"""Seconds of recording between two signs of life while frames are only decoded."""
_LONGEST_STILL_S = 5.0
"""A longer time without a picture is a pause, after which anybody may be there. Screen recorders
write no picture while nothing moves; a face does not keep still for that long."""


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
    gap_s: float
    """Longest time without a frame, decoded or not, since the picture before; 0 for the first."""
    duration_s: float
    """How long it is shown, in seconds; 0 where the container does not say."""
    frame: VideoFrame


class PositionLost(Exception):
    """A recording has no such picture where another reading of it stood."""


def read_to(
    pictures: Iterator[Picture], is_wanted: Callable[[Picture], bool], start_s: float
) -> Generator[float, None, Picture | None]:
    """Leave out all pictures before the first that is wanted, and return that, if there is one.

    Yields:
        Seconds read since ``start_s``, 0 before it, from time to time: signs of life.
    """
    told_s = -math.inf
    for picture in pictures:
        if is_wanted(picture):
            return picture
        if picture.time_s >= told_s + _BEAT_S:
            told_s = picture.time_s
            yield max(0.0, told_s - start_s)
    return None


class Samples(ABC):
    """Samples of a recording; where its pictures come from is a matter of the subclass."""

    _time_base: Fraction

    def __init__(self) -> None:
        # a scaler keeps its tables only from one result to the next of the same kind
        self._to_gray, self._shrink, self._to_rgb = (VideoReformatter() for _ in range(3))
        self._begun: Iterator[Picture] | None = None

    @abstractmethod
    def pictures(self, start_s: float = 0.0, grid: Grid | None = None) -> Iterator[Picture]:
        """Decode the recording and yield every whole frame, not turned upright."""

    @abstractmethod
    def _read_for(
        self, grid: Grid | None, seek_s: float = 0.0, near: Position | None = None
    ) -> Generator[Picture]:
        """Read from ``seek_s``, or shortly before a position as if it had been from there."""

    @abstractmethod
    def _position(self, frame: Frame) -> Position:
        """Say how far the recording is read, to a frame."""

    @abstractmethod
    def _turned(self, array: Image) -> Image:
        """Turn a stored picture upright."""

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

    def sampled(
        self,
        sample: SampleOptions,
        key_every_s: float,
        snapshot_every_s: float = math.inf,
        after: Snapshot | None = None,
    ) -> Iterator[Sampled]:
        """Decode the recording and yield its sampled frames, upright, still without ``rgb``.

        With ``sample.fps`` a frame is taken when the next moment of the grid
        ``start_s + k / fps`` has come; a gap in the recording skips the moments in it.

        Args:
            sample: Which moments to take; frames with ``start_s <= time_s < end_s``.
            key_every_s: Seconds between key frames, counted from the first sampled frame: the
                first sampled frame at or after each multiple is one, and so is each before which
                a scene began. 0 makes it all of them.
            snapshot_every_s: Least seconds between two key frames with a snapshot.
            after: Yield only what comes after this snapshot, as if what is before had been
                yielded, too; ``return_to`` has to be exhausted first.

        Raises:
            VideoError: It is longer than the limits allow.
        """
        grid = self._grid(sample)
        sampler = Sampler(grid, key_every_s, snapshot_every_s)
        if after is None:
            pictures, self._begun = self._begun or self._pictures_for(sample), None
        else:
            key, pictures = self._returned
            sampler.go_on(self._points(key), key.time_s, after.sampling)
        for picture in pictures:
            if sample.end_s is not None and picture.time_s >= sample.end_s - ROUNDING_S:
                return
            if not sampler.takes(picture.time_s):
                sampler.look(picture, self._points(picture))
                continue
            frame, points = self._upright_frame(picture)
            sampler.look(picture, points)
            frame, is_key = sampler.judge(frame)
            if is_key and (sampling := sampler.snapshot(frame)):
                frame = replace(frame, snapshot=Snapshot(self._position(frame), sampling))
            yield frame, picture.frame if is_key else None

    def read_to_start(self, sample: SampleOptions) -> Iterator[float]:
        """Read up to the first sample, for ``sampled`` to go on, which is silent until then.

        Yields:
            Seconds read since ``sample.start_s``, 0 before it, from time to time.

        Raises:
            VideoError: It is longer than the limits allow.
        """
        pictures, grid = self._pictures_for(sample), self._grid(sample)
        first = yield from read_to(pictures, lambda one: grid.cell(one.time_s) >= 0, sample.start_s)
        self._begun = pictures if first is None else chain([first], pictures)

    def return_to(self, position: Position, sample: SampleOptions) -> Iterator[float]:
        """Read up to where another reading of the same file stood, for ``sampled`` to go on.

        The reading starts shortly before; where that leads to another picture, as in files that
        cannot be sought in, it starts where the other one did.

        Yields:
            Seconds read since ``sample.start_s``, 0 before it, from time to time.

        Raises:
            PositionLost: There is no such picture.
            VideoError: It is longer than the limits allow.
        """
        grid = self._grid(sample) if position.planned else None
        with suppress(VideoError):
            near = self._read_for(grid, position.seek_s, position)
            if (yield from self._come_to(position, near, sample.start_s)):
                return
        anew = self._read_for(grid, position.seek_s)
        if not (yield from self._come_to(position, anew, sample.start_s)):
            raise PositionLost

    def _come_to(
        self, position: Position, pictures: Generator[Picture], start_s: float
    ) -> Generator[float, None, bool]:
        reached = yield from read_to(pictures, lambda one: one.pts >= position.pts, start_s)
        if reached is None:
            return False
        self._returned = reached, pictures
        key, _ = self._upright_frame(reached)
        return (key.pts, crc32(key.gray)) == (position.pts, position.luma_crc32)

    def _pictures_for(self, sample: SampleOptions) -> Iterator[Picture]:
        grid = self._grid(sample)
        return self.pictures(sample.start_s, grid if grid.period_s else None)

    def _grid(self, sample: SampleOptions) -> Grid:
        # a time stamp is off by up to half a tick of its clock: 0.033 s is on a grid of 30 fps
        tolerance_s = max(ROUNDING_S, float(self._time_base) / 2)
        return Grid(sample.start_s, 1 / sample.fps if sample.fps else 0.0, tolerance_s)

    def _points(self, picture: Picture) -> Image:
        return luma(picture.frame, self._to_gray, _step(picture))[0]

    def _upright_frame(self, picture: Picture) -> tuple[Frame, Image]:
        """Make a frame of a picture, and give its points, too: some formats are converted."""
        gray, full_range = luma(picture.frame, self._to_gray)
        upright = self._turned(gray)
        frame = Frame(picture.index, picture.pts, picture.time_s, upright, full_range)
        return frame, thinned(gray, _step(picture))


def _step(picture: Picture) -> int:
    return max(1, picture.frame.width // POINTS_ACROSS)


class Sampler:
    """Chooses among frames that are given in order."""

    def __init__(self, samples: Grid, key_every_s: float, snapshot_every_s: float) -> None:
        """Begin; ``go_on`` takes up what another one had seen.

        Args:
            samples: Takes the samples.
            key_every_s: Seconds between key frames; see ``Recording.sampled``.
            snapshot_every_s: Least seconds between two snapshots.
        """
        self._samples = samples
        self._key_every_s, self._snapshot_every_s = key_every_s, snapshot_every_s
        self._keys: Grid | None = None
        self._cuts = CutDetector()
        self._has_cut = False
        self._snapshot_s = math.inf

    def go_on(self, points: Image, time_s: float, sampling: Sampling) -> None:
        """Go on after the picture of a key frame that had a snapshot."""
        self._samples.last = sampling.sample_cell
        self._keys = self._key_grid(sampling.key_start_s)
        self._keys.last = sampling.key_cell
        self._cuts = CutDetector(points, sampling.change)
        self._snapshot_s = time_s

    def takes(self, time_s: float) -> bool:
        """Whether the frame of a time is a sample."""
        return self._samples.takes(time_s)

    def look(self, picture: Picture, points: Image) -> None:
        """See each picture, sampled or not: scenes begin between samples, too.

        Args:
            picture: As it is stored.
            points: Of its luma, as many each time; see ``CutDetector``.
        """
        self._has_cut |= self._cuts.begins_scene(points) or picture.gap_s > _LONGEST_STILL_S

    def judge(self, frame: Frame) -> tuple[Frame, bool]:
        """Tell whether a sample is the first of a scene, and whether it is a key frame."""
        if self._keys is None:
            self._keys = self._key_grid(frame.time_s)
            self._snapshot_s = frame.time_s
            self._has_cut = False  # what came before the first sample is not of this analysis
        is_due = self._keys.takes(frame.time_s)
        cut, self._has_cut = self._has_cut, False
        return replace(frame, cut=cut), is_due or cut

    def snapshot(self, key: Frame) -> Sampling | None:
        """Say what decides about the frames after a key frame, if it is time for a snapshot."""
        if self._keys is None or key.time_s < self._snapshot_s + self._snapshot_every_s:
            return None
        self._snapshot_s = key.time_s
        keys = self._keys
        return Sampling(self._samples.last, keys.start_s, keys.last, self._cuts.change)

    def _key_grid(self, start_s: float) -> Grid:
        return Grid(start_s, self._key_every_s, self._samples.tolerance_s)


def crc32(gray: Image) -> int:
    """Checksum of a picture."""
    return zlib.crc32(np.ascontiguousarray(gray).data)
