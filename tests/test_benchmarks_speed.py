"""The benchmarks of speed measure what they say, and docs/performance.md shows what they found."""

import json
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import av
import choices
import clips
import crops
import cv2
import key_frames
import machine
import numpy as np
import pandas as pd
import performance
import pytest
import scaling
import speed
import startup
import threads
import versus_fer
import work
from page import marks

from fer_video import lite, litert, pipeline, video, weights
from fer_video.container import open_container
from fer_video.options import ClassifyOptions
from fer_video.options_limits import USUAL_LIMITS
from fer_video.pipeline import analyze
from fer_video.types import Box, Face

PAGE = performance.PAGE.read_text("utf-8")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draw 4 s of one person."""
    return clips.make_clip(tmp_path_factory.mktemp("clip") / "one.mp4", clips.SIZES_PX["360p"], 1)


@pytest.fixture(scope="module")
def table(clip: Path) -> pd.DataFrame:
    """Analyze it."""
    return analyze(clip)


def measure_here(what: str, recording: Path, cores: int | None = None, **words: Any) -> Any:
    """Do in this process what a benchmark does in another: starting them takes most of the time."""
    return work.WORK[what](str(recording), **words)


def decoded_pts(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        return [frame.pts for frame in container.decode(video=0)]


@pytest.mark.parametrize("faces", [0, clips.MOST_FACES])
def test_a_drawn_recording_shows_as_many_faces_as_were_asked_for(
    faces: int, tmp_path: Path
) -> None:
    path = clips.make_clip(tmp_path / "drawn.mp4", clips.SIZES_PX["360p"], faces)
    (found,) = set(analyze(path).groupby("pts")["track"].count())
    assert found == faces


def test_a_repeated_recording_is_as_long_as_asked_for_and_time_goes_on(
    clip: Path, tmp_path: Path
) -> None:
    clips.repeat(clip, tmp_path / "long.mp4", 3 * clips.DRAWN_S)
    steps = np.diff(decoded_pts(tmp_path / "long.mp4"))
    assert len(steps) == 3 * clips.DRAWN_S * clips.FPS - 1
    assert len(set(steps)) == 1


def test_every_thread_setting_decodes_every_frame(clip: Path) -> None:
    counts = {work.decode(str(clip), threads)["frames"] for threads in speed.THREADS}
    assert counts == {clips.DRAWN_S * clips.FPS}


def test_the_stages_are_all_measured_and_see_every_face(clip: Path) -> None:
    found = work.stages(str(clip))
    assert tuple(found["stages"]) == work.STAGES
    assert found["crops"] == found["frames"] == clips.DRAWN_S * clips.FPS
    assert all(seconds > 0 for seconds in found["stages"].values())


def test_a_clock_takes_no_notice_of_the_time_between_two_items() -> None:
    clock = work._Clock()
    for _ in clock.timed("counting", range(3)):
        time.sleep(0.02)
    assert clock.until_s["counting"] < 0.02


def test_encoding_alone_and_annotating_are_timed_on_the_same_pictures(clip: Path) -> None:
    end_s = 0.4
    counts = [what(str(clip), end_s)["frames"] for what in (work.annotate, work.encode)]
    assert counts == [10, 10]


def test_what_is_measured_runs_in_a_process_of_its_own(clip: Path) -> None:
    assert work.measure("decode", clip, cores=1, threads="AUTO")["frames"] == 100


def test_a_recording_is_compared_run_for_run_and_its_tables_name_it(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed, "measure", measure_here)
    figures = {"machine": machine.machine(), "recordings": [speed.compare(clip, runs=1)]}
    found = json.loads(json.dumps(figures))["recordings"][0]
    assert {len(seconds) for seconds in found["seconds"].values()} == {1}
    assert found["most_faces"] == 1
    assert speed.markdown(figures).count("`one.mp4`, 640x360, 1 face") == 4


def test_the_share_is_that_of_the_fastest_decoding() -> None:
    seconds = {"NONE": [2.0], "SLICE": [4.0], "FRAME": [1.0, 9.0, 1.0], "AUTO": [3.0],
               "analyze": [2.5], "analyze_sampled": [1.25]}  # fmt: skip
    found = {"recording": "a.mp4", "picture": "4x3", "most_faces": 2, "frames": 500,
             "duration_s": 20.0, "peak_mb": 250.4, "seconds": seconds}  # fmt: skip
    last = speed.rate_table({"recordings": [found]}).splitlines()[-1]
    assert last == "| `a.mp4`, 4x3, 2 faces | 500 | 200 | 0.40 | 400 | 0.80 | 8 | 250 MB |"


def test_the_slope_of_memory_leaves_out_what_comes_before_it_settles() -> None:
    notes = [(0.0, 100.0), (120.0, 240.0), *((float(s), 250 + s / 300) for s in (300, 600, 1200))]
    assert speed.slope_mb([*notes, (1201.0, 254.0)]) == pytest.approx(2.0)


def test_the_slope_of_memory_leaves_out_what_is_held_once_the_file_is_closed() -> None:
    notes = [(float(s), 250 + s / 300) for s in (300, 600, 1200)]
    assert speed.slope_mb([*notes, (1201.0, 100.0)]) == pytest.approx(2.0)


def test_every_change_of_threads_is_in_force_where_it_is_made(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    for home, name in [(video, "picture_stream"), (cv2, "setNumThreads"), (pipeline, "_DEPTH"),
                       (pipeline, "_CROPPED_DEPTH"), (lite.LiteNet, "batch_size")]:  # fmt: skip
        monkeypatch.setattr(home, name, getattr(home, name))  # put back afterwards
    interpreter = litert.Interpreter
    monkeypatch.setattr(
        litert,
        "Interpreter",
        lambda **words: (asked.append(words["num_threads"]), interpreter(**words))[1],
    )
    monkeypatch.setattr(cv2, "setNumThreads", lambda number: asked.append(number))
    for make in threads.CHANGES.values():
        make()
    with open_container(clip, USUAL_LIMITS) as container:
        stream = video.picture_stream(clip, container, USUAL_LIMITS)
        assert stream.thread_type.name == "FRAME"
    cv2.setNumThreads(1)
    assert lite.LiteNet(weights.find("default")).batch_size == 32
    assert asked == [2, 2]
    assert (pipeline._DEPTH, pipeline._CROPPED_DEPTH) == (256, 256)


def test_a_change_of_threads_is_measured_in_a_process_of_its_own(clip: Path) -> None:
    found = threads.measure(clip, "decoder: frame threads", "every frame")
    assert found["frames"] == clips.DRAWN_S * clips.FPS


def test_a_change_of_threads_stands_beside_what_is_shipped() -> None:
    seconds = {threads.SHIPPED: [2.0, 2.0], "another": [4.0, 1.0]}
    by_density = {name: dict.fromkeys(threads.DENSITIES, runs) for name, runs in seconds.items()}
    found = {"recording": "a.mp4", "frames": 100, "seconds": by_density}
    assert threads.markdown(found).splitlines()[2:] == [
        "| as shipped | 50 | 1.00 | 50 | 1.00 |", "| another | 40 | 0.80 | 40 | 0.80 |"
    ]  # fmt: skip


def test_two_processes_classify_at_the_same_time() -> None:
    both = crops.measure(ClassifyOptions(device="cpu"), processes=2)
    assert [one["batch_size"] for one in both] == [lite.LiteNet.batch_size] * 2
    assert all(one["crops_per_s"] > 0 for one in both)


def test_crops_of_two_processes_are_added_up_and_a_gpu_is_named_as_missing() -> None:
    one = {"model": "default", "device": "cpu:0", "batch_size": 8,
           "crops_per_s": {"1": [1000.0, 3000.0, 1400.0], "2": [1800.0]}}  # fmt: skip
    *_, on_cpu, on_gpu = crops.markdown({"models": [one]}).splitlines()
    assert on_cpu == "| `default` | cpu:0 | 8 | 1,400 crops/s | 1,800 crops/s |"
    assert "not measured" in on_gpu
    assert "not measured" not in crops.markdown({"models": [one | {"device": "gpu:0"}]})


def test_what_was_measured_tells_the_faces_that_were_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "measure", measure_here)
    points = [scaling.Point(faces, "360p", faces, clips.DRAWN_S) for faces in (0, 2)]
    found = list(scaling.measured(points, runs=1))
    assert [point["faces_found"] for point in found] == [0, 2]
    table = scaling.axis_table({"axes": {"faces": found}}, "faces")
    assert [line[:14] for line in table.splitlines()[2:]] == ["| 0 | 100 | 0 ", "| 2 | 100 | 2 "]


def test_a_process_may_use_as_many_cores_as_it_is_given(tmp_path: Path) -> None:
    script = tmp_path / "count.py"
    script.write_text("import json, os; print(json.dumps({'cores': len(os.sched_getaffinity(0))}))")
    assert machine.in_process(script, cores=1) == {"cores": 1}


def test_a_timeline_agrees_with_itself_and_differs_where_a_face_is_gone(
    table: pd.DataFrame,
) -> None:
    assert choices.agreement(table, table) == {
        "faces_kept": 1.0, "faces_added": 0.0, "iou": 1.0, "difference": 0.0
    }  # fmt: skip
    half = table.copy()
    half.loc[half.index % 2 == 0, "track"] = None
    assert choices.agreement(table, half)["faces_kept"] == 0.5
    assert choices.agreement(half, table)["faces_added"] == 1.0


def test_samples_that_only_one_timeline_has_are_no_lost_faces(table: pd.DataFrame) -> None:
    found = choices.agreement(table, table[table["frame"] % 5 == 0])
    assert found["faces_kept"] == 1.0


def test_a_model_without_its_file_for_litert_is_run_in_float32(tmp_path: Path) -> None:
    choices.write_float32(tmp_path / "float32")
    found = weights.find(str(tmp_path / "float32"))
    assert (found.name, found.lite_sha256) == ("float32", "")


def seen(*boxes_by_frame: dict[int, Box]) -> list[key_frames.SeenFrame]:
    """Hand-made faces by track, ten frames a second."""
    landmarks = np.zeros((5, 2), np.float32)
    return [
        key_frames.SeenFrame(
            at / 10, tuple(Face(box, 0.9, landmarks, track) for track, box in boxes.items())
        )
        for at, boxes in enumerate(boxes_by_frame)
    ]


HERE, THERE = Box(0, 0, 10, 10), Box(50, 0, 60, 10)


@pytest.mark.parametrize(
    ("key_frames_show", "without_s"),
    [("111111", 0.0), ("001111", 0.2), ("111011", 0.1), ("110001", 0.3), ("111100", 0.2),
     ("000000", 0.6)],
)  # fmt: skip
def test_a_face_that_key_frames_do_not_show_counts_wherever_it_is_missing(
    key_frames_show: str, without_s: float
) -> None:
    keyed = seen(*({0: HERE} if shown == "1" else {} for shown in key_frames_show))
    found = key_frames.compared("a.mp4", seen(*[{0: HERE}] * 6), keyed)
    assert found.longest_without_s == pytest.approx(without_s)
    assert found.found == pytest.approx(key_frames_show.count("1") / 6)
    assert (found.added, found.longest_added_s) == (0, 0.0)


def test_a_face_that_only_key_frames_show_is_added() -> None:
    keyed = seen({0: HERE}, {0: HERE, 1: THERE}, {0: HERE, 1: THERE}, {0: HERE})
    found = key_frames.compared("a.mp4", seen(*[{0: HERE}] * 4), keyed)
    assert (found.found, found.added, found.longest_without_s) == (1.0, 2, 0.0)
    assert found.longest_added_s == pytest.approx(0.2)


def test_one_face_of_key_frames_stands_for_one_face_only() -> None:
    beside = Box(1, 0, 11, 10)
    found = key_frames.compared("a.mp4", seen({0: HERE, 1: beside}), seen({0: HERE}))
    assert (found.faces, found.found, found.median_iou) == (2, 0.5, 0.5)


def test_what_a_command_imports_is_told_by_package() -> None:
    assert "json" in startup.imports_ms(["-c", "import json"])


def test_the_time_of_a_command_ends_with_its_timeline_on_disk(clip: Path, tmp_path: Path) -> None:
    case, words = list(startup.cases(clip, tmp_path).items())[-1]
    assert case == "fer-video analyze one.mp4"
    assert startup.whole_process_s(words) > startup.whole_process_s(["-c", "pass"])
    assert (tmp_path / "timeline.parquet").exists()


def test_packages_that_are_imported_in_no_time_are_not_named() -> None:
    found = {"seconds": {"a": [1.0, 3.0, 2.0]}, "imports_ms": {"a": {"numpy": 50.4, "re": 0.2}}}
    assert startup.markdown(found).splitlines()[-1] == "| `a` | 2.00 s | numpy 50 |"


def test_the_ratio_to_fer_is_the_median_over_pairs() -> None:
    found = {"recording": "a.mp4", "detector": "haar", "their_frames": 100, "our_frames": 100,
             "theirs_s": [10.0, 12.0, 20.0], "ours_s": [1.0, 1.0, 5.0],
             "their_packages": {"fer": "25", "torch": "2"}}  # fmt: skip
    *_, last, _, packages = versus_fer.markdown({"comparisons": [found, found]}).splitlines()
    assert last == (
        "| `a.mp4` | haar | 100, 100 | 8.3 frames/s | 100 frames/s | 10.0 | 10.0, 12.0, 4.0 |"
    )
    assert packages == "fer ran with fer 25, torch 2."


@pytest.mark.parametrize(("installed", "finished"), [(slice(None), True), (slice(1), False)])
def test_an_environment_of_fer_is_finished_if_all_is_there(
    installed: slice, finished: bool, tmp_path: Path
) -> None:
    assert not versus_fer.is_built(tmp_path)
    lines = [*versus_fer.REQUIREMENTS[installed], ""]
    (tmp_path / versus_fer.LISTED).write_text("\n".join(lines))
    assert versus_fer.is_built(tmp_path) == finished


@pytest.mark.parametrize(
    "command", [speed, threads, crops, versus_fer, startup, scaling, choices, key_frames]
)
def test_a_benchmark_says_how_it_is_used(
    command: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [command.__name__, "--help"])
    with pytest.raises(SystemExit):
        command.main()
    assert "--json" in capsys.readouterr().out
    assert f"python benchmarks/{command.__name__}.py" in PAGE


def test_the_page_shows_what_is_stored() -> None:
    for name, text in performance.tables().items():
        begin, end = marks(name)
        assert begin + text + end in PAGE
    begin, end = marks(performance.README_TABLE)
    readme = performance.README.read_text("utf-8")
    assert begin + performance.in_short(performance.all_stored()) + end in readme


def test_the_pictures_are_those_that_the_page_shows(tmp_path: Path) -> None:
    performance.draw(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"stages.png", "scaling.png"}
    for path in tmp_path.iterdir():
        assert f"(images/{path.name})" in PAGE
        assert (performance.IMAGES / path.name).stat().st_size > 10_000


def test_a_goal_is_met_missed_or_not_measured() -> None:
    goal = performance.Goal("speed", "at least", 1300, lambda found: found["a"]["b"], " crops/s")
    rows = [
        performance.goal_table(stored, [goal._replace(digits=",.0f")]).splitlines()[-1]
        for stored in ({"a": {"b": 1300.0}}, {"a": {"b": 1299.0}}, {})
    ]
    assert rows == [
        "| speed | at least 1,300 crops/s | 1,300 crops/s | met |",
        "| speed | at least 1,300 crops/s | 1,299 crops/s | **not met** |",
        "| speed | at least 1,300 crops/s | not measured |  |",
    ]


def test_every_goal_that_needs_no_gpu_was_measured() -> None:
    rows = performance.goal_table(performance.all_stored()).splitlines()
    assert all("GPU" in row for row in rows if "not measured" in row)
