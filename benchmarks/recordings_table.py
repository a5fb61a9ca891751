"""The figures of benchmarks/recordings.py as Markdown."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

GOAL = 0.05
"""Mean absolute change of the probabilities that no disturbance should reach."""

Report = dict[str, Any]


def tables(reports: Sequence[Report]) -> str:
    """Write the figures of all models, one table per question."""
    parts = [
        "**How often the top emotion flips**, times per second\n",
        _table(["recording", "model", "seconds with a face", *_widths(reports)], _flips(reports)),
        "**How far disturbances move the probabilities**: mean absolute change, and in brackets how"
        " often the top emotion stays\n",
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
    lines = "".join(f"| {' | '.join(cells)} |\n" for cells in [head, *rows])
    first, rest = lines.split("\n", 1)
    return f"{first}\n|{'---|' * len(head)}\n{rest}"


def _widths(reports: Sequence[Report]) -> list[str]:
    found = [flips["flips_per_s"] for report in reports for flips in report["flips"].values()]
    widths = dict.fromkeys(width for rates in found for width in rates)
    return ["as stored" if width == "0" else f"smoothed over {width} s" for width in widths]


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
        return [", ".join(f"{emotion} {time_s:.2f}" for time_s, emotion in found) or "no face"]

    return _by_recording(reports, "turns", row)


def _changes(report: Report) -> list[str]:
    found = report["changes"]
    if not found:
        return [f"`{report['model']}`: no face in any recording.\n"]
    ways = list(next(iter(found.values()))["ways"])
    rows = [
        [
            f"`{name}`",
            f"{one['faces']:,}",
            f"{one['median_side_px']:.0f} px",
            *(_change(one["ways"][way]) for way in ways),
        ]
        for name, one in found.items()
    ]
    pooled = {way: _pooled([one["ways"][way] for one in found.values()]) for way in ways}
    evenly = {way: _pooled([_once(one["ways"][way]) for one in found.values()]) for way in ways}
    n_faces = sum(one["faces"] for one in found.values())
    rows.append(["**all faces**", f"{n_faces:,}", "", *(_change(pooled[way]) for way in ways)])
    rows.append(["**mean of recordings**", "", "", *(_change(evenly[way]) for way in ways)])
    head = [f"`{report['model']}` on", "faces", "median side", *ways]
    return [_table(head, rows), _verdict(report["model"], found, pooled)]


def _once(change: Report) -> Report:
    """Let a recording count once, however many faces it has."""
    return change | {"faces": min(1, change["faces"])}


def _pooled(changes: Sequence[Report]) -> Report:
    keys = ("mean_change", "same_top")
    return {key: weighted_mean(changes, key, "faces") for key in keys}


def _change(change: Report) -> str:
    if "mean_change" not in change:
        return "not found"
    return f"{change['mean_change']:.3f} ({_percent(change['same_top'])})"


def _verdict(model: str, found: Report, pooled: Report) -> str:
    """Hold the figures against the goal, over all faces and in each recording."""
    over = ", ".join(_over(pooled))
    texts = [f"`{model}` over all faces: {over or 'none'} at {GOAL} or above."]
    for name, one in found.items():
        if missed := _over(one["ways"]):
            texts.append(f"In `{name}`: {', '.join(missed)}.")
    n_faces = sum(one["faces"] for one in found.values())
    n_again = sum(one["ways"]["half size"]["faces"] for one in found.values())
    texts.append(f"At half size, {_percent(n_again / n_faces)} of the faces are found again.")
    return " ".join(texts) + "\n"


def _over(ways: Report) -> list[str]:
    return [way for way, change in ways.items() if change.get("mean_change", 0) >= GOAL]


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
