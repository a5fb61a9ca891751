"""Annotated recordings: every frame at its time, faces held until the next sample."""

from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest

from fer_video.annotate import annotate
from fer_video.errors import DataError
from fer_video.labels import EMOTIONS
from fer_video.options import ViewOptions
from fer_video.types import Box, Image
from fer_video.video import open_recording
from tests.scenes import Square, picture, steady, write_video

VARIABLE = [0.0, 0.04, 0.12, 0.13, 0.5, 0.7, 2.0]
SIZE_PX = (320, 240)
FACE = Box(100, 80, 200, 200)
SAD_BLUE = [0, 114, 178]


def still(_: int) -> Image:
    return picture(size_px=SIZE_PX)


def timeline(
    path: Path,
    *,
    every: int = 1,
    start_s: float = 0.0,
    end_s: float | None = None,
    faces: dict[int, Box] | None = None,
    emotion: str = "sad",
) -> pd.DataFrame:
    """Make the timeline of a recording: ``faces`` by the index of the frame, or one on all."""
    rows = []
    with open_recording(path) as recording:
        for one in recording.pictures():
            inside = start_s <= one.time_s < (end_s or np.inf)
            if one.index % every or not inside:
                continue
            row: dict[str, object] = {"recording": path.name, "pts": one.pts}
            row |= {"time_s": one.time_s, "track": None}
            box = FACE if faces is None else faces.get(one.index)
            if box:
                row |= {"track": 0, "emotion": emotion, "confidence": 0.9, **box._asdict()}
                row |= {f"p_{name}": 0.9 if name == emotion else 0.1 / 6 for name in EMOTIONS}
            rows.append(row)
    columns = ["emotion", "confidence", *Box._fields, *(f"p_{name}" for name in EMOTIONS)]
    table = pd.DataFrame(rows).reindex(columns=["recording", "pts", "time_s", "track", *columns])
    table.attrs["provenance"] = {"options": {"sample": {"start_s": start_s, "end_s": end_s}}}
    return table.astype({"track": "Int32"})


def write(source: Path, table: pd.DataFrame, language="en", **view) -> Path:
    out = source.with_name("annotated.mp4")
    for _ in annotate(source, table, out, ViewOptions(language=language, **view)):
        pass
    return out


