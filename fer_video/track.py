"""Joining faces to tracks: who is who from one key frame to the next. No pixel is read."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from fer_video.options import TrackOptions
from fer_video.types import Box, DetectedFrame, Face

_MAX_DISTANCE = 0.75
"""Centres of one face on two key frames lie at most this far, in face sizes, from where it was
or from where it was heading: who walks past at 1 m/s moves by more than one face in 0.2 s."""
_MAX_SIZE_RATIO = 1.8
"""A face does not grow or shrink by more between two key frames."""


def track(
    detected: Iterable[DetectedFrame], options: TrackOptions, min_score: float
) -> Iterator[DetectedFrame]:
    """Give each face an identity and fill the frames between key frames.

    A face on two consecutive key frames is interpolated between them; one that is lost by the
    next key frame ends with the last on which it was seen. After the last key frame before a
    scene cut or the end, it stays where it was. Faces get ids from 0 in order of appearance.

    Args:
        detected: Frames in order; ``faces`` is None where the detector did not look.
        options: How detections are joined.
        min_score: Confidence that starts a track; weaker faces only continue one.

    Yields:
        The same frames in order, ``faces`` never None. Only the frames between two key frames
        are held.
    """
    tracks = _Tracks(options, min_score)
    between: list[DetectedFrame] = []
    before: DetectedFrame | None = None
    for item in detected:
        if item.faces is None:
            between.append(item)
            continue
        if item.frame.cut:
            tracks.end_all()
        key = DetectedFrame(item.frame, tracks.update(item.frame.time_s, item.faces))
        yield from _fill(between, before, None if item.frame.cut else key)
        yield key
        before, between = key, []
    yield from _fill(between, before, None)


def _fill(
    between: Sequence[DetectedFrame], before: DetectedFrame | None, after: DetectedFrame | None
) -> Iterator[DetectedFrame]:
    """Place the faces of two key frames on the frames between them.

    Without a key frame ``after`` in the same scene, faces stay as they were ``before``.
    """
    start = _by_track(before)
    stop = start if after is None else _by_track(after)
    for item in between:
        share = _share(item, before, after)
        yield replace(
            item,
            faces=tuple(
                _interpolated(start[track_id], stop[track_id], share)
                for track_id in start
                if track_id in stop
            ),
        )


def _by_track(item: DetectedFrame | None) -> dict[int | None, Face]:
    return {face.track_id: face for face in (item.faces if item and item.faces else ())}


def _share(item: DetectedFrame, before: DetectedFrame | None, after: DetectedFrame | None) -> float:
    """How much of the time between two key frames has passed, in [0, 1]."""
    if before is None or after is None:
        return 0.0
    start_s, stop_s = before.frame.time_s, after.frame.time_s
    return (item.frame.time_s - start_s) / (stop_s - start_s) if stop_s > start_s else 0.0


def _interpolated(start: Face, stop: Face, share: float) -> Face:
    edges = (a + (b - a) * share for a, b in zip(start.box, stop.box, strict=True))
    return Face(
        Box(*edges),
        score=start.score + (stop.score - start.score) * share,
        landmarks=start.landmarks + (stop.landmarks - start.landmarks) * share,
        track_id=start.track_id,
        interpolated=True,
    )


@dataclass(slots=True)
class _Track:
    """Where a face was last seen, and how it moved."""

    track_id: int
    box: Box
    time_s: float
    velocity: tuple[float, float] = (0.0, 0.0)
    """Of the box's centre, in pixels per second."""

    def heading(self, time_s: float) -> Box:
        """Where the face is at ``time_s`` if it goes on as it did."""
        x, y = (speed * (time_s - self.time_s) for speed in self.velocity)
        left, top, right, bottom = self.box
        return Box(left + x, top + y, right + x, bottom + y)

    def see(self, box: Box, time_s: float) -> None:
        """Take note of the face's new place."""
        passed_s = time_s - self.time_s
        if passed_s > 0:
            (x, y), (last_x, last_y) = box.centre, self.box.centre
            self.velocity = ((x - last_x) / passed_s, (y - last_y) / passed_s)
        self.box, self.time_s = box, time_s


class _Tracks:
    """The faces that are in view, or were a moment ago."""

    def __init__(self, options: TrackOptions, min_score: float) -> None:
        self._options = options
        self._min_score = min_score
        self._alive: list[_Track] = []
        self._next_id = 0

    def end_all(self) -> None:
        self._alive = []

    def update(self, time_s: float, faces: Sequence[Face]) -> tuple[Face, ...]:
        """Join the faces of a key frame to tracks; those kept come back with an id.

        Strong detections choose first and may start a track, weak ones only continue what is
        left, so that a turned head keeps its identity and a shadow gets none.

        Source:
            Zhang et al., "ByteTrack: Multi-Object Tracking by Associating Every Detection Box",
            ECCV 2022, for the second pass with weak detections.
        """
        oldest_s = time_s - self._options.max_gap_s
        self._alive = [track for track in self._alive if track.time_s >= oldest_s]
        free = list(self._alive)
        strong = [face for face in faces if face.score >= self._min_score]
        weak = [face for face in faces if face.score < self._min_score]
        joined = self._join(strong, free, time_s)
        for face in strong:
            if id(face) not in joined:
                joined[id(face)] = self._start(face, time_s)
        joined |= self._join(weak, free, time_s)
        return tuple(
            self._seen(joined[id(face)], face, time_s) for face in faces if id(face) in joined
        )

    def _join(self, faces: Sequence[Face], free: list[_Track], time_s: float) -> dict[int, _Track]:
        """Pair faces with free tracks, the closest pair first; a paired track is free no more.

        Taking the closest pair first keeps two people apart who pass each other better than the
        cheapest sum does, which may trade one good pair for two middling ones.
        """
        pairs = sorted(
            (distance, face_at, track_at)
            for face_at, face in enumerate(faces)
            for track_at, track in enumerate(free)
            for expected in (track.box, track.heading(time_s))
            if (distance := self._distance(face.box, expected)) is not None
        )
        joined: dict[int, _Track] = {}
        taken: set[int] = set()
        for _, face_at, track_at in pairs:
            if id(faces[face_at]) not in joined and track_at not in taken:
                joined[id(faces[face_at])] = free[track_at]
                taken.add(track_at)
        free[:] = [track for track_at, track in enumerate(free) if track_at not in taken]
        return joined

    def _distance(self, box: Box, expected: Box) -> float | None:
        """How far apart two boxes are, or None if they cannot be one face."""
        smaller, larger = sorted(max(b.width, b.height) for b in (box, expected))
        apart = math.dist(box.centre, expected.centre) / smaller
        overlap = box.iou(expected)
        alike = larger / smaller <= _MAX_SIZE_RATIO
        if overlap >= self._options.min_iou or (alike and apart <= _MAX_DISTANCE):
            return apart + 1 - overlap
        return None

    def _start(self, face: Face, time_s: float) -> _Track:
        track = _Track(self._next_id, face.box, time_s)
        self._next_id += 1
        self._alive.append(track)
        return track

    def _seen(self, track: _Track, face: Face, time_s: float) -> Face:
        track.see(face.box, time_s)
        return replace(face, track_id=track.track_id)
