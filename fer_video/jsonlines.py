"""Events as lines of JSON, for programs that start fer-video."""

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from fer_video.console import Report
from fer_video.events import Advanced, Event, Failed, Finished, Resumed, Skipped
from fer_video.manifest import now


def write(events: Iterable[Event]) -> Report:
    """Follow a run to its end; each event is a line on stdout as soon as it happens."""
    report = Report()
    for event in events:
        report.add(event)
        print(json.dumps(as_json(event)), file=sys.stdout, flush=True)
    return report


def as_json(event: Event) -> dict[str, Any]:
    """Describe an event; what each kind holds stands in docs/many_recordings.md."""
    told: dict[str, Any] = {
        "event": type(event).__name__.lower(),
        "recording": event.job.name,
        "when": now(),
    }
    if isinstance(event, Resumed):
        told |= {"at_s": event.at_s}
    if isinstance(event, Advanced):
        told |= {"stage": event.stage, "done_s": event.done_s, "total_s": event.total_s}
    if isinstance(event, Finished | Skipped):
        told |= {"outputs": [str(place) for place in event.job.destinations]}
        told |= {"seen": asdict(event.summary)}
    if isinstance(event, Failed):
        told |= {"reason": str(event.error), "exit_code": event.error.exit_code}
    return told
