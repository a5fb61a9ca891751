"""Opening media files in such a way that they lead to no other file and to no network.

And such that they ask for no more than they may: what a header claims is held against the limits
before a frame is decoded, and FFmpeg against them before it takes memory for one.
"""

import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Discard, Disposition, Stream
from av.video.stream import VideoStream

from fer_video.addresses import without_secrets
from fer_video.errors import DAMAGED, VideoError, reason_of
from fer_video.files import being_read
from fer_video.headers import EBML, MP4_BOXES, duration_from_header_s
from fer_video.options_limits import USUAL_LIMITS, LimitOptions

_DECODERS = {
    "phones and cameras": "h264 hevc mpeg4 mpeg2video mpeg1video h263 mjpeg mjpegb dvvideo svq1 "
    "svq3 jpeg2000 prores cfhd apv",
    "browsers and video calls": "vp8 libvpx vp9 libvpx-vp9 libdav1d av1 theora flv vp6f gif",
    "Windows": "wmv1 wmv2 wmv3 vc1 msmpeg4 msmpeg4v1 msmpeg4v2 msvideo1 cinepak",
    "screen recorders": "flashsv flashsv2 mss1 mss2 g2m camtasia camstudio tscc2 qtrle png",
    "laboratories and archives": "rawvideo ffv1 huffyuv ffvhuff utvideo magicyuv lagarith dnxhd "
    "v210 r210",
    "sound": "aac aac_latm mp3 mp3float mp2 mp2float opus libopus vorbis flac alac ac3 eac3 dca "
    "amrnb libopencore_amrnb amrwb libopencore_amrwb wmav1 wmav2 wmapro speex nellymoser qdm2 "
    "gsm gsm_ms adpcm_ms adpcm_ima_qt adpcm_ima_wav adpcm_swf adpcm_yamaha pcm_u8 pcm_s8 "
    "pcm_s16le pcm_s16be pcm_s24le pcm_s24be pcm_s32le pcm_s32be pcm_f32le pcm_f32be pcm_f64le "
    "pcm_alaw pcm_mulaw pcm_bluray",
}
"""By who writes what they read. FFmpeg has 300 more, for games of the nineties and the like: code
that no recording needs, and a stranger's could abuse."""
_ALLOWED_DECODERS = frozenset(" ".join(_DECODERS.values()).split())
_OPEN_OPTIONS = {
    # allow-lists: playlists, image sequences and scripts lead to other files
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,ogg,asf,flv,gif",
    "protocol_whitelist": "file",
    "codec_whitelist": ",".join(sorted(_ALLOWED_DECODERS)),
}
_MOST_PIXELS = 2**31 - 1
"""That FFmpeg takes as a limit; given a higher one, it opens nothing."""
_STARTS = (EBML, b"OggS", b"FLV", b"GIF8", b"\x30\x26\xb2\x75")
"""Of mkv and webm, ogg, flv, gif and wmv."""
_PLAYLISTS = (b"#EXTM3U", b"ffconcat version")
_WEB_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)
_NO_VIDEO = (
    "not a video file in a format fer-video reads "
    "(mp4, mov, mkv, webm, avi, ts, ogg, wmv, flv, gif)"
)


@contextmanager
def open_container(path: Path, limits: LimitOptions = USUAL_LIMITS) -> Iterator[InputContainer]:
    """Open a local media file in such a way that it leads to no other file and no network.

    Raises:
        VideoError: It is no regular file, in no container that fer-video reads, or has more
            streams than it may.
    """
    head = _head(path)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(_PLAYLISTS):
        raise VideoError(path, "it is a playlist, not a recording: name the recordings in it")
    try:
        # FFmpeg sees no protocol in a path that starts with a slash
        container = av.open(
            str(path.absolute()),
            metadata_errors="ignore",
            options=_OPEN_OPTIONS | _size_limit(limits),
        )
    except av.error.FFmpegError as error:
        is_known = head[4:8] in MP4_BOXES or head[8:12] == b"AVI " or head.startswith(_STARTS)
        reason = f"its index cannot be read; {DAMAGED}" if is_known else _NO_VIDEO
        raise VideoError(path, reason) from error
    with container:
        n_streams = len(container.streams)
        if n_streams > limits.max_streams:
            reason = f"it has {n_streams} streams, more than {limits.max_streams}"
            raise VideoError(path, f"{reason}; see --max-streams")
        yield container


