import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from fer_video.errors import DataError, OutputError
from fer_video.labels import EMOTIONS
from fer_video.timeline import (
    check_whole,
    open_timeline,
    read_provenance,
    read_timeline,
    smooth,
    to_frame,
)
from fer_video.types import Box, Face, Moment, Observation


def observation(track: int, top: int = 3, p: float = 0.9, n_emotions: int = 7) -> Observation:
    probabilities = np.full(n_emotions, (1 - p) / (n_emotions - 1), np.float32)
    probabilities[top] = p
    face = Face(Box(1.5, 2, 30, 40), 0.95, np.arange(10, dtype=np.float32).reshape(5, 2), track)
    return Observation(face, probabilities, sharpness=120.0, brightness=99.5)


def moments(n_emotions: int = 7) -> list[Moment]:
    """One face, then none, then two."""
    first, sad, second = (
        observation(track, top, n_emotions=n_emotions) for track, top in [(0, 3), (0, 4), (1, 3)]
    )
    return [
        Moment(0, 100, 0.0, (first,)),
        Moment(1, 140, 0.04, ()),
        Moment(2, 200, 0.1, (sad, second)),
    ]


def write(path: Path, items: list[Moment], recording: str = "clinic/talk.mp4") -> Path:
    with open_timeline(path, recording, EMOTIONS) as writer:
        for moment in items:
            writer.write(moment)
        writer.provenance = {"verdict": "complete", "source": {"name": "talk.mp4", "sha256": "0"}}
    return path


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_what_is_written_is_read_back_the_same(tmp_path: Path, suffix: str) -> None:
    table = read_timeline(write(tmp_path / f"talk{suffix}", moments()))
    pd.testing.assert_frame_equal(table, to_frame(moments(), "clinic/talk.mp4", EMOTIONS))
    assert table.attrs["provenance"]["verdict"] == "complete"


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_frame_without_a_face_is_a_row_with_nulls(tmp_path: Path, suffix: str) -> None:
    table = read_timeline(write(tmp_path / f"talk{suffix}", moments()))
    faceless = table[table["frame"] == 1].iloc[0]
    assert faceless["time_s"] == 0.04
    assert faceless.drop(["recording", "frame", "pts", "time_s"]).isna().all()


def test_the_file_has_the_types_that_the_data_dictionary_promises(tmp_path: Path) -> None:
    schema = pq.read_schema(write(tmp_path / "talk.parquet", moments()))
    kinds = {name: str(schema.field(name).type) for name in schema.names}
    assert kinds["time_s"] == "double"
    assert kinds["pts"] == kinds["frame"] == "int64"
    assert kinds["track"] == "int32"
    assert kinds["recording"].startswith("dictionary")
    assert {kinds[f"p_{emotion}"] for emotion in EMOTIONS} == {"float"}


def test_every_column_is_in_the_data_dictionary() -> None:
    text = (Path(__file__).parents[1] / "docs" / "timeline.md").read_text(encoding="utf-8")
    table = to_frame(moments(), "a", EMOTIONS)
    assert [name for name in table.columns if f"`{name}`" not in text] == []


def test_many_rows_come_back_in_order_over_row_groups(tmp_path: Path) -> None:
    many = [Moment(i, i, i / 25, (observation(0),)) for i in range(20_000)]
    path = write(tmp_path / "long.parquet", many)
    assert pq.ParquetFile(path).num_row_groups > 1
    assert read_timeline(path)["frame"].tolist() == list(range(20_000))


def _failing_moment() -> Moment:
    raise RuntimeError


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_an_error_half_way_leaves_no_file(tmp_path: Path, suffix: str) -> None:
    with (
        pytest.raises(RuntimeError),
        open_timeline(tmp_path / f"talk{suffix}", "a", EMOTIONS) as writer,
    ):
        writer.write(_failing_moment())
    assert list(tmp_path.iterdir()) == []


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match=r"ends in \.parquet or \.csv"),
        open_timeline(tmp_path / "talk.xlsx", "a", EMOTIONS),
    ):
        pass


