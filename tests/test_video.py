import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, VideoReformatter

from fer_video.errors import VideoError
from fer_video.options import SampleOptions
from fer_video.planes import luma, small_rgb, upright
from fer_video.sampling import Grid
from fer_video.types import Frame, Image
from fer_video.video import Recording, open_container, open_recording
from tests.corpus import streamed
from tests.scenes import (
    SIZE_PX,
    Square,
    blank,
    bright_square,
    cut_before,
    damage,
    picture,
    steady,
    truncate,
    walk,
    write_sound,
    write_video,
)

VARIABLE = [0.0, 0.04, 0.12, 0.13, 0.5, 0.7, 2.0]
B_FRAMES = {"preset": "medium", "bf": "3", "g": "12", "sc_threshold": "0"}


def read(path: Path, *, key_every_s: float = 0.2, side_px: int = 640, **sample) -> list[Frame]:
    with open_recording(path) as recording:
        return list(recording.frames(SampleOptions(**sample), key_every_s, side_px))


def read_all(path: Path) -> Recording:
    with open_recording(path) as recording:
        for _ in recording.pictures():
            pass
    return recording


def times(frames: list[Frame]) -> list[float]:
    return [frame.time_s for frame in frames]


def face_left_px(gray: Image) -> int:
    return int(np.flatnonzero(gray.max(axis=0) > 128)[0])


def seconds(*values: float):
    return pytest.approx(list(values), abs=1e-3)


# ---- times


@pytest.mark.parametrize(
    ("name", "video"),
    [
        ("constant.mp4", {"times_s": steady(30)}),
        ("film.mp4", {"times_s": steady(30, fps=24000 / 1001)}),
        ("variable.mp4", {"times_s": VARIABLE}),
        ("variable.mkv", {"times_s": VARIABLE}),
        ("b_frames.mp4", {"times_s": steady(30), "options": B_FRAMES}),
        ("b_frames.ts", {"times_s": steady(30), "options": B_FRAMES}),
        ("b_frames_variable.mov", {"times_s": VARIABLE, "options": B_FRAMES}),
        ("vp8.webm", {"times_s": VARIABLE, "codec": "libvpx"}),
        ("mpeg4.avi", {"times_s": steady(30, fps=30), "codec": "mpeg4"}),
        ("moving.gif", {"times_s": steady(9, fps=10), "codec": "gif", "pix_fmt": "rgb8"}),
        ("with_sound.mp4", {"times_s": VARIABLE, "sound_s": 2.5}),
    ],
)
def test_each_frame_has_the_time_at_which_it_is_shown(tmp_path, name, video) -> None:
    frames = read(write_video(tmp_path / name, **video))
    assert times(frames) == seconds(*video["times_s"])
    assert [frame.index for frame in frames] == list(range(len(frames)))


@pytest.mark.parametrize("name", ["late.mp4", "late.mkv", "late.ts"])
def test_time_counts_from_the_first_picture_where_it_starts_later_than_the_sound(
    tmp_path, name
) -> None:
    path = write_video(tmp_path / name, steady(20, start_s=1.075), sound_s=2)
    with open_recording(path) as recording:
        frames = list(recording.frames(SampleOptions(), 0.2, 640))
    assert times(frames) == seconds(*steady(20))
    assert recording.first_frame_s == pytest.approx(1.075, abs=0.1)
    assert recording.first_frame_s == pytest.approx(frames[0].pts * recording.info.time_base)


def test_times_only_go_forward_where_time_stamps_start_again(tmp_path) -> None:
    first = write_video(tmp_path / "first.ts", steady(30))
    again = write_video(tmp_path / "again.ts", steady(40))
    both = tmp_path / "both.ts"
    both.write_bytes(first.read_bytes() + again.read_bytes())
    recording = read_all(both)
    assert times(read(both)) == seconds(*steady(40))
    assert recording.frames_corrupt == 30


# ---- sampling


def test_sampling_follows_a_grid_and_does_not_drift(tmp_path) -> None:
    path = write_video(tmp_path / "film.mp4", steady(240, fps=24000 / 1001))
    sampled = times(read(path, fps=7))
    lateness_s = np.array(sampled) - np.arange(len(sampled)) / 7
    assert len(sampled) == 70
    assert lateness_s.min() >= 0
    assert lateness_s.max() < 1001 / 24000


