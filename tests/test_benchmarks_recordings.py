import json
import runpy
from collections.abc import Sequence
from pathlib import Path

import cv2
import disturbances
import numpy as np
import page
import pandas as pd
import pytest
import recordings
import recordings_table

from fer_video.crop import brightness, sharpness
from fer_video.detect import detect
from fer_video.options import DetectOptions
from fer_video.types import Box, CropSpec, DetectedFrame, Face, Frame, Moment, Observation
from tests.scenes import Square, bright_square, picture, steady, write_video

STEP_S = 0.25


def timeline(*emotions_of_tracks: str) -> pd.DataFrame:
    """A timeline with a track for each word; a letter is a row, a dot a row without a face."""
    rows = [
        {"time_s": at * STEP_S, "track": None if letter == "." else track, "emotion": letter}
        for track, word in enumerate(emotions_of_tracks)
        for at, letter in enumerate(word)
    ]
    return pd.DataFrame(rows).astype({"track": "Int32"})


def face(left: float, side: float = 20.0) -> Face:
    box = Box(left, 10, left + side, 10 + side)
    shares = np.array([(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)])
    return Face(box, 0.9, (shares * side + (left, 10)).astype(np.float32))


def moments(*frames: Sequence[tuple[float, float]]) -> list[Moment]:
    """One moment per frame; a face is its left edge and how sure it is of the first emotion."""
    return [
        Moment(
            index,
            index,
            index * STEP_S,
            tuple(Observation(face(x), np.array([p, 1 - p], np.float32), 0, 0) for x, p in faces),
        )
        for index, faces in enumerate(frames)
    ]


def textured(size_px: tuple[int, int] = (160, 120)) -> np.ndarray:
    noise = np.random.default_rng(0).integers(60, 200, size_px[::-1]).astype(np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 1.0)


def test_flips_are_counted_within_each_track_and_per_second_in_view() -> None:
    # 3 flips in 4 + 2 steps; from one track to the other is none
    table = timeline("aabab", "bbb")
    assert disturbances.seconds_in_view(table) == 6 * STEP_S
    assert disturbances.flips_per_s(table) == pytest.approx(3 / (6 * STEP_S))


def test_rows_without_a_face_hold_no_emotion_to_flip_to() -> None:
    assert disturbances.flips_per_s(timeline("aa..aa")) == 0
    assert disturbances.flips_per_s(timeline("....")) == 0


def test_a_turn_must_hold_and_what_does_not_is_as_if_it_had_not_been() -> None:
    assert disturbances.turns(timeline("aaaabaabbbb"), hold_s=0.5) == [(0.0, "a"), (1.75, "b")]
    assert disturbances.turns(timeline("aaaabbb"), hold_s=5) == []


def test_turns_are_those_of_the_face_that_is_seen_most() -> None:
    assert disturbances.turns(timeline("bbb", "aaaaaa"), hold_s=0.5) == [(0.0, "a")]
    assert disturbances.turns(timeline("...")) == []


def test_a_change_is_the_mean_over_emotions_and_faces() -> None:
    before = np.array([[1, 0, 0, 0], [0.5, 0.5, 0, 0]], np.float32)
    after = np.array([[0, 1, 0, 0], [0.5, 0.5, 0, 0]], np.float32)
    assert disturbances.mean_change(before, after) == pytest.approx(2 / 8)
    assert disturbances.share_of_same_top(before, after) == 0.5


@pytest.mark.parametrize("share", disturbances.JITTERS)
def test_a_jittered_box_takes_its_landmarks_along_by_no_more_than_its_share(share) -> None:
    rng = np.random.default_rng(1)
    wide = Face(Box(100, 100, 300, 200), 0.9, np.array([[200, 150], [300, 150]], np.float32))
    moved = np.stack([disturbances.jittered(wide, share, rng) for _ in range(500)])
    shift = moved[:, 0] - (200, 150)
    assert np.abs(shift).max(axis=0) == pytest.approx((200 * share, 100 * share), rel=0.05)
    # half a width from the centre: where the box's right edge is
    scale = (moved[:, 1] - moved[:, 0])[:, 0] / 100
    assert (scale.min(), scale.max()) == pytest.approx((1 - share, 1 + share), rel=0.01)


