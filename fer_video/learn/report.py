"""What was read of a data set: for a person to judge before a net learns from it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fer_video.learn.dataset import SPLITS, Faces, ferplus_majority, is_blank
from fer_video.learn.faces import N_NAMED, Images, Integers, Problem, first_alike

SAMPLES_PER_EMOTION = 12

_WIDTH_OF_NAME, _WIDTH_OF_NUMBER = 28, 11


@dataclass(frozen=True, eq=False)
class Report:
    """Counts of a data set; each last axis is the split, in the order of ``SPLITS``."""

    emotions: Integers
    """Faces by emotion, shape ``(n_emotions, 3)``."""
    blank: Integers
    """Faces of one flat gray, shape ``(3,)``."""
    copies: Integers
    """Faces of a split (column) that show exactly the pixels of a face of a split (row), shape
    ``(3, 3)``; on the diagonal, of an earlier face of that split."""
    majority: Integers | None
    """Faces by the emotion that most FER+ voters saw, shape ``(n_emotions, 3)``; None without
    FER+."""


def report_of(faces: Faces) -> Report:
    """Count what a data set holds."""
    masks = [faces.split == split for split in SPLITS]
    majority = None
    if faces.votes is not None:
        majority = _by_emotion(ferplus_majority(faces.votes, faces.emotions), faces, masks)
    return Report(
        emotions=_by_emotion(faces.labels, faces, masks),
        blank=_count(is_blank(faces), masks),
        copies=_copies(faces, masks),
        majority=majority,
    )


def as_text(faces: Faces) -> str:
    """Write the report on a data set as aligned text."""
    report = report_of(faces)
    lines = [
        " " * _WIDTH_OF_NAME + "".join(f"{name:>{_WIDTH_OF_NUMBER}}" for name in (*SPLITS, "all")),
        *(_row(name, row) for name, row in zip(faces.emotions, report.emotions, strict=True)),
        _row("all", report.emotions.sum(axis=0)),
        "",
        _row("blank", report.blank),
        *(_row(f"copies of one in {name}", row, with_sum=False)
          for name, row in zip(SPLITS, report.copies, strict=True)),
    ]  # fmt: skip
    if report.majority is not None:
        lines.append(_row("with a FER+ majority", report.majority.sum(axis=0)))
        lines += [
            _row(f"  {name}, by votes alone", by_votes)
            for name, by_label, by_votes in zip(
                faces.emotions, report.emotions, report.majority, strict=True
            )
            if by_votes.any() and not by_label.any()
        ]
    if faces.held_out:
        lines += ["", f"held out of the other images: {' and '.join(faces.held_out)}"]
    if faces.n_stretched:
        lines += ["", _stretched(faces)]
    return "\n".join([*lines, "", *_left_out(faces.left_out), *_bad(faces)])


def remarks_on(faces: Faces) -> list[str]:
    """Say what must be known of a data set before a number that came of it is believed."""
    remarks = []
    if faces.left_out or faces.problems:
        counts = f"left out {len(faces.left_out):,}, bad {len(faces.problems):,}"
        remarks.append(f"{counts}: `fer-video dataset` names them")
    if faces.n_stretched:
        remarks.append(_stretched(faces))
    return remarks


def remarks_on_split(faces: Faces, split: str) -> list[str]:
    """Say it of a data set of which one split is judged."""
    remarks = remarks_on(faces)
    if split in faces.held_out:
        n_judged = int((faces.split == split).sum())
        remarks.append(
            f"{n_judged:,} of {len(faces):,} images are judged: without folders of splits, the "
            f"others are for training; a folder {split}/<emotion> is judged whole"
        )
    return remarks


def _stretched(faces: Faces) -> str:
    return (
        f"stretched, since they were not square: {faces.n_stretched:,} images; out of whole "
        "photographs, `fer-video faces` cuts the faces"
    )


def totals_of(faces: Faces) -> dict[str, int]:
    """Count the faces of each emotion in all splits."""
    counts = np.bincount(faces.labels, minlength=len(faces.emotions))
    return dict(zip(faces.emotions, counts.tolist(), strict=True))


def samples_of(faces: Faces, seed: int = 0) -> dict[str, Images]:
    """Draw faces of each emotion by lot, at most ``SAMPLES_PER_EMOTION``; the same each time."""
    rng = np.random.default_rng(seed)
    samples = {}
    for label, emotion in enumerate(faces.emotions):
        lot = rng.permutation(np.flatnonzero(faces.labels == label))
        samples[emotion] = faces.images[lot[:SAMPLES_PER_EMOTION]]
    return samples


def _by_emotion(labels: Integers, faces: Faces, masks: Sequence[np.ndarray]) -> Integers:
    return np.array([_count(labels == label, masks) for label in range(len(faces.emotions))])


def _count(mask: np.ndarray, masks: Sequence[np.ndarray]) -> Integers:
    return np.array([(mask & of_split).sum() for of_split in masks])


def _copies(faces: Faces, masks: Sequence[np.ndarray]) -> Integers:
    first = first_alike(faces.images)
    copies = [[np.isin(first[mask], first[other]).sum() for mask in masks] for other in masks]
    for number, mask in enumerate(masks):
        copies[number][number] = mask.sum() - len(np.unique(first[mask]))
    return np.array(copies)


def _row(name: str, numbers: Integers, with_sum: bool = True) -> str:
    shown = [*numbers, numbers.sum()] if with_sum else numbers
    return f"{name:<{_WIDTH_OF_NAME}}" + "".join(f"{n:>{_WIDTH_OF_NUMBER},}" for n in shown)


def _left_out(left_out: Sequence[Problem]) -> list[str]:
    """Count what was left out by reason: there may be thousands, all alike."""
    lines = [f"left out: {len(left_out):,}"]
    for fault in dict.fromkeys(one.fault for one in left_out):
        places = [one.place for one in left_out if one.fault == fault]
        others = f", and {len(places) - 1:,} like it" if len(places) > 1 else ""
        lines.append(f"  {places[0]} {fault}{others}")
    return lines


def _bad(faces: Faces) -> list[str]:
    n_all = len(faces) + len(faces.problems)
    share = 100 * len(faces.problems) / n_all
    lines = [f"bad: {len(faces.problems):,} of {n_all:,} ({share:.2g} %)"]
    lines += [f"  {problem}" for problem in faces.problems[:N_NAMED]]
    if len(faces.problems) > N_NAMED:
        lines.append(f"  and {len(faces.problems) - N_NAMED:,} more")
    return lines