def read_sampled_from_all(path: Path, **sample) -> tuple[list[Frame], Recording]:
    """What sampling gives where every frame is decoded."""
    period_s, start_s = 1 / sample["fps"], sample.get("start_s", 0)
    with open_recording(path) as recording:
        grid = Grid(start_s, period_s, 1e-4)
        every = recording.frames(SampleOptions(start_s=start_s), 0.2, 640)
        return [frame for frame in every if grid.takes(frame.time_s)], recording


@pytest.mark.parametrize("sample", [{"fps": 5}, {"fps": 0.9}, {"fps": 5, "start_s": 15.05}])
@pytest.mark.parametrize(
    ("name", "video"),
    [
        ("b_frames.mp4", {"options": B_FRAMES}),
        ("b_frames.ts", {"options": B_FRAMES}),
        ("b_frames.mkv", {"options": {**B_FRAMES, "g": "200", "b-pyramid": "normal"}}),
        ("no_b_frames.mp4", {}),
        ("vp8.webm", {"codec": "libvpx", "options": {"auto-alt-ref": "1", "lag-in-frames": "9"}}),
        ("vp9.webm", {"codec": "libvpx-vp9", "options": {"cpu-used": "8"}}),
        ("mpeg4.mp4", {"codec": "mpeg4", "options": {"bf": "2"}}),
        ("hevc.mp4", {"codec": "libx265", "options": {"x265-params": "log-level=none"}}),
    ],
)
def test_frames_that_no_sample_needs_change_nothing_where_they_are_not_decoded(
    tmp_path, name, video, sample
) -> None:
    path = write_video(tmp_path / name, steady(500), **video)
    with open_recording(path) as recording:
        sampled = list(recording.frames(SampleOptions(**sample), 0.2, 640))
    expected, every = read_sampled_from_all(path, **sample)
    assert [(frame.index, frame.pts) for frame in sampled] == [
        (frame.index, frame.pts) for frame in expected
    ]
    assert all(np.array_equal(a.gray, b.gray) for a, b in zip(sampled, expected, strict=True))
    assert recording.frames_decoded + recording.frames_undecoded == every.frames_decoded
    assert recording.frames_corrupt == 0
    assert recording.ended_early_s is None
    if name.startswith("b_frames"):
        assert recording.frames_decoded < 0.8 * every.frames_decoded


@pytest.mark.parametrize("packet_index", range(40, 54))
def test_where_a_frame_is_damaged_the_same_one_stands_in_for_it_as_if_all_were_decoded(
    tmp_path, packet_index
) -> None:
    path = write_video(tmp_path / "talk.mp4", steady(100), options=B_FRAMES)
    damage(path, packet_index)
    with open_recording(path) as recording:
        sampled = list(recording.frames(SampleOptions(fps=8), 0.2, 640))
    expected, every = read_sampled_from_all(path, fps=8)
    assert [(frame.index, frame.pts) for frame in sampled] == [
        (frame.index, frame.pts) for frame in expected
    ]
    if recording.frames_undecoded:  # only damage that no sample shows stays unseen
        assert recording.frames_decoded + recording.frames_undecoded >= every.frames_decoded
    else:
        assert recording.frames_decoded == every.frames_decoded
        assert recording.frames_corrupt == every.frames_corrupt


def test_sampling_takes_every_frame_where_the_container_rounds_its_times(tmp_path) -> None:
    path = write_video(tmp_path / "milliseconds.mkv", steady(60, fps=30))
    assert len(read(path, fps=30)) == 60


def test_a_gap_in_the_recording_gives_one_sample_not_many(tmp_path) -> None:
    path = write_video(tmp_path / "gap.mp4", [0.0, 0.1, 0.2, 0.3, 2.04, 2.08, 2.12, 2.16, 2.2])
    assert times(read(path, fps=10)) == seconds(0.0, 0.1, 0.2, 0.3, 2.04, 2.12, 2.2)


