"""Joining faces to tracks: who is who from one key frame to the next. No pixel is read."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from fer_video.options import TrackOptions
from fer_video.types import Box, DetectedFrame, Face, Snapshot, Track, Tracking

_MAX_DISTANCE = 0.75
"""Centres of one face on two key frames lie at most this far, in face sizes, from where it was
or from where it was heading: who walks past at 1 m/s moves by more than one face in 0.2 s."""
_MAX_SIZE_RATIO = 1.8
"""A face does not grow or shrink by more between two key frames."""


def track(
    detected: Iterable[DetectedFrame],
    options: TrackOptions,
    min_score: float,
    after: Tracking | None = None,
) -> Iterator[DetectedFrame]:
    """Give each face an identity and fill the frames between key frames.

    A face on two consecutive key frames is interpolated between them; one that is lost by the
    next key frame ends with the last on which it was seen. After the last key frame before a
    scene cut or the end, it stays where it was. Faces get ids from 0 in order of appearance.

    Args:
        detected: Frames in order; ``faces`` is None where the detector did not look.
        options: How detections are joined.
        min_score: Confidence that starts a track; weaker faces only continue one.
        after: Of the key frame that came right before the first frame, if there was one.

    Yields:
        The same frames in order, ``faces`` never None. Only the frames between two key frames
        are held. A snapshot has the tracks, too.
    """
    tracks = _Tracks(options, min_score, after)
    between: list[DetectedFrame] = []
    before = None if after is None else _Key(after.key_time_s, after.faces)
    for item in detected:
        if item.faces is None:
            between.append(item)
            continue
        if item.frame.cut:
            tracks.end_all()
        key = _Key(item.frame.time_s, tracks.update(item.frame.time_s, item.faces))
        yield from _fill(between, before, None if item.frame.cut else key)
        frame = item.frame
        if frame.snapshot is not None:
            frame = replace(frame, snapshot=tracks.added_to(frame.snapshot, key))
        yield DetectedFrame(frame, key.faces)
        before, between = key, []
    yield from _fill(between, before, None)


class _Key(NamedTuple):
    """A key frame, as far as the frames between it and the next are concerned."""

    time_s: float
    faces: tuple[Face, ...]


def _fill(
    between: Sequence[DetectedFrame], before: _Key | None, after: _Key | None
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


def _by_track(key: _Key | None) -> dict[int | None, Face]:
    return {face.track_id: face for face in (key.faces if key else ())}


def _share(item: DetectedFrame, before: _Key | None, after: _Key | None) -> float:
    """How much of the time between two key frames has passed, in [0, 1]."""
    if before is None or after is None:
        return 0.0
    start_s, stop_s = before.time_s, after.time_s
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


def _heading(track: Track, time_s: float) -> Box:
    """Where a face is at ``time_s`` if it goes on as it did."""
    x, y = (speed * (time_s - track.time_s) for speed in track.velocity)
    left, top, right, bottom = track.box
    return Box(left + x, top + y, right + x, bottom + y)


def _seen_at(track: Track, box: Box, time_s: float) -> Track:
    """Take note of a face's new place."""
    velocity, passed_s = track.velocity, time_s - track.time_s
    if passed_s > 0:
        (x, y), (last_x, last_y) = box.centre, track.box.centre
        velocity = ((x - last_x) / passed_s, (y - last_y) / passed_s)
    return Track(track.track_id, box, time_s, velocity)


class _Tracks:
    """The faces that are in view, or were a moment ago."""

    def __init__(self, options: TrackOptions, min_score: float, after: Tracking | None) -> None:
        self._options = options
        self._min_score = min_score
        self._alive = {track.track_id: track for track in (after.alive if after else ())}
        self._key_time_s = after.key_time_s if after else 0.0
        self._next_id = after.next_id if after else 0

    def end_all(self) -> None:
        self._alive = {}

    def added_to(self, snapshot: Snapshot, key: _Key) -> Snapshot:
        tracking = Tracking(*key, alive=tuple(self._alive.values()), next_id=self._next_id)
        return replace(snapshot, tracking=tracking)

    def update(self, time_s: float, faces: Sequence[Face]) -> tuple[Face, ...]:
        """Join the faces of a key frame to tracks; those kept come back with an id.

        Strong detections choose first and may start a track, weak ones only continue what is
        left, so that a turned head keeps its identity and a shadow gets none.

        Source:
            Zhang et al., "ByteTrack: Multi-Object Tracking by Associating Every Detection Box",
            ECCV 2022, for the second pass with weak detections.
        """
        # no face is lost between two key frames, however far apart they are
        oldest_s = min(time_s - self._options.max_gap_s, self._key_time_s)
        self._key_time_s = time_s
        self._alive = {one.track_id: one for one in self._alive.values() if one.time_s >= oldest_s}
        free = list(self._alive.values())
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

    def _join(self, faces: Sequence[Face], free: list[Track], time_s: float) -> dict[int, Track]:
        """Pair faces with free tracks, the closest pair first; a paired track is free no more.

        Taking the closest pair first keeps two people apart who pass each other better than the
        cheapest sum does, which may trade one good pair for two middling ones.
        """
        pairs = sorted(
            (distance, face_at, track_at)
            for face_at, face in enumerate(faces)
            for track_at, track in enumerate(free)
            for expected in (track.box, _heading(track, time_s))
            if (distance := self._distance(face.box, expected)) is not None
        )
        joined: dict[int, Track] = {}
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

    def _start(self, face: Face, time_s: float) -> Track:
        track = Track(self._next_id, face.box, time_s)
        self._next_id += 1
        return track

    def _seen(self, track: Track, face: Face, time_s: float) -> Face:
        self._alive[track.track_id] = _seen_at(track, face.box, time_s)
        return replace(face, track_id=track.track_id)
