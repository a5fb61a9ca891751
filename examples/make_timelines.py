"""Make many small timelines, as a folder run would leave them: made-up faces, no recordings.

python examples/make_timelines.py timelines 1000
"""

import sys
from pathlib import Path

import numpy as np

from fer_video.labels import EMOTIONS
from fer_video.timeline import open_timeline
from fer_video.types import Box, Face, Moment, Observation

SECONDS, SAMPLES_PER_SECOND = 60, 2
AWAY_SHARE = 0.2
"""Of the moments: nobody is seen."""


def main(folder: Path, count: int) -> None:
    """Write ``count`` timelines, ten to a folder, the same ones each time."""
    for number in range(count):
        name = f"ward{number // 10:03}/patient{number:04}.mp4"
        with open_timeline(folder / f"{name}.parquet", name, EMOTIONS) as writer:
            for moment in moments(np.random.default_rng(number)):
                writer.write(moment)


def moments(chance: np.random.Generator) -> list[Moment]:
    """Draw one person's moments; each has a mood of their own."""
    mood = chance.dirichlet(np.ones(len(EMOTIONS)))
    times = np.arange(SECONDS * SAMPLES_PER_SECOND) / SAMPLES_PER_SECOND
    return [
        Moment(
            index,
            index,
            float(time_s),
            () if chance.random() < AWAY_SHARE else (face(mood, chance),),
        )
        for index, time_s in enumerate(times)
    ]


def face(mood: np.ndarray, chance: np.random.Generator) -> Observation:
    """Draw what a model might say of a face in this mood."""
    probabilities = chance.dirichlet(8 * mood + 0.1).astype(np.float32)
    seen = Face(Box(100, 100, 200, 220), 0.9, np.full((5, 2), 150, np.float32), track_id=0)
    return Observation(seen, probabilities, sharpness=100.0, brightness=120.0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