def test_start_is_within_the_samples_and_end_is_not(tmp_path) -> None:
    path = write_video(tmp_path / "talk.mp4", steady(50))
    assert times(read(path, start_s=0.4, end_s=0.6)) == seconds(0.4, 0.44, 0.48, 0.52, 0.56)
    assert times(read(path, start_s=0.41, end_s=0.6)) == seconds(0.44, 0.48, 0.52, 0.56)


def test_no_frame_before_the_start_is_taken_however_coarse_the_clock(tmp_path) -> None:
    path = write_video(tmp_path / "hundredths.gif", steady(9, fps=10), codec="gif", pix_fmt="rgb8")
    assert times(read(path, start_s=0.104))[0] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "key_distance"),
    [
        ("long.mp4", "libx264", "yuv420p", 12),
        ("long.mkv", "libx264", "yuv420p", 12),
        ("long.ts", "libx264", "yuv420p", 12),
        ("few_key_frames.mp4", "libx264", "yuv420p", 200),
        ("few_key_frames.ts", "libx264", "yuv420p", 200),
        ("few_key_frames_mpeg4.ts", "mpeg4", "yuv420p", 200),
        ("long.avi", "mpeg4", "yuv420p", 12),
        ("long.gif", "gif", "rgb8", 0),
    ],
)
def test_starting_late_gives_the_same_frames_as_reading_from_the_start(
    tmp_path, name, codec, pix_fmt, key_distance
) -> None:
    options = {**B_FRAMES, "g": str(key_distance)}
    path = write_video(
        tmp_path / name, steady(300, fps=10), codec=codec, pix_fmt=pix_fmt, options=options
    )
    with open_recording(path) as recording:
        late = list(recording.frames(SampleOptions(start_s=15.05), 0.2, 640))
    reference = [frame for frame in read(path) if frame.time_s >= 15.05]
    assert recording.frames_corrupt == 0
    assert times(late) == times(reference)
    assert [frame.pts for frame in late] == [frame.pts for frame in reference]
    assert all(np.array_equal(a.gray, b.gray) for a, b in zip(late, reference, strict=True))


def test_starting_late_decodes_only_what_is_near(tmp_path) -> None:
    path = write_video(tmp_path / "long.mp4", steady(300, fps=10))
    with open_recording(path) as recording:
        late = list(recording.frames(SampleOptions(start_s=25), 0.2, 640))
    assert len(late) == 50
    assert 150 <= recording.frames_decoded <= 162
    assert late[-1].index == recording.frames_decoded - 1


def test_key_frames_are_the_first_at_or_after_each_multiple_of_their_distance(tmp_path) -> None:
    path = write_video(tmp_path / "gap.mp4", [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 1.32, 1.42, 1.52])
    frames = read(path, key_every_s=0.2, start_s=0.1)
    keys = [frame.time_s for frame in frames if frame.rgb is not None]
    assert keys == seconds(0.1, 0.3, 0.5, 1.32, 1.52)


def test_a_key_distance_of_0_makes_every_frame_a_key_frame(tmp_path) -> None:
    frames = read(write_video(tmp_path / "talk.mp4", steady(5)), key_every_s=0)
    assert all(frame.rgb is not None for frame in frames)


def begun(draw, path: Path, **sample) -> list[float]:
    """When scenes begin in a video of 3 s, as the samples tell."""
    frames = read(write_video(path, steady(75), draw), **sample)
    return [frame.time_s for frame in frames if frame.cut]


@pytest.mark.parametrize(("sample", "tells_s"), [({}, [0.4, 0.6]), ({"fps": 1}, [1.0])])
def test_a_scene_that_lies_between_two_samples_is_seen(tmp_path, sample, tells_s) -> None:
    def other_speaker(index: int) -> Image:
        return walk(0) if 10 <= index < 15 else 255 - walk(0)

    assert begun(other_speaker, tmp_path / "a.mp4", **sample) == seconds(*tells_s)


@pytest.mark.parametrize("sample", [{}, {"fps": 1}, {"fps": 1, "start_s": 1.0}])
def test_light_that_grows_begins_no_scene(tmp_path, sample) -> None:
    def dawn(index: int) -> Image:
        return np.full((48, 64, 3), 3 * index, np.uint8)

    assert begun(dawn, tmp_path / "a.mp4", **sample) == []


