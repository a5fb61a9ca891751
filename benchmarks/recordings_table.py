"""The figures of benchmarks/recordings.py as Markdown."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

GOAL = 0.05
"""Mean absolute change of the probabilities that no disturbance should reach."""

Report = dict[str, Any]


def tables(reports: Sequence[Report]) -> str:
    """Write the figures of all models, one table per question."""
    parts = [
        "**How often the top emotion flips**\n",
        _table(["recording", "model", "seconds with a face", "flips/s as stored",
                "smoothed over 0.5 s", "over 1 s"], _flips(reports)),
        "**How far disturbances move the probabilities** (mean absolute change; below each, how"
        " often the top emotion stays)\n",
        *(part for report in reports for part in _changes(report)),
        "**When the top emotion changes for good**\n",
        _table(["recording", "model", "top emotion from this second on"], _turns(reports)),
        "**Whether the detectors agree**\n",
        _table(["detectors", "model", "frames", "same number of faces", "pairs of faces",
                "overlap (IoU)", "mean absolute difference", "same top emotion"],
               _agreement(reports)),
        *_left_out(reports),
    ]  # fmt: skip
    return "\n".join(parts)


def weighted_mean(entries: Iterable[Report], key: str, weight: str) -> float:
    """Average a figure of several recordings, each weighted by what it counts."""
    counted = [(entry[key], entry[weight]) for entry in entries if entry[weight]]
    return sum(value * n for value, n in counted) / sum(n for _, n in counted)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _by_recording(reports: Sequence[Report], key: str, row: Callable[[Any], list[str]]):
    names = dict.fromkeys(name for report in reports for name in report[key])
    for name in names:
        for report in reports:
            if name in report[key]:
                yield [f"`{name}`", f"`{report['model']}`", *row(report[key][name])]


def _flips(reports: Sequence[Report]) -> Iterable[list[str]]:
    def row(found: Report) -> list[str]:
        rates = found["flips_per_s"].values()
        return [f"{found['seconds_in_view']:.0f}", *(f"{rate:.2f}" for rate in rates)]

    return _by_recording(reports, "flips", row)


def _turns(reports: Sequence[Report]) -> Iterable[list[str]]:
    def row(found: list[tuple[float, str]]) -> list[str]:
        return [", ".join(f"{emotion} {time_s:.2f}" for time_s, emotion in found)]

    return _by_recording(reports, "turns", row)


def _changes(report: Report) -> list[str]:
    found = report["changes"]
    if not found:
        return [f"`{report['model']}`: no face in any recording.\n"]
    ways = list(next(iter(found.values())))
    rows = [
        [f"`{name}`", f"{_faces(by_way):,}", *(_change(by_way[way]) for way in ways)]
        for name, by_way in found.items()
    ]
    pooled = {
        way: {
            key: weighted_mean((by_way[way] for by_way in found.values()), key, "faces")
            for key in ("mean_change", "same_top")
        }
        for way in ways
    }
    n_faces = sum(map(_faces, found.values()))
    rows.append(["**all faces**", f"{n_faces:,}", *(_change(pooled[way]) for way in ways)])
    head = ["recording", "faces", *ways]
    return [_table([f"{head[0]}, `{report['model']}`", *head[1:]], rows), _verdict(report, pooled)]


def _faces(by_way: Report) -> int:
    return max(change["faces"] for change in by_way.values())


def _change(change: Report) -> str:
    if "mean_change" not in change:
        return "not found"
    return f"{change['mean_change']:.3f} ({_percent(change['same_top'])})"


def _verdict(report: Report, pooled: dict[str, Report]) -> str:
    found = report["changes"]
    over = [way for way, change in pooled.items() if change["mean_change"] >= GOAL]
    halves = [by_way["half size"] for by_way in found.values()]
    total = sum(map(_faces, found.values()))
    again = sum(half["found_again"] * _faces(by_way)
                for half, by_way in zip(halves, found.values(), strict=True))  # fmt: skip
    goal = f"`{report['model']}`: the goal is below {GOAL} for each over all faces; "
    goal += f"{', '.join(over)} {'misses' if len(over) == 1 else 'miss'} it" if over else "it holds"
    return f"{goal}. At half size, {_percent(again / total)} of the faces are found again.\n"


def _agreement(reports: Sequence[Report]) -> Iterable[list[str]]:
    pairs = dict.fromkeys(
        pair for report in reports for found in report["agreement"].values() for pair in found
    )
    for pair in pairs:
        for report in reports:
            found = [by_pair[pair] for by_pair in report["agreement"].values() if pair in by_pair]
            n_frames = sum(entry["frames"] for entry in found)
            same = sum(entry["same_count"] for entry in found)
            yield [
                pair,
                f"`{report['model']}`",
                f"{n_frames:,}",
                _percent(same / n_frames),
                f"{sum(entry['faces'] for entry in found):,}",
                f"{weighted_mean(found, 'mean_iou', 'faces'):.2f}",
                f"{weighted_mean(found, 'mean_change', 'faces'):.3f}",
                _percent(weighted_mean(found, "same_top", "faces")),
            ]


def _left_out(reports: Sequence[Report]) -> list[str]:
    texts = {
        "absent": "Left out, since the folder did not hold them",
        "unreadable": "Left out, since no frame can be decoded",
        "faceless": "Without a face for any detector",
    }
    lines = []
    for key, text in texts.items():
        names = dict.fromkeys(name for report in reports for name in report[key])
        if names:
            lines.append(f"{text}: {', '.join(f'`{name}`' for name in names)}.\n")
    return lines


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")
