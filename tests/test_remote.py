"""The command on object storage: moto's S3, spoken to over HTTP."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from clips import make_clip
from typer.testing import CliRunner

from fer_video import cli, read_timeline, stores
from fer_video.batch import analyze_job
from fer_video.errors import OutputError, VideoError
from fer_video.events import Finished, Resumed
from fer_video.inputs import find_recordings
from fer_video.jobs import FolderOutputs, Plan, jobs_for
from fer_video.options import SpoolOptions
from fer_video.stores import files_at
from tests.corpus import cut_at
from tests.scenes import Square, picture, steady, write_video

s3fs = pytest.importorskip("s3fs", reason='needs pip install "fer-video[remote]"')
moto_server = pytest.importorskip("moto.server", reason='needs pip install "fer-video[dev]"')

KEY, SECRET = "AKIATESTONLY12345678", "wJalrXUtnFEMItestonly/bPxRfiCYEXAMPLEKEY"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Start an S3 and return its address."""
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def lab(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator["s3fs.S3FileSystem"]:
    """Make an empty bucket ``lab``; the environment says where, and alone has the credentials."""
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    store = s3fs.S3FileSystem(skip_instance_cache=True, use_listings_cache=False)
    store.mkdir("lab")
    yield store
    store.rm("lab", recursive=True)


def command(*words: object) -> tuple[int, str, str]:
    """Give a command; return its exit code, stdout and stderr."""
    result = CliRunner().invoke(cli.app, [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def command_apart(*words: object) -> tuple[int, str, str]:
    """Give a command in a process of its own, in which libraries log as they do for users."""
    shown = subprocess.run(
        [sys.executable, "-m", "fer_video", *map(str, words)], capture_output=True, text=True
    )
    return shown.returncode, shown.stdout, shown.stderr


def tells_secrets(text: str) -> bool:
    return any(part in text for part in (KEY, SECRET, SECRET[:12]))


def fill(lab, folder: Path) -> None:
    """Put three recordings, one of them broken, below ``visits``."""
    first = write_video(folder / "a.mp4", steady(5), lambda _: picture())
    second = write_video(folder / "b.mkv", steady(5), lambda _: picture(Square(8, 8)))
    lab.put_file(str(first), "lab/visits/p1/a.mp4")
    lab.put_file(str(second), "lab/visits/12::30 é?.mkv")
    lab.pipe_file("lab/visits/bad.mp4", b"no video")


def test_recordings_on_s3_become_timelines_on_s3(lab, tmp_path: Path) -> None:
    fill(lab, tmp_path)
    spool = tmp_path / "spool"
    words = ["analyze", "s3://lab/visits", "--out", "s3://lab/results", "--plots",
             "--spool", spool]  # fmt: skip
    code, out, err = command_apart(*words)
    assert (code, out.count("wrote s3://lab/results/timelines/")) == (7, 2)
    assert err.splitlines()[1:] == [
        "failed: cannot read s3://lab/visits/bad.mp4: not a video file in a format fer-video reads "
        "(mp4, mov, mkv, webm, avi, ts, ogg, wmv, flv, gif)",
        "fer-video: 1 of 3 recordings failed (bad.mp4); the others are done",
    ]
    assert sorted(lab.find("lab/results")) == [
        "lab/results/manifest.jsonl",
        "lab/results/plots/12::30 é?.mkv.png",
        "lab/results/plots/p1/a.mp4.png",
        "lab/results/timelines/12::30 é?.mkv.parquet",
        "lab/results/timelines/p1/a.mp4.parquet",
    ]
    assert [path.name for path in spool.rglob("*")][1:] == ["entrance.lock"]
    lab.get_file("lab/results/timelines/p1/a.mp4.parquet", str(tmp_path / "t.parquet"))
    table = read_timeline(tmp_path / "t.parquet")
    assert set(table["recording"]) == {"p1/a.mp4"}
    source = table.attrs["provenance"]["source"]
    assert (source["name"], source["bytes"]) == ("a.mp4", (tmp_path / "a.mp4").stat().st_size)
    assert str(spool) not in str(table.attrs)
    manifest = lab.cat_file("lab/results/manifest.jsonl").decode()
    assert not tells_secrets(out + err + str(table.attrs) + manifest)


def test_recordings_on_s3_become_timelines_here_as_if_they_lay_here(lab, tmp_path: Path) -> None:
    fill(lab, tmp_path)
    words = ["s3://lab/visits/p1/a.mp4", tmp_path / "b.mkv", "--out", tmp_path / "results"]
    code, out, err = command("analyze", *words, "--spool", tmp_path / "spool")
    assert code == 0, err
    assert out.count(f"wrote {tmp_path}/results/timelines/") == 2
    assert command("analyze", tmp_path / "a.mp4", "--out", tmp_path / "a.parquet")[0] == 0
    spooled = tmp_path / "results" / "timelines" / "a.mp4.parquet"
    assert spooled.read_bytes() == (tmp_path / "a.parquet").read_bytes()


def test_a_killed_analysis_whose_results_go_to_s3_goes_on_where_it_was(lab, tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4", (480, 270), faces=2, seconds=40)
    lab.put_file(str(tmp_path / "a.mp4"), "lab/in/a.mp4")
    spool = tmp_path / "spool"
    words = ["analyze", "s3://lab/in", "--out", "s3://lab/out", "--spool", spool,
             "--checkpoint-every", 1]  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-m", "fer_video", *map(str, words), "--quiet"], start_new_session=True
    ) as running:
        while not list(spool.rglob("checkpoint.json")):
            time.sleep(0.01)
        os.killpg(running.pid, signal.SIGKILL)
    code, out, err = command_apart(*words)
    assert (code, "a.mp4: goes on at 0:00:" in out + err) == (0, True)
    assert command("analyze", tmp_path / "a.mp4", "--out", tmp_path / "a.parquet")[0] == 0
    made = lab.cat_file("lab/out/timelines/a.mp4.parquet")
    assert made == (tmp_path / "a.parquet").read_bytes()
    assert [path.name for path in spool.rglob("*")][1:] == ["entrance.lock"]


def test_an_upload_that_fails_does_not_cost_the_analysis(lab, tmp_path: Path, monkeypatch) -> None:
    make_clip(tmp_path / "a.mp4", (320, 180), faces=1, seconds=30)
    spool = SpoolOptions(folder=tmp_path / "spool")
    plan = Plan(out="s3://lab/out", wanted=FolderOutputs(), spool=spool)
    (job,) = jobs_for(find_recordings([str(tmp_path / "a.mp4")], plan.out), plan)
    with monkeypatch.context() as inside:
        inside.setattr(stores, "put", _refuse)
        with pytest.raises(OutputError, match="the store denies access"):
            list(analyze_job(job))
    events = list(analyze_job(job))
    assert [event.at_s > 15 for event in events if isinstance(event, Resumed)] == [True]
    assert isinstance(events[-1], Finished)
    assert [path.name for path in spool.folder.rglob("*")][1:] == ["entrance.lock"]


def _refuse(path: Path, address: str) -> str:
    raise OutputError(address, "the store denies access")


def test_what_cannot_work_on_s3_gets_one_line_before_any_work(lab, tmp_path: Path) -> None:
    fill(lab, tmp_path)
    spool = ["--spool", tmp_path / "spool"]
    recordings, results = "s3://lab/visits", ["--out", "s3://lab/results"]
    cases = [
        ([recordings], 2, "needs --out FOLDER"),
        (["s3://lab/nothing", *results], 3, "s3://lab/nothing: the store has no such object"),
        (["s3://nobody/visits", *results], 3, "s3://nobody/visits: the store has no such object"),
        ([recordings, "--out", "s3://nobody/results"], 6, "the store has no such object or bucket"),
        ([recordings, "--out", recordings], 6, "it is an input, too"),
        ([f"s3://{KEY}:{SECRET}@lab/visits", *results], 2, "leave password, token and query out"),
        ([recordings, *results, "--spool-gb", "0"], 2, "--spool-gb must be above 0"),
    ]
    for words, expected_code, text in cases:
        code, out, err = command("analyze", *words, *spool)
        assert (code, out, err.count("\n")) == (expected_code, "", 1)
        assert text in err
        assert not tells_secrets(err)
    assert not lab.exists("nobody")
    assert lab.find("lab/results") == []
    assert not (tmp_path / "spool").exists()


def test_credentials_that_come_after_a_refusal_are_taken_in_the_same_process(
    lab, tmp_path: Path, monkeypatch
) -> None:
    fill(lab, tmp_path)
    s3fs.S3FileSystem.clear_instance_cache()  # as in a process that has not used a store yet
    with monkeypatch.context() as without:
        without.delenv("AWS_ACCESS_KEY_ID")
        with pytest.raises(VideoError, match="there are no credentials for it in the environment"):
            files_at("s3://lab/visits")
    assert len(files_at("s3://lab/visits")) == 3


def test_a_store_that_does_not_answer_is_named_without_its_secrets(lab, monkeypatch) -> None:
    words = ["analyze", "s3://lab/visits", "--out", "s3://lab/results"]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://me:{SECRET[:12]}@127.0.0.1:9")
    code, out, err = command_apart(*words)
    assert (code, out) == (3, "")
    assert err.startswith(
        "fer-video: cannot read s3://lab/visits: the store cannot be reached or does not answer ("
    )
    assert err.count("\n") == 1
    assert not tells_secrets(err)


def test_a_recording_larger_than_the_spool_fails_with_the_reason(lab, tmp_path: Path) -> None:
    fill(lab, tmp_path)
    words = ["s3://lab/visits/p1/a.mp4", "--out", tmp_path / "results", "--spool-gb", "1e-6"]
    code, _, err = command("analyze", *words, "--spool", tmp_path / "spool")
    assert code == 3
    assert "more than the spool holds: raise --spool-gb, now 1e-06" in err


def test_a_recording_named_by_itself_gives_its_own_exit_code(lab, tmp_path: Path) -> None:
    fill(lab, tmp_path)
    cut = tmp_path / "cut.mp4"
    cut_at(0.5)(cut)
    lab.put_file(str(cut), "lab/cut/cut.mp4")
    spool = ["--spool", tmp_path / "spool"]
    for recording in ("s3://lab/cut/cut.mp4", cut):
        words = ["analyze", recording, "--out", "s3://lab/results", *spool]
        for _ in ("made", "skipped"):
            code, _, err = command(*words)
            assert (code, err.count("\n")) == (10, 1)
            assert err.startswith(f"fer-video: {recording} is partial: it ends ")
    words = ["analyze", "s3://lab/visits/bad.mp4", "--out", tmp_path / "results", *spool]
    code, _, err = command(*words)
    assert (code, err.count("\n")) == (3, 1)
    assert err.startswith("fer-video: cannot read s3://lab/visits/bad.mp4: not a video file")
    assert command("analyze", "s3://lab/cut", "--out", tmp_path / "many", *spool)[0] == 0


SKIPPED = "skipped {} of {}: done before, and nothing has changed"


def recording_in(folder: Path) -> Path:
    folder.mkdir()
    return write_video(folder / "a.mp4", steady(5), lambda _: picture())


def again(words: list[object], *more: object) -> tuple[int, list[str]]:
    """Give a command; return its exit code and what it said last."""
    code, out, _ = command(*words, *more)
    return code, [line for line in out.splitlines() if not line.startswith(" ")]


@pytest.mark.parametrize("results", ["s3://lab/results", "results"])
def test_a_run_over_a_store_is_resumed_without_fetching_what_is_done(
    lab, tmp_path: Path, monkeypatch, results: str
) -> None:
    monkeypatch.chdir(tmp_path)
    fill(lab, tmp_path)
    words = ["analyze", "s3://lab/visits", "--out", results, "--plots", "--spool", "spool"]
    assert command(*words)[0] == 7
    # a spool that holds no recording: one that was fetched would fail
    code, said = again(words, "--spool-gb", "1e-6")
    assert (code, said) == (7, [SKIPPED.format(2, "3 recordings")])
    lab.put_file(str(tmp_path / "b.mkv"), "lab/visits/p1/a.mp4")
    code, (wrote, *last) = again(words)
    assert "p1/a.mp4.parquet" in wrote
    assert last == [SKIPPED.format(1, "3 recordings"), "made again: 1 (changed recording)"]
    code, out, _ = command("status", results)
    assert code == 0
    assert "done          2" in out
    assert "bad.mp4: not a video file" in out.replace("\n    ", " ")


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        ("timelines/a.mp4.csv", "damaged timeline"),
        ("timelines/a.mp4.csv.json", "damaged timeline"),
        ("plots/a.mp4.png", "damaged plot"),
    ],
)
def test_a_result_on_s3_that_is_not_what_was_put_there_is_made_again(
    lab, tmp_path: Path, key: str, fault: str
) -> None:
    recording = recording_in(tmp_path / "in")
    words = ["analyze", recording.parent, "--out", "s3://lab/r", "--plots", "--format", "csv",
             "--spool", tmp_path / "spool"]  # fmt: skip
    assert command(*words)[0] == 0
    assert again(words) == (0, [SKIPPED.format(1, "1 recording")])
    whole = lab.cat_file(f"lab/r/{key}")
    lab.pipe_file(f"lab/r/{key}", bytes([whole[0] ^ 1]) + whole[1:])
    assert again(words)[1][-1] == f"made again: 1 ({fault})"
    lab.rm_file(f"lab/r/{key}")
    assert again(words)[1][-1].startswith("made again: 1 (")
    assert again(words) == (0, [SKIPPED.format(1, "1 recording")])


def test_without_the_manifest_on_s3_a_timeline_of_a_file_here_still_proves_itself(
    lab, tmp_path: Path
) -> None:
    recording = recording_in(tmp_path / "in")
    words = ["analyze", recording.parent, "--out", "s3://lab/r", "--spool", tmp_path / "spool"]
    assert command(*words)[0] == 0
    lab.rm_file("lab/r/manifest.jsonl")
    assert command("status", "s3://lab/r") == (
        8,
        "",
        "fer-video: cannot use s3://lab/r/manifest.jsonl: no such file; `fer-video analyze FOLDER "
        "--out RESULTS` writes it\n",
    )
    assert again(words) == (0, [SKIPPED.format(1, "1 recording")])
    assert lab.exists("lab/r/manifest.jsonl")
    assert again(words, "--force")[1][-1].startswith("wrote s3://lab/r/timelines/a.mp4.parquet")