def test_what_is_before_the_first_sample_begins_no_scene(tmp_path) -> None:
    def one_cut(index: int) -> Image:
        return walk(0) if index < 20 else 255 - walk(0)

    assert begun(one_cut, tmp_path / "a.mp4", start_s=1.0) == []


@pytest.mark.parametrize("options", [None, B_FRAMES])
@pytest.mark.parametrize(
    ("pause_s", "sample", "tells_s"),
    [(4.0, {}, []), (6.0, {}, [7.0]), (6.0, {"fps": 0.5}, [7.0]), (16.0, {"fps": 0.05}, [20.0])],
)
def test_a_pause_in_the_recording_begins_a_scene(
    tmp_path, options, pause_s, sample, tells_s
) -> None:
    path = tmp_path / "a.mp4"
    times_s = steady(18) + steady(126, start_s=1 + pause_s)  # between two B-frames
    write_video(path, times_s, lambda index: walk(0), options=options)
    assert [one.time_s for one in read(path, **sample) if one.cut] == seconds(*tells_s)


def test_what_is_left_undecoded_is_no_pause(tmp_path) -> None:
    rare = {"x264-params": "bframes=16:b-adapt=0:b-pyramid=0:scenecut=0"}  # whole once in 17 s
    still = steady(52, fps=1)
    path = write_video(tmp_path / "a.mp4", still, lambda index: walk(0), options=rare)
    with open_recording(path) as recording:
        frames = list(recording.frames(SampleOptions(fps=1 / 17), 0.2, 640))
        assert recording.frames_undecoded > 40
    assert [(frame.time_s, frame.cut) for frame in frames] == [
        (0, False),
        (17, False),
        (34, False),
        (51, False),
    ]


# ---- pictures


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("clockwise_deg", [0, 90, 180, 270])
def test_a_recording_of_a_turned_phone_comes_out_upright(tmp_path, clockwise_deg, mirrored) -> None:
    scene = picture(Square(4, 8))
    shown = scene[:, ::-1] if mirrored else scene  # before the mirror, which is the last step
    stored = np.ascontiguousarray(np.rot90(shown, clockwise_deg // 90))
    path = write_video(
        tmp_path / "phone.mp4",
        steady(3),
        lambda _: stored,
        clockwise_deg=clockwise_deg,
        mirrored=mirrored,
    )
    with open_recording(path) as recording:
        (frame, *_) = recording.frames(SampleOptions(), 0.2, 640)
    assert (recording.info.rotation_deg, recording.info.mirrored) == (clockwise_deg, mirrored)
    assert (recording.info.width_px, recording.info.height_px) == SIZE_PX
    ((face,),) = bright_square([frame.rgb])
    assert face.box == (4, 8, 20, 24)
    assert (frame.gray > 128).tolist() == (scene[..., 0] > 128).tolist()


def test_upright_turns_clockwise() -> None:
    assert upright(np.array([[1, 2], [3, 4]], np.uint8), 90).tolist() == [[3, 1], [4, 2]]


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "full_range"),
    [
        ("limited.mp4", "libx264", "yuv420p", False),
        ("full.mp4", "libx264", "yuvj420p", True),
        ("ten_bit.mkv", "libx264", "yuv420p10le", False),
        ("four_four_four.mkv", "libx264", "yuv444p", False),
        ("gray.mkv", "ffv1", "gray", True),
        ("ten_bit_gray.mkv", "ffv1", "gray10le", True),
        ("packed.avi", "rawvideo", "yuyv422", True),
        ("rgb.mkv", "ffv1", "bgr0", True),
        ("palette.gif", "gif", "rgb8", True),
    ],
)
def test_gray_is_the_luma_and_says_its_range(tmp_path, name, codec, pix_fmt, full_range) -> None:
    def black_and_white(_: int) -> Image:
        return np.where(picture(Square(4, 8)) > 128, 255, 0).astype(np.uint8)

    path = write_video(tmp_path / name, steady(3), black_and_white, codec=codec, pix_fmt=pix_fmt)
    (frame, *_) = read(path)
    darkest, brightest = (0, 255) if full_range else (16, 235)
    assert frame.full_range == full_range
    assert frame.gray.dtype == np.uint8
    assert frame.gray.min() == pytest.approx(darkest, abs=3)
    assert frame.gray.max() == pytest.approx(brightest, abs=3)
    assert frame.rgb.min() <= 3
    assert frame.rgb.max() >= 252


