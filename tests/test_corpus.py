"""Recordings as strangers send them: each has its verdict, its reason and no consequences."""

import os
import re
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from fer_video import manifest, read_timeline
from fer_video.batch import analyze_job
from fer_video.errors import VideoError
from fer_video.events import Advanced, Job
from fer_video.jobs import result_name
from fer_video.manifest import Attempt
from fer_video.video import open_recording
from tests.corpus import (
    DASH,
    FIELDS,
    FRAGMENTS,
    JPEG,
    OPEN_GOP,
    SDP,
    Maker,
    avi_that_claims,
    called,
    cut_at,
    cut_between,
    joined,
    link_to,
    packets,
    palette_gif,
    shortened,
    some_pictures_claim,
    streamed,
    streams,
    text,
    video,
    without_frames,
    without_index,
    zip_bomb,
)
from tests.scenes import steady, write_video
from tests.test_cli import files, run

NO_VIDEO = "not a video file in a format fer-video reads"
NO_INDEX = "its index cannot be read; the file is damaged"
PLAYLIST = "it is a playlist, not a recording: name the recordings in it"


class Case(NamedTuple):
    """A recording, and what becomes of it."""

    make: Maker
    n_rows: int = 0
    """0 where it fails."""
    reason: str = ""
    """How it begins; empty where all of it is there."""

    @property
    def verdict(self) -> str:
        if not self.n_rows:
            return "failed"
        return "partial" if self.reason else "ok"


def ends(missing_s: str) -> str:
    return f"it ends {missing_s} s before its header says"


def skipped(number: int) -> str:
    return f"{number} corrupt frame{' was' if number == 1 else 's were'} skipped"