def test_a_file_that_is_no_timeline_is_refused(tmp_path: Path) -> None:
    csv, parquet = tmp_path / "a.csv", tmp_path / "a.parquet"
    csv.write_text("name,age\nAnna,30\n")
    parquet.write_bytes(b"PAR1 not really")
    for path in (csv, parquet):
        with pytest.raises(DataError, match="not a timeline"):
            read_timeline(path)
    with pytest.raises(DataError, match="no such file"):
        read_timeline(tmp_path / "none.parquet")


def test_a_csv_has_its_provenance_beside_it(tmp_path: Path) -> None:
    write(tmp_path / "talk.csv", moments())
    assert json.loads((tmp_path / "talk.csv.json").read_text())["verdict"] == "complete"


@pytest.mark.parametrize("name", ["20240101", "1.5", "NA", "null", "true", "2024-01-01"])
def test_a_csv_tells_a_name_that_looks_like_a_number_or_like_nothing(
    tmp_path: Path, name: str
) -> None:
    path = write(tmp_path / "talk.csv", moments(), name)
    check_whole(path, name)
    assert set(read_timeline(path)["recording"]) == {name}


@pytest.mark.parametrize("name", ["talk.mp4", 'two\n"lines".mp4'])
def test_a_long_csv_is_read_whatever_its_first_rows_are_like(tmp_path: Path, name: str) -> None:
    # longer than the parts in which it is read
    long = [Moment(i, i, i / 25, ()) for i in range(30_000)] + moments()
    path = write(tmp_path / "talk.csv", long, name)
    check_whole(path, name)
    pd.testing.assert_frame_equal(read_timeline(path), to_frame(long, name, EMOTIONS))


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_timeline_may_lie_where_the_name_is_no_text(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / os.fsdecode(b"\xe9t\xe9")
    path = write(folder / f"talk{suffix}", moments(), "talk.mp4")
    check_whole(path, "talk.mp4")
    assert len(read_timeline(path)) == 4
    assert read_provenance(path)["verdict"] == "complete"


def test_smoothing_averages_a_track_over_time_and_leaves_the_table_alone() -> None:
    steps = [Moment(i, i, i / 10, (observation(0, p=p),)) for i, p in enumerate([1, 1, 0, 0, 0])]
    table = to_frame(steps, "a", EMOTIONS)
    smoothed = smooth(table, 0.2)
    assert smoothed["p_happy"].tolist() == pytest.approx([1, 2 / 3, 1 / 3, 0, 0])
    assert table["p_happy"].tolist() == [1, 1, 0, 0, 0]
    assert smooth(table, 0) is table


def test_smoothing_mixes_no_two_recordings_of_one_table() -> None:
    scenes = [
        to_frame([Moment(n, n, n / 10, (observation(0, p=p),)) for n in range(3)], name, EMOTIONS)
        for name, p in (("a", 1.0), ("b", 0.0))
    ]
    for ignore_index in (True, False):
        table = pd.concat(scenes, ignore_index=ignore_index)
        smoothed = smooth(table, 1.0)
        assert smoothed["p_happy"].tolist() == [1.0] * 3 + [0.0] * 3
        assert smoothed.index.tolist() == table.index.tolist()


def test_smoothing_never_mixes_two_people_nor_reaches_over_a_gap() -> None:
    scene = [
        Moment(0, 0, 0.0, (observation(0, p=1.0), observation(1, p=0.4))),
        Moment(1, 1, 0.1, (observation(1, p=0.4),)),
        Moment(2, 2, 9.0, (observation(0, p=0.3),)),
    ]
    smoothed = smooth(to_frame(scene, "a", EMOTIONS), 2.0)
    assert smoothed["p_happy"].tolist() == pytest.approx([1.0, 0.4, 0.4, 0.3])
