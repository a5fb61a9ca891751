"""What docs/cluster.md says of core-hours, network and storage is what was measured."""

from pathlib import Path

import pytest
import sizing
from page import marks

from tests.scenes import picture, steady, write_video


def test_the_page_shows_what_is_stored() -> None:
    page = sizing.PAGE.read_text("utf-8")
    for name, text in sizing.tables().items():
        begin, end = marks(name)
        assert begin + text + end in page


def test_twice_the_cores_make_a_core_hour_worth_half_as_much() -> None:
    found = {"frames": 90_000, "seconds": {"analyze": [360.0]}}
    assert sizing.hours_per_core_hour(found, "analyze", cores=1) == pytest.approx(10)
    assert sizing.hours_per_core_hour(found, "analyze", cores=2) == pytest.approx(5)


def test_an_archive_takes_core_hours_money_and_bytes_in_proportion() -> None:
    seconds = {"analyze": [360.0], "analyze_sampled": [180.0]}
    found = {"picture": "1920x1080", "most_faces": 1, "frames": 90_000, "seconds": seconds}
    speed = {"machine": {"cores": 2}, "recordings": [found]}
    assert sizing.work_table(speed).splitlines()[2:] == [
        "| 1920x1080, 1 face | every frame | 5.0 | not measured | 2,000 | 100 |",
        "| 1920x1080, 1 face | `--fps 5` | 10.0 | not measured | 1,000 | 50 |",
    ]
    assert sizing.network_table(speed).splitlines()[2:] == [
        "| 1920x1080 | 8 Mbit/s | 3.60 GB | 36.0 TB | 40 Mbit/s |"
    ]


def test_the_size_of_timelines_leaves_out_what_each_has_once(tmp_path: Path) -> None:
    clip = write_video(tmp_path / "a.mp4", steady(100), lambda _: picture())
    found = sizing.timelines_of(clip)
    assert found["recording"] == "a.mp4"
    every, few = found["bytes_per_hour"].values()
    assert 0 < few < every < 5e6
