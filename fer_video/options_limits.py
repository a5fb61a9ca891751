"""What a recording may claim to be."""

from dataclasses import dataclass

from fer_video.errors import require


@dataclass(frozen=True, kw_only=True)
class LimitOptions:
    """What is refused before it takes memory or days; changes no number in a result.

    The defaults are beyond what cameras, phones and screens record.
    """

    max_side_px: int = 8192
    """Longest side of a picture; no picture has more pixels than a square of it."""
    max_streams: int = 64
    """Of pictures, sound, subtitles and data in one file."""
    max_hours: float = 24.0
    """From the first frame to the last, and what the header may say."""
    max_frames: int = 24 * 3600 * 120

    def __post_init__(self) -> None:
        require(self.max_side_px >= 1, "--max-side", self.max_side_px, "1 or more")
        require(self.max_streams >= 1, "--max-streams", self.max_streams, "1 or more")
        require(self.max_hours > 0, "--max-hours", self.max_hours, "above 0")
        require(self.max_frames >= 1, "--max-frames", self.max_frames, "1 or more")


USUAL_LIMITS = LimitOptions()
"""The defaults."""
