"""Writing H.264 in MP4: every picture at its own time, the sound of the recording beside it."""

import heapq
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TypeAlias, cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.codec import Codec
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from fer_video.canvas import blank_like, plane
from fer_video.container import is_allowed, open_container
from fer_video.decoding import PicturePacket
from fer_video.errors import OutputError, cannot_write
from fer_video.files import check_suffix, whole_file
from fer_video.options_limits import USUAL_LIMITS, LimitOptions

COPIED_SOUND = frozenset({"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac"})
"""Codecs that stay as they are.

FFmpeg puts more into MP4 (Vorbis, PCM, DTS), but common players are then silent.
"""

# near-transparent, and about as fast as decoding; a slower preset only saves disk space
_H264 = {"preset": "veryfast", "crf": "20"}
# the index before the pictures, so that a player can start before it has all of the file
_MP4 = {"movflags": "+faststart"}

# quoted: the stubs of PyAV know this type, at run time it takes no parameter
SoundPacket: TypeAlias = "Packet[AudioStream]"
AnyPacket: TypeAlias = "PicturePacket | SoundPacket"


def encode(
    frames: Iterable[VideoFrame],
    out: Path,
    source: Path,
    *,
    lead_in: bool = True,
    end_s: float | None = None,
    limits: LimitOptions = USUAL_LIMITS,
) -> Iterator[float]:
    """Write frames and the sound of their recording; ``out`` is there once this is exhausted.

    Sound that cannot be read is left out; it never costs the pictures.

    Args:
        frames: At least one, in order of ``pts``, with ``pts`` and ``time_base`` as in
            ``source``. They may be changed. An odd side is padded by one row or column, since
            H.264 has none.
        out: Ends in ``.mp4``; replaced if it exists, and whole or absent.
        source: The recording whose sound is taken: copied where players know the codec in MP4,
            else as AAC.
        lead_in: Whether sound before the first frame is kept; it is when that is the first
            frame of the recording.
        end_s: Where the sound stops, in seconds on the container's clock; None keeps all.
        limits: Of ``source``.

    Yields:
        Seconds written since the first frame; never decreasing.

    Raises:
        OutputError: ``out`` has another suffix, is the recording itself, or cannot be written.
        VideoError: ``source`` cannot be opened.
    """
    check_suffix(out, "video")
    with open_container(source, limits) as recording:
        if out.exists() and out.samefile(source):
            raise OutputError(out, "it is the recording itself; name another file")
        with whole_file(out) as temporary, _open_mp4(temporary, out) as output:
            yield from _write(iter(frames), output, recording, lead_in, end_s)


@contextmanager
def _open_mp4(temporary: Path, out: Path) -> Iterator[OutputContainer]:
    try:
        with av.open(str(temporary), "w", format="mp4", container_options=_MP4) as output:
            yield output
    except av.error.FFmpegError as error:
        raise cannot_write(out, OSError(error.errno, error.strerror)) from error


def _write(
    frames: Iterator[VideoFrame],
    output: OutputContainer,
    recording: InputContainer,
    lead_in: bool,
    end_s: float | None,
) -> Iterator[float]:
    """Put pictures and sound into the file in the order of time, holding one packet of each."""
    first = next(frames)
    clock = cast(Fraction, first.time_base)
    sound = _sound_stream(recording)
    first_s = cast(int, first.pts) * clock
    origin_s = _origin_s(first_s, clock, sound if lead_in else None)
    picture = _add_picture(output, first, recording)
    streams: list[Iterator[AnyPacket]] = [
        _picture_packets(chain([first], frames), picture, round(origin_s / clock))
    ]
    if sound:
        kept = _moved(_readable(recording, sound), origin_s, lead_in, end_s)
        streams.append(_increasing(_add_sound(output, sound, kept)))
    written_s = lead_s = float(first_s - origin_s)
    for packet in heapq.merge(*streams, key=_decode_time_s):
        output.mux(packet)
        written_s = max(written_s, _decode_time_s(packet))
        yield written_s - lead_s


def _origin_s(first_s: Fraction, clock: Fraction, sound: AudioStream | None) -> Fraction:
    """Choose the moment of the recording that is 0 in the output, on its container's clock.

    A recording may start far from 0, and its sound before its picture: the earlier of both is
    0, so that nothing is lost and lips and sound stay together.
    """
    if sound is None or sound.start_time is None:
        return first_s
    start_s = min(first_s, sound.start_time * cast(Fraction, sound.time_base))
    # a whole number of ticks of the picture's clock, so that every frame time is kept exactly
    return start_s // clock * clock


def _decode_time_s(packet: AnyPacket) -> float:
    return float(cast(int, packet.dts) * packet.time_base)


