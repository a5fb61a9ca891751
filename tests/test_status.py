import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fer_video import manifest
from fer_video.manifest import MANIFEST_FILE, Attempt, Output, Run
from fer_video.status import as_json, as_text, status_of
from tests.scenes import picture, steady, write_video
from tests.test_cli import run

BEGAN = datetime(2025, 3, 7, 18, 0, tzinfo=UTC)


def after(minutes: float) -> str:
    return (BEGAN + timedelta(minutes=minutes)).isoformat()


def planned(*names: str, minutes: float = 0, inputs: str = "friday", **changes: object) -> Run:
    plan = {
        "inputs": inputs,
        "recordings": dict.fromkeys(names, 1000),
        "outputs": ["timeline"],
        "model_sha256": "m",
        "options_sha256": "o",
        "when": after(minutes),
    }
    return Run(**plan | changes)


def ended(name: str, minutes: float, verdict: str = "ok", **changes: object) -> Attempt:
    line = {
        "recording": name,
        "verdict": verdict,
        "work_s": 600.0,
        "source_bytes": 1000,
        "model_sha256": "m",
        "options_sha256": "o",
        "outputs": {"timeline": Output(1, "s", "w")},
        "when": after(minutes),
    }
    return Attempt(**line | changes)


def test_it_tells_what_is_done_what_failed_what_is_left_and_how_long_it_takes() -> None:
    reason = "not a video file in a format fer-video reads (mp4, mov, mkv, webm, avi, ts, ogg)"
    status = status_of(
        [
            planned("a.mp4", "b.mp4", "bad.mp4", "short.mp4", "e.mp4", "f.mp4"),
            ended("a.mp4", 6),
            ended("b.mp4", 8),
            None,
            ended("bad.mp4", 8, "failed", reason=reason, exit_code=3, work_s=0.1),
            ended("short.mp4", 12, "partial", reason="it ends 3.2 s before its header says"),
        ]
    )
    assert as_text(status, BEGAN + timedelta(hours=5)).splitlines() == [
        "done          3  1 of them partial",
        "failed        1",
        "to do         2  time left: about 8 min, an estimate",
        "last activity 4 h 48 min ago, 2025-03-07 18:12:00 UTC",
        "passed over 1 line of the manifest that is torn or unknown",
        "",
        "failed:",
        "  bad.mp4: not a video file in a format fer-video reads (mp4, mov, mkv, webm,",
        "    avi, ts, ogg)",
        "",
        "partial:",
        "  short.mp4: it ends 3.2 s before its header says",
    ]


def test_before_a_run_has_done_anything_the_time_left_is_that_of_one_process() -> None:
    assert status_of([planned("a.mp4", "b.mp4")]).left_s is None
    lines = [planned("a.mp4", "b.mp4"), ended("a.mp4", 1), planned("a.mp4", "b.mp4", minutes=99)]
    assert status_of(lines).left_s == 600
    assert status_of([*lines, ended("b.mp4", 100)]).left_s == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"force": True},
        {"options_sha256": "other"},
        {"model_sha256": "other"},
        {"outputs": ["timeline", "plot"]},
    ],
)
def test_what_a_run_will_do_again_is_to_do(changes: dict[str, object]) -> None:
    lines = [planned("a.mp4", "b.mp4"), ended("a.mp4", 1), ended("b.mp4", 2, "failed")]
    assert list(status_of([*lines, planned("a.mp4", "b.mp4", minutes=3)]).to_do) == ["b.mp4"]
    again = planned("a.mp4", "b.mp4", minutes=3, **changes)
    assert list(status_of([*lines, again]).to_do) == ["a.mp4", "b.mp4"]


@pytest.mark.parametrize("changes", [{"force": True}, {"options_sha256": "other"}])
def test_what_a_stopped_run_did_not_do_again_is_done_for_a_run_that_keeps_it(
    changes: dict[str, object],
) -> None:
    names = ["a.mp4", "b.mp4"]
    lines = [planned(*names), *(ended(name, 1) for name in names), planned(*names, **changes)]
    assert list(status_of(lines).to_do) == names
    assert not status_of([*lines, planned(*names)]).to_do


def test_a_later_run_of_the_same_inputs_says_what_there_is_and_one_of_others_adds() -> None:
    lines = [planned("a.mp4", "gone.mp4"), planned("a.mp4", "new.mp4")]
    assert list(status_of(lines).to_do) == ["a.mp4", "new.mp4"]
    lines.append(planned("more.mp4", inputs="saturday"))
    assert list(status_of(lines).to_do) == ["a.mp4", "more.mp4", "new.mp4"]


def test_recordings_that_a_later_run_no_longer_finds_are_named() -> None:
    lines = [planned("Marie.mp4", "b.mp4"), ended("Marie.mp4", 1), planned("P01.mp4", "b.mp4")]
    status = status_of(lines)
    assert status.gone == as_json(status)["gone"] == ["Marie.mp4"]
    told = "no longer among the recordings (renamed or removed):\n  Marie.mp4"
    assert as_text(status, BEGAN).endswith(told)
    assert status_of([*lines, planned("Marie.mp4", inputs="saturday")]).gone == []


def test_a_name_cannot_move_the_cursor_or_leave_the_80_columns() -> None:
    name = "evil\x1b[2J\n" + "long " * 40
    status = status_of([ended(name, 1, "failed", reason="damaged")])
    text = as_text(status, BEGAN)
    assert "evil\\x1b[2J\\n" in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_command_reads_the_folder_of_results(tmp_path: Path) -> None:
    inputs, results = tmp_path / "in", tmp_path / "results"
    inputs.mkdir()
    write_video(inputs / "a.mp4", steady(5), lambda _: picture())
    (inputs / "bad.mp4").write_text("no video")
    run("analyze", inputs, "--out", results)
    code, out, err = run("status", results)
    assert (code, err) == (0, "")
    assert [line.split()[:2] for line in out.splitlines()[:2]] == [["done", "1"], ["failed", "1"]]
    code, out, _ = run("status", results, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["failed"][0]["recording"] == "bad.mp4"
    assert found["failed"][0]["exit_code"] == 3
    assert (found["ok"], found["to_do"], found["left_s"]) == (1, [], 0)


def test_a_recording_that_is_not_reached_is_to_do(tmp_path: Path) -> None:
    manifest.append(tmp_path / MANIFEST_FILE, planned("a.mp4"))
    assert json.loads(run("status", tmp_path, "--json")[1])["to_do"] == ["a.mp4"]


def test_a_folder_without_a_manifest_is_one_line_and_exit_code_8(tmp_path: Path) -> None:
    code, out, err = run("status", tmp_path)
    assert (code, out) == (8, "")
    assert err == (
        f"fer-video: cannot use {tmp_path / MANIFEST_FILE}: no such file; "
        "`fer-video analyze FOLDER --out RESULTS` writes it\n"
    )