def pictures(path: Path) -> list[tuple[float, Image]]:
    """Decode the time in seconds and the RGB picture of each frame."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return [(float(one.pts * one.time_base), one.to_ndarray(format="rgb24")) for one in frames]


def has_box(rgb: Image, box: Box = FACE) -> bool:
    """Whether the left side of the box is there, in blue: sad."""
    side = rgb[int(box.top) + 10 : int(box.bottom) - 10, int(box.left)].astype(int)
    return bool(np.abs(side - SAD_BLUE).max(axis=1).mean() < 60)


def test_every_frame_is_written_at_its_own_time(tmp_path: Path) -> None:
    source = write_video(tmp_path / "variable.mp4", VARIABLE, still)
    shown = pictures(write(source, timeline(source)))
    assert [time for time, _ in shown] == [time for time, _ in pictures(source)]
    assert all(has_box(rgb) for _, rgb in shown)


def test_a_face_is_held_until_the_next_sample(tmp_path: Path) -> None:
    source = write_video(tmp_path / "talk.mp4", steady(12), still)
    table = timeline(source, every=4, faces={4: FACE})
    shown = [has_box(rgb) for _, rgb in pictures(write(source, table))]
    assert shown == 4 * [False] + 4 * [True] + 4 * [False]


def test_only_the_range_that_was_analyzed_is_written(tmp_path: Path) -> None:
    source = write_video(tmp_path / "talk.mp4", steady(50), still, sound_s=2.0)
    table = timeline(source, every=5, start_s=0.4, end_s=1.2)
    out = write(source, table)
    shown = pictures(out)
    assert [time for time, _ in shown] == pytest.approx(steady(20), abs=1e-6)
    with av.open(str(out)) as container:
        times = [p.pts * p.time_base for p in container.demux(audio=0) if p.pts is not None]
    assert (float(times[0]), float(times[-1])) == pytest.approx((0.0, 0.8), abs=0.1)


def test_no_sound_from_before_the_start_is_written_where_a_seek_lands_late(tmp_path: Path) -> None:
    rare_keys = {"preset": "ultrafast", "g": "100", "sc_threshold": "0"}
    source = write_video(tmp_path / "call.ts", steady(125, 5), still, options=rare_keys, sound_s=25)
    out = write(source, timeline(source, start_s=20.0, end_s=22.0))
    with av.open(str(out)) as container:
        sound = [p.pts * p.time_base for p in container.demux(audio=0) if p.pts is not None]
    assert float(sound[-1] - sound[0]) == pytest.approx(2.0, abs=0.2)
    assert pictures(out)[0][0] == pytest.approx(0.0, abs=0.1)


def test_the_sound_before_the_first_picture_is_kept(tmp_path: Path) -> None:
    source = write_video(tmp_path / "late.mp4", steady(25, start_s=0.5), still, sound_s=2.0)
    assert pictures(write(source, timeline(source)))[0][0] == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(("clockwise_deg", "mirrored"), [(90, False), (180, True), (270, False)])
def test_a_rotated_recording_comes_out_upright(tmp_path: Path, clockwise_deg, mirrored) -> None:
    stored = np.rot90(picture(Square(2, 2), size_px=SIZE_PX), clockwise_deg // 90)
    source = write_video(
        tmp_path / "phone.mp4",
        steady(3),
        lambda _: stored.copy(),
        clockwise_deg=clockwise_deg,
        mirrored=mirrored,
    )
    with av.open(str(write(source, timeline(source)))) as container:
        frame = next(container.decode(video=0))
        assert (frame.width, frame.height, frame.rotation) == (*SIZE_PX, 0)
        rgb = frame.to_ndarray(format="rgb24")
    assert has_box(rgb)
    assert (rgb[:, ::-1] if mirrored else rgb)[10, 10].mean() > 128


def test_smoothed_probabilities_are_what_is_shown(tmp_path: Path) -> None:
    source = write_video(tmp_path / "talk.mp4", steady(11), still)
    table = timeline(source)
    happy = table.index == 5
    table.loc[happy, ["p_sad", "p_happy", "emotion"]] = [0.02, 0.9, "happy"]
    rough, smooth = (pictures(write(source, table, smooth_s=s))[5][1] for s in (0.0, 0.4))
    assert (has_box(rough), has_box(smooth)) == (False, True)
    said = np.abs(rough.astype(int) - smooth)[-12:-4, 4:100].max(axis=(1, 2)) > 60
    assert said.all()  # in the lower left corner, that this is an average


@pytest.mark.parametrize("name", ["two_people.gif", "face_leaves_vfr_hevc.mov"])
def test_real_recordings_keep_their_frame_times(recordings, tmp_path: Path, name) -> None:
    source = tmp_path / name
    source.symlink_to(recordings / name)
    out = write(source, timeline(source, every=7, end_s=1.5, faces={0: FACE}))
    with open_recording(source) as recording:
        times = [one.time_s for one in recording.pictures() if one.time_s < 1.5]
    shown = [time for time, _ in pictures(out)]
    assert np.diff(shown).tolist() == pytest.approx(np.diff(times).tolist(), abs=1e-6)


def test_a_face_of_which_most_lies_outside_the_picture_is_drawn(tmp_path: Path) -> None:
    source = write_video(tmp_path / "talk.mp4", steady(2), still)
    leaving = Box(100, 200, 200, 320)  # its middle is below the lower edge
    shown = pictures(write(source, timeline(source, faces={0: leaving, 1: leaving})))
    assert has_box(shown[0][1], Box(100, 200, 200, 240))


def test_the_timeline_of_another_recording_is_refused_before_work_begins(tmp_path: Path) -> None:
    source = write_video(tmp_path / "talk.mp4", steady(5), still)
    other = timeline(source).assign(pts=lambda table: table["pts"] + 1)
    large = timeline(source, faces={0: Box(900, 80, 1000, 200)})
    empty = timeline(source)[:0]
    for table, reason in [(other, "no frame with time"), (large, "320 x 240"), (empty, "no rows")]:
        with pytest.raises(DataError, match=reason):
            list(annotate(source, table, tmp_path / "out.mp4", ViewOptions()))
    assert list(tmp_path.iterdir()) == [source]
