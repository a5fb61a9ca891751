"""How many crops a second does the classifier take, by itself?

    python benchmarks/crops.py [--runs N] [--json benchmarks/results/crops.json]
    python benchmarks/crops.py --device gpu --batch-size 1024 \\
        [--json benchmarks/results/crops_gpu.json]

Every shipped model, with as many threads as an analysis gives it: in one process, and on a CPU in
two at once, as where two recordings are analyzed. Batches are full and lie in memory; loading is
not counted. Medians of several runs, all in turn.
"""

import argparse
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
from machine import Figures, machine, middle, show, table

from fer_video import weights
from fer_video.classify import load_classifier
from fer_video.errors import FerVideoError
from fer_video.options import ClassifyOptions

MEASURED_S = 3.0
PROCESSES = {"cpu": (1, 2), "gpu": (1,)}
"""How many are run at once: on a GPU the first takes all memory."""


def main() -> None:
    """Measure, print Markdown, write JSON."""
    default = ClassifyOptions()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=PROCESSES, default="cpu")
    parser.add_argument("--batch-size", type=int, default=default.batch_size,
                        help="Crops per call on a GPU; LiteRT has its own.")  # fmt: skip
    parser.add_argument("--runs", type=int, default=5, help="Of which the median is taken.")
    parser.add_argument("--json", type=Path, help="Write the figures here, too.")
    wanted = parser.parse_args()
    chosen = [
        ClassifyOptions(model=spec.name, batch_size=wanted.batch_size, device=wanted.device)
        for spec in weights.available()
    ]
    figures: Figures = {"machine": machine()}
    try:
        figures["models"] = compare(chosen, PROCESSES[wanted.device], wanted.runs)
    except FerVideoError as error:
        sys.exit(str(error))
    show(figures, markdown(figures), wanted.json)


def compare(chosen: list[ClassifyOptions], processes: tuple[int, ...], runs: int) -> list[Figures]:
    """Measure each choice; crops per second of every run, by the number of processes at once."""
    found: list[Figures] = [
        {"model": options.model, "crops_per_s": {str(n): [] for n in processes}}
        for options in chosen
    ]
    for _ in range(runs):
        for options, one in zip(chosen, found, strict=True):
            for n in processes:
                at_once = measure(options, n)
                one |= {name: at_once[0][name] for name in ("device", "batch_size")}
                one["crops_per_s"][str(n)].append(sum(each["crops_per_s"] for each in at_once))
    return found


def measure(options: ClassifyOptions, processes: int) -> list[Figures]:
    """Classify in some processes at once; what each of them found."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(processes, context) as pool:
        start = manager.Barrier(processes)
        return list(pool.map(classify, [options] * processes, [start] * processes))


def classify(options: ClassifyOptions, start: Barrier) -> Figures:
    """Load a model, wait until the others have, and classify again and again."""
    classifier = load_classifier(options)
    size_px = classifier.spec.crop.size_px
    shape = (classifier.batch_size, size_px, size_px)
    crops = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    classifier(crops)
    start.wait()
    done, started_s = 0, time.perf_counter()
    while (seconds := time.perf_counter() - started_s) < MEASURED_S:
        classifier(crops)
        done += len(crops)
    return {
        "device": classifier.device,
        "batch_size": classifier.batch_size,
        "crops_per_s": done / seconds,
    }


def markdown(*all_figures: Figures) -> str:
    """Write crops per second by model, from as many machines as it was measured on."""
    head = ["model", "device", "crops per call", "one process", "two at once"]
    rows = [_row(one) for figures in all_figures for one in figures["models"]]
    if not any(device.startswith("gpu") for _, device, *_ in rows):
        rows.append(["every model", "gpu:0", "1024", "not measured: no GPU was at hand", ""])
    return table(head, rows)


def _row(found: Figures) -> list[str]:
    rates = [f"{middle(runs):,.0f} crops/s" for runs in found["crops_per_s"].values()]
    one, two = (*rates, "")[:2]
    return [f"`{found['model']}`", found["device"], f"{found['batch_size']}", one, two]


if __name__ == "__main__":
    main()
