"""The timelines of a folder run are one table for pandas, Polars and DuckDB."""

from pathlib import Path

import pandas as pd
import pytest

from fer_video import read_timeline
from fer_video.labels import EMOTION_SETS
from fer_video.timeline import open_timeline
from fer_video.types import Moment
from tests.test_timeline import moments


@pytest.fixture(params=[(6, 7, 8), (8, 7, 6)], ids=["few first", "many first"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Timelines of models with six, seven and eight emotions, and one in which nobody is seen."""
    six, seven, eight = (EMOTION_SETS[count] for count in request.param)
    written = {
        "a.mp4": (six, moments(len(six))),
        "sub/b é'.mp4": (seven, moments(len(seven))),
        "sub/deep/c.mp4": (eight, moments(len(eight))),
        "nobody.mp4": (seven, [Moment(0, 0, 0.0, ()), Moment(1, 1, 0.04, ())]),
    }
    for name, (emotions, items) in written.items():
        with open_timeline(tmp_path / f"{name}.parquet", name, emotions) as writer:
            for moment in items:
                writer.write(moment)
    return tmp_path


def check(table: pd.DataFrame) -> None:
    """All rows are there, and what a model does not know is null."""
    table = table.sort_values(["recording", "frame", "track"], ignore_index=True)
    rows = table.groupby("recording", observed=True)
    sizes = {"a.mp4": 4, "nobody.mp4": 2, "sub/b é'.mp4": 4, "sub/deep/c.mp4": 4}
    assert rows.size().to_dict() == sizes
    assert rows["track"].count().to_dict()["nobody.mp4"] == 0
    assert rows["emotion"].count().to_dict()["a.mp4"] == 3
    faces = table.dropna(subset=["track"])
    columns = [f"p_{emotion}" for emotion in EMOTION_SETS[8]]
    known = faces.groupby("recording", observed=True)[columns].count().gt(0).sum(axis=1)
    assert sorted(known) == [6, 7, 8]
    assert faces[columns].sum(axis=1).to_numpy() == pytest.approx(1)
    assert faces["p_happy"].notna().all()


def test_pandas_reads_the_folder(folder: Path) -> None:
    check(pd.read_parquet(folder))


def test_polars_reads_the_folder(folder: Path) -> None:
    polars = pytest.importorskip("polars")
    check(polars.read_parquet(folder).to_pandas())
    happy = polars.scan_parquet(folder).filter(polars.col("emotion") == "happy").collect()
    assert len(happy) == 4
    assert "sub/b é'.mp4" in happy["recording"].to_list()


def test_duckdb_reads_the_folder(folder: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    check(duckdb.execute("from read_parquet($1)", [f"{folder}/**/*.parquet"]).df())


def test_a_timeline_read_by_itself_has_the_emotions_of_its_model_only(folder: Path) -> None:
    for path in folder.rglob("*.parquet"):
        table = read_timeline(path)
        seen = table.dropna(subset=["track"])
        columns = [name for name in table.columns if name.startswith("p_")]
        assert 6 <= len(columns) <= 8
        assert seen[columns].notna().all(axis=None)