CASES = {
    "whole.mp4": Case(video(), 5),
    # cut off
    "cut_at_10.mp4": Case(cut_at(0.1), 4, f"{ends('1.8')}, and {skipped(1)}"),
    "cut_at_50.mp4": Case(cut_at(0.5), 24, f"{ends('1.0')}, and {skipped(1)}"),
    "cut_at_90.mp4": Case(cut_at(0.9), 44, f"its last 20287 bytes are missing, and {skipped(1)}"),
    "cut_at_99.mp4": Case(cut_at(0.99), 49, f"its last 2029 bytes are missing, and {skipped(1)}"),
    "cut_at_10.mkv": Case(cut_at(0.1), 4, ends("1.8")),
    "cut_at_50.mkv": Case(cut_at(0.5), 24, ends("1.0")),
    "cut_at_90.mkv": Case(cut_at(0.9), 45, "its last "),
    "cut_at_99.mkv": Case(cut_at(0.99), 49, "its last "),
    "cut_at_20.avi": Case(cut_at(0.2, **JPEG), 2, ends("1.9")),
    "cut_at_50.avi": Case(cut_at(0.5, **JPEG), 17, f"{ends('1.3')}, and {skipped(1)}"),
    "cut_at_90.avi": Case(cut_at(0.9, **JPEG), 45, "its last "),
    "cut_at_99.avi": Case(cut_at(0.99, **JPEG), 50, "its last "),
    "cut_between_frames.avi": Case(cut_between(25, **JPEG), 25, "its last "),
    "cut_between_frames.mov": Case(cut_between(99, 100, **JPEG), 99, "its last "),
    "cut_between_h264_frames.mov": Case(cut_between(99, 100), 99, "its last "),
    "cut_between_frames.mp4": Case(cut_between(99, 100), 99, "its last "),
    "followed_by_garbage.avi": Case(joined(video(**JPEG), text("garbage" * 9)), 5),
    "followed_by_garbage.mov": Case(joined(video(**JPEG), text("garbage" * 9)), 5),
    # nobody went back to the header
    "streamed.avi": Case(streamed(), 50),
    "streamed_and_cut.avi": Case(shortened(streamed(), 0.5), 20),
    "streamed.mp4": Case(streamed(movflags=FRAGMENTS), 50),
    "streamed_and_cut.mp4": Case(shortened(streamed(movflags=FRAGMENTS), 0.5), 21, "its last "),
    "cut_at_50_index_last.mp4": Case(cut_at(0.5, index_first=False), 0, NO_INDEX),
    "cut_at_99_index_last.mp4": Case(cut_at(0.99, index_first=False), 0, NO_INDEX),
    "no_moov.mp4": Case(without_index, 0, NO_INDEX),
    "no_frame.mp4": Case(without_frames, 0, "there is no picture in it; the file is damaged"),
    "no_frame.mkv": Case(without_frames, 0, NO_INDEX),
    "one_frame.mp4": Case(video([0.0]), 1),
    # sizes
    "raw_of_100000_x_100000.avi": Case(
        avi_that_claims(100_000, 100_000),
        0,
        "its pictures have no size, or one of more than 8192 x 8192 pixels; see --max-side",
    ),
    # FFmpeg believes a picture more than its container
    "jpeg_in_100000_x_100000.mkv": Case(packets(size_px=(100_000, 100_000)), 10),
    "jpeg_of_65500_x_65500.mkv": Case(
        some_pictures_claim((65500, 65500), range(10)), 0, "none of the first 8 frames can be"
    ),
    "one_of_65500_x_65500.mkv": Case(some_pictures_claim((65500, 65500), [5]), 9, skipped(1)),
    "one_of_128_x_96.mkv": Case(some_pictures_claim((128, 96), [5]), 10),
    "size_1x1.mkv": Case(video(codec="ffv1", size_px=(1, 1)), 5),
    "size_1x1.gif": Case(video(steady(5, 10), codec="gif", pix_fmt="rgb8", size_px=(1, 1)), 5),
    "size_17x31.webm": Case(video(codec="libvpx", size_px=(17, 31)), 5),
    "size_17x31.mp4": Case(video(pix_fmt="yuv444p", size_px=(17, 31)), 5),
    # times
    "negative.mkv": Case(packets([-80, -40, 0, 40, 80]), 5),
    "negative.mp4": Case(packets([-80, -40, 0, 40, 80]), 3),  # its edit list begins at 0
    "duplicate.mkv": Case(packets([0, 40, 40, 80, 120]), 4, skipped(1)),
    "backward.mkv": Case(packets([0, 40, 120, 80, 160]), 4, skipped(1)),
    "gapped.mkv": Case(packets([0, 40, 5000, 5040]), 4),
    "gap_of_1000_hours.mkv": Case(
        packets([0, 40, 3_600_000_000]), 0, "its header says 1e+03 hours, more than 24; see --max-h"
    ),
    "starts_again.ts": Case(joined(video(steady(10)), video(steady(15))), 15, skipped(10)),
    "late_start.mp4": Case(video(steady(20, start_s=1.075), sound_s=2), 20),
    "from_1_to_120_fps.mp4": Case(video(np.cumsum(1 / np.geomspace(1, 120, 60)).tolist()), 60),
    # codings
    "open_gop.mp4": Case(video(steady(40), options=OPEN_GOP), 40),
    "open_gop.ts": Case(video(steady(40), options=OPEN_GOP), 40),
    "interlaced.mp4": Case(video(options=FIELDS), 5),
    "ten_bit.mkv": Case(video(pix_fmt="yuv420p10le"), 5),
    "alpha.webm": Case(video(codec="libvpx-vp9", pix_fmt="yuva420p", options={"cpu-used": "8"}), 5),
    "alpha.mov": Case(video(codec="png", pix_fmt="rgba"), 5),
    "palette.gif": Case(palette_gif, 9),
    "game.avi": Case(packets(codec="zmbv"), 0, "its pictures are in zmbv; convert it to mp4"),
    # streams
    "sound_first.mp4": Case(streams("sound", "video"), 10),
    "sound_first.avi": Case(streams("sound", "video"), 10),
    "two_videos.mkv": Case(streams("video", "small"), 10),
    "cover_first.mp4": Case(streams("cover", "sound", "video"), 10),
    "cover_and_sound.mp4": Case(streams("cover", "sound"), 0, "it has sound but no picture"),
    "sound.mkv": Case(streams("sound"), 0, "it has sound but no picture"),
    "subtitles_first.mkv": Case(streams("subtitles", "video"), 10),
    "subtitles_first.mp4": Case(streams("subtitles", "video"), 10),
    "data_first.mp4": Case(streams("data", "video"), 10),
    "data_first.ts": Case(streams("data", "video"), 10),
    "100_streams.mkv": Case(
        streams(*["small"] * 100), 0, "it has 100 streams, more than 64; see --max-streams"
    ),
    # PyAV fails at the end of these
    "sound_begins_later.ts": Case(
        joined(video(steady(1200)), video(steady(9), sound_s=1), video(steady(1200))),
        1200,
        skipped(1209),
    ),
    **{
        f"turned_{clockwise_deg}_mirrored_{mirrored}.mp4": Case(
            video(clockwise_deg=clockwise_deg, mirrored=mirrored), 5
        )
        for clockwise_deg in (90, 180, 270)
        for mirrored in (False, True)
    },
    # what is called otherwise, or leads elsewhere
    "mp4_called.avi": Case(called(".mp4", video()), 5),
    "webm_called.mp4": Case(called(".webm", video(codec="libvpx")), 5),
    "notes.mp4": Case(text("notes of the session\n" * 50), 0, NO_VIDEO),
    "zip_bomb.mp4": Case(zip_bomb, 0, NO_VIDEO),
    **{
        f"{kind}_{where}{suffix}": Case(text(content.replace("{place}", place)), 0, reason)
        for kind, content, own_suffix, reason in [
            ("hls", "#EXTM3U\n#EXTINF:9,\n{place}\n", ".m3u8", PLAYLIST),
            ("ffconcat", "ffconcat version 1.0\nfile {place}\n", ".ffconcat", PLAYLIST),
            ("dash", DASH, ".mpd", NO_VIDEO),
            ("sdp", SDP, ".sdp", NO_VIDEO),
        ]
        for where, place in [("file", "{neighbour}"), ("address", "{address}")]
        for suffix in (".mp4", own_suffix)
    },
    "loop.mp4": Case(link_to(""), 0, "too many levels of symbolic links"),
    "device.mp4": Case(link_to("/dev/zero"), 0, "it is no regular file"),
    "gone.mp4": Case(link_to("nowhere.mp4"), 0, "no such file"),
    **(
        {"unreadable.mp4": Case(link_to("/proc/self/mem"), 0, "input/output error")}
        if Path("/proc/self/mem").exists()
        else {}
    ),
    # names
    **{
        name: Case(called(".mp4", video()), 5)
        for name in [
            "with space.mp4",
            'it\'s "quoted".mp4',
            "two\nlines.mp4",
            "\N{GRINNING FACE}.mp4",
            "--out.mp4",
            "x" * 251 + ".mp4",
            "\N{GRINNING FACE}" * 62 + "xyz.mp4",
        ]
    },
}
FOUND_IN_A_FOLDER = {name for name in CASES if not re.search(r"\.(m3u8|mpd|ffconcat|sdp)$", name)}
"""The others have to be named."""


