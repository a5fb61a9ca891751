"""Written video: true times, the sound of the source, and files that are whole or absent."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import ColorPrimaries, ColorRange

from fer_video.encode import encode
from fer_video.errors import OutputError
from fer_video.video import open_recording
from tests.scenes import picture, steady, truncate, write_video

VARIABLE = [0.0, 0.04, 0.12, 0.13, 0.5, 0.7, 2.0]
CLICK_S = 0.5


def copy(source: Path, out: Path, start_s: float = 0.0, **options) -> Path:
    """Write the pictures of a recording from a moment on, as they are."""
    with open_recording(source) as recording:
        pictures = (one for one in recording.pictures() if one.time_s >= start_s)
        for _ in encode((one.frame for one in pictures), out, source, **options):
            pass
    return out


def frame_times_s(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]


def sound_packets(path: Path) -> list[tuple[float, bytes]]:
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(audio=0) if packet.size]
        return [(float(packet.pts * packet.time_base), bytes(packet)) for packet in packets]


def click_s(path: Path) -> float:
    """Find the moment of the loudest sample, on the container's clock."""
    loudest = (0.0, 0.0)
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            wave = np.abs(frame.to_ndarray().astype(float)).reshape(-1)
            step_s = 1 / frame.sample_rate
            loudest = max(loudest, (wave.max(), frame.time + wave.argmax() * step_s))
    return loudest[1]


def write_click(
    path: Path, codec: str, picture_start_s: float = 0.0, *, lost_s: float = 0.0
) -> Path:
    """Write a recording of 2 s whose sound is silent but for a click at ``CLICK_S``.

    The first 20 ms of sound are there; then ``lost_s`` seconds may be missing.
    """
    with av.open(str(path), "w") as container:
        shown = container.add_stream("libx264", rate=25, width=64, height=48)
        heard = container.add_stream(codec, rate=48000, layout="mono")
        for index in range(50):
            frame = av.VideoFrame.from_ndarray(picture(), "rgb24")
            frame.pts = index + round(picture_start_s * 25)
            frame.time_base = Fraction(1, 25)
            container.mux(shown.encode(frame))
        container.mux(shown.encode(None))
        wave = np.zeros((1, 96000), np.int16)
        wave[0, round(CLICK_S * 48000) :][:48] = 30000
        for start in [0, *range(960 + round(lost_s * 48000), 96000, 960)]:
            part = np.ascontiguousarray(wave[:, start : start + 960])
            sound = av.AudioFrame.from_ndarray(part, "s16", "mono")
            sound.sample_rate, sound.pts, sound.time_base = 48000, start, Fraction(1, 48000)
            container.mux(heard.encode(sound))
        container.mux(heard.encode(None))
    return path


# ---- pictures


@pytest.mark.parametrize("name", ["variable.mp4", "variable.mkv"])
def test_every_frame_keeps_its_time(tmp_path: Path, name) -> None:
    source = write_video(tmp_path / name, VARIABLE)
    assert frame_times_s(copy(source, tmp_path / "out.mp4")) == frame_times_s(source)


def test_a_recording_that_starts_late_starts_at_zero(tmp_path: Path) -> None:
    source = write_video(tmp_path / "late.ts", steady(10, start_s=50.0))
    out = copy(source, tmp_path / "out.mp4")
    assert frame_times_s(out) == pytest.approx(steady(10), abs=1e-4)


def test_odd_sides_are_padded_by_repeating_the_edge(tmp_path: Path) -> None:
    grey = np.full((47, 63, 3), 200, np.uint8)
    source = write_video(tmp_path / "odd.mkv", steady(3), lambda _: grey, codec="ffv1")
    with av.open(str(copy(source, tmp_path / "out.mp4"))) as container:
        shown = next(container.decode(video=0)).to_ndarray(format="gray")
    assert shown.shape == (48, 64)
    assert np.ptp(shown) < 6


def test_what_a_player_must_know_of_the_colours_is_carried_over(tmp_path: Path) -> None:
    source = write_video(tmp_path / "plain.mp4", steady(3))

    def tagged() -> Iterator[av.VideoFrame]:
        with open_recording(source) as recording:
            for one in recording.pictures():
                one.frame.color_range = ColorRange.JPEG
                one.frame.color_primaries = ColorPrimaries.BT709
                yield one.frame

    list(encode(tagged(), tmp_path / "out.mp4", source))
    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.color_range == ColorRange.JPEG
        assert stream.codec_context.color_primaries == ColorPrimaries.BT709


def test_progress_is_in_seconds_and_never_goes_back(tmp_path: Path) -> None:
    source = write_video(tmp_path / "talk.mp4", steady(50, start_s=1.0), sound_s=3.0)
    with open_recording(source) as recording:
        frames = (one.frame for one in recording.pictures())
        done = list(encode(frames, tmp_path / "out.mp4", source))
    assert done == sorted(done)
    assert done[0] == 0
    assert done[-1] == pytest.approx(2.0, abs=0.1)


# ---- sound