def _add_picture(
    output: OutputContainer, first: VideoFrame, recording: InputContainer
) -> VideoStream:
    """Set up the encoder for frames like the first."""
    source = cast(VideoStream, recording.streams.best("video"))
    stream = output.add_stream("libx264", rate=source.average_rate or 25, options=_H264)
    encoder = stream.codec_context
    stream.time_base = encoder.time_base = cast(Fraction, first.time_base)
    encoder.width, encoder.height = _even(first.width), _even(first.height)
    encoder.pix_fmt = "yuv420p"
    encoder.sample_aspect_ratio = _pixel_aspect(first, source)
    encoder.color_range = first.color_range
    encoder.colorspace = first.colorspace
    encoder.color_primaries = first.color_primaries
    encoder.color_trc = first.color_trc
    return stream


def _pixel_aspect(frame: VideoFrame, source: VideoStream) -> Fraction:
    """Carry over the shape of the pixels; a picture that was turned has its pixels turned too."""
    aspect = source.sample_aspect_ratio or Fraction(1)
    turned = (frame.width > frame.height) != (source.width > source.height)
    return 1 / aspect if turned else aspect


def _even(side_px: int) -> int:
    return side_px + side_px % 2


def _picture_packets(
    frames: Iterable[VideoFrame], stream: VideoStream, origin_pts: int
) -> Iterator[PicturePacket]:
    for frame in frames:
        padded = _padded(frame)
        padded.pts = cast(int, frame.pts) - origin_pts
        # else the encoder would repeat the choices of the source's encoder
        padded.pict_type = PictureType.NONE
        yield from stream.encode(padded)
    yield from stream.encode(None)


def _padded(frame: VideoFrame) -> VideoFrame:
    """Repeat the last row and column where a side is odd; the chroma planes cover them already."""
    width, height = _even(frame.width), _even(frame.height)
    if (width, height) == (frame.width, frame.height):
        return frame
    padded = blank_like(frame, width, height)
    for index in range(3):
        shown, target = plane(frame, index), plane(padded, index)
        more = [(0, to - now) for to, now in zip(target.shape, shown.shape, strict=True)]
        target[:] = np.pad(shown, more, mode="edge")
    return padded


def _sound_stream(recording: InputContainer) -> AudioStream | None:
    stream = cast(AudioStream | None, recording.streams.best("audio"))
    # without a decoder, or with a broken header, there is nothing that a muxer would take
    if stream and is_allowed(stream) and stream.rate and stream.channels:
        return stream
    return None


def _readable(recording: InputContainer, stream: AudioStream) -> Iterator[SoundPacket]:
    """Read packets to the end, or to where the container breaks."""
    try:
        yield from (packet for packet in recording.demux(stream) if packet.dts is not None)
    except av.error.FFmpegError:
        return


def _moved(
    packets: Iterable[SoundPacket], origin_s: Fraction, lead_in: bool, end_s: float | None
) -> Iterator[SoundPacket]:
    """Keep the packets of the span that is shown, in the time of the output."""
    for packet in packets:
        dts = cast(int, packet.dts)
        start_s = dts * packet.time_base
        if end_s is not None and start_s >= end_s:
            return
        if not lead_in and start_s + (packet.duration or 0) * packet.time_base <= origin_s:
            continue
        shift = round(origin_s / packet.time_base)
        packet.pts = (dts if packet.pts is None else packet.pts) - shift
        packet.dts = dts - shift
        yield packet


def _increasing(packets: Iterable[SoundPacket]) -> Iterator[SoundPacket]:
    """Leave out packets for which time stands still or goes back: a muxer gives up on them."""
    last_dts = None
    for packet in packets:
        if last_dts is None or cast(int, packet.dts) > last_dts:
            last_dts = cast(int, packet.dts)
            yield packet


def _add_sound(
    output: OutputContainer, sound: AudioStream, packets: Iterator[SoundPacket]
) -> Iterator[SoundPacket]:
    """Add a stream for the sound; return its packets, still to be read."""
    if sound.codec_context.codec.canonical_name in COPIED_SOUND:
        return _copied(packets, output.add_stream_from_template(sound))
    rates = Codec("aac", "w").audio_rates or ()
    stream = output.add_stream("aac", rate=sound.rate if sound.rate in rates else 48000)
    stream.codec_context.layout = "mono" if sound.channels == 1 else "stereo"
    return _encoded(packets, stream)


def _copied(packets: Iterable[SoundPacket], stream: AudioStream) -> Iterator[SoundPacket]:
    for packet in packets:
        packet.stream = stream
        yield packet


def _encoded(packets: Iterable[SoundPacket], stream: AudioStream) -> Iterator[SoundPacket]:
    for packet in packets:
        for frame in _try_decode(packet):
            # resamples where needed; sound that changes its kind half-way is left out
            with suppress(ValueError):
                yield from stream.encode(frame)
    yield from stream.encode(None)


def _try_decode(packet: SoundPacket) -> list[AudioFrame]:
    try:
        return packet.decode()
    except av.error.FFmpegError:
        return []
