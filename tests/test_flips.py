"""Bits of recordings flipped by chance; benchmarks/robustness.py does so thousands of times."""

import random
from pathlib import Path

import flips
import machine
import page
import pytest
import robustness
from flips import Broken

from fer_video.manifest import Attempt


def test_whatever_is_broken_in_a_recording_it_has_a_verdict_a_reason_and_whole_rows_or_none(
    tmp_path: Path,
) -> None:
    found = flips.run(tmp_path, n_cases=200, first_seed=100_000)
    assert found["broken_promises"] == []
    assert set(found["verdicts"]) == {"ok", "partial", "failed"}
    assert sum(found["verdicts"].values()) == 200
    assert found["slowest_s"] < flips.MAX_STALL_S


@pytest.mark.parametrize("how", flips.HOW)
def test_each_way_to_break_a_recording_changes_it(how: str) -> None:
    whole = random.Random(0).randbytes(5000)
    n_changed = 0
    for seed in range(20):
        content = bytearray(whole)
        flips.HOW[how](content, random.Random(seed))
        n_changed += content != whole
    assert n_changed >= 19


def test_a_case_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    whole = flips.write_whole(tmp_path, *flips.KINDS[0])
    names = {Broken(whole, 7).write(tmp_path) for _ in range(2)}
    (name,) = names
    first = (tmp_path / name).read_bytes()
    Broken(whole, 7).write(tmp_path)
    assert (tmp_path / name).read_bytes() == first != whole.read_bytes()


@pytest.mark.parametrize(
    ("ended", "broken"),
    [
        (None, "it has no verdict"),
        (Attempt(recording="a.mp4", verdict="failed", reason="why", exit_code=3, when=""), ""),
        (
            Attempt(recording="a.mp4", verdict="failed", reason="KeyError", exit_code=1, when=""),
            "it ended with exit code 1: KeyError",
        ),
        (
            Attempt(recording="a.mp4", verdict="ok", when=""),
            "it is ok, and its timeline is missing",
        ),
        (
            Attempt(recording="a.mp4", verdict="failed", exit_code=3, when=""),
            "failed, with the reason ''",
        ),
    ],
)
def test_a_broken_promise_is_named(tmp_path: Path, ended: Attempt | None, broken: str) -> None:
    assert list(flips.of_one("a.mp4", ended, tmp_path)) == ([broken] if broken else [])


def test_what_the_run_left_behind_is_named(tmp_path: Path) -> None:
    (tmp_path / ".unfinished").mkdir()
    (tmp_path / ".unfinished" / ".a.1234abcd.parquet").touch()
    (tmp_path / "timelines").mkdir()
    assert list(flips.of_the_run(tmp_path, 1, "Traceback (most recent call last):")) == [
        "the run ended with exit code 1",
        "it shows a traceback",
        ".a.1234abcd.parquet is left over",
    ]


def test_the_page_shows_the_stored_figures_and_no_promise_was_broken() -> None:
    figures = machine.stored("robustness")
    begin, end = page.marks(robustness.NAME)
    shown = robustness.PAGE.read_text("utf-8").split(begin)[1].split(end)[0]
    assert shown == robustness.markdown(figures)
    for name, part in robustness.PARTS.items():
        assert not part.is_broken(figures[name])
