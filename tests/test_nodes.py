"""What a machine of a cluster is asked before it gets a recording."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fer_video import cluster, weights
from fer_video.errors import ClusterError, OutputError
from fer_video.events import Job, Remote
from fer_video.nodes import Needs, lack_of, needs_of

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def job() -> Job:
    """Describe the work on a recording whose paths start in the current folder."""
    Path("rec").mkdir()
    Path("rec/a.mp4").write_text("a recording")
    return Job(Path("rec/a.mp4"), "a.mp4", Path("out/a.parquet"))


@pytest.fixture
def needs(job: Job) -> Iterator[Needs]:
    with needs_of([job], weights.find("default")) as needs:
        yield needs


def test_a_machine_that_has_and_sees_all_may_work_and_nothing_is_left(job: Job) -> None:
    with needs_of([job], weights.find("default")) as needs:
        assert lack_of(needs) == ""
        assert len(list(Path("out").iterdir())) == 1
    assert list(Path("out").iterdir()) == []


def test_relative_paths_start_where_the_command_was_given(needs: Needs, here: Path) -> None:
    os.chdir("/")
    assert lack_of(needs) == ""
    assert Path.cwd() == here


def test_another_version_of_fer_video_is_named(needs: Needs) -> None:
    other = replace(needs, version="9.9")
    assert "and this is 9.9: install the same on all" in lack_of(other)
    assert "install the same on all" in lack_of(replace(needs, revision=-1))


def test_another_model_of_the_same_name_is_named(needs: Needs) -> None:
    found = lack_of(replace(needs, model_sha256=("0" * 64, "")))
    assert found.startswith("its model 'default' is another one")
    assert "no model 'ours'" in lack_of(replace(needs, model="ours"))


def test_a_recording_that_went_away_hides_no_folder_from_a_machine(job: Job) -> None:
    Path("rec/b.mp4").write_text("another recording")
    jobs = [job, Job(Path("rec/b.mp4"), "b.mp4", Path("out/b.parquet"))]
    with needs_of(jobs, weights.find("default")) as needs:
        Path("rec/a.mp4").unlink()
        assert lack_of(needs) == ""


@pytest.mark.parametrize("harm", ["gone", "other"])
def test_recordings_that_a_machine_does_not_see_are_named(needs: Needs, harm: str) -> None:
    if harm == "gone":
        shutil.rmtree("rec")
    else:
        Path("rec/a.mp4").write_text("another recording on a disk of its own")
    found = lack_of(needs)
    assert found.startswith("it does not see rec/a.mp4 as this machine does: recordings must lie")
    assert "that all machines of the cluster share" in found


@pytest.mark.parametrize(
    ("harm", "told"), [("gone", "does not see what is written to"), ("other", "another folder as")]
)
def test_results_that_a_machine_does_not_see_are_named(needs: Needs, harm: str, told: str) -> None:
    (mark,) = Path("out").iterdir()
    if harm == "gone":
        mark.unlink()
    else:
        mark.write_text("of another run")
    assert told in lack_of(needs)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_results_that_a_machine_may_not_write_are_named(needs: Needs) -> None:
    Path("out").chmod(0o500)
    found = lack_of(needs)
    Path("out").chmod(0o700)
    assert found.startswith("it cannot write to out: permission denied")


def test_an_empty_recording_is_no_reason_to_refuse_a_machine(job: Job) -> None:
    Path("rec/a.mp4").write_bytes(b"")
    with needs_of([job], weights.find("default")) as needs:
        assert lack_of(needs) == ""


def test_a_store_that_a_machine_cannot_reach_is_named(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("s3fs", reason='needs pip install "fer-video[remote]"')
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    remote = Remote(
        Path("spool"), 1, recording="s3://lab/a.mp4", size_bytes=1, results="s3://lab/r"
    )
    with needs_of([replace(job, remote=remote)], weights.find("default")) as needs:
        assert needs.mark is None
        found = lack_of(needs)
    assert found.startswith("cannot read s3://lab/a.mp4: ")
    assert found.endswith("; each machine needs the package and credentials of its own")


def test_each_folder_and_each_bucket_is_looked_at_once(job: Job) -> None:
    Path("rec/b.mp4").write_text("another")
    jobs = [job, replace(job, recording=Path("rec/b.mp4"))]
    for address in ("s3://lab/a.mp4", "s3://lab/b/c.mp4", "s3://other/a.mp4", "gs://lab/a.mp4"):
        jobs.append(replace(job, remote=Remote(Path("spool"), 1, recording=address)))
    with needs_of(jobs, weights.find("default")) as needs:
        assert len(needs.recordings) == 1
        assert len(needs.addresses) == 3


def test_results_that_this_machine_cannot_write_are_refused(job: Job) -> None:
    Path("out").write_text("a file")
    with pytest.raises(OutputError), needs_of([job], weights.find("default")):
        pass


def test_a_machine_without_a_core_gets_no_recording() -> None:
    with pytest.raises(ClusterError, match="has a core to give"):
        cluster.share_of([{"memory": 1e9}, {"CPU": 0.5}], "auto")


@pytest.mark.parametrize(("device", "gpus"), [("auto", 0.25), ("gpu", 0.25), ("cpu", 0)])
def test_the_gpus_of_a_machine_are_shared_unless_the_cpu_is_asked_for(device, gpus) -> None:
    machines = [{"CPU": 16, "GPU": 2, "memory": 9e9}, {"CPU": 64, "memory": 9e9}]
    assert cluster.share_of(machines, device)["num_gpus"] == gpus


def test_without_ray_the_command_says_what_to_install(job: Job) -> None:
    code = "import sys; sys.modules['ray'] = None; from fer_video.cli import app; app()"
    shown = subprocess.run(
        [sys.executable, "-c", code, "analyze", "rec/a.mp4", "--engine", "ray"],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    told = 'fer-video: --engine ray needs more packages: pip install "fer-video[ray]"\n'
    assert (shown.returncode, shown.stdout, shown.stderr) == (5, "", told)
