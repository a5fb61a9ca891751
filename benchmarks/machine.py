"""What all benchmarks share: the machine, processes of their own, medians, Markdown and JSON.

Only the standard library is needed, since the environment of another package imports it, too.
"""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"

Figures = dict[str, Any]
"""What a benchmark found, as JSON holds it."""

_PACKAGES = ("av", "ai-edge-litert", "numpy", "opencv-python-headless", "pyarrow")


def machine(packages: Iterable[str] = _PACKAGES) -> Figures:
    """Name what is measured on, how busy it was in the minute before, and with which versions."""
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9),
        "system": platform.system(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in packages},
    }


def sentence(found: Figures) -> str:
    """Write a machine in one line of Markdown."""
    packages = ", ".join(f"{name} {number}" for name, number in found["packages"].items())
    return (
        f"{found['cpu']}, {found['cores']} cores, {found['memory_gb']} GB; "
        f"{found['system']}, Python {found['python']}, {packages}."
    )


def in_process(
    script: Path, *words: str, python: Path | str = sys.executable, cores: int | None = None
) -> Figures:
    """Run a script in a process of its own, and read the JSON that is the last line it prints.

    Args:
        script: What to run; it imports the ``fer_video`` that it lies beside.
        words: Its arguments.
        python: The interpreter, which may be that of another environment.
        cores: How many of the cores it may use; None is all.
    """
    kept = sorted(os.sched_getaffinity(0))[:cores]
    ran = subprocess.run(
        [str(python), str(script), *words],
        capture_output=True,  # other packages say much on stderr, of no use unless they fail
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        # before the first import: libraries count their cores when they are loaded
        preexec_fn=lambda: os.sched_setaffinity(0, kept),
    )
    if ran.returncode:
        sys.exit(f"{ran.stderr}\n{script.name} {' '.join(words)} failed: see above")
    found: Figures = json.loads(ran.stdout.splitlines()[-1])
    return found


def middle(values: Sequence[float]) -> float:
    """Take the median of several runs."""
    return float(median(values))


def milliseconds(compute: Callable[[], object], clock: Callable[[], float]) -> float:
    """Measure a short computation after its first run, median of thirty.

    Args:
        compute: What is run again and again.
        clock: ``time.thread_time`` counts this thread, ``time.process_time`` all cores.
    """
    compute()
    taken_s = []
    for _ in range(30):
        started_s = clock()
        compute()
        taken_s.append(clock() - started_s)
    return 1e3 * middle(taken_s)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table in Markdown.

    >>> print(table(["a", "b"], [["1", "2"]]), end="")
    | a | b |
    |---|---|
    | 1 | 2 |
    """
    rule = "|" + "---|" * len(head)
    lines = [f"| {' | '.join(cells)} |" for cells in rows]
    return "\n".join([f"| {' | '.join(head)} |", rule, *lines]) + "\n"


def show(figures: Figures, markdown: str, out: Path | None) -> None:
    """Print what was found, and write it as JSON if a file is named."""
    load = figures["machine"]["load"]
    print(f"{sentence(figures['machine'])} Load before: {load}.", markdown, sep="\n\n", end="")
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


def stored(name: str) -> Figures:
    """Read what a benchmark found in ``benchmarks/results``."""
    found: Figures = json.loads((RESULTS / f"{name}.json").read_text("utf-8"))
    return found


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    names = (line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"