def test_every_face_is_cut_as_it_is_and_disturbed_in_each_way() -> None:
    item = DetectedFrame(Frame(0, 0, 0.0, textured(), True), (face(20, 60), face(90, 50)))
    first, second = disturbances.disturbed_crops(item, CropSpec(), np.random.default_rng(0))
    plain = first["as it is"].astype(float)
    assert not (plain == second["as it is"]).all()
    by_5, by_10 = disturbances.JITTERS
    moved = [np.abs(first[way] - plain).mean() for way in ("box ±5 %", "box ±10 %")]
    assert moved[0] > 1
    assert moved[1] > 1
    assert (by_5, by_10) == (0.05, 0.1)
    assert brightness(first["darkened"]) == pytest.approx(plain.mean() / 2, abs=0.5)
    assert sharpness(first["blurred"]) < sharpness(first["as it is"]) / 2
    assert 0.5 < np.abs(first["JPEG"] - plain).mean() < 20


def test_faces_are_found_in_their_place_at_half_the_size() -> None:
    rgb = picture(Square(20, 10, 40), Square(90, 30, 32), size_px=(160, 100))
    frame = Frame(0, 0, 0.0, rgb[..., 0], True, rgb)
    options = DetectOptions(min_face_px=8)
    half = disturbances.halved(frame)
    assert half.gray.shape == (50, 80)
    found = [
        [Moment(0, 0, 0.0, tuple(Observation(one, np.ones(2), 0, 0) for one in item.faces))]
        for item in detect([frame, half], bright_square, options)
    ]
    assert disturbances.matches(*found, scale=2.0)["iou"].tolist() == pytest.approx([1, 1], abs=0.1)


def test_faces_of_two_analyses_are_paired_by_overlap_not_by_order() -> None:
    one = moments([(0, 0.1), (50, 0.2)], [(0, 0.3)], [(0, 0.4)], [])
    other = moments([(51, 0.6), (2, 0.7)], [], [(15, 0.8)], [])
    pairs = disturbances.matches(one, other)
    found = [(before[0], after[0]) for before, after in zip(pairs.before, pairs.after, strict=True)]
    # boxes of 20 px that are 15 px apart overlap too little to be one face
    assert found == [pytest.approx(pair) for pair in ((0.1, 0.7), (0.2, 0.6))]
    assert pairs["iou"].tolist() == pytest.approx([18 / 22, 19 / 21])


def test_numbers_of_faces_are_compared_where_there_is_one() -> None:
    one = moments([(0, 1), (50, 1)], [(0, 1)], [])
    other = moments([(0, 1)], [(50, 1)], [])
    counts = disturbances.counts_of_faces(one, other)
    assert counts.to_numpy().tolist() == [[2, 1], [1, 1]]


def test_agreement_is_of_each_two_detectors() -> None:
    seen = {
        "first": moments([(0, 1.0)], [(0, 0.9), (50, 0.9)]),
        "second": moments([(0, 0.8)], [(0, 0.2)]),
        "blind": moments([], []),
    }
    found = recordings.agreement(seen)
    pair = found["first, second"]
    assert (pair["frames"], pair["same_count"], pair["faces"]) == (2, 1, 2)
    assert pair["mean_iou"] == 1
    assert pair["mean_change"] == pytest.approx((0.2 + 0.7) / 2)
    assert pair["same_top"] == 0.5
    assert found["first, blind"] == {"frames": 2, "same_count": 0, "faces": 0}


def test_what_is_not_found_again_at_half_size_is_said_so() -> None:
    assert recordings.change_by_half(moments([(0, 1.0)]), moments([])) == {"faces": 0}
    found = recordings.change_by_half(moments([(0, 1.0), (90, 1)]), moments([(0, 0.5)]))
    assert found["faces"] == 0  # 20 px at half size are 40 px at full size: another face


