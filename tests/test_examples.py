"""Every example runs, as its own docstring says."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_cli import run

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def run_example(name: str, *words: Path) -> str:
    command = [sys.executable, str(EXAMPLES / name), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_scene_is_made(consult: Path) -> None:
    assert consult.stat().st_size > 100_000


def test_seconds_per_emotion(consult: Path, tmp_path: Path) -> None:
    run("analyze", consult, "--out", tmp_path / "t.parquet", "--end", 1)
    shown = run_example("seconds_per_emotion.py", tmp_path / "t.parquet")
    assert "0.96" in shown  # 25 frames: 24 steps of 0.04 s


def test_first_smile(consult: Path) -> None:
    assert run_example("first_smile.py", consult) == "track 0 smiles at 0.00 s\n"


def test_the_happiest_of_many_recordings(tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    run_example("make_timelines.py", tmp_path, Path("30"))
    shown = run_example("happiest_recordings.py", tmp_path).splitlines()
    assert len(shown) == 5
    assert shown == sorted(shown, reverse=True)
    assert "patient00" in shown[0]


def test_every_example_is_run_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    conftest = Path(__file__).with_name("conftest.py").read_text(encoding="utf-8")
    for path in EXAMPLES.glob("*.py"):
        if path.name not in text + conftest:
            pytest.fail(f"{path.name} is not run")