class Ran(NamedTuple):
    """The corpus, analyzed by one command."""

    folder: Path
    out: Path
    code: int
    told: str
    attempts: dict[str, Attempt]

    def timeline(self, name: str) -> Path:
        return self.out / "timelines" / f"{result_name(name)}.parquet"


@pytest.fixture(scope="module")
def listener() -> Iterator[socket.socket]:
    """Listen where recordings lead to."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


class Door(NamedTuple):
    """A port at which recordings say to receive."""

    port: int
    was_opened: threading.Event


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    """Knock at a port all the time: whoever receives there does not refuse."""
    with socket.socket(type=socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        door = Door(free.getsockname()[1], threading.Event())
    is_over = threading.Event()

    def knock() -> None:
        with socket.socket(type=socket.SOCK_DGRAM) as knocker:
            knocker.connect(("127.0.0.1", door.port))
            knocker.settimeout(2)
            while not is_over.wait(0.02):
                try:
                    knocker.send(b"anybody there?")
                    knocker.recv(1)
                except ConnectionRefusedError:
                    continue
                except TimeoutError:
                    door.was_opened.set()

    knocking = threading.Thread(target=knock)
    knocking.start()
    yield door
    is_over.set()
    knocking.join()


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, listener: socket.socket, door: Door) -> Ran:
    folder, out = (tmp_path_factory.mktemp(name) for name in ("corpus", "out"))
    for name, case in CASES.items():
        case.make(folder / name)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/secret.mp4"
    for name in CASES:
        if re.search(r"_(file|address)\.", name):
            path = folder / name
            content = path.read_text().replace("{address}", address)
            path.write_text(content.replace("{port}", str(door.port)))
    others = [folder / name for name in CASES.keys() - FOUND_IN_A_FOLDER]
    code, said, err = run("analyze", folder, *others, "--out", out, "--jobs", 1)
    return Ran(folder, out, code, said + err, manifest.attempts(out / manifest.MANIFEST_FILE))


@pytest.mark.parametrize("name", CASES)
def test_each_recording_has_its_verdict_its_reason_and_its_rows(ran: Ran, name: str) -> None:
    case, attempt = CASES[name], ran.attempts[name]
    assert (attempt.verdict, attempt.frames_sampled) == (case.verdict, case.n_rows)
    assert attempt.reason.startswith(case.reason)
    assert bool(attempt.reason) == bool(case.reason)
    assert attempt.exit_code == {"ok": 0, "partial": 10, "failed": 3}[case.verdict]


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.n_rows])
def test_a_timeline_is_whole_and_its_times_rise(ran: Ran, name: str) -> None:
    table = read_timeline(ran.timeline(name))
    assert len(table) == CASES[name].n_rows  # nobody is seen, so that each moment is one row
    assert table["time_s"].iloc[0] >= 0
    assert (table["time_s"].diff().dropna() > 0).all()
    verdict = "partial" if CASES[name].reason else "complete"
    assert table.attrs["provenance"]["verdict"] == verdict


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="there is one fewer")
def test_the_documentation_counts_the_corpus() -> None:
    docs = Path(__file__).parents[1] / "docs" / "reliability.md"
    assert f"`tests/test_corpus.py`: {len(CASES)} recordings, " in docs.read_text()


def test_a_bad_recording_costs_nothing_but_itself(ran: Ran) -> None:
    n_failed = sum(not case.n_rows for case in CASES.values())
    assert ran.code == 7
    assert f"{n_failed} of {len(CASES)} recordings failed" in ran.told
    assert "Traceback" not in ran.told
    written = files(ran.out)
    assert len(written) == 1 + len(CASES) - n_failed
    assert {name.split("/")[0] for name in written} == {manifest.MANIFEST_FILE, "timelines"}


@pytest.mark.usefixtures("ran")
def test_no_recording_leads_to_an_address(listener: socket.socket) -> None:
    with pytest.raises(BlockingIOError):  # nobody has called
        listener.accept()


@pytest.mark.usefixtures("ran")
def test_no_recording_makes_anybody_receive(door: Door) -> None:
    assert not door.was_opened.is_set()


def test_a_device_is_no_recording() -> None:
    code, out, err = run("analyze", "/dev/zero")
    assert (code, out) == (3, "")
    assert err == "fer-video: cannot read /dev/zero: it is no regular file\n"


def test_a_recording_that_grows_while_it_is_read_is_told_and_gives_nothing(tmp_path: Path) -> None:
    path, out = tmp_path / "camera.ts", tmp_path / "camera.parquet"
    content = write_video(path, steady(150)).read_bytes()
    path.write_bytes(content[: len(content) // 2])
    events = analyze_job(Job(path, path.name, out))
    assert isinstance(next(events), Advanced)
    path.write_bytes(content)
    with pytest.raises(VideoError, match="it changed while it was read: analyze it once it is"):
        list(events)
    assert files(tmp_path) == ["camera.ts"]


def test_a_recording_that_goes_away_while_it_is_read_is_told_as_that(tmp_path: Path) -> None:
    # its results' folder is still there
    path = write_video(tmp_path / "camera.mp4", steady(150))
    events = analyze_job(Job(path, path.name, tmp_path / "camera.parquet"))
    assert isinstance(next(events), Advanced)
    path.unlink()
    with pytest.raises(VideoError, match="it went away while it was read"):
        list(events)
    assert files(tmp_path) == []


@contextmanager
def growing(path: Path) -> Iterator[None]:
    """Add to a recording all the time, as a camera that has not been stopped."""
    is_over = threading.Event()
    nothing = b"\x47\x1f\xff\x10" + bytes(184)  # the packet that MPEG-TS is filled with

    def grow() -> None:
        while not is_over.wait(0.01):
            with path.open("ab") as file:
                file.write(nothing)

    recorder = threading.Thread(target=grow)
    recorder.start()
    yield
    is_over.set()
    recorder.join()


def test_a_command_says_that_a_recording_still_grows(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = write_video(tmp_path / "in" / "camera.ts", steady(150))
    reason = "it changed while it was read: analyze it once it is complete"
    with growing(path):
        alone = run("analyze", path)
        in_a_folder = run("analyze", path.parent, "--out", tmp_path / "out")
    assert alone == (3, "", f"fer-video: cannot read {path}: {reason}\n")
    assert in_a_folder[0] == 7
    attempt = manifest.attempts(tmp_path / "out" / manifest.MANIFEST_FILE)[path.name]
    assert (attempt.verdict, attempt.reason, attempt.exit_code) == ("failed", reason, 3)
    assert files(tmp_path) == ["in/camera.ts", f"out/{manifest.MANIFEST_FILE}"]


@contextmanager
def as_anybody() -> Iterator[None]:
    """Give up the rights of the administrator, who may read everything."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


def test_a_recording_that_may_not_be_read_is_told() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = write_video(Path(folder, "private.mp4"), steady(5))
        path.chmod(0o000)
        with as_anybody(), pytest.raises(VideoError, match="permission denied"):  # noqa: SIM117
            with open_recording(path):
                pass


@pytest.mark.parametrize("name", ["--out.mp4", 'it\'s "two"\nlines.mp4', "x" * 251 + ".mp4"])
def test_a_recording_of_any_name_is_analyzed_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    video()(Path(name))
    code, _, err = run("analyze", "--", name)
    assert (code, err) == (0, "")
    (timeline,) = tmp_path.glob("*.parquet")
    assert read_timeline(timeline)["recording"].iloc[0] == name


def test_a_result_of_a_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    video()(tmp_path / "a.mp4")
    code, _, err = run("analyze", tmp_path / "a.mp4", "--out", tmp_path / f"{'x' * 250}.parquet")
    assert code == 6
    assert err.endswith(": file name too long\n")
