"""Real recordings, where they are at hand: what a user of fer-video would check first."""

import json
from pathlib import Path

import av
import pandas as pd
import pytest

from fer_video import AnalysisOptions, analyze, read_timeline
from fer_video.options import DetectOptions, SampleOptions
from tests.straightforward import assert_same_result, straightforward
from tests.test_cli import files, run

P_COLUMNS = ["p_angry", "p_disgust", "p_fear", "p_happy", "p_sad", "p_surprise", "p_neutral"]

WITH_FACES = [
    ("consult_two.mp4", 0),
    ("consult_two.mp4", 17),  # one leaves
    ("consult_two.mp4", 25),  # the other one jumps aside, and she is back in his place
    ("conversation_200s.mp4", 0),
    ("emotion_change.mp4", 0),
    ("face_enters_vfr_hevc.mov", 3),
    ("face_leaves_vfr_hevc.mov", 1),
    ("neutral_to_smile.mp4", 0),
    ("rotated_phone.mp4", 0),
    ("scene_cuts_many_people.mp4", 0),
    ("scene_cuts_many_people.mp4", 7),
    ("two_people.gif", 0),
    ("webcam_vfr_vp8.webm", 0),
]
"""Recordings, and seconds from which on there is a face within two."""
FACELESS = [
    "no_face.mp4",
    "odd_failing_audio.mp4",
    "odd_mpeg4_vfr_gap.avi",
    "odd_no_duration.webm",
    "odd_ogg_named_mkv.mkv",
    "odd_one_corrupt_frame.mp4",
]


@pytest.fixture(scope="module")
def consult_two(recordings: Path) -> pd.DataFrame:
    return analyze(recordings / "consult_two.mp4")


@pytest.fixture(scope="module")
def smile(recordings: Path) -> pd.DataFrame:
    return analyze(recordings / "neutral_to_smile.mp4")


def faces_per_frame(table: pd.DataFrame, start_s: float, end_s: float) -> set[int]:
    part = table[table["time_s"].between(start_s, end_s)]
    return set(part.groupby("pts")["track"].count())


def test_times_are_those_of_the_container(recordings: Path) -> None:
    table = analyze(recordings / "emotion_change.mp4")
    with av.open(str(recordings / "emotion_change.mp4")) as container:
        stream = container.streams.video[0]
        times_s = [float(frame.pts * stream.time_base) for frame in container.decode(stream)]
    assert len(table["pts"].unique()) == 472
    assert table["time_s"].unique().tolist() == pytest.approx(times_s, abs=1e-9)


def test_a_face_is_followed_from_sad_to_laughing(recordings: Path) -> None:
    table = analyze(recordings / "emotion_change.mp4")
    assert table["track"].value_counts(normalize=True).iloc[0] >= 0.95
    last_s = table["time_s"].max()
    first = table.loc[table["time_s"] < 5, "p_happy"].mean()
    last = table.loc[table["time_s"] > last_s - 5, "p_happy"].mean()
    assert last - first >= 0.4


def test_a_smile_is_seen(smile: pd.DataFrame) -> None:
    assert smile["p_happy"].iloc[-10:].mean() - smile["p_happy"].iloc[:10].mean() >= 0.3


def test_a_rotated_recording_gives_the_same_emotions(recordings: Path, smile) -> None:
    rotated = analyze(recordings / "rotated_phone.mp4")
    assert len(rotated) == len(smile)
    assert (rotated[P_COLUMNS] - smile[P_COLUMNS]).abs().to_numpy().mean() <= 0.1
    assert rotated["p_happy"].iloc[-10:].mean() - rotated["p_happy"].iloc[:10].mean() >= 0.3


def test_before_the_face_enters_there_are_rows_without_one(recordings: Path) -> None:
    table = analyze(recordings / "face_enters_vfr_hevc.mov")
    first_face = table["track"].first_valid_index()
    assert first_face > 0
    assert table.loc[: first_face - 1, ["left", "p_happy"]].isna().all().all()
    assert table.loc[first_face:, "track"].notna().any()


@pytest.mark.parametrize("detector", ["yunet", "mtcnn", "haar"])
def test_a_title_card_has_no_face(recordings: Path, detector) -> None:
    options = AnalysisOptions(detect=DetectOptions(detector=detector))
    table = analyze(recordings / "no_face.mp4", options)
    assert len(table) == 95
    assert table["track"].isna().all()


def test_two_people_one_leaves_and_both_change_sides(consult_two: pd.DataFrame) -> None:
    assert faces_per_frame(consult_two, 1, 17) == {2}
    assert faces_per_frame(consult_two, 19, 25) == {1}
    assert faces_per_frame(consult_two, 27, 41) == {2}


def test_every_face_is_on_its_persons_side_and_no_track_holds_two_people(
    recordings: Path, consult_two: pd.DataFrame
) -> None:
    truth = json.loads((recordings / "consult_two.truth.json").read_text())
    faces = consult_two.dropna(subset=["track"]).copy()
    faces["side"] = ["left" if x < 960 else "right" for x in (faces["left"] + faces["right"]) / 2]
    faces["person"] = None
    for segment in truth["segments"]:
        inside = (faces["time_s"] >= segment["start_s"]) & (faces["time_s"] < segment["stop_s"])
        faces.loc[inside, "person"] = faces.loc[inside, "side"].map(segment)
    assert faces["person"].notna().all()
    assert (faces.groupby("track")["person"].nunique() == 1).all()


@pytest.mark.parametrize("fps", [None, 5])
@pytest.mark.parametrize(("name", "start_s"), [*WITH_FACES, *((name, 0) for name in FACELESS)])
def test_speed_changes_no_result(recordings: Path, name, start_s, fps) -> None:
    part = SampleOptions(fps=fps, start_s=start_s, end_s=start_s + (6 if fps else 2))
    options = AnalysisOptions(sample=part)
    fast = analyze(recordings / name, options)
    assert fast["track"].notna().any() == (name not in FACELESS)
    assert_same_result(fast, straightforward(recordings / name, options))


def test_every_recording_with_pictures_is_compared(recordings: Path) -> None:
    names = {path.name for path in recordings.iterdir() if path.suffix not in (".md", ".json")}
    compared = {*FACELESS, *(name for name, _ in WITH_FACES)}
    assert names - compared == {"bad_corrupted.mp4"}


def test_all_recordings_in_one_run(recordings: Path, tmp_path: Path) -> None:
    code, out, err = run("analyze", recordings, "--out", tmp_path, "--fps", 5)
    names = [path.name for path in recordings.iterdir() if path.suffix not in (".md", ".json")]
    assert code == 7
    failed = [line for line in err.splitlines() if line.startswith("failed: ")]
    assert len(failed) == 1
    assert "bad_corrupted.mp4" in failed[0]
    timelines = [f"timelines/{name}.parquet" for name in names if name != "bad_corrupted.mp4"]
    assert files(tmp_path) == ["manifest.jsonl", *sorted(timelines)]
    partial = "odd_one_corrupt_frame.mp4.parquet"
    for path in (tmp_path / "timelines").iterdir():
        table = read_timeline(path)
        verdict = "partial" if path.name == partial else "complete"
        assert table.attrs["provenance"]["verdict"] == verdict
        assert table["time_s"].is_monotonic_increasing
    one_corrupt = read_timeline(tmp_path / "timelines" / partial)
    assert one_corrupt.attrs["provenance"]["seen"]["frames_corrupt"] == 2
    assert "partial: 2 corrupt frames were skipped" in out
    assert len(pd.read_parquet(tmp_path / "timelines")) > 1000