def test_figures_of_recordings_are_averaged_by_what_they_count() -> None:
    entries = [{"iou": 0.5, "faces": 1}, {"iou": 0.8, "faces": 3}, {"faces": 0, "iou": 0.0}]
    assert recordings_table.weighted_mean(entries, "iou", "faces") == pytest.approx(0.725)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What is measured on two portraits that sway, a grid without a face, and a damaged file."""
    folder = tmp_path_factory.mktemp("recordings")
    draw = portraits()
    write_video(folder / "neutral_to_smile.mp4", steady(6, fps=4), lambda index: draw(index / 4))
    write_video(folder / "empty.mp4", steady(4, fps=4), lambda _: picture(size_px=(320, 240)))
    (folder / "damaged.mp4").write_bytes(bytes(1000))
    (folder / "notes.md").write_text("no recording")
    return json.loads(json.dumps(recordings.measure(folder, "default")))


def portraits():
    """The example scene, two public-domain portraits, at a time in seconds."""
    script = runpy.run_path(str(Path(__file__).parents[1] / "examples" / "make_consult.py"))
    from matplotlib import cbook
    from PIL import Image
    from skimage import data

    collins = data.astronaut()[0:300, 90:390]
    with Image.open(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)) as image:
        hopper = np.asarray(image.convert("RGB").resize((512, 606)))[0:420, 46:466]
    return lambda time_s: script["draw"](collins, hopper, time_s)


def test_what_is_absent_or_unreadable_or_has_no_face_is_named(report: dict) -> None:
    assert report["absent"] == [*recordings.FLIPS, "emotion_change.mp4"]
    assert report["unreadable"] == ["damaged.mp4"]
    assert report["faceless"] == ["empty.mp4"]
    assert list(report["changes"]) == list(report["agreement"]) == ["neutral_to_smile.mp4"]


def test_faces_of_a_recording_are_disturbed_found_again_and_compared(report: dict) -> None:
    found = report["changes"]["neutral_to_smile.mp4"]
    assert found["faces"] == 12
    assert list(found["ways"]) == [
        "box ±5 %", "box ±10 %", "blurred", "JPEG", "darkened", "half size",
    ]  # fmt: skip
    assert all(change["faces"] == 12 for change in found["ways"].values())
    assert all(0 < change["mean_change"] < 0.15 for change in found["ways"].values())
    pair = report["agreement"]["neutral_to_smile.mp4"]["yunet, mtcnn"]
    assert (pair["frames"], pair["same_count"], pair["faces"]) == (6, 6, 12)
    assert pair["mean_iou"] > 0.6
    assert len(report["turns"]["neutral_to_smile.mp4"]) == 1


def test_tables_hold_every_model_and_say_what_is_left_out(report: dict) -> None:
    other = report | {"model": "accurate"}
    text = recordings_table.tables([report, other])
    assert "| `neutral_to_smile.mp4` | `accurate` |" in text
    assert "folder did not hold them: `conversation_200s.mp4`, `webcam_vfr_vp8.webm`" in text
    assert "no frame can be decoded: `damaged.mp4`" in text
    assert "Without a face for any detector: `empty.mp4`" in text
    assert "100 % of the faces are found again" in text
    assert text.count("**mean of recordings**") == 2


def test_tables_name_the_disturbances_that_miss_the_goal(report: dict) -> None:
    found = json.loads(json.dumps(report))
    ways = found["changes"]["neutral_to_smile.mp4"]["ways"]
    for way, change in ways.items():
        change["mean_change"] = 0.05 if way == "JPEG" else 0.01
    text = recordings_table.tables([found])
    assert "over all faces: JPEG at 0.05 or above. In `neutral_to_smile.mp4`: JPEG." in text


def test_the_page_holds_the_tables_of_the_stored_figures() -> None:
    begin, end = page.marks(recordings.NAME)
    text = page.ACCURACY.read_text("utf-8")
    assert begin + recordings_table.tables(recordings.reports()) + end in text


def test_a_table_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    begin, end = page.marks("x.py")
    path = tmp_path / "page.md"
    path.write_text(f"above\n{begin}old\n{end}below\n")
    page.replace_table(path, "x.py", "new\n")
    assert path.read_text() == f"above\n{begin}new\n{end}below\n"
