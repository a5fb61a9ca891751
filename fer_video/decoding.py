"""Decoding one stream: which frames can be used, and where it breaks off."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice, repeat
from pathlib import Path
from typing import TypeAlias, cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from fer_video.errors import DAMAGED, VideoError
from fer_video.options_limits import LimitOptions
from fer_video.sampling import Plan, seconds

_FIRST_TRIES = 8
# codecs reorder at most 16 frames: more packets without a picture are no delay
_LONGEST_DELAY = 32

# quoted: the stubs of PyAV know this type, at run time it takes no parameter
PicturePacket: TypeAlias = "Packet[VideoStream]"

Whole: TypeAlias = tuple[int, VideoFrame]
"""A frame that can be used, and its ``pts``."""


class Decoding:
    """The frames of a stream, in the order in which they are shown; read once."""

    others_end_s: float
    """Where the latest packet of the other streams ends, on the container's clock."""
    breaks_off: bool
    """Whether the container ends in what cannot be read."""

    def __init__(
        self, path: Path, container: InputContainer, stream: VideoStream, limits: LimitOptions
    ) -> None:
        self._path, self._container, self._stream = path, container, stream
        self._limits = limits
        # asked for once: PyAV makes a new fraction for every packet
        self._clocks = {one.index: one.time_base for one in container.streams}
        self.others_end_s = 0.0
        self.breaks_off = False

    def first_whole(self) -> Whole:
        """Return the first frame that can be used.

        Raises:
            VideoError: The first few cannot be.
        """
        tried = 0
        for one in islice(self.tries(), _FIRST_TRIES):
            if one is not None:
                return one
            tried += 1
        if tried and not self._stream.codec_context.width:  # some decoders forget what they refuse
            side_px = self._limits.max_side_px
            reason = f"its pictures have no size, or one of more than {side_px} x {side_px} pixels"
            raise VideoError(self._path, f"{reason}; see --max-side")
        count = f"none of the first {tried} frames" if tried else "no frame"
        raise VideoError(self._path, f"{count} can be decoded; {DAMAGED}")

    def tries(self, plan: Plan | None = None) -> Iterator[Whole | None]:
        """Yield each frame with its time stamp, or None for one that must be skipped.

        Args:
            plan: What it does not need is left out where no other frame refers to it.

        Raises:
            VideoError: It goes on for longer than the limits allow.
        """
        first_pts: int | None = None
        last_pts: int | None = None
        silent = n_told = 0  # packets without a picture, since the latest one
        clock = cast(Fraction, self._stream.time_base)
        all_needed = True
        packets = self._packets()
        for packet, needed in plan.judge(packets) if plan else ((one, True) for one in packets):
            if needed != all_needed:
                self._stream.codec_context.skip_frame = "DEFAULT" if needed else "NONREF"
                all_needed = needed
            decoded = _decode(packet)
            # an edit list discards what is before its start, and the last packet of all is empty
            if not decoded and needed and not packet.is_discard and packet.size:
                silent += 1
            for frame in decoded:
                if frame is None or frame.is_corrupt or frame.pts is None:
                    yield None
                elif last_pts is not None and frame.pts <= last_pts:
                    yield None  # a second picture at one moment, or one that comes too late
                else:
                    first_pts = frame.pts if first_pts is None else first_pts
                    last_pts, silent, n_told = frame.pts, 0, 0
                    self._check_hours(seconds(last_pts - first_pts, clock))
                    yield last_pts, frame
            if silent > _LONGEST_DELAY and last_pts is not None:
                # that of HEVC says nothing of frames that refer to what is lost
                yield from repeat(None, silent - n_told)
                n_told = silent

    def _packets(self) -> Iterator[PicturePacket]:
        """Yield the packets of the stream; note where the others end."""
        n_frames = 0
        try:
            for packet in self._container.demux():
                if packet.stream.index == self._stream.index:
                    n_frames += packet.size > 0
                    if n_frames > self._limits.max_frames:
                        reason = f"it has more than {self._limits.max_frames} frames"
                        raise VideoError(self._path, f"{reason}; see --max-frames")
                    yield cast(PicturePacket, packet)
                elif packet.pts is not None:
                    clock = self._clocks.get(packet.stream.index) or packet.time_base
                    end_s = seconds(packet.pts + (packet.duration or 0), clock)
                    self.others_end_s = max(self.others_end_s, end_s)
        except av.error.FFmpegError:
            self.breaks_off = True
        except IndexError:
            pass  # a stream that began later: PyAV does not know it, and flushes it last

    def _check_hours(self, so_far_s: float) -> None:
        if so_far_s > self._limits.max_hours * 3600:
            reason = f"it goes on for more than {self._limits.max_hours:g} hours"
            raise VideoError(self._path, f"{reason}; see --max-hours")


def _decode(packet: PicturePacket) -> Sequence[VideoFrame | None]:
    try:
        return packet.decode()
    except av.error.FFmpegError:
        return [None]
