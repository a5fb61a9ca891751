"""Emotion timelines from recordings of people.

>>> from fer_video import analyze, read_timeline  # doctest: +SKIP
>>> analyze("consult.mp4").groupby("track")["p_happy"].mean()  # doctest: +SKIP
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fer_video.options import AnalysisOptions as AnalysisOptions
    from fer_video.options import ClassifyOptions as ClassifyOptions
    from fer_video.options import DetectOptions as DetectOptions
    from fer_video.options import LimitOptions as LimitOptions
    from fer_video.options import SampleOptions as SampleOptions
    from fer_video.options import TrackOptions as TrackOptions
    from fer_video.pipeline import analyze as analyze
    from fer_video.pipeline import moments as moments
    from fer_video.timeline import read_timeline as read_timeline
    from fer_video.timeline import smooth as smooth

__version__ = "0.1.0"

_HOME = {
    "AnalysisOptions": "options",
    "ClassifyOptions": "options",
    "DetectOptions": "options",
    "LimitOptions": "options",
    "SampleOptions": "options",
    "TrackOptions": "options",
    "analyze": "pipeline",
    "moments": "pipeline",
    "read_timeline": "timeline",
    "smooth": "timeline",
}
"""Public names and their modules: imported on first use, so that ``--help`` stays instant."""

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'fer_video' has no attribute {name!r}")
    return getattr(importlib.import_module(f"fer_video.{_HOME[name]}"), name)
