from pathlib import Path

import pytest

from fer_video.errors import OutputError
from fer_video.inputs import Source
from fer_video.jobs import (
    FolderOutputs,
    Plan,
    check_outputs,
    check_results_folder,
    job_for,
    jobs_for,
    result_name,
)
from fer_video.options import AnalysisOptions, OutputOptions, SpoolOptions
from fer_video.stores import Stored

OPTIONS, OUTPUT = AnalysisOptions(), OutputOptions()
STORED = Stored("s3://lab/visits/p1/a.mp4", "p1/a.mp4", 1000, "etag")


def test_a_run_over_many_writes_what_is_asked_for_in_the_layout_of_its_inputs(
    tmp_path: Path,
) -> None:
    wanted = FolderOutputs(table="csv", videos=True, plots=True)
    source = Source("p1/a.mp4", tmp_path / "in/p1/a.mp4")
    (job,) = jobs_for([source], Plan(out=tmp_path / "out", wanted=wanted))
    assert [path.relative_to(tmp_path / "out").as_posix() for path in job.outputs] == [
        "timelines/p1/a.mp4.csv",
        "videos/p1/a.mp4.mp4",
        "plots/p1/a.mp4.png",
    ]
    assert job.destinations == tuple(job.outputs)
    assert job.source == job.recording
    assert job.remote is None


def test_what_lies_on_a_store_has_copies_below_the_spool(tmp_path: Path) -> None:
    plan = Plan(out="s3://lab/results", spool=SpoolOptions(folder=tmp_path, size_gb=0.5))
    (job,) = jobs_for([Source("p1/a.mp4", STORED)], plan)
    assert job.remote is not None
    assert job.source == STORED.address
    assert job.destinations == ("s3://lab/results/timelines/p1/a.mp4.parquet",)
    assert job.remote.spool_bytes == 500_000_000
    assert (job.remote.size_bytes, job.remote.version) == (1000, "etag")
    for path in (job.recording, job.timeline):
        assert path.is_relative_to(job.remote.copies)
        assert path.is_relative_to(tmp_path)
    assert job.recording.name == "a.mp4"


def test_local_results_of_a_stored_recording_are_written_where_they_belong(tmp_path: Path) -> None:
    (job,) = jobs_for([Source("p1/a.mp4", STORED)], Plan(out=tmp_path))
    assert job.destinations == (tmp_path / "timelines/p1/a.mp4.parquet",)
    assert job.source == STORED.address


def test_no_name_on_a_store_leads_out_of_the_results(tmp_path: Path) -> None:
    names = ["../../etc/passwd.mp4", "/etc/a.mp4", "a/./b.mp4", "a//b.mp4", "a\0b.mp4", ".."]
    for name in names:
        path = Path("/results", result_name(name))
        assert "\0" not in str(path)
        assert len(path.parts) == 3 + name.count("/")
        assert ".." not in path.parts
    assert len(set(map(result_name, names))) == len(names)


def test_names_that_no_file_system_holds_with_a_suffix_are_cut_and_stay_distinct() -> None:
    long, other = "é" * 125 + "a.mp4", "é" * 125 + "b.mp4"
    assert result_name("short.mp4") == "short.mp4"
    assert result_name(long) != result_name(other)
    assert len(result_name(long).encode()) <= 200
    assert result_name(f"{long}/x.mp4") == f"{result_name(long)}/x.mp4"


def test_without_out_the_timeline_lies_beside_the_recording(tmp_path: Path) -> None:
    job = job_for(tmp_path / "talk.mp4", None, None, None, OPTIONS, OUTPUT)
    assert job.timeline == tmp_path / "talk.parquet"


def test_the_recording_itself_is_never_an_output(tmp_path: Path) -> None:
    (tmp_path / "talk.mp4").touch()
    job = job_for(
        tmp_path / "talk.mp4", None, tmp_path / "talk.mp4", None, OPTIONS, OutputOptions(force=True)
    )
    with pytest.raises(OutputError, match="read by this very command"):
        check_outputs(job)


def test_a_link_that_leads_in_a_circle_is_no_reason_to_crash(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").symlink_to(tmp_path / "a.mp4")
    check_outputs(job_for(tmp_path / "a.mp4", tmp_path / "t.csv", None, None, OPTIONS, OUTPUT))


def test_results_of_many_recordings_need_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    check_results_folder(tmp_path / "new" / "results")
    with pytest.raises(OutputError, match="it is a file"):
        check_results_folder(tmp_path / "file")
    with pytest.raises(OutputError, match="name a folder for them"):
        check_results_folder(tmp_path / "t.parquet")


def test_the_largest_recordings_come_first(tmp_path: Path) -> None:
    for name, size in (("a.mp4", 10), ("b.mp4", 3000), ("c.mp4", 200)):
        (tmp_path / name).write_bytes(bytes(size))
    local = [Source(name, tmp_path / name) for name in ("a.mp4", "b.mp4", "c.mp4")]
    stored = Source("d.mp4", Stored("s3://lab/d.mp4", "d.mp4", 1000, ""))
    spool = SpoolOptions(folder=tmp_path / "spool", size_gb=0.5)
    jobs = jobs_for([*local, stored], Plan(out=tmp_path / "out", spool=spool))
    assert [job.name for job in jobs] == ["b.mp4", "d.mp4", "c.mp4", "a.mp4"]
    assert [job.size_bytes for job in jobs] == [3000, 1000, 200, 10]
