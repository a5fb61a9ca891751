"""The stages in order: a recording in, moments out."""

import math
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import cv2
import pandas as pd

from fer_video.classify import NetClassifier, classify, cut_crops, load_classifier
from fer_video.detect import Detector, detect, load_detector, picture_side_px
from fer_video.events import Summary
from fer_video.files import as_text, result_of
from fer_video.options import AnalysisOptions
from fer_video.options_limits import USUAL_LIMITS, LimitOptions
from fer_video.provenance import Tally, provenance
from fer_video.timeline import Provenance, to_frame
from fer_video.track import track
from fer_video.types import Moment, Snapshot
from fer_video.video import Recording, open_recording

T = TypeVar("T")
_END = object()

_DEPTH = 8
"""Frames decoded ahead: enough to keep both sides busy, 16 MB at 1080p."""
_CROPPED_DEPTH = 64
"""Frames cropped ahead: the network takes them in large bites, and they are small."""


@dataclass(frozen=True, eq=False)
class Analysis:
    """A recording under analysis; ``moments`` is lazy and can be read once."""

    recording: Recording
    classifier: NetClassifier
    options: AnalysisOptions
    moments: Iterator[Moment]
    after: Snapshot | None = None
    """Where ``moments`` begins; then ``go_there`` has to be exhausted first."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The emotions that the model knows, in its order."""
        return tuple(self.classifier.spec.labels)

    def go_there(self) -> Iterator[float]:
        """Read up to where ``moments`` begins, which is silent until then.

        Yields:
            Seconds read since ``options.sample.start_s``, 0 before it, from time to time.
        """
        if self.after is None:
            yield from self.recording.read_to_start(self.options.sample)
        else:
            yield from self.recording.return_to(self.after.position, self.options.sample)

    def provenance(self, summary: Summary) -> Generator[None, None, Provenance]:
        """Say how the timeline was made, once ``moments`` is read to its end."""
        return provenance(
            self.recording, self.classifier.spec, self.classifier.ran, self.options, summary
        )


@dataclass(frozen=True, eq=False)
class Tools:
    """What is loaded once and serves many recordings."""

    detector: Detector
    classifier: NetClassifier


def load_tools(options: AnalysisOptions) -> Tools:
    """Load the detector and the classifier.

    Raises:
        ModelError: A model is missing or damaged.
        OptionError: A GPU is asked for and there is none.
    """
    # decoding, detecting and classifying have a thread each; more of them in OpenCV gain nothing,
    # and take cores from other recordings
    cv2.setNumThreads(1)
    return Tools(load_detector(options.detect), load_classifier(options.classify))


@contextmanager
def open_analysis(
    path: Path,
    options: AnalysisOptions,
    tools: Tools,
    limits: LimitOptions = USUAL_LIMITS,
    *,
    snapshot_every_s: float = math.inf,
    after: Snapshot | None = None,
) -> Iterator[Analysis]:
    """Open a recording and connect the stages.

    Args:
        path: The recording.
        options: What to do.
        tools: Loaded for these options.
        snapshot_every_s: Least seconds of recording between two moments with a snapshot.
        after: Of an earlier analysis of the same recording, to go on from.

    Raises:
        VideoError: The recording cannot be read; also while ``moments`` is read.
    """
    detecting = options.detect
    with open_recording(path, limits) as recording:
        side_px = picture_side_px(recording.info.side_px, detecting)
        sampled = recording.sampled(
            options.sample, detecting.detect_every_s, snapshot_every_s, after
        )
        with closing(prefetch(sampled, _DEPTH)) as ahead:
            frames = recording.with_rgb(ahead, side_px)
            detected = detect(frames, tools.detector, detecting)
            tracking = None if after is None else after.tracking
            tracked = track(detected, options.track, detecting.min_score, tracking)
            cropped = cut_crops(tracked, tools.classifier.spec.crop)
            with closing(prefetch(cropped, _CROPPED_DEPTH)) as waiting:
                moments = classify(waiting, tools.classifier, tools.classifier.batch_size)
                yield Analysis(recording, tools.classifier, options, moments, after)


def moments(
    path: Path | str,
    options: AnalysisOptions | None = None,
    limits: LimitOptions = USUAL_LIMITS,
) -> Iterator[Moment]:
    """Analyze a recording lazily: one moment per sampled frame, in order.

    Raises:
        VideoError: The recording cannot be read.
        ModelError: A model is missing or damaged.
    """
    options = options or AnalysisOptions()
    with open_analysis(Path(path), options, load_tools(options), limits) as analysis:
        yield from analysis.moments


def analyze(
    path: Path | str,
    options: AnalysisOptions | None = None,
    limits: LimitOptions = USUAL_LIMITS,
) -> pd.DataFrame:
    """Analyze a recording and return its timeline, the table that ``read_timeline`` gives.

    ``table.attrs["provenance"]`` says how it was made.

    Raises:
        VideoError: The recording cannot be read, or has nothing in the span that was asked for.
        ModelError: A model is missing or damaged.
    """
    path, options = Path(path), options or AnalysisOptions()
    tally = Tally()
    with open_analysis(path, options, load_tools(options), limits) as analysis:
        counted = tally.counting(analysis.moments)
        table = to_frame(counted, as_text(path.name), analysis.classifier.spec.labels)
        summary = tally.summary(analysis.recording)
        table.attrs["provenance"] = result_of(analysis.provenance(summary))
    return table


def prefetch(items: Iterator[T], depth: int) -> Generator[T, None, None]:
    """Run ``items`` in a thread of its own, at most ``depth`` ahead of the consumer.

    Order is kept. An error of the source arrives at the consumer; a consumer that leaves early
    ends the thread.
    """
    pool = ThreadPoolExecutor(1, "prefetch")
    try:
        ahead = deque(pool.submit(next, items, _END) for _ in range(depth))
        while (item := ahead.popleft().result()) is not _END:
            ahead.append(pool.submit(next, items, _END))
            yield cast(T, item)
    finally:
        pool.shutdown(cancel_futures=True)
