"""How a timeline was made, and what was seen in its recording."""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import asdict, dataclass

from fer_video import __version__
from fer_video.errors import VideoError
from fer_video.events import Summary
from fer_video.files import as_text, being_read, hashed, state_of
from fer_video.options import AnalysisOptions
from fer_video.timeline import Provenance
from fer_video.types import Moment
from fer_video.video import Recording
from fer_video.weights import ModelSpec

REVISION = 6
"""Of the rows: raised when the same recording, options and model would give other ones, so that
timelines from before are made again. A version that changes no row leaves it as it is."""


@dataclass(slots=True)
class Tally:
    """Counts moments as they pass."""

    first_s: float | None = None
    analyzed_s: float = 0.0
    """Time between the first moment and the latest, in seconds."""
    sampled: int = 0
    without_face: int = 0
    most_faces: int = 0
    tracks: int = 0

    def counting(self, moments: Iterable[Moment]) -> Iterator[Moment]:
        """Pass moments on, each counted before it comes out."""
        for moment in moments:
            self._add(moment)
            yield moment

    def _add(self, moment: Moment) -> None:
        if self.first_s is None:
            self.first_s = moment.time_s
        self.analyzed_s = moment.time_s - self.first_s
        self.sampled += 1
        self.without_face += not moment.observations
        self.most_faces = max(self.most_faces, len(moment.observations))
        for seen in moment.observations:
            # ids count from 0, in the order in which faces appear
            self.tracks = max(self.tracks, 1 + (seen.face.track_id or 0))

    def summary(self, recording: Recording) -> Summary:
        """Sum up, once the recording has been read.

        Raises:
            VideoError: No moment passed.
        """
        if not self.sampled:
            raise VideoError(recording.info.path, "it has no frame between --start and --end")
        return Summary(
            analyzed_s=self.analyzed_s,
            frames_decoded=recording.frames_decoded,
            frames_sampled=self.sampled,
            frames_corrupt=recording.frames_corrupt,
            frames_without_face=self.without_face,
            tracks=self.tracks,
            most_faces_at_once=self.most_faces,
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
) -> Generator[None, None, Provenance]:
    """Say how a timeline was made; the same input and options give the same answer.

    Yields while the recording is read for its SHA-256.

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
    source = yield from _source(recording)
    return {
        "fer_video": __version__,
        "revision": REVISION,
        "verdict": "partial" if summary.partial else "complete",
        "source": source
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


def _source(recording: Recording) -> Generator[None, None, Provenance]:
    path = recording.info.path
    with being_read(path):
        sha256 = yield from hashed(path)
        source = {"name": as_text(path.name), "bytes": path.stat().st_size, "sha256": sha256}
        if state_of(path) != recording.state:
            raise VideoError(path, "it changed while it was read: analyze it once it is complete")
    return source