@pytest.mark.parametrize("coding", [ColorRange.MPEG, ColorRange.JPEG, ColorRange.UNSPECIFIED])
def test_what_a_gray_recording_says_of_its_range_is_believed(coding: ColorRange) -> None:
    frame = VideoFrame(64, 48, "gray")
    frame.color_range = coding
    assert luma(frame, VideoReformatter())[1] == (coding != ColorRange.MPEG)


def test_an_odd_size_is_kept(tmp_path) -> None:
    path = write_video(
        tmp_path / "odd.webm",
        steady(3),
        lambda _: picture(Square(5, 7), size_px=(63, 47)),
        codec="libvpx",
    )
    (frame, *_) = read(path)
    assert frame.gray.shape == (47, 63)
    assert frame.rgb.shape == (47, 63, 3)
    assert face_left_px(frame.gray) == 5


@pytest.mark.parametrize(("side_px", "shape"), [(32, (24, 32, 3)), (640, (48, 64, 3))])
def test_rgb_is_scaled_down_to_the_longest_side_and_never_up(tmp_path, side_px, shape) -> None:
    (frame, *_) = read(write_video(tmp_path / "talk.mp4", steady(3)), side_px=side_px)
    assert frame.rgb.shape == shape
    assert frame.gray.shape == (48, 64)


