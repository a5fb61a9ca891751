"""How long a face takes in a step of training, by net, precision and normalization.

python benchmarks/steps.py measure  # on one core; keeps the figures
python benchmarks/steps.py table    # into docs/training.md
"""

import json
import os
import sys
import time
from collections.abc import Iterator

import numpy as np
from machine import RESULTS, Figures, machine, middle, sentence, stored, table
from page import DOCS, replace_table

from fer_video import nets
from fer_video.backend import keras
from fer_video.labels import EMOTIONS
from fer_video.learn.optimize import optimizer_for
from fer_video.nets.parts import BatchNormalization
from fer_video.options import TrainOptions

NAME = "benchmarks/steps.py"
PAGE = DOCS / "training.md"
NETS = ("slim_se_resnet", "mobile_se_resnet", "compact_se_resnet", "deep_se_resnet")
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
OURS, KERAS = "one kernel", "Keras' own"
NORMALIZATIONS = {OURS: BatchNormalization.call, KERAS: keras.layers.BatchNormalization.call}
STEPS = 15


def measure() -> Figures:
    """Time every net in each precision with each normalization."""
    measured_on = machine(("tensorflow", "keras", "numpy"))
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    return {"machine": measured_on, "nets": dict(_measured())}


def _measured() -> Iterator[tuple[str, Figures]]:
    for name in NETS:
        yield (
            name,
            {
                precision: {
                    normalization: _ms_per_face(name, precision, normalization)
                    for normalization in NORMALIZATIONS
                }
                for precision in POLICIES
            },
        )


def _ms_per_face(name: str, precision: str, normalization: str) -> float:
    """Median of the steps after the first."""
    keras.config.set_dtype_policy(POLICIES[precision])
    BatchNormalization.call = NORMALIZATIONS[normalization]
    options = TrainOptions(net=name)
    net = nets.build(name, len(EMOTIONS))
    net.compile(optimizer_for(options, steps_per_epoch=100), "categorical_crossentropy")
    rng = np.random.default_rng(0)
    crops = rng.random((options.batch_size, *nets.CROP_SHAPE), np.float32)
    target = np.eye(len(EMOTIONS), dtype=np.float32)[rng.integers(0, 7, options.batch_size)]
    taken_s = []
    for _ in range(1 + STEPS):
        started_s = time.perf_counter()
        net.train_on_batch(crops, target)
        taken_s.append(time.perf_counter() - started_s)
    found = 1000 * middle(taken_s[1:]) / options.batch_size
    print(f"{name}, {precision}, {normalization}: {found:.2f} ms", flush=True)
    return found


def tables() -> str:
    """Write the figures as Markdown."""
    found = stored("steps")
    head = ["net", *(f"{precision}, {normalization}" for precision in POLICIES
                     for normalization in NORMALIZATIONS)]  # fmt: skip
    rows = (
        [f"`{name}`", *(f"{ms:.2f}" for kinds in by.values() for ms in kinds.values())]
        for name, by in found["nets"].items()
    )
    return table(head, rows) + f"\n{sentence(found['machine'])}\n"


if __name__ == "__main__":
    if sys.argv[1:] == ["measure"]:
        RESULTS.joinpath("steps.json").write_text(json.dumps(measure(), indent=1) + "\n", "utf-8")
    elif sys.argv[1:] == ["table"]:
        replace_table(PAGE, NAME, tables())
    else:
        sys.exit(__doc__)
