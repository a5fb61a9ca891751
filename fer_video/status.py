"""How far the runs of a folder of results have come, as its manifest tells."""

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fer_video.manifest import Attempt, Run
from fer_video.wording import span

_WIDTH = 80


@dataclass(frozen=True, slots=True)
class _Pace:
    """Bytes of recordings that were analyzed within some seconds."""

    size_bytes: int = 0
    seconds: float = 0.0

    def left_s(self, size_bytes: int) -> float | None:
        """Seconds that so many bytes take; None where nothing was measured."""
        return self.seconds * size_bytes / self.size_bytes if self.size_bytes else None


@dataclass(slots=True)
class Status:
    """Where the recordings of a folder of results stand."""

    attempts: dict[str, Attempt] = field(default_factory=dict)
    """How each ended that is not to be done again, by its name."""
    runs: dict[str, Run] = field(default_factory=dict)
    """The latest of each inputs."""
    last_activity: datetime | None = None
    n_unreadable: int = 0
    """Lines that were torn, or not understood."""
    _latest: dict[str, Attempt] = field(default_factory=dict)
    """How each ended at last, by its name; a run may leave it as it is, and a later one keep it."""
    _work: _Pace = field(default_factory=_Pace)
    """Of all runs: seconds of work, of which several may go on at once."""
    _run: _Pace = field(default_factory=_Pace)
    """Of the latest run: seconds that passed."""
    _run_began: datetime | None = None

    def ended(self, *verdicts: str) -> list[Attempt]:
        """How the recordings of some verdicts ended, by name."""
        found = (attempt for attempt in self.attempts.values() if attempt.verdict in verdicts)
        return sorted(found, key=lambda attempt: attempt.recording)

    @property
    def planned(self) -> dict[str, int]:
        """Size in bytes of each recording that the latest runs of all inputs found, by name."""
        return {name: size for run in self.runs.values() for name, size in run.recordings.items()}

    @property
    def to_do(self) -> dict[str, int]:
        """Those of them that are still to be done."""
        planned = self.planned
        return {name: planned[name] for name in sorted(planned.keys() - self.attempts.keys())}

    @property
    def gone(self) -> list[str]:
        """Names of recordings that were analyzed, and that the latest runs no longer found."""
        done = {one.recording for one in self.ended("ok", "partial")}
        return sorted(done - self.planned.keys())

    @property
    def left_s(self) -> float | None:
        """Estimate of the seconds that the rest takes; None before anything is done.

        At the pace of the latest run, with as many processes; before its first recording is done,
        at that of one process.
        """
        to_do_bytes = sum(self.to_do.values())
        if not to_do_bytes:
            return 0.0
        return self._run.left_s(to_do_bytes) or self._work.left_s(to_do_bytes)

    def add(self, entry: Run | Attempt | None) -> None:
        """Take in the next line of the manifest."""
        if entry is None:
            self.n_unreadable += 1
            return
        at = self.last_activity = datetime.fromisoformat(entry.when)
        if isinstance(entry, Run):
            self._add_run(entry, at)
        else:
            self._add_attempt(entry, at)

    def _add_run(self, run: Run, at: datetime) -> None:
        self._run, self._run_began = _Pace(), at
        self.runs[run.inputs] = run
        for name in run.recordings.keys() & self._latest.keys():
            if _counts(self._latest[name], run):
                self.attempts[name] = self._latest[name]
            else:
                self.attempts.pop(name, None)

    def _add_attempt(self, attempt: Attempt, at: datetime) -> None:
        self.attempts[attempt.recording] = self._latest[attempt.recording] = attempt
        if attempt.verdict == "failed" or not attempt.work_s:
            return  # no measure of speed
        size_bytes = attempt.source_bytes
        self._work = _Pace(self._work.size_bytes + size_bytes, self._work.seconds + attempt.work_s)
        if self._run_began:
            passed_s = max(0.0, (at - self._run_began).total_seconds())
            self._run = _Pace(self._run.size_bytes + size_bytes, passed_s)


def _counts(attempt: Attempt, run: Run) -> bool:
    """Whether a run takes a recording for done: it will look closer when its turn comes."""
    return (
        not run.force
        and attempt.verdict != "failed"
        and attempt.model_sha256 == run.model_sha256
        and attempt.options_sha256 == run.options_sha256
        and set(run.outputs) <= attempt.outputs.keys()
    )


def status_of(entries: Iterable[Run | Attempt | None]) -> Status:
    """Follow a manifest from its first line to its last."""
    status = Status()
    for entry in entries:
        status.add(entry)
    return status


def as_json(status: Status) -> dict[str, Any]:
    """Put a status into values for machines."""
    return {
        "ok": len(status.ended("ok")),
        "partial": _named(status.ended("partial")),
        "failed": _named(status.ended("failed")),
        "to_do": list(status.to_do),
        "gone": status.gone,
        "left_s": status.left_s,
        "last_activity": status.last_activity and status.last_activity.isoformat(),
        "unreadable_lines": status.n_unreadable,
    }


def _named(attempts: Iterable[Attempt]) -> list[dict[str, Any]]:
    return [
        {"recording": one.recording, "reason": one.reason, "exit_code": one.exit_code}
        for one in attempts
    ]


def as_text(status: Status, now: datetime) -> str:
    """Describe a status for a terminal of 80 columns."""
    ok, partial, failed = (status.ended(verdict) for verdict in ("ok", "partial", "failed"))
    counts = [
        ("done", len(ok) + len(partial), f"{len(partial)} of them partial" if partial else ""),
        ("failed", len(failed), ""),
        ("to do", len(status.to_do), _left(status)),
    ]
    lines = [f"{name:<8}{count:>7,}  {note}".rstrip() for name, count, note in counts]
    if status.last_activity:
        ago = span((now - status.last_activity).total_seconds())
        lines.append(f"last activity {ago} ago, {status.last_activity:%Y-%m-%d %H:%M:%S %Z}")
    if status.n_unreadable:
        n = status.n_unreadable
        which = "line of the manifest that is" if n == 1 else "lines of the manifest that are"
        lines.append(f"passed over {n} {which} torn or unknown")
    for title, found in (("failed", failed), ("partial", partial)):
        if found:
            lines += ["", f"{title}:"]
            lines += [_wrapped(f"{one.recording}: {one.reason}") for one in found]
    if status.gone:
        lines += ["", "no longer among the recordings (renamed or removed):"]
        lines += map(_wrapped, status.gone)
    return "\n".join(lines)


def _left(status: Status) -> str:
    if not status.to_do:
        return ""
    if status.left_s is None:
        return "time left: unknown until one is done"
    return f"time left: about {span(status.left_s)}, an estimate"


def _wrapped(text: str) -> str:
    # a name may hold anything, line breaks too, and must not move the cursor
    plain = "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)
    return textwrap.fill(
        plain, _WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False
    )
