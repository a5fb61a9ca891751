from pathlib import Path

import pytest

from fer_video.errors import OutputError, VideoError
from fer_video.jobs import FolderOutputs, check_outputs, job_for, jobs_below
from fer_video.options import AnalysisOptions, OutputOptions

OPTIONS, OUTPUT = AnalysisOptions(), OutputOptions()


def planned(folder: Path, wanted: FolderOutputs = FolderOutputs()) -> dict[str, Path]:  # noqa: B008
    return {
        job.name: job.timeline
        for job in jobs_below(folder, folder / "results", wanted, OPTIONS, OUTPUT)
    }


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_every_recording_below_a_folder_is_a_job_in_the_same_layout(tmp_path: Path) -> None:
    make(tmp_path, "b.MP4", "a/talk.mov", "a/talk.mp4", "a/deep/x.webm", "notes.txt")
    results = tmp_path / "results" / "timelines"
    assert planned(tmp_path) == {
        "b.MP4": results / "b.MP4.parquet",
        "a/talk.mov": results / "a" / "talk.mov.parquet",
        "a/talk.mp4": results / "a" / "talk.mp4.parquet",
        "a/deep/x.webm": results / "a" / "deep" / "x.webm.parquet",
    }


def test_hidden_files_and_earlier_results_are_left_alone(tmp_path: Path) -> None:
    make(tmp_path, "a.mp4", "._a.mp4", ".hidden.mp4", ".trash/b.mp4", "results/videos/a.mp4.mp4")
    assert list(planned(tmp_path)) == ["a.mp4"]


def test_a_folder_run_writes_what_is_asked_for(tmp_path: Path) -> None:
    make(tmp_path, "a.mp4")
    wanted = FolderOutputs(table="csv", videos=True, plots=True)
    (job,) = jobs_below(tmp_path, tmp_path / "out", wanted, OPTIONS, OUTPUT)
    assert [path.relative_to(tmp_path / "out").as_posix() for path in job.outputs] == [
        "timelines/a.mp4.csv",
        "videos/a.mp4.mp4",
        "plots/a.mp4.png",
    ]


def test_a_folder_without_recordings_is_refused(tmp_path: Path) -> None:
    make(tmp_path, "notes.txt")
    with pytest.raises(VideoError, match="no recording lies in or below"):
        planned(tmp_path)


def test_without_out_the_timeline_lies_beside_the_recording(tmp_path: Path) -> None:
    job = job_for(tmp_path / "talk.mp4", None, None, None, OPTIONS, OUTPUT)
    assert job.timeline == tmp_path / "talk.parquet"


def test_the_recording_itself_is_never_an_output(tmp_path: Path) -> None:
    make(tmp_path, "talk.mp4")
    job = job_for(
        tmp_path / "talk.mp4", None, tmp_path / "talk.mp4", None, OPTIONS, OutputOptions(force=True)
    )
    with pytest.raises(OutputError, match="read by this very command"):
        check_outputs(job)
