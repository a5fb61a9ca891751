"""Put what is stored in benchmarks/results into docs/performance.md: its tables and pictures.

python benchmarks/performance.py
"""

import operator
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import charts
import choices
import crops
import key_frames
import scaling
import speed
import startup
import threads
import versus_fer
from machine import RESULTS, ROOT, Figures, middle, sentence, stored, table
from page import replace_table

PAGE = ROOT / "docs" / "performance.md"
IMAGES = ROOT / "docs" / "images"
SOURCES = ("speed", "threads", "crops", "memory", "versus_fer", "startup", "scaling", "choices",
           "key_frames")  # fmt: skip
"""Files of benchmarks/results."""
GPU_SOURCES = ("speed_gpu", "crops_gpu")
"""The same from a machine with a GPU: there once somebody had one."""
README, README_TABLE = ROOT / "README.md", "performance.py"
IN_SHORT = {
    "emotion_change.mp4": "640x360, one face",
    "consult_two.mp4": "1920x1080, two faces",
}
CROPS = ("crops", "crops_gpu")

Stored = dict[str, Figures]
"""What benchmarks found, by file."""


class Goal(NamedTuple):
    """What an analysis shall reach."""

    case: str
    limit: str
    """One of ``LIMITS``."""
    asked: float
    measured: Callable[[Stored], float]
    """Raises ``KeyError`` where nothing is stored of it."""
    unit: str = ""
    digits: str = ".3f"


LIMITS = {"at least": operator.ge, "at most": operator.le, "under": operator.lt}


def _speed(found: Stored, name: str = "consult_two.mp4", file: str = "speed") -> Figures:
    return {one["recording"]: one for one in found[file]["recordings"]}[name]


def _times_as_fast(found: Stored, detector: str) -> float:
    by_detector = {one["detector"]: one for one in found["versus_fer"]["comparisons"]}
    return middle(versus_fer.ratios(by_detector[detector]))


def _process_s(found: Stored, case: str) -> float:
    return middle(found["startup"]["seconds"][case])


def _crops_per_s(found: Stored, file: str, processes: str) -> float:
    by_model = {one["model"]: one for one in found[file]["models"]}
    return middle(by_model["default"]["crops_per_s"][processes])


GOALS = (
    Goal("`consult_two.mp4`, every frame: share of decoding alone", "at least", 0.5,
         lambda found: speed.share_of_decoding(_speed(found))),
    Goal("`consult_two.mp4`, `--fps 5`: share of decoding alone", "at least", 0.85,
         lambda found: speed.share_of_decoding(_speed(found), "analyze_sampled")),
    Goal("`emotion_change.mp4` beside fer with Haar", "at least", 12,
         lambda found: _times_as_fast(found, "haar"), " times as fast", ".1f"),
    Goal("`emotion_change.mp4`, MTCNN on both sides", "at least", 10,
         lambda found: _times_as_fast(found, "mtcnn"), " times as fast", ".1f"),
    Goal("30 minutes of 1080p, two faces: peak memory", "at most", 1000,
         lambda found: found["memory"]["peak_mb"], " MB", ".0f"),
    Goal("the same: growth in 10 minutes", "under", 1,
         lambda found: speed.slope_mb(found["memory"]["memory"]), " MB", ".2f"),
    Goal("`neutral_to_smile.mp4`, whole process", "under", 2,
         lambda found: _process_s(found, "fer-video analyze neutral_to_smile.mp4"), " s", ".2f"),
    Goal("`fer-video --help`, whole process", "under", 0.3,
         lambda found: _process_s(found, "fer-video --help"), " s", ".2f"),
    Goal("annotated video, 1080p: share of encoding alone", "at least", 0.5,
         lambda found: speed.share_of_encoding(_speed(found))),
    Goal("the network alone, two cores", "at least", 1300,
         lambda found: _crops_per_s(found, "crops", "2"), " crops/s", ",.0f"),
    Goal("the network alone, on a GPU, 1024 crops per call", "at least", 50_000,
         lambda found: _crops_per_s(found, "crops_gpu", "1"), " crops/s", ",.0f"),
    Goal("`consult_two.mp4`, a GPU and 16 cores: share of decoding alone", "at least", 0.8,
         lambda found: speed.share_of_decoding(_speed(found, file="speed_gpu"))),
)  # fmt: skip