@pytest.mark.parametrize("colorspace", ["ITU601", "ITU709", None])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuvj420p", "yuv422p", "yuv420p10le", "nv12"])
@pytest.mark.parametrize("side_px", [64, 48, 128])
def test_rgb_has_the_colors_of_the_recording(pix_fmt, colorspace, side_px) -> None:
    patches = np.random.default_rng(0).integers(40, 216, (6, 8, 3)).astype(np.uint8)
    drawn = VideoFrame.from_ndarray(patches.repeat(16, axis=0).repeat(16, axis=1), "rgb24")
    stored = drawn.reformat(format=pix_fmt, dst_colorspace=colorspace)
    rgb = small_rgb(stored, side_px, VideoReformatter(), VideoReformatter())
    patch_px = side_px // 8
    middles = rgb[patch_px // 2 :: patch_px, patch_px // 2 :: patch_px]
    assert np.abs(middles.astype(int) - patches).max() <= 8


def test_gray_stays_as_it_is_while_the_decoder_goes_on(tmp_path) -> None:
    path = write_video(tmp_path / "walk.mp4", steady(100), options=B_FRAMES)
    with open_recording(path) as recording:
        faces_left_px = [
            (frame, face_left_px(frame.gray))
            for frame in recording.frames(SampleOptions(), 0.2, 640)
        ]
    assert [left for _, left in faces_left_px] == [4 + 2 * (index % 20) for index in range(100)]
    assert all(face_left_px(frame.gray) == left for frame, left in faces_left_px)


def test_a_change_of_size_within_a_recording_keeps_the_first_size(tmp_path) -> None:
    small = write_video(tmp_path / "small.ts", steady(10))
    large = write_video(
        tmp_path / "large.ts",
        steady(10, start_s=1),
        lambda _: picture(Square(8, 16, 32), size_px=(128, 96)),
    )
    call = tmp_path / "call.ts"
    call.write_bytes(small.read_bytes() + large.read_bytes())
    frames = read(call, key_every_s=0)
    assert len(frames) == 20
    assert {frame.gray.shape for frame in frames} == {(48, 64)}
    assert face_left_px(frames[-1].gray) == 4


# ---- damage


def test_a_damaged_frame_is_skipped_and_counted_in_the_same_way_each_time(tmp_path) -> None:
    path = damage(write_video(tmp_path / "damaged.mp4", steady(50)), 30)
    runs = [read_all(path) for _ in range(5)]
    assert {(run.frames_decoded, run.frames_corrupt) for run in runs} == {(49, 1)}
    assert 30 / 25 not in times(read(path))
    assert read_all(path).ended_early_s is None


def test_a_damaged_first_frame_moves_no_time(tmp_path) -> None:
    path = write_video(tmp_path / "damaged.mp4", steady(9, start_s=1), options={"g": "1"})
    assert times(read(damage(path, 0))) == seconds(*steady(9)[1:])


def test_damage_in_the_last_frames_costs_only_the_damaged_one(tmp_path) -> None:
    path = damage(write_video(tmp_path / "damaged.mp4", steady(47)), 45)
    assert times(read(path))[-3:] == seconds(43 / 25, 44 / 25, 46 / 25)


def test_a_recording_of_which_no_frame_can_be_decoded_is_refused(tmp_path) -> None:
    path = write_video(tmp_path / "noise.mp4", steady(20))
    for index in range(20):
        damage(path, index)
    with pytest.raises(VideoError, match=r"none of the first 8 frames can be decoded.*copy it"):
        read(path)


@pytest.mark.parametrize("spoil", [damage, blank])
@pytest.mark.parametrize("sample", [{}, {"fps": 2}])
def test_long_damage_costs_only_what_is_damaged(tmp_path, spoil, sample) -> None:
    path = write_video(tmp_path / "noise.mp4", steady(300, fps=10), lambda index: walk(0))
    for index in range(60, 240):  # whole groups of pictures
        spoil(path, index)
    with open_recording(path) as recording:
        frames = list(recording.frames(SampleOptions(**sample), 0.2, 640))
        missing = recording.frames_corrupt
    every = 5 if sample else 1
    assert times(frames) == seconds(*[n / 10 for n in range(0, 300, every) if not 60 <= n < 240])
    assert [frame.time_s for frame in frames if frame.cut] == seconds(24.0)
    assert 180 - 48 <= missing <= 180


def test_frames_that_a_decoder_leaves_out_in_silence_are_counted(tmp_path) -> None:
    one_group = {"x265-params": "keyint=400:log-level=none"}
    path = tmp_path / "hevc.mp4"
    write_video(
        path, steady(200, fps=10), lambda index: walk(0), codec="libx265", options=one_group
    )
    for index in range(60, 80):
        damage(path, index)
    recording = read_all(path)
    assert (recording.frames_decoded, recording.frames_corrupt) == (60, 140)


def test_a_long_gap_in_a_whole_recording_is_no_damage(tmp_path) -> None:
    path = write_video(
        tmp_path / "paused.mp4", [*steady(50), *steady(50, start_s=60)], options=B_FRAMES
    )
    recording = read_all(path)
    assert (recording.frames_decoded, recording.frames_corrupt) == (100, 0)
    assert recording.ended_early_s is None


def test_one_damaged_frame_after_a_long_gap_is_no_long_damage(tmp_path) -> None:
    path = write_video(tmp_path / "paused.mp4", [*steady(50), *steady(50, start_s=60)])
    recording = read_all(damage(path, 50))
    assert (recording.frames_decoded, recording.frames_corrupt) == (99, 1)


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv"])
def test_a_recording_that_breaks_off_says_how_much_is_missing(tmp_path, name) -> None:
    path = truncate(write_video(tmp_path / name, steady(250), sound_s=10), 0.5)
    with open_recording(path) as recording:
        frames = list(recording.frames(SampleOptions(), 0.2, 640))
    missing_s = 10 - frames[-1].time_s
    assert 2 < missing_s < 8
    assert recording.ended_early_s == pytest.approx(missing_s, abs=0.5)


@pytest.mark.parametrize(
    ("missing", "ended_early_s"), [(10, None), (12, pytest.approx(11, abs=0.1))]
)
def test_a_long_recording_may_end_10_s_early_and_no_more(tmp_path, missing, ended_early_s) -> None:
    path = write_video(tmp_path / "night.mp4", steady(1200, fps=1))
    assert read_all(cut_before(path, 1200 - missing)).ended_early_s == ended_early_s


def test_an_avi_file_that_was_streamed_says_nothing_of_its_end(tmp_path) -> None:
    path = tmp_path / "screen.avi"
    streamed(50)(path)
    recording = read_all(path)
    assert (recording.frames_decoded, recording.info.duration_from_header_s) == (50, None)
    assert (recording.ended_early_s, recording.missing_bytes) == (None, 0)


def test_sound_that_is_longer_than_the_picture_is_no_missing_picture(tmp_path) -> None:
    for name in ("talk.mp4", "talk.mkv", "talk.ts"):
        assert read_all(write_video(tmp_path / name, steady(25), sound_s=5)).ended_early_s is None


def test_stopping_before_the_end_says_nothing_about_the_end(tmp_path) -> None:
    path = truncate(write_video(tmp_path / "cut.mp4", steady(250)), 0.5)
    with open_recording(path) as recording:
        list(recording.frames(SampleOptions(end_s=1), 0.2, 640))
    assert recording.ended_early_s is None


# ---- what is refused


def refusal(path: Path) -> str:
    with pytest.raises(VideoError) as caught, open_recording(path):
        pass
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    return caught.value.reason


def test_a_missing_file_is_called_missing(tmp_path) -> None:
    assert refusal(tmp_path / "nowhere.mp4") == "no such file"


def test_a_file_that_goes_away_while_it_is_read_is_told(tmp_path) -> None:
    path = write_video(tmp_path / "talk.mp4", steady(25))
    with open_recording(path) as recording:
        pictures = recording.pictures()
        next(pictures)
        path.unlink()
        with pytest.raises(VideoError, match="it went away while it was read"):
            list(pictures)


@pytest.mark.parametrize("address", ["http://host/talk.mp4", "rtsp://camera/1"])
def test_a_web_address_is_refused(address) -> None:
    assert refusal(Path(address)) == "it is a web address: download the recording first"


def test_a_web_address_is_refused_without_repeating_what_may_be_secret() -> None:
    with pytest.raises(VideoError) as caught, open_recording(Path("https://me:pw@host/a?sig=pw")):
        pass
    assert "https:/host/a" in str(caught.value)
    assert "pw" not in str(caught.value)


def test_a_folder_a_pipe_and_an_empty_file_are_refused(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "empty.mp4").touch()
    assert refusal(tmp_path) == "it is a folder"
    assert refusal(tmp_path / "pipe.mp4") == "it is no regular file"
    assert refusal(tmp_path / "empty.mp4").startswith("the file is empty")


@pytest.mark.parametrize("suffix", ["mp4", "m3u8", "ffconcat", "txt", "avi"])
@pytest.mark.parametrize(
    "start", ["#EXTM3U\n#EXTINF:9,\n", "ffconcat version 1.0\nfile ", "\n#EXTM3U\n"]
)
def test_a_playlist_is_refused_whatever_its_name(tmp_path, suffix, start) -> None:
    recording = write_video(tmp_path / "talk.mp4", steady(5))
    path = tmp_path / f"list.{suffix}"
    path.write_text(f"{start}{recording}\n")
    assert refusal(path).startswith("it is a playlist, not a recording")


@pytest.mark.parametrize(
    "content",
    [
        b"these are notes of the session\n" * 50,
        b"\x89PNG\r\n\x1a\n" + bytes(500),
        b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>',
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    ],
)
def test_what_is_no_video_is_refused_with_the_formats_that_are_read(tmp_path, content) -> None:
    path = tmp_path / "talk.mp4"
    path.write_bytes(content)
    assert refusal(path).startswith("not a video file in a format fer-video reads (mp4, mov, mkv")


def test_a_video_in_a_container_that_is_not_on_the_list_is_refused(tmp_path) -> None:
    path = write_video(tmp_path / "stream.nut", steady(5))
    assert refusal(path).startswith("not a video file in a format fer-video reads")


def test_a_recording_that_was_never_finished_is_refused(tmp_path) -> None:
    path = write_video(tmp_path / "talk.mov", steady(50))
    path.write_bytes(path.read_bytes().replace(b"moov", b"none"))
    assert refusal(path).startswith("its index cannot be read; the file is damaged")


@pytest.mark.parametrize("cover", [False, True])
def test_a_recording_of_sound_is_refused_also_with_a_cover_picture(tmp_path, cover) -> None:
    path = write_sound(tmp_path / "voice.mp4", cover=cover)
    assert refusal(path) == "it has sound but no picture"


def test_nothing_is_printed_about_damage(tmp_path, capfd) -> None:
    path = damage(write_video(tmp_path / "damaged.mp4", steady(50)), 30)
    capfd.readouterr()  # the encoder's own
    read(path)
    refusal(truncate(path, 0.5).with_name("nowhere.mp4"))
    assert capfd.readouterr() == ("", "")


# ---- opening and closing


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files in /proc")
@pytest.mark.parametrize("closes", [True, False])
def test_leaving_early_leaves_no_file_open(tmp_path, closes) -> None:
    path = write_video(tmp_path / "talk.mp4", steady(50))
    before = open_files()
    with open_recording(path) as recording:
        frames = recording.frames(SampleOptions(), 0.2, 640)
        next(frames)
        assert open_files() == before + 1
        if closes:
            frames.close()
            assert open_files() == before
    assert open_files() == before


def test_a_recording_can_be_read_again(tmp_path) -> None:
    with open_recording(write_video(tmp_path / "talk.mp4", steady(9))) as recording:
        first = [frame.pts for frame in recording.frames(SampleOptions(), 0.2, 640)]
        again = [frame.pts for frame in recording.pictures()]
    assert first == again
    assert recording.frames_decoded == 9


def test_the_header_is_reported_as_what_it_says(tmp_path) -> None:
    path = write_video(tmp_path / "talk.mp4", steady(50), sound_s=3)
    with open_recording(path) as recording:
        info = recording.info
    assert info.path == path
    assert info.duration_from_header_s == pytest.approx(2, abs=0.02)
    assert info.frame_rate_from_header == pytest.approx(25, abs=0.2)
    assert info.rotation_deg == 0


def test_the_container_is_open_for_its_sound_only_within_the_context(tmp_path) -> None:
    path = write_video(tmp_path / "talk.mp4", steady(9), sound_s=1)
    with open_container(path) as container:
        assert sum(packet.size > 0 for packet in container.demux(audio=0)) > 10
    with pytest.raises(AssertionError, match="not open"):
        next(container.demux())


# ---- real recordings

WHOLE = {
    "emotion_change.mp4": 472,
    "face_enters_vfr_hevc.mov": 169,
    "face_leaves_vfr_hevc.mov": 169,
    "no_face.mp4": 95,
    "odd_failing_audio.mp4": 280,
    "odd_mpeg4_vfr_gap.avi": 150,
    "odd_no_duration.webm": 74,
    "odd_ogg_named_mkv.mkv": 150,
    "scene_cuts_many_people.mp4": 275,
    "two_people.gif": 56,
    "webcam_vfr_vp8.webm": 1316,
}


@pytest.mark.parametrize(("name", "count"), WHOLE.items())
def test_a_whole_recording_is_read_whole(recordings, name, count) -> None:
    recording = read_all(recordings / name)
    assert (recording.frames_decoded, recording.frames_corrupt) == (count, 0)
    assert recording.ended_early_s is None


def test_a_real_recording_with_two_bad_frames_counts_both(recordings) -> None:
    runs = [read_all(recordings / "odd_one_corrupt_frame.mp4") for _ in range(5)]
    assert {(run.frames_decoded, run.frames_corrupt) for run in runs} == {(48, 2)}


def test_a_real_recording_of_random_bytes_is_refused(recordings) -> None:
    assert refusal(recordings / "bad_corrupted.mp4").startswith("none of the first 8 frames")


def test_a_real_turned_phone_gives_the_picture_of_the_unturned_one(recordings) -> None:
    (turned, *_) = read(recordings / "rotated_phone.mp4", fps=1)
    (unturned, *_) = read(recordings / "neutral_to_smile.mp4", fps=1)
    difference = np.abs(turned.gray.astype(int) - unturned.gray)
    assert difference.mean() < 3
