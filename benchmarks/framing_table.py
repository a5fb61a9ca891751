"""The figures of benchmarks/framing.py as Markdown."""

from typing import Any

Report = dict[str, Any]

_DETECTORS = """\
| detector | faces found | FER+ as given | as cut | FER2013 as given | as cut |
|---|---|---|---|---|---|
"""
_FRAMINGS = """\
| framing | distance of the landmarks | change when the box moves | confidence | FER+ | FER2013 |
|---|---|---|---|---|---|
"""


def table(report: Report) -> str:
    """Write accuracy by detector, and every framing beside the one that ships."""
    detectors = [_detector(name, found) for name, found in report["detectors"].items()]
    framings = map(_framing, report["framings"])
    return _DETECTORS + "".join(detectors) + "\n" + _FRAMINGS + "".join(framings)


def _detector(name: str, found: Report) -> str:
    given, cut = found["as_given"], found["as_cut"]
    cells = [
        f"`{name}`",
        f"{found['found']:,} of {found['images']:,}",
        *(_percent(tried[truth]) for truth in ("ferplus", "label") for tried in (given, cut)),
    ]
    return _row(cells)


def _framing(found: Report) -> str:
    cells = [
        _name(found),
        f"{_percent(found['distance'])}",
        f"{found['change_by_jitter']:.4f}",
        f"{found['confidence']:.3f}",
        *(_percent(found["as_cut"][truth]) for truth in ("ferplus", "label")),
    ]
    return _row(cells)


def _name(found: Report) -> str:
    if not found["align"]:
        return "not turned upright"
    if found["lower"]:
        place = "lower" if found["lower"] > 0 else "higher"
        return f"{abs(found['lower']):.0%} {place}".replace("%", " %")
    if found["margin"]:
        return f"margin {found['margin']:+.0%}".replace("%", " %")
    return "**as shipped**: margin 0, upright"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def _percent(share: float) -> str:
    return f"{share:.1%}".replace("%", " %")
