"""How a timeline was made, and what was seen in its recording."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict

from fer_video import __version__
from fer_video.errors import VideoError
from fer_video.events import Summary
from fer_video.files import sha256_of, state_of
from fer_video.options import AnalysisOptions
from fer_video.timeline import Provenance
from fer_video.types import Moment
from fer_video.video import Recording
from fer_video.weights import ModelSpec

REVISION = 2
"""Of the rows: raised when the same recording, options and model would give other ones, so that
timelines from before are made again. A version that changes no row leaves it as it is."""


class Tally:
    """Counts moments as they pass."""

    def __init__(self) -> None:
        self._first_s: float | None = None
        self._tracks: set[int | None] = set()
        self._sampled = self._without_face = self._most_faces = 0
        self.analyzed_s = 0.0
        """Time between the first moment and the latest, in seconds."""

    def counting(self, moments: Iterable[Moment]) -> Iterator[Moment]:
        """Pass moments on, each counted before it comes out."""
        for moment in moments:
            self._add(moment)
            yield moment

    def _add(self, moment: Moment) -> None:
        if self._first_s is None:
            self._first_s = moment.time_s
        self.analyzed_s = moment.time_s - self._first_s
        self._sampled += 1
        self._without_face += not moment.observations
        self._most_faces = max(self._most_faces, len(moment.observations))
        self._tracks.update(seen.face.track_id for seen in moment.observations)

    def summary(self, recording: Recording) -> Summary:
        """Sum up, once the recording has been read.

        Raises:
            VideoError: No moment passed.
        """
        if not self._sampled:
            raise VideoError(recording.info.path, "it has no frame between --start and --end")
        return Summary(
            analyzed_s=self.analyzed_s,
            frames_decoded=recording.frames_decoded,
            frames_sampled=self._sampled,
            frames_corrupt=recording.frames_corrupt,
            frames_without_face=self._without_face,
            tracks=len(self._tracks),
            most_faces_at_once=self._most_faces,
            ended_early_s=recording.ended_early_s,
            frames_undecoded=recording.frames_undecoded,
            missing_bytes=recording.missing_bytes,
        )


def provenance(
    recording: Recording,
    model: ModelSpec,
    ran: Provenance,
    options: AnalysisOptions,
    summary: Summary,
) -> Provenance:
    """Say how a timeline was made; the same input and options give the same answer.

    Args:
        recording: After its last frame was read.
        model: What named the expressions.
        ran: What the model ran on: ``device`` and ``runtime``.
        options: Of the analysis.
        summary: What was seen.

    Raises:
        VideoError: The recording is another one by now.
    """
    info = recording.info
    return {
        "fer_video": __version__,
        "revision": REVISION,
        "verdict": "partial" if summary.partial else "complete",
        "source": _source(recording)
        | {
            "width_px": info.width_px,
            "height_px": info.height_px,
            "rotation_deg": info.rotation_deg,
            "mirrored": info.mirrored,
            "time_base": str(info.time_base),
            "first_frame_s": recording.first_frame_s,
        },
        "model": {
            "name": model.name,
            "net": model.net,
            "sha256": model.sha256,
            "lite_sha256": model.lite_sha256,
        },
        **ran,
        "options": asdict(options),
        "seen": asdict(summary),
    }


def _source(recording: Recording) -> Provenance:
    path = recording.info.path
    try:
        source = {"name": path.name, "bytes": path.stat().st_size, "sha256": sha256_of(path)}
        if state_of(path) != recording.state:
            raise VideoError(path, "it changed while it was read: analyze it once it is complete")
    except OSError as error:
        raise VideoError(path, "it went away while it was read") from error
    return source
