"""A folder run that goes on: what is true is kept, all else is made again."""

import errno
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from fer_video import batch, files, manifest, read_timeline, weights
from fer_video.errors import DataError
from fer_video.events import Advanced, Finished, Job, Skipped
from fer_video.inputs import find_recordings
from fer_video.jobs import Plan, jobs_for
from fer_video.manifest import MANIFEST_FILE, Attempt
from fer_video.options import OutputOptions
from fer_video.provenance import REVISION
from fer_video.resume import kept
from fer_video.timeline import check_whole, read_provenance
from tests.scenes import picture, steady, truncate, write_video
from tests.test_cli import run

UNCHANGED = "skipped {} of {}: done before, and nothing has changed"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two recordings, without results yet; the first is the larger one, and so done first."""
    (tmp_path / "in" / "sub").mkdir(parents=True)
    write_video(tmp_path / "in" / "a.mp4", steady(10), lambda _: picture())
    with (tmp_path / "in" / "a.mp4").open("ab") as file:
        file.write(struct.pack(">I4s", 100_008, b"free") + bytes(100_000))
    write_video(tmp_path / "in" / "sub" / "b.mp4", steady(200))
    truncate(tmp_path / "in" / "sub" / "b.mp4", 0.5)
    return tmp_path


def analyze(folder: Path, *words: object) -> tuple[int, list[str]]:
    """Give a folder run; return its exit code and what it said after its first line."""
    code, out, err = run("analyze", folder / "in", "--out", folder / "out", *words)
    said = (out + err).splitlines()
    return code, [line for line in said if not line.startswith((" ", "analyzing "))]


def lines_of(folder: Path) -> list[Attempt]:
    lines = manifest.read(folder / "out" / MANIFEST_FILE)
    return [line for line in lines if isinstance(line, Attempt)]


def contents(folder: Path) -> dict[str, bytes]:
    timelines = folder / "out" / "timelines"
    return {str(path): path.read_bytes() for path in timelines.rglob("*") if path.is_file()}


def test_nothing_unfinished_ever_lies_among_the_timelines(folder: Path) -> None:
    seen = set()
    for event in batch.analyze_job(_job(folder)):
        seen |= {path.name for path in (folder / "out" / "timelines").rglob("*.*")}
        if not isinstance(event, Finished):
            assert len(list((folder / "out" / ".unfinished").iterdir())) == 1
    assert seen == {"a.mp4.parquet"}


def test_timelines_of_recordings_that_were_renamed_are_not_passed_over_in_silence(
    folder: Path,
) -> None:
    analyze(folder)
    (folder / "in" / "a.mp4").rename(folder / "in" / "P01.mp4")
    _, said = analyze(folder)
    told = (
        "1 timeline is of recordings that were renamed or removed, and would be read with the "
        f"others: fer-video status {folder / 'out'} names them"
    )
    assert told in said
    assert "a.mp4" in run("status", folder / "out")[1]
    (folder / "out" / "timelines" / "a.mp4.parquet").unlink()
    assert "renamed" not in "".join(analyze(folder)[1])


def _job(folder: Path) -> Job:
    write_video(folder / "in" / "a.mp4", steady(60))
    plan = Plan(out=folder / "out", output=OutputOptions(resume=True))
    jobs = jobs_for(find_recordings([str(folder / "in")], plan.out), plan)
    return next(job for job in jobs if job.name == "a.mp4")


def test_what_takes_long_to_be_read_for_its_sha_256_gives_signs_of_life(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fer_video.files._PART_BYTES", 500)
    job = replace(_job(folder), video=folder / "out" / "a.mp4")
    for kind in (Finished, Skipped):
        *before, last = batch.analyze_job(job)
        assert isinstance(last, kind)
        signs = [one for one in before if isinstance(one, Advanced) and one.stage == "check"]
        assert len(signs) == sum(
            path.stat().st_size // 500 for path in [job.recording, *job.outputs]
        )
        made = Attempt(recording="a.mp4", verdict="ok", outputs=last.made.outputs, when="")
        job = replace(job, earlier=made)


def test_a_drawing_that_cannot_be_read_is_made_again(folder: Path, monkeypatch) -> None:
    job = replace(_job(folder), video=folder / "out" / "a.mp4")
    (*_, last) = batch.analyze_job(job)
    made = Attempt(recording="a.mp4", verdict="ok", outputs=last.made.outputs, when="")

    def hashed(path: Path) -> Generator[None, None, str]:
        if path == job.video:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return files.hashed(path)

    monkeypatch.setattr("fer_video.resume.hashed", hashed)
    before = files.result_of(kept(replace(job, earlier=made), weights.find("default")))
    assert (before.fault, list(before.outputs)) == ("unreadable file", ["timeline"])


def test_what_is_done_is_skipped_and_counted_also_what_is_partial(folder: Path) -> None:
    analyze(folder)
    before = contents(folder)
    assert analyze(folder) == (0, [UNCHANGED.format(2, "2 recordings")])
    assert contents(folder) == before
    assert [(one.recording, one.verdict) for one in lines_of(folder)] == [
        ("a.mp4", "ok"),
        ("sub/b.mp4", "partial"),
    ]


def test_a_line_of_the_manifest_says_what_was_done_with_what(folder: Path) -> None:
    analyze(folder)
    done, partial = lines_of(folder)
    source = folder / "in" / "a.mp4"
    made = read_timeline(folder / "out" / "timelines" / "a.mp4.parquet").attrs["provenance"]
    assert (done.source_bytes, done.source_sha256) == (
        source.stat().st_size,
        made["source"]["sha256"],
    )
    assert (done.model, done.model_sha256) == ("default", weights.find("default").sha256)
    assert (done.frames_decoded, done.frames_sampled, done.frames_corrupt) == (10, 10, 0)
    assert done.analyzed_s == pytest.approx(0.36)
    assert done.work_s > 0
    assert (done.exit_code, done.reason) == (0, "")
    assert partial.exit_code == 10
    assert "before its header says" in partial.reason


def test_a_new_recording_is_done_and_the_others_are_kept(folder: Path) -> None:
    analyze(folder)
    write_video(folder / "in" / "c.mp4", steady(5))
    _, said = analyze(folder)
    assert said == [
        f"wrote {folder / 'out' / 'timelines' / 'c.mp4.parquet'}",
        UNCHANGED.format(2, "3 recordings"),
    ]


def _other_recording(folder: Path) -> None:
    write_video(folder / "in" / "a.mp4", steady(12), lambda _: picture())


def _other_recording_of_the_same_size(folder: Path) -> None:
    path = folder / "in" / "a.mp4"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def _flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def _end_of_rows(parquet: bytes) -> int:
    """Where the last part begins, which says what the file holds."""
    return len(parquet) - int.from_bytes(parquet[-8:-4], "little") - 8


def _damage(folder: Path) -> None:
    path = folder / "out" / "timelines" / "a.mp4.parquet"
    _flip(path, _end_of_rows(path.read_bytes()) - 1)


def _cut(folder: Path) -> None:
    truncate(folder / "out" / "timelines" / "a.mp4.parquet", 0.9)


def _remove(folder: Path) -> None:
    (folder / "out" / "timelines" / "a.mp4.parquet").unlink()


def _another_one(folder: Path) -> None:
    timelines = folder / "out" / "timelines"
    shutil.copy(timelines / "sub" / "b.mp4.parquet", timelines / "a.mp4.parquet")


def _earlier_version(folder: Path) -> None:
    path = folder / "out" / "timelines" / "a.mp4.parquet"
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"revision": %d' % REVISION, b'"revision": 0'))


@pytest.mark.parametrize(
    ("happens", "fault"),
    [
        (_other_recording, "changed recording"),
        (_other_recording_of_the_same_size, "changed recording"),
        (_damage, "damaged timeline"),
        (_cut, "damaged timeline"),
        (_remove, "missing timeline"),
        (_another_one, "changed recording"),
        (_earlier_version, "other version of fer-video"),
    ],
)
@pytest.mark.parametrize("manifest_lost", [False, True])
def test_what_is_no_longer_true_is_made_again_and_the_rest_is_kept(
    folder: Path, happens, fault: str, manifest_lost: bool
) -> None:
    analyze(folder)
    before = contents(folder)
    happens(folder)
    if manifest_lost:
        (folder / "out" / MANIFEST_FILE).unlink()
    code, said = analyze(folder)
    known = fault != "missing timeline" or not manifest_lost
    assert code == 0
    assert said == [
        f"wrote {folder / 'out' / 'timelines' / 'a.mp4.parquet'}",
        UNCHANGED.format(1, "2 recordings"),
        *([f"made again: 1 ({fault})"] if known else []),
    ]
    if fault != "changed recording" or happens is _another_one:
        assert contents(folder) == before
    assert analyze(folder)[1] == [UNCHANGED.format(2, "2 recordings")]


def test_other_options_or_another_model_make_all_again(folder: Path) -> None:
    analyze(folder)
    assert analyze(folder, "--fps", 5)[1][-1] == "made again: 2 (other options)"
    model = shutil.copytree(weights.find("default").folder, folder / "model")
    same = analyze(folder, "--fps", 5, "--model", model, "--batch-size", 8)
    assert same[1] == [UNCHANGED.format(2, "2 recordings")]
    spec = json.loads((model / "model.json").read_text())
    (model / "model.json").write_text(json.dumps(spec | {"lite_sha256": ""}))
    assert analyze(folder, "--fps", 5, "--model", model)[1][-1] == "made again: 2 (other model)"


def test_a_timeline_of_what_a_recording_was_leaves_the_data_set_also_if_no_other_comes(
    folder: Path,
) -> None:
    analyze(folder)
    timeline = folder / "out" / "timelines" / "a.mp4.parquet"
    whole = timeline.read_bytes()
    (folder / "in" / "a.mp4").write_bytes(b"no video any more")
    code, said = analyze(folder)
    assert (code, said[1].split(":")[0]) == (7, "failed")
    assert not timeline.exists()
    assert (folder / "out" / "outdated" / "a.mp4.parquet").read_bytes() == whole


def test_a_timeline_of_other_options_stays_until_the_next_one_is_whole(folder: Path) -> None:
    analyze(folder)
    before = contents(folder)
    code, _ = analyze(folder, "--fps", 1, "--max-frames", 1)
    assert code == 7
    assert contents(folder) == before


def test_force_makes_all_again(folder: Path) -> None:
    analyze(folder)
    code, said = analyze(folder, "--force")
    assert (code, [line.split()[0] for line in said]) == (0, ["wrote", "wrote"])


def test_a_killed_run_that_wrote_no_line_has_lost_nothing(folder: Path) -> None:
    analyze(folder)
    path = folder / "out" / MANIFEST_FILE
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1] + lines[2][:-20])
    assert analyze(folder)[1] == [UNCHANGED.format(2, "2 recordings")]
    assert [one.recording for one in lines_of(folder)] == ["a.mp4", "sub/b.mp4"]


def test_a_run_killed_at_any_moment_goes_on_to_the_rows_of_one_never_killed(folder: Path) -> None:
    for number in range(6):
        write_video(folder / "in" / f"{number}.mp4", steady(100), lambda _: picture())
    analyze(folder)
    whole = contents(folder)
    shutil.rmtree(folder / "out")
    words = ["analyze", str(folder / "in"), "--out", str(folder / "out"), "--plots", "--quiet"]
    for n_done in (1, 4, 6):
        killed = subprocess.Popen([sys.executable, "-m", "fer_video", *words])
        while killed.poll() is None and _n_done(folder) < n_done:
            time.sleep(0.01)
        killed.kill()
        killed.wait()
    assert analyze(folder, "--plots")[0] == 0
    assert contents(folder) == whole
    assert sorted(one.recording for one in lines_of(folder)) == sorted(
        path.relative_to(folder / "in").as_posix() for path in (folder / "in").rglob("*.mp4")
    )
    assert analyze(folder, "--plots")[1] == [UNCHANGED.format(8, "8 recordings")]


def _n_done(folder: Path) -> int:
    return len(manifest.attempts(folder / "out" / MANIFEST_FILE))


def test_what_failed_is_tried_again(folder: Path) -> None:
    bad = folder / "in" / "bad.mp4"
    bad.write_text("dear diary")
    code, _ = analyze(folder)
    assert code == 7
    (line,) = (one for one in lines_of(folder) if one.recording == "bad.mp4")
    assert (line.verdict, line.exit_code) == ("failed", 3)
    assert line.reason.startswith("not a video file")
    code, said = analyze(folder)
    assert code == 7
    assert said[-1] == "fer-video: 1 of 3 recordings failed (bad.mp4); the others are done"
    write_video(bad, steady(5))
    assert analyze(folder)[0] == 0
    assert lines_of(folder)[-1].verdict == "ok"


def test_videos_and_plots_are_made_of_what_is_there_and_made_again_alone(folder: Path) -> None:
    analyze(folder)
    before = contents(folder)
    results = folder / "out"
    _, said = analyze(folder, "--videos", "--plots")
    video, plot = results / "videos" / "a.mp4.mp4", results / "plots" / "a.mp4.png"
    assert said[0] == f"wrote {video}, {plot}"
    assert said[-1] == "made again: 2 (missing video)"
    assert analyze(folder, "--videos", "--plots")[1] == [UNCHANGED.format(2, "2 recordings")]
    _flip(video, 300)
    assert analyze(folder, "--videos", "--plots")[1] == [
        f"wrote {video}",
        UNCHANGED.format(1, "2 recordings"),
        "made again: 1 (damaged video)",
    ]
    _, said = analyze(folder, "--videos", "--plots", "--style", "lines")
    assert said[0] == f"wrote {plot}"
    assert said[-1] == "made again: 2 (outdated plot)"
    assert contents(folder) == before
    assert analyze(folder)[1] == [UNCHANGED.format(2, "2 recordings")]
    assert analyze(folder, "--videos")[1] == [UNCHANGED.format(2, "2 recordings")]


def test_a_csv_is_known_by_the_file_beside_it(folder: Path) -> None:
    analyze(folder, "--format", "csv")
    assert analyze(folder, "--format", "csv")[1] == [UNCHANGED.format(2, "2 recordings")]
    path = folder / "out" / "timelines" / "a.mp4.csv"
    (folder / "out" / MANIFEST_FILE).unlink()
    path.write_text(path.read_text().replace("0.04", "0.05"))
    said = analyze(folder, "--format", "csv")[1]
    assert said[-1] == "made again: 1 (damaged timeline)"


def test_timelines_of_both_formats_lie_side_by_side(folder: Path) -> None:
    for words in ((), ("--format", "csv")):
        analyze(folder, *words)
    before = contents(folder)
    for words in ((), ("--format", "csv"), ()):
        assert analyze(folder, *words)[1] == [UNCHANGED.format(2, "2 recordings")]
    assert contents(folder) == before
    assert not (folder / "out" / "outdated").exists()


def test_a_single_recording_is_still_refused_where_its_result_exists(folder: Path) -> None:
    words = ["analyze", folder / "in" / "a.mp4", "--out", folder / "t.parquet"]
    assert run(*words)[0] == 0
    code, _, err = run(*words)
    assert code == 6
    assert "it exists; use --force to replace it" in err
    assert not (folder / MANIFEST_FILE).exists()


@pytest.mark.parametrize("name", ["t.parquet", "t.csv"])
def test_no_flipped_bit_changes_a_row_and_is_taken_for_true(folder: Path, name: str) -> None:
    path = folder / name
    run("analyze", folder / "in" / "a.mp4", "--out", path)
    whole, rows = path.read_bytes(), read_timeline(path)
    check_whole(path, "a.mp4")
    found, chance = 0, random.Random(0)
    for _ in range(300):
        flipped = bytearray(whole)
        flipped[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        path.write_bytes(flipped)
        try:
            read_provenance(path)
            check_whole(path, "a.mp4")
        except DataError:
            found += 1
        else:  # statistics and the like; the SHA-256 in the manifest is of them, too
            pd.testing.assert_frame_equal(read_timeline(path), rows)
    assert found > (150 if path.suffix == ".parquet" else 299)


def test_what_the_checksums_of_a_timeline_leave_out_the_manifest_covers(folder: Path) -> None:
    analyze(folder)
    before = contents(folder)
    path = folder / "out" / "timelines" / "a.mp4.parquet"
    at = _unnoticed_flip(path)
    _flip(path, at)
    assert analyze(folder)[1][-1] == "made again: 1 (damaged timeline)"
    assert contents(folder) == before


def _unnoticed_flip(path: Path) -> int:
    whole = path.read_bytes()
    for at in range(_end_of_rows(whole), len(whole)):
        _flip(path, at)
        try:
            read_provenance(path)
            check_whole(path, "a.mp4")
        except DataError:
            continue
        else:
            return at
        finally:
            path.write_bytes(whole)
    raise AssertionError("every flip is noticed")


def test_a_timeline_of_another_name_is_not_taken(folder: Path) -> None:
    run("analyze", folder / "in" / "a.mp4", "--out", folder / "t.parquet")
    with pytest.raises(DataError, match="it is not of"):
        check_whole(folder / "t.parquet", "sub/a.mp4")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_results_that_may_not_be_written_are_told_before_any_work(folder: Path) -> None:
    (folder / "out").mkdir(mode=0o500)
    code, said = analyze(folder)
    assert code == 6
    assert len(said) == 1
