"""Figures of timelines: what stands in them, and that they are whole."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from fer_video.colors import EMOTION_COLORS, color_of
from fer_video.errors import OptionError, OutputError
from fer_video.labels import EMOTIONS
from fer_video.options import ViewOptions
from fer_video.plot import POINTS_PER_PANEL, draw_timeline, plot_timeline, trace_of

# what a colour-blind eye keeps of linear RGB: Machado, Oliveira and Fernandes, "A Physiologically-
# based Model for Simulation of Color Vision Deficiency", 2009, table 1, severity 1
EYES = {
    "full": np.eye(3),
    "no red cones": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no green cones": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no blue cones": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def timeline(spans: dict[int, list[tuple[float, float]]], end_s: float, fps: float = 25.0):
    """Make a timeline in which each track is seen in some spans of seconds."""
    times = np.arange(round(end_s * fps)) / fps
    rows = []
    for time_s in times:
        tracks = [t for t, seen in spans.items() if any(a <= time_s < b for a, b in seen)]
        rows += [(time_s, track) for track in tracks or [None]]
    table = pd.DataFrame(rows, columns=["time_s", "track"]).astype({"track": "Int32"})
    table["recording"] = "a.mp4"
    wave = 0.5 + 0.4 * np.sin(table["time_s"])
    for emotion in EMOTIONS:
        table[f"p_{emotion}"] = (1 - wave) / 6
    table["p_happy"] = wave
    probabilities = [f"p_{emotion}" for emotion in EMOTIONS]
    table.loc[table["track"].isna(), probabilities] = np.nan
    return table.astype(dict.fromkeys(probabilities, "float32"))


def texts(figure: Figure) -> str:
    parts = [text.get_text() for text in figure.findobj(lambda one: hasattr(one, "get_text"))]
    return "\n".join(parts)


def areas(figure: Figure, panel: int = 0) -> list[PolyCollection]:
    return [c for c in figure.axes[panel].collections if c.get_hatch() is None]


@pytest.mark.parametrize(
    ("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")]
)
def test_the_suffix_chooses_the_format(tmp_path: Path, suffix, start) -> None:
    out = tmp_path / f"figure{suffix}"
    plot_timeline(timeline({0: [(0, 2)]}, 2), out, ViewOptions(), title="talk.mp4")
    assert out.read_bytes().startswith(start)
    assert list(tmp_path.iterdir()) == [out]


def test_another_suffix_is_refused_with_the_ones_that_work(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"\.png or \.svg or \.pdf"):
        plot_timeline(timeline({0: [(0, 2)]}, 2), tmp_path / "figure.bmp", ViewOptions())
    assert not list(tmp_path.iterdir())


def test_each_track_has_a_panel_named_after_it() -> None:
    figure = draw_timeline(timeline({0: [(0, 4)], 3: [(1, 2)]}, 4), ViewOptions())
    assert [axes.get_title("left") for axes in figure.axes] == ["Track #0", "Track #3"]


def test_a_gap_in_a_track_is_a_gap_in_the_figure() -> None:
    figure = draw_timeline(timeline({0: [(0, 2), (4, 6)], 1: [(0, 6)]}, 6), ViewOptions())
    pieces = [path for area in areas(figure)[:1] for path in area.get_paths()]
    spans = sorted((path.vertices[:, 0].min(), path.vertices[:, 0].max()) for path in pieces)
    assert np.allclose(spans, [(0, 2), (4, 6)])


def test_a_face_seen_in_one_sample_only_can_be_seen_in_the_figure() -> None:
    rows = timeline({0: [(0, 0.1)]}, 0.2, fps=10)[:1]
    trace = trace_of(rows["time_s"], rows[["p_happy"]], step_s=0.1, thin_s=0)
    assert trace.times_s[:2].tolist() == [0, 0.1]


def test_areas_of_one_moment_add_up_to_one() -> None:
    figure = draw_timeline(timeline({0: [(0, 2)]}, 2), ViewOptions())
    tops = [area.get_paths()[0].vertices[:, 1].max() for area in areas(figure)]
    assert len(tops) == len(EMOTIONS)
    assert max(tops) == pytest.approx(1, abs=1e-5)


def test_time_without_any_face_is_hatched_and_named() -> None:
    figure = draw_timeline(timeline({0: [(0, 1)], 1: [(3, 4)]}, 5), ViewOptions())
    hatched = [c for c in figure.axes[0].collections if c.get_hatch()]
    spans = [(p.vertices[:, 0].min(), p.vertices[:, 0].max()) for p in hatched[0].get_paths()]
    assert np.allclose(spans, [(1, 3), (4, 5)])
    assert "no face" in texts(figure)


def test_a_pause_in_the_recording_is_not_hatched() -> None:
    table = timeline({0: [(0, 1), (9, 10)]}, 10)
    paused = table[(table["time_s"] < 2) | (table["time_s"] >= 8)]
    (hatched,) = [
        c for c in draw_timeline(paused, ViewOptions()).axes[0].collections if c.get_hatch()
    ]
    spans = [(p.vertices[:, 0].min(), p.vertices[:, 0].max()) for p in hatched.get_paths()]
    assert np.allclose(spans, [(1, 2), (8, 9)])


def test_two_hours_of_every_frame_become_a_small_figure(tmp_path: Path) -> None:
    times = pd.Series(np.arange(2 * 3600 * 25) / 25)
    happy = pd.DataFrame({"p_happy": np.sin(times) ** 2})
    trace = trace_of(times, happy, step_s=0.04, thin_s=7200 / POINTS_PER_PANEL)
    assert len(trace.times_s) < 1.01 * POINTS_PER_PANEL + 3
    assert np.nanmean(trace.probabilities) == pytest.approx(happy["p_happy"].mean(), abs=0.01)


def test_long_recordings_have_hours_on_the_time_axis() -> None:
    figure = draw_timeline(timeline({0: [(0, 7300)]}, 7300, fps=0.1), ViewOptions())
    figure.draw_without_rendering()
    assert "1:30:00" in texts(figure)
    assert "Time (h:min:s)" in texts(figure)


def test_of_many_tracks_the_longest_are_shown_and_the_figure_says_so() -> None:
    spans = {track: [(track, track + (3 if track % 2 else 1))] for track in range(30)}
    figure = draw_timeline(timeline(spans, 34, fps=5), ViewOptions())
    titles = [axes.get_title("left") for axes in figure.axes]
    assert titles == [f"Track #{track}" for track in range(1, 24, 2)]
    left_out = "#0, #2, #4, #6, #8, #10, #12, #25, #27, #29 and 8 more"
    assert f"30 tracks in all; not shown: {left_out}" in texts(figure)


def test_tracks_that_are_named_are_shown_and_the_others_told() -> None:
    table = timeline({track: [(track, track + 1)] for track in range(4)}, 5, fps=5)
    figure = draw_timeline(table, ViewOptions(), tracks=[3, 1, 3])
    assert [axes.get_title("left") for axes in figure.axes] == ["Track #1", "Track #3"]
    assert "4 tracks in all; not shown: #0, #2" in texts(figure)


def test_one_track_more_than_are_named_is_named_too() -> None:
    table = timeline({track: [(0, 1)] for track in range(23)}, 2, fps=5)
    figure = draw_timeline(table, ViewOptions(language="fr"))
    assert f"non montrées\xa0: {', '.join(f'#{n}' for n in range(12, 23))}" in texts(figure)


def test_a_track_that_is_not_there_is_refused_with_those_that_are(tmp_path) -> None:
    table = timeline({0: [(0, 1)], 7: [(0, 1)]}, 2)
    with pytest.raises(
        OptionError, match="must be a track of the timeline, one from 0 to 7, got 5"
    ):
        plot_timeline(table, tmp_path / "t.png", ViewOptions(), tracks=[5])
    with pytest.raises(OptionError, match="a track of the timeline, none, got 0"):
        draw_timeline(timeline({}, 2), ViewOptions(), tracks=[0])
    many = timeline({track: [(0, 1)] for track in range(13)}, 2)
    with pytest.raises(OptionError, match="may be given 12 times"):
        draw_timeline(many, ViewOptions(), tracks=range(13))
    assert not list(tmp_path.iterdir())


def test_a_recording_without_a_face_gives_a_figure_that_says_so() -> None:
    figure = draw_timeline(timeline({}, 2), ViewOptions(language="fr"), title="vide.mp4")
    assert "Aucun visage" in texts(figure)
    assert not figure.axes


def test_all_words_are_french_when_asked() -> None:
    view = ViewOptions(language="fr", smooth_s=0.5, plot_style="lines")
    figure = draw_timeline(timeline({0: [(0, 2)]}, 4), view)
    figure.draw_without_rendering()
    shown = texts(figure)
    for word in ("Piste n°\xa00", "dégoût", "Probabilité", "Temps (min:s)", "aucun visage",
                 "moyenne mobile centrée sur 0,5 s", "0:00,5"):  # fmt: skip
        assert word in shown
    assert "0.5" not in shown


def test_lines_are_drawn_in_the_colours_of_their_emotions() -> None:
    figure = draw_timeline(timeline({0: [(0, 2)]}, 2), ViewOptions(plot_style="lines"))
    assert [line.get_color() for line in figure.axes[0].lines] == list(EMOTION_COLORS.values())


def test_smoothing_is_shown_and_named() -> None:
    rough, smooth = (
        draw_timeline(timeline({0: [(0, 9)]}, 9), ViewOptions(smooth_s=s, plot_style="lines"))
        for s in (0, 6)
    )
    spread = [np.ptp(figure.axes[0].lines[3].get_ydata()[:-1]) for figure in (rough, smooth)]
    assert spread[1] < 0.6 * spread[0]
    assert "centred moving average over 6 s" in texts(smooth)


@pytest.mark.parametrize("eye", EYES)
def test_a_colour_blind_reader_tells_the_emotions_apart(eye) -> None:
    rgb = np.array([list(bytes.fromhex(EMOTION_COLORS[name][1:])) for name in EMOTIONS]) / 255
    seen = np.clip((rgb**2.2) @ np.array(EYES[eye]).T, 0, 1) ** (1 / 2.2)
    lab = cv2.cvtColor(seen[None].astype(np.float32), cv2.COLOR_RGB2LAB)[0]
    apart = np.linalg.norm(lab[:, None] - lab[None], axis=-1) + 1e3 * np.eye(len(EMOTIONS))
    assert apart.min() > 14  # 2.3 can just be noticed side by side; the colours alone reach 16


def test_an_emotion_that_only_a_model_knows_has_a_colour_of_its_own() -> None:
    assert color_of("contempt") not in EMOTION_COLORS.values()
