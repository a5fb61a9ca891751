"""The values that flow between the stages. Immutable; they import nothing but numpy."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

Image = np.ndarray[Any, np.dtype[np.uint8]]
"""Gray uint8 ``(height, width)``, or RGB uint8 ``(height, width, 3)``."""

Floats = np.ndarray[Any, np.dtype[np.float32]]

Rows = np.ndarray[Any, np.dtype[np.float64]]
"""What may be faces, ``(n, 15)``: left, top, right and bottom in pixels, score in [0, 1], then
``LANDMARKS`` as x, y."""

LANDMARKS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
"""The five points of a face in the order of ``Face.landmarks``; left and right of the picture."""

Rotation = Literal[0, 90, 180, 270]


class Box(NamedTuple):
    """A rectangle in pixels of the full-size upright picture, half-open."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Width in pixels."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Height in pixels."""
        return self.bottom - self.top

    @property
    def centre(self) -> tuple[float, float]:
        """``(x, y)`` in pixels."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def iou(self, other: "Box") -> float:
        """Intersection over union with another box, in [0, 1].

        >>> Box(0, 0, 2, 2).iou(Box(1, 0, 3, 2))
        0.3333333333333333
        """
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        if width <= 0 or height <= 0:
            return 0.0
        shared = width * height
        return shared / (self.width * self.height + other.width * other.height - shared)


@dataclass(frozen=True, slots=True)
class RecordingInfo:
    """What the header of a recording says, before a frame is decoded. Headers can lie."""

    path: Path
    width_px: int
    """Of the upright picture."""
    height_px: int
    duration_from_header_s: float | None
    """None where the container does not say."""
    frame_rate_from_header: float | None
    """Average frames per second; None where the container does not say. Never a clock."""
    time_base: Fraction
    """Seconds per unit of ``pts``."""
    rotation_deg: Rotation
    """Clockwise turn that makes the stored picture upright; already applied to every frame."""
    mirrored: bool
    """Whether left and right are exchanged after that turn; already done, too."""

    @property
    def side_px(self) -> int:
        """Longest side of the picture."""
        return max(self.width_px, self.height_px)


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A face in one frame."""

    box: Box
    score: float
    """The detector's confidence in [0, 1]; interpolated between key frames."""
    landmarks: Floats
    """``LANDMARKS`` as ``(x, y)`` in pixels of the full-size picture, float32 ``(5, 2)``."""
    track_id: int | None = None
    """The same for one face while it is in view; None before tracking."""
    interpolated: bool = False
    """True where no detector looked: box, score and landmarks are between two key frames."""

    @classmethod
    def from_row(cls, row: Rows) -> "Face":
        """Make a face of one of ``Rows``."""
        edges, landmarks = row[:4].tolist(), row[5:].reshape(len(LANDMARKS), 2)
        return cls(Box(*edges), float(row[4]), landmarks.astype(np.float32))


@dataclass(frozen=True, slots=True)
class Position:
    """How far a recording is read: to one picture, and what was counted up to it."""

    pts: int
    luma_crc32: int
    """Of that picture, upright: tells whether another reading came to the same one."""
    seek_s: float
    """From where the recording was read, in seconds; 0 is its beginning."""
    planned: bool
    """Whether frames that no sample needs were still left undecoded."""
    frames_decoded: int
    frames_undecoded: int
    frames_corrupt: int
    others_end_s: float
    """Where the latest packet of the other streams ends, on the container's clock."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """What decides, after a key frame, which frames are samples and which of them key frames."""

    sample_cell: int
    """Of the sampling grid, that the key frame is in."""
    key_start_s: float
    """Where the grid of key frames begins."""
    key_cell: int
    change: float
    """Between the key frame and the picture before it, in gray levels."""


@dataclass(frozen=True, slots=True)
class Track:
    """Where a face was last seen, and how it moved."""

    track_id: int
    box: Box
    time_s: float
    velocity: tuple[float, float] = (0.0, 0.0)
    """Of the box's centre, in pixels per second."""


@dataclass(frozen=True, slots=True, eq=False)
class Tracking:
    """What decides who is who after a key frame."""

    key_time_s: float
    faces: tuple[Face, ...]
    """On the key frame."""
    alive: tuple[Track, ...]
    next_id: int


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """All that the rows after a key frame depend on, besides recording, options and model."""

    position: Position
    sampling: Sampling
    tracking: Tracking | None = None
    """None before tracking."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded picture and the moment it is shown."""

    index: int
    """Position in presentation order in this run, from 0. Not a clock."""
    pts: int
    """Presentation time stamp in units of the stream's time base: names the frame in the file."""
    time_s: float
    """Presentation time in seconds from the first frame of the recording."""
    gray: Image
    """The decoded luma, uint8, shape ``(height, width)``, already upright."""
    full_range: bool
    """Whether luma spans 0 to 255; otherwise 16 to 235, and ``crop`` widens it."""
    rgb: Image | None = None
    """On key frames: RGB uint8 ``(h, w, 3)`` at detector size, upright; None on the others."""
    cut: bool = False
    """Whether a scene began since the previous sampled frame; such a frame is a key frame."""
    snapshot: Snapshot | None = None
    """On some key frames: from where an analysis can go on that was stopped after this frame."""


@dataclass(frozen=True, slots=True, eq=False)
class DetectedFrame:
    """A frame and the faces in it."""

    frame: Frame
    faces: tuple[Face, ...] | None
    """None means "not looked at", which is never "no face"."""


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """One face at one moment: a row of the timeline."""

    face: Face
    probabilities: Floats
    """One per emotion of the model, float32 ``(n_emotions,)``; they sum to 1."""
    sharpness: float
    """Variance of the Laplacian of the crop; low is blurred. See ``crop.sharpness``."""
    brightness: float
    """Mean gray level of the crop, 0 to 255."""


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """One sampled frame: its time and the faces seen, perhaps none."""

    index: int
    pts: int
    time_s: float
    observations: tuple[Observation, ...]
    snapshot: Snapshot | None = None
    """See ``Frame.snapshot``."""


@dataclass(frozen=True, slots=True)
class CropSpec:
    """How a face is cut from a picture; the same in training and in analysis.

    A crop that differs between the two is the silent killer of accuracy, so the spec travels
    with the model.
    """

    size_px: int = 48
    margin: float = 0.0
    """Added around the framing of the training faces on each side, as a share of its width."""
    align: bool = True
    """Whether the face is turned upright, so that the eyes are level."""
