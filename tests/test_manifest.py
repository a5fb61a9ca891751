import json
import multiprocessing
import os
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from fer_video import manifest
from fer_video.errors import DataError, OutputError
from fer_video.manifest import Attempt, Output, Run

WHEN = "2025-03-01T12:00:00+00:00"
RUN = Run(
    inputs="0a",
    recordings={"a.mp4": 5, "b.mp4": 7},
    outputs=["timeline"],
    model_sha256="1b",
    options_sha256="2c",
    when=WHEN,
)


def attempt(name: str, **changes: object) -> Attempt:
    outputs = {"timeline": Output(9, "3d", "4e")}
    done = Attempt(recording=name, verdict="ok", work_s=1.5, outputs=outputs, when=WHEN)
    return replace(done, **changes)


def test_what_is_added_is_read_back_in_order(tmp_path: Path) -> None:
    path = tmp_path / "results" / "manifest.jsonl"
    lines = [RUN, attempt("a.mp4"), attempt("b\n'é🙂.mp4", verdict="failed", reason="damaged")]
    for line in lines:
        manifest.append(path, line)
    assert list(manifest.read(path)) == lines
    assert len(path.read_text().splitlines()) == 3


def test_the_latest_line_of_a_recording_counts(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    assert manifest.attempts(path) == {}
    manifest.append(path, attempt("a.mp4", verdict="failed"))
    manifest.append(path, attempt("a.mp4"))
    assert manifest.attempts(path) == {"a.mp4": attempt("a.mp4")}


def test_a_torn_line_is_passed_over_and_takes_no_other_with_it(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    manifest.append(path, attempt("a.mp4"))
    whole = path.read_bytes()
    for kept in range(1, len(whole)):
        path.write_bytes(whole + whole[:kept])
        manifest.append(path, attempt("b.mp4"))
        found = [line for line in manifest.read(path) if line]
        assert (found[0], found[-1]) == (attempt("a.mp4"), attempt("b.mp4"))


@pytest.mark.parametrize(
    "line",
    [
        "dear diary",
        "[]",
        "{}",
        "[" * 100_000,
        '{"line": "attempt"}',
        json.dumps({"line": "run", **asdict(RUN), "recordings": {"a": "big"}}),
        json.dumps({"line": "later", **asdict(attempt("a"))}),
        json.dumps({"line": "attempt", **asdict(attempt("a")), "verdict": "fine"}),
        json.dumps({"line": "attempt", **asdict(attempt("a")), "work_s": "long"}),
        json.dumps({"line": "attempt", **asdict(attempt("a")), "work_s": float("nan")}),
        json.dumps({"line": "attempt", **asdict(attempt("a")), "when": "2025-03-01 12:00"}),
        json.dumps({"line": "attempt", **asdict(attempt("a")), "outputs": {"video": 3}}),
    ],
)
def test_a_line_that_makes_no_sense_is_passed_over(tmp_path: Path, line: str) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text(f"{line}\n\n")
    manifest.append(path, RUN)
    assert list(manifest.read(path)) == [None, RUN]


def test_keys_of_a_later_version_are_passed_over_and_new_ones_have_defaults(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    content = {"line": "attempt", **asdict(attempt("a.mp4")), "mood": "fine"}
    del content["analyzed_s"]
    path.write_text(json.dumps(content) + "\n")
    assert list(manifest.read(path)) == [attempt("a.mp4")]


def test_a_line_without_end_is_not_read_into_memory(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(manifest, "MAX_LINE_BYTES", 2000)
    path = tmp_path / "m.jsonl"
    path.write_bytes(b"x" * 5000 + b"\n")
    manifest.append(path, attempt("a.mp4"))
    assert list(manifest.read(path)) == [None, None, None, attempt("a.mp4")]


def _append_many(path: Path, writer: int) -> None:
    for number in range(100):
        manifest.append(path, attempt(f"{writer}/{number}.mp4", reason="long " * 300))


def test_several_processes_may_add_to_it_at_once(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_append_many, args=(path, n)) for n in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert None not in manifest.read(path)
    assert len(manifest.attempts(path)) == 300


def test_a_manifest_that_is_not_there_or_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        list(manifest.read(tmp_path / "m.jsonl"))
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(DataError, match="no such file"):
        list(manifest.read(tmp_path / "fifo"))
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        manifest.append(tmp_path / "file" / "m.jsonl", RUN)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_error() -> None:
    with pytest.raises(
        OutputError, match="the disk is full: make room, and the same command goes on"
    ):
        manifest.append(Path("/dev/full"), RUN)