@pytest.mark.parametrize("name", ["talk.mp4", "talk.mkv"])
def test_sound_that_mp4_takes_is_copied_byte_for_byte(tmp_path: Path, name) -> None:
    source = write_video(tmp_path / name, steady(50), sound_s=2.0)
    before, after = sound_packets(source), sound_packets(copy(source, tmp_path / "out.mp4"))
    assert [content for _, content in after] == [content for _, content in before]
    assert [time for time, _ in after] == pytest.approx([time for time, _ in before], abs=1e-3)


def test_sound_that_starts_before_the_picture_stays_in_time_with_it(tmp_path: Path) -> None:
    source = write_video(tmp_path / "late.mp4", steady(50, start_s=0.84), sound_s=3.0)
    out = copy(source, tmp_path / "out.mp4")
    lead = [frame_times_s(path)[0] - sound_packets(path)[0][0] for path in (source, out)]
    assert lead[0] > 0.8
    assert lead[1] == pytest.approx(lead[0], abs=1e-3)
    assert frame_times_s(out)[0] > 0.8  # sound before 0 would not be heard


@pytest.mark.parametrize(
    ("name", "codec"), [("pcm.mkv", "pcm_s16le"), ("pcm.mov", "pcm_s16le"), ("mp2.ts", "mp2")]
)
def test_other_sound_becomes_aac_and_stays_in_time(tmp_path: Path, name, codec) -> None:
    source = write_click(tmp_path / name, codec, picture_start_s=0.2)
    out = copy(source, tmp_path / "out.mp4")
    with av.open(str(out)) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
    after = [click_s(path) - frame_times_s(path)[0] for path in (source, out)]
    assert after[0] == pytest.approx(CLICK_S - 0.2, abs=0.03)
    assert after[1] == pytest.approx(after[0], abs=0.003)


def test_after_lost_sound_the_rest_is_still_in_time(tmp_path: Path) -> None:
    source = write_click(tmp_path / "holes.mkv", "pcm_s16le", lost_s=0.3)
    assert click_s(copy(source, tmp_path / "out.mp4")) == pytest.approx(CLICK_S, abs=0.003)


@pytest.mark.parametrize("codec", ["pcm_s16le", "flac"])
def test_of_a_range_only_its_sound_is_kept(tmp_path: Path, codec) -> None:
    source = write_click(tmp_path / "click.mkv", codec)
    out = copy(source, tmp_path / "out.mp4", start_s=0.4, lead_in=False, end_s=1.2)
    assert frame_times_s(out)[0] == 0
    assert click_s(out) == pytest.approx(CLICK_S - 0.4, abs=0.003)
    heard_s = [time for time, _ in sound_packets(out)]
    assert (heard_s[0], heard_s[-1]) == pytest.approx((0.0, 0.8), abs=0.12)


def test_sound_that_breaks_off_is_kept_as_far_as_it_goes(tmp_path: Path) -> None:
    source = truncate(write_click(tmp_path / "torn.mkv", "pcm_s16le"), 0.6)
    out = copy(source, tmp_path / "out.mp4")
    assert len(frame_times_s(out)) > 5
    assert 0.2 < sound_packets(out)[-1][0] < 1.9


def test_a_failing_sound_track_does_not_cost_the_pictures(recordings, tmp_path: Path) -> None:
    source = recordings / "odd_failing_audio.mp4"
    out = copy(source, tmp_path / "out.mp4")
    assert frame_times_s(out) == frame_times_s(source)
    assert sound_packets(out)


def test_lips_and_sound_stay_together_in_a_real_recording(recordings, tmp_path: Path) -> None:
    source = recordings / "scene_cuts_many_people.mp4"
    out = copy(source, tmp_path / "out.mp4")
    lead = [frame_times_s(path)[0] - sound_packets(path)[0][0] for path in (source, out)]
    assert lead[0] == pytest.approx(0.844, abs=0.001)
    assert lead[1] == pytest.approx(lead[0], abs=0.001)


# ---- whole or absent


def test_an_error_half_way_leaves_nothing_behind(tmp_path: Path) -> None:
    source = write_video(tmp_path / "talk.mp4", steady(50), sound_s=2.0)

    def failing() -> Iterator[av.VideoFrame]:
        with open_recording(source) as recording:
            for one in recording.pictures():
                if one.index == 40:
                    raise RuntimeError("a bug")
                yield one.frame

    with pytest.raises(RuntimeError, match="a bug"):
        list(encode(failing(), tmp_path / "out.mp4", source))
    assert list(tmp_path.iterdir()) == [source]


def test_stopping_half_way_leaves_nothing_behind(tmp_path: Path) -> None:
    source = write_video(tmp_path / "talk.mp4", steady(50), sound_s=2.0)
    with open_recording(source) as recording:
        writing = encode((one.frame for one in recording.pictures()), tmp_path / "out.mp4", source)
        next(writing)
        writing.close()
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("out.avi", "ends in .mp4"),
        ("talk.mp4", "it is the recording itself"),
        ("folder.mp4", "is a directory"),
    ],
)
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, name, reason) -> None:
    source = write_video(tmp_path / "talk.mp4", steady(5))
    (tmp_path / "folder.mp4").mkdir()
    content = source.read_bytes()
    with pytest.raises(OutputError, match=reason):
        copy(source, tmp_path / name)
    assert source.read_bytes() == content
