"""The command over many recordings, whatever they are called and however they are named."""

import os
import re
from pathlib import Path

import pytest

from fer_video import analyze, read_timeline
from tests.scenes import picture, steady, write_video
from tests.test_cli import files, run


@pytest.fixture(scope="session")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a recording of two frames without a face."""
    return write_video(tmp_path_factory.mktemp("short") / "a.mp4", steady(2), lambda _: picture())


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def copy(short: Path, *names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(short.read_bytes())


def test_inputs_of_all_kinds_in_one_command(short: Path) -> None:
    copy(short, "A.mp4", "B.mov", "rec/s/c.mp4", "visits/p1/d.mp4", "study/e f.mp4", "-g.mp4")
    Path("study/list.txt").write_text("# late\ne f.mp4\n../A.mp4\n", encoding="utf-8-sig")
    code, out, err = run(
        "analyze", "--out", "results", "A.mp4", "B.mov", "rec/", "visits/**/*.mp4",
        "@study/list.txt", f"file://{Path.cwd()}/A.mp4", "--", "-g.mp4",
    )  # fmt: skip
    assert (code, out.count("wrote ")) == (0, 6)
    assert re.fullmatch(r"analyzing 6 recordings \(0\.\d MB\), \d+ at a time\n", err)
    names = ["-g.mp4", "A.mp4", "B.mov", "e f.mp4", "p1/d.mp4", "s/c.mp4"]
    timelines = [f"timelines/{name}.parquet" for name in names]
    assert files(Path("results")) == ["manifest.jsonl", *timelines]
    assert set(read_timeline("results/timelines/s/c.mp4.parquet")["recording"]) == {"s/c.mp4"}


NAMES = ["two words.mp4", "\"quotes' `.mp4", "two\nlines.mp4", "\N{GRINNING FACE}é.mp4",
         "--force.mp4", "\x1b[31mred.mp4", "x" * 251 + ".mp4", "é" * 125 + "a.mp4",
         "50$ or 60$_{.mp4", "\N{CJK UNIFIED IDEOGRAPH-4E2D}.mp4"]  # fmt: skip


def test_recordings_of_any_name_are_analyzed_and_told_on_one_line_each(short: Path) -> None:
    copy(short, *(f"rec/{name}" for name in NAMES))
    os.close(os.open(b"rec/\xff.mp4", os.O_CREAT))
    code, out, err = run("analyze", "rec", "--out", "results", "--plots", "--format", "csv")
    assert code == 7
    assert len(err.splitlines()) == 3
    assert r"rec/\udcff.mp4: the file is empty" in err
    assert len(out.splitlines()) == 2 * len(NAMES)
    assert "\x1b" not in out + err
    tables = [read_timeline(path) for path in Path("results/timelines").glob("*.csv")]
    assert {name for table in tables for name in table["recording"]} == set(NAMES)
    assert len(list(Path("results/plots").iterdir())) == len(NAMES)


def test_one_recording_may_have_a_name_that_is_no_text_too(short: Path) -> None:
    folder = Path(os.fsdecode(b"\xe9t\xe9"))
    recording = folder / os.fsdecode(b"\xff.mp4")
    copy(short, str(recording))
    told = r"\udce9t\udce9"
    code, out, err = run("analyze", recording)
    assert (code, out.splitlines()[0], err) == (0, rf"wrote {told}/\xff.parquet", "")
    timeline = folder / r"\xff.parquet"
    table = read_timeline(timeline)
    assert set(table["recording"]) == {r"\xff.mp4"}
    assert table.attrs["provenance"]["source"]["name"] == r"\xff.mp4"
    assert analyze(recording).equals(table)
    drawn = run("annotate", recording, timeline, "--out", folder / "v.mp4", "--quiet")
    assert drawn == (0, "", "")
    assert run("plot", timeline, "--out", folder / "p.png") == (0, f"wrote {told}/p.png\n", "")


def test_what_cannot_work_gets_one_line_before_any_work(short: Path) -> None:
    copy(short, "a.mp4", "p1/b.mp4", "p2/b.mp4")
    Path("list.txt").write_text("a.mp4\n\ngone.mp4\n")
    out = ["--out", "results"]
    cases = [
        (["a.mp4", "p1"], 2, "a run over many recordings needs --out FOLDER for its results"),
        (["a.mp4", "gone.mp4", *out], 3, "cannot read gone.mp4: no such file"),
        (["@list.txt", *out], 3, "cannot read gone.mp4: no such file (line 3 of list.txt)"),
        (["*.mov", *out], 3, "cannot read *.mov: no recording matches this pattern"),
        (["p1", "p2", *out], 2, "p1/b.mp4 and p2/b.mp4 would both be b.mp4 in the results"),
        (["a.mp4", "p1", "--out", "t.parquet"], 6, "name a folder for them"),
        (["a.mp4", "p1", "--out", "a.mp4"], 6, "a run over many recordings needs a folder"),
        (["a.mp4", "p1", *out, "--video", "v.mp4"], 2, "use --videos"),
        (["p1", "--out", "p1"], 6, "it is an input, too: name another folder, as p1/results"),
        (["https://me:secret@x.org/a.mp4?sig=secret", "a.mp4", *out], 3, "https://x.org/a.mp4: it"),
        (["a.mp4", "--out", "s3://me:secret@lab/r"], 2, "s3://lab/r: leave password, token and"),
        (["s3://lab/a.mp4", *out, "--spool-gb", "0"], 2, "--spool-gb must be above 0"),
    ]
    before = files(Path())
    for words, expected_code, text in cases:
        code, stdout, err = run("analyze", *words)
        assert (code, stdout, err.count("\n")) == (expected_code, "", 1), err
        assert text in err
        assert "secret" not in err
    assert files(Path()) == before


def test_why_the_only_recording_of_a_folder_failed_is_told() -> None:
    Path("rec").mkdir()
    Path("rec/a.mp4").write_text("no video")
    code, _, err = run("analyze", "rec", "--out", "results")
    assert code == 7
    assert err.splitlines()[1].startswith("failed: cannot read rec/a.mp4: not a video file")
