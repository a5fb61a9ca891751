"""What a recording may ask for, and what of it is opened."""

from collections.abc import Iterator
from pathlib import Path

import av
import pytest
from av.stream import Discard

from fer_video.container import open_container, picture_stream
from fer_video.errors import OptionError, VideoError
from fer_video.options import LimitOptions
from fer_video.options_limits import USUAL_LIMITS
from fer_video.video import open_recording
from tests.corpus import Maker, joined, packets, streams, video
from tests.scenes import picture, steady, write_video
from tests.test_cli import run

LARGER = video(steady(10, start_s=0.4), draw=lambda _: picture(size_px=(128, 96)))


def read(path: Path, **limits) -> list[int]:
    with open_recording(path, LimitOptions(**limits)) as recording:
        return [one.pts for one in recording.pictures()]


@pytest.mark.parametrize(
    ("name", "make", "limit", "reason"),
    [
        ("a.mp4", video(), {"max_side_px": 63}, "its header says 64 x 48 pixels, more than 63; "
         "see --max-side"),
        ("a.avi", video(codec="mpeg4"), {"max_side_px": 40}, "its pictures have no size, or one of "
         "more than 40 x 40 pixels; see --max-side"),
        ("a.mkv", streams("sound", "video"), {"max_streams": 1}, "it has 2 streams, more than 1; "
         "see --max-streams"),
        ("a.mkv", packets(range(0, 2040, 40)), {"max_hours": 1.5 / 3600}, "its header says "
         "0.000567 hours, more than 0.000416667; see --max-hours"),
        ("a.mp4", video(steady(50)), {"max_frames": 49}, "it has more than 49 frames; "
         "see --max-frames"),
    ],
)  # fmt: skip
def test_a_recording_over_a_limit_is_refused_with_the_option_that_raises_it(
    tmp_path: Path, name: str, make: Maker, limit: dict[str, float], reason: str
) -> None:
    make(tmp_path / name)
    with pytest.raises(VideoError) as caught:
        read(tmp_path / name, **limit)
    assert caught.value.reason.startswith(reason)
    assert read(tmp_path / name)


def test_a_limit_itself_may_be_reached(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", steady(50))
    limits = {"max_side_px": 64, "max_streams": 1, "max_frames": 50, "max_hours": 2 / 3600}
    assert len(read(path, **limits)) == 50


def test_hours_count_where_the_header_says_nothing_of_them(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", steady(60))
    duration, void = b"\x44\x89\x88", b"\xec\x89\0"
    path.write_bytes(path.read_bytes().replace(duration, void))
    with pytest.raises(VideoError, match=r"it goes on for more than .* hours; see --max-hours"):
        read(path, max_hours=0.0005)


def test_pictures_that_grow_beyond_the_limit_are_lost_and_the_others_are_not(
    tmp_path: Path,
) -> None:
    path = tmp_path / "call.ts"
    joined(video(steady(10)), LARGER)(path)
    assert len(read(path, max_side_px=128)) == 20
    assert len(read(path, max_side_px=64)) == 10
    code, out, _ = run("analyze", path, "--max-side", 64)
    assert code == 10
    assert "corrupt frames were skipped" in out


def test_pictures_in_a_codec_that_nothing_records_with_are_refused(tmp_path: Path) -> None:
    packets(codec="zmbv")(tmp_path / "game.avi")
    with pytest.raises(VideoError, match="its pictures are in zmbv; convert it to mp4"):
        read(tmp_path / "game.avi")


@pytest.mark.parametrize(
    ("name", "others", "discard"),
    [
        ("talk.mp4", ["sound", "subtitles", "data"], Discard.all),
        ("talk.mkv", ["sound", "subtitles"], Discard.default),
        ("talk.ts", ["data"], Discard.all),
    ],
)
def test_streams_are_read_only_where_they_tell_how_long_the_recording_is(
    tmp_path: Path, name: str, others: list[str], discard: Discard
) -> None:
    path = tmp_path / name
    streams(*others, "video")(path)
    with open_container(path) as container:
        pictures = picture_stream(path, container, USUAL_LIMITS)
        assert pictures.type == "video"
        assert [stream.discard for stream in container.streams] == [
            *[discard] * len(others),
            Discard.default,
        ]


@pytest.mark.parametrize(("suffix", "codec"), [(".mkv", "srt"), (".mp4", "mov_text")])
def test_no_decoder_of_subtitles_is_opened_not_even_to_look_at_them(
    tmp_path: Path, ffmpeg_log: list[tuple[int, str, str]], suffix: str, codec: str
) -> None:
    path = tmp_path / f"talk{suffix}"
    streams("subtitles", "video")(path)
    assert len(read(path)) == 10
    with open_container(path) as container:
        assert not container.streams[0].codec_context.is_open
    refused = [text for _, _, text in ffmpeg_log if text.startswith(f"Codec ({codec}) not on")]
    assert refused


@pytest.fixture
def ffmpeg_log() -> Iterator[list[tuple[int, str, str]]]:
    """Listen to FFmpeg, which says which decoders it was not allowed to open."""
    before = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    with av.logging.Capture(local=False) as log:
        yield log
    av.logging.set_level(before)


def test_the_commands_take_the_limits(tmp_path: Path) -> None:
    path, table = write_video(tmp_path / "a.mp4", steady(5)), tmp_path / "a.parquet"
    code, _, err = run("analyze", path, "--max-side", 32)
    assert (code, "see --max-side" in err, table.exists()) == (3, True, False)
    assert run("analyze", path, "--max-side", 64)[0] == 0
    out = tmp_path / "drawn.mp4"
    code, _, err = run("annotate", path, table, "--out", out, "--max-frames", 3)
    assert (code, "see --max-frames" in err, out.exists()) == (3, True, False)
    assert run("annotate", path, table, "--out", out, "--max-streams", 1)[0] == 0


@pytest.mark.parametrize("option", ["max_side_px", "max_streams", "max_hours", "max_frames"])
def test_a_limit_is_above_0(option: str) -> None:
    with pytest.raises(OptionError, match="--max-"):
        LimitOptions(**{option: 0})
