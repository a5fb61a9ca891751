"""Put what is stored in benchmarks/results into docs/performance.md: its tables and pictures.

python benchmarks/performance.py
"""

from pathlib import Path

import charts
import choices
import key_frames
import scaling
import speed
import startup
import versus_fer
from machine import RESULTS, ROOT, sentence, stored
from page import replace_table

PAGE = ROOT / "docs" / "performance.md"
IMAGES = ROOT / "docs" / "images"
SOURCES = ("speed", "memory", "versus_fer", "startup", "scaling", "choices", "key_frames")
"""Files of benchmarks/results."""


def tables() -> dict[str, str]:
    """Write what belongs between each pair of marks, by the name that stands in them."""
    found = {name: stored(name) for name in SOURCES}
    return {
        "machines": machines(),
        "speed.py, rates": speed.rate_table(found["speed"]),
        "speed.py, decoding": speed.decode_table(found["speed"]),
        "speed.py, stages": speed.stage_table(found["speed"]),
        "speed.py, annotated video": speed.annotate_table(found["speed"]),
        "speed.py, memory": speed.memory_text(found["memory"]),
        "versus_fer.py": versus_fer.markdown(found["versus_fer"]),
        "startup.py": startup.markdown(found["startup"]),
        "key_frames.py": key_frames.markdown(found["key_frames"]),
        "choices.py": choices.markdown(found["choices"]),
        **{
            f"scaling.py, {axis}": scaling.axis_table(found["scaling"], axis)
            for axis in scaling.AXES
        },
    }


def machines() -> str:
    """Name each machine once, with what was measured on it."""
    results: dict[str, list[str]] = {}
    for name in SOURCES:
        found = stored(name)["machine"]
        results.setdefault(sentence(found), []).append(f"`{name}.json` (load {found['load']})")
    return "".join(f"* {', '.join(names)}: {where}\n" for where, names in results.items())


def draw(folder: Path) -> None:
    """Draw the pictures into a folder."""
    charts.draw_stages(stored("speed"), folder / "stages.png")
    charts.draw_scaling(stored("scaling"), folder / "scaling.png")


def main() -> None:
    """Write the tables and draw the pictures."""
    for name, text in tables().items():
        replace_table(PAGE, name, text)
    IMAGES.mkdir(exist_ok=True)
    draw(IMAGES)
    print(f"wrote {PAGE.relative_to(ROOT)} from {RESULTS.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
