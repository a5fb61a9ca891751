import json
from pathlib import Path

from tests.scenes import picture, steady, write_video
from tests.test_cli import run


def test_what_happens_is_told_as_lines_of_json(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_video(tmp_path / "in" / "a.mp4", steady(50), lambda _: picture())
    (tmp_path / "in" / "bad.mp4").write_bytes(b"no recording")
    words = ["analyze", tmp_path / "in", "--out", tmp_path / "out", "--json"]
    code, out, err = run(*words)
    assert code == 7
    assert "failed" in err
    told = [json.loads(line) for line in out.splitlines()]
    assert [(one["event"], one["recording"]) for one in told if one["event"] != "advanced"] == [
        ("started", "a.mp4"),
        ("finished", "a.mp4"),
        ("started", "bad.mp4"),
        ("failed", "bad.mp4"),
    ]
    (finished,) = (one for one in told if one["event"] == "finished")
    assert finished["outputs"] == [str(tmp_path / "out" / "timelines" / "a.mp4.parquet")]
    assert finished["seen"]["frames_decoded"] == 50
    advanced = [one for one in told if one["event"] == "advanced"]
    assert {one["stage"] for one in advanced} == {"analyze"}
    (failed,) = (one for one in told if one["event"] == "failed")
    assert failed["exit_code"] == 3
    assert "not a video file" in failed["reason"]
    _, again, _ = run(*words)
    assert [json.loads(line)["event"] for line in again.splitlines()] == [
        "started", "skipped", "started", "failed",
    ]  # fmt: skip