def is_allowed(stream: Stream) -> bool:
    """Whether FFmpeg has a decoder for a stream, and fer-video uses it."""
    return stream.codec_context is not None and stream.codec_context.name in _ALLOWED_DECODERS


def picture_stream(path: Path, container: InputContainer, limits: LimitOptions) -> VideoStream:
    """Return the first stream of moving pictures, ready to decode.

    Raises:
        VideoError: There is none, or it claims to be larger or longer than it may.
    """
    for stream in container.streams.video:
        if stream.disposition & Disposition.attached_pic:  # the cover of a piece of music
            continue
        if not is_allowed(stream):
            name = stream.codec_context.name if stream.codec_context else "an unknown codec"
            raise VideoError(path, f"its pictures are in {name}; convert it to mp4 with H.264")
        _check_claims(path, container, stream, limits)
        _discard_others(container, stream)
        # several threads lose whole frames beside a damaged one and flag others by chance
        stream.thread_type = "NONE"
        stream.codec_context.options = _size_limit(limits)
        return stream
    if container.streams.audio:
        raise VideoError(path, "it has sound but no picture")
    raise VideoError(path, f"there is no picture in it; {DAMAGED}")


def _size_limit(limits: LimitOptions) -> dict[str, str]:
    return {"max_pixels": str(min(limits.max_side_px**2, _MOST_PIXELS))}


def _check_claims(
    path: Path, container: InputContainer, stream: VideoStream, limits: LimitOptions
) -> None:
    width_px, height_px = stream.codec_context.width, stream.codec_context.height
    if max(width_px, height_px) > limits.max_side_px:
        reason = f"its header says {width_px} x {height_px} pixels"
        raise VideoError(path, f"{reason}, more than {limits.max_side_px}; see --max-side")
    hours = (duration_from_header_s(container, stream) or 0.0) / 3600
    if hours > limits.max_hours:
        reason = f"its header says {hours:.3g} hours, more than {limits.max_hours:g}"
        raise VideoError(path, f"{reason}; see --max-hours")


def _discard_others(container: InputContainer, pictures: VideoStream) -> None:
    """Leave data, and what tells nothing about the end of the recording, where it is.

    Where the header tells how long the whole is, and not how long the pictures are, sound and
    subtitles may be what goes on to the end: when their packets come is looked at, and no more.
    """
    for stream in container.streams:
        tells_end = stream.type in ("video", "audio", "subtitle") and not pictures.duration
        if stream.index != pictures.index and not tells_end:
            stream.discard = Discard.all


def check_local(path: Path) -> None:
    """Make sure that a recording is a regular file: opening a pipe would wait for ever.

    Raises:
        VideoError: It is something else, is not there, or may not be looked at.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        if _WEB_ADDRESS.match(str(path)):
            reason = "it is a web address: download the recording first"
            raise VideoError(without_secrets(str(path)), reason) from error
        raise VideoError(path, "no such file") from error
    except OSError as error:
        raise VideoError(path, reason_of(error)) from error
    if not stat.S_ISREG(mode):
        raise VideoError(path, "it is a folder" if stat.S_ISDIR(mode) else "it is no regular file")


def _head(path: Path) -> bytes:
    """Return the first bytes of a regular file."""
    check_local(path)
    with being_read(path), path.open("rb") as file:
        head = file.read(64)
    if not head:
        raise VideoError(path, "the file is empty: copy it again from the camera")
    return head
