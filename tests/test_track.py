import numpy as np
import pytest

from fer_video.options import TrackOptions
from fer_video.track import track
from fer_video.types import Box, DetectedFrame, Face, Frame, Track, Tracking

STEP_S = 0.2
MIN_SCORE = 0.7


def face(x: float, score: float = 0.9, side: float = 20) -> Face:
    """A square face with its left edge at ``x``."""
    box = Box(x, 10, x + side, 10 + side)
    return Face(box, score, np.full((5, 2), x, np.float32))


def key_frame(number: int, *faces: Face, cut: bool = False) -> DetectedFrame:
    return DetectedFrame(blank(number * STEP_S, cut), faces)


def between(time_s: float) -> DetectedFrame:
    return DetectedFrame(blank(time_s), None)


def blank(time_s: float, cut: bool = False) -> Frame:
    return Frame(0, 0, time_s, np.zeros((1, 1), np.uint8), True, cut=cut)


def ids(items: list[DetectedFrame], options: TrackOptions | None = None) -> list[list[int | None]]:
    tracked = track(items, options or TrackOptions(), MIN_SCORE)
    return [[face.track_id for face in item.faces or ()] for item in tracked]


def test_two_people_keep_their_ids_while_they_move() -> None:
    scene = [key_frame(n, face(0 + 3 * n), face(100 - 3 * n)) for n in range(6)]
    assert ids(scene) == [[0, 1]] * 6


def test_ids_follow_the_people_and_not_the_order_of_the_detections() -> None:
    assert ids([key_frame(0, face(0), face(100)), key_frame(1, face(101), face(1))]) == [
        [0, 1],
        [1, 0],
    ]


@pytest.mark.parametrize(("max_gap_s", "found"), [(1.0, [[0], [], [0]]), (0.3, [[0], [], [1]])])
def test_a_face_keeps_its_identity_over_a_gap_no_longer_than_max_gap(max_gap_s, found) -> None:
    scene = [key_frame(0, face(0)), key_frame(1), key_frame(2, face(2))]
    assert ids(scene, TrackOptions(max_gap_s=max_gap_s)) == found


@pytest.mark.parametrize("max_gap_s", [0.0, 1.0])
def test_a_face_on_two_key_frames_is_one_however_far_apart_they_are(max_gap_s) -> None:
    scene = [key_frame(0, face(0)), between(4.0), key_frame(50, face(1)), key_frame(100)]
    scene += [key_frame(150, face(1))]
    assert ids(scene, TrackOptions(max_gap_s=max_gap_s)) == [[0], [0], [0], [], [1]]


@pytest.mark.parametrize(("seen_s", "track_id"), [(5.0, 0), (4.2, 1)])
def test_a_resumed_tracking_knows_who_was_on_its_last_key_frame(seen_s, track_id) -> None:
    after = Tracking(5.0, (), alive=(Track(0, face(0).box, seen_s),), next_id=1)
    (found,) = track([key_frame(50, face(1))], TrackOptions(), MIN_SCORE, after)
    assert [one.track_id for one in found.faces or ()] == [track_id]


def test_someone_who_walks_past_quickly_stays_one_person() -> None:
    # slow at first, then more than a face's width from one key frame to the next
    places = [0, 6, 18, 36, 60, 90, 120]
    assert ids([key_frame(n, face(x)) for n, x in enumerate(places)]) == [[0]] * len(places)


def test_a_weak_detection_continues_a_track_but_starts_none() -> None:
    scene = [key_frame(0, face(0)), key_frame(1, face(1, 0.6), face(200, 0.6))]
    assert ids(scene) == [[0], [0]]


def test_a_strong_detection_chooses_before_a_weak_one() -> None:
    scene = [key_frame(0, face(0)), key_frame(1, face(1, 0.55), face(4, 0.95))]
    assert ids(scene) == [[0], [0]]
    (_, second) = track(scene, TrackOptions(), MIN_SCORE)
    assert [round(seen.score, 2) for seen in second.faces or ()] == [0.95]


def test_a_scene_cut_ends_every_track() -> None:
    scene = [key_frame(0, face(0)), key_frame(1, face(0), cut=True)]
    assert ids(scene) == [[0], [1]]


def test_nothing_is_interpolated_across_a_cut() -> None:
    scene = [key_frame(0, face(0)), between(0.1), key_frame(1, face(10), cut=True)]
    held = list(track(scene, TrackOptions(), MIN_SCORE))[1]
    assert [seen.box.left for seen in held.faces or ()] == [0]


def test_faces_between_key_frames_are_interpolated_in_time_and_flagged() -> None:
    # variable frame rate: the frame in between is nearer to the second key frame
    scene = [key_frame(0, face(0, 0.8)), between(0.15), key_frame(1, face(8, 1.0))]
    first, middle, last = (item.faces[0] for item in track(scene, TrackOptions(), MIN_SCORE))
    assert middle.box.left == pytest.approx(6)
    assert middle.landmarks[0].tolist() == pytest.approx([6, 6])
    assert middle.score == pytest.approx(0.95)
    assert [seen.interpolated for seen in (first, middle, last)] == [False, True, False]


def test_a_face_starts_and_ends_with_key_frames_that_show_it() -> None:
    scene = [key_frame(0), between(0.1), key_frame(1, face(0)), between(0.3), key_frame(2)]
    assert ids(scene) == [[], [], [0], [], []]


def test_after_the_last_key_frame_faces_stay_where_they_were() -> None:
    assert ids([key_frame(0, face(0)), between(0.1), between(0.15)]) == [[0], [0], [0]]


def test_each_recording_counts_from_0() -> None:
    scene = [key_frame(0, face(0), face(50))]
    assert ids(scene) == ids(scene) == [[0, 1]]


def test_frames_come_out_in_order_and_none_is_lost() -> None:
    scene = [key_frame(n) if n % 5 == 0 else between(n * STEP_S) for n in range(23)]
    out = list(track(scene, TrackOptions(), MIN_SCORE))
    assert [item.frame for item in out] == [item.frame for item in scene]
    assert all(item.faces is not None for item in out)