def all_stored() -> Stored:
    """Read all that benchmarks found."""
    there = [name for name in GPU_SOURCES if (RESULTS / f"{name}.json").exists()]
    return {name: stored(name) for name in (*SOURCES, *there)}


def tables() -> dict[str, str]:
    """Write what belongs between each pair of marks, by the name that stands in them."""
    found = all_stored()
    return {
        "machines": machines(found),
        "goals": goal_table(found),
        "speed.py, rates": speed.rate_table(found["speed"]),
        "speed.py, decoding": speed.decode_table(found["speed"]),
        "speed.py, stages": speed.stage_table(found["speed"]),
        "speed.py, annotated video": speed.annotate_table(found["speed"]),
        "speed.py, memory": speed.memory_text(found["memory"]),
        "threads.py": threads.markdown(found["threads"]),
        "crops.py": crops.markdown(*(found[name] for name in CROPS if name in found)),
        "versus_fer.py": versus_fer.markdown(found["versus_fer"]),
        "startup.py": startup.markdown(found["startup"]),
        "key_frames.py": key_frames.markdown(found["key_frames"]),
        "choices.py": choices.markdown(found["choices"]),
        **{
            f"scaling.py, {axis}": scaling.axis_table(found["scaling"], axis)
            for axis in scaling.AXES
        },
    }


def in_short(found: Stored) -> str:
    """Write the few figures that the README shows."""
    rows = []
    for name, described in IN_SHORT.items():
        one = _speed(found, name)
        share = speed.share_of_decoding(one)
        rate = one["frames"] / middle(one["seconds"]["analyze"])
        rows.append([described, f"{rate / share:.0f} frames/s", f"{rate:.0f} frames/s",
                     f"{share:.2f}", f"{one['peak_mb']:.0f} MB"])  # fmt: skip
    return table(["recording", "decoding alone", "analysis", "ratio", "peak memory"], rows)


def machines(found: Stored) -> str:
    """Name each machine once, with what was measured on it."""
    results: dict[str, list[str]] = {}
    for name, figures in found.items():
        where = figures["machine"]
        results.setdefault(sentence(where), []).append(f"`{name}.json` (load {where['load']})")
    return "".join(f"* {', '.join(names)}: {where}\n" for where, names in results.items())


def goal_table(found: Stored, goals: Iterable[Goal] = GOALS) -> str:
    """Hold each goal beside what was measured."""
    return table(["case", "goal", "measured", ""], (_goal_row(goal, found) for goal in goals))


def _goal_row(goal: Goal, found: Stored) -> list[str]:
    cells = [goal.case, f"{goal.limit} {goal.asked:,g}{goal.unit}"]
    try:
        value = goal.measured(found)
    except KeyError:
        return [*cells, "not measured", ""]
    met = LIMITS[goal.limit](value, goal.asked)
    return [*cells, f"{value:{goal.digits}}{goal.unit}", "met" if met else "**not met**"]


def draw(folder: Path) -> None:
    """Draw the pictures into a folder."""
    charts.draw_stages(stored("speed"), folder / "stages.png")
    charts.draw_scaling(stored("scaling"), folder / "scaling.png")


def main() -> None:
    """Write the tables and draw the pictures."""
    for name, text in tables().items():
        replace_table(PAGE, name, text)
    replace_table(README, README_TABLE, in_short(all_stored()))
    IMAGES.mkdir(exist_ok=True)
    draw(IMAGES)
    print(f"wrote {PAGE.relative_to(ROOT)} from {RESULTS.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
