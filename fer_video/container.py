"""Opening media files in such a way that they lead to no other file and to no network."""

import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from fer_video.addresses import without_secrets
from fer_video.errors import DAMAGED, VideoError

# four times 8K: a header that claims more would only exhaust the memory
_SIZE_LIMIT = {"max_pixels": str(4 * 7680 * 4320)}
_OPEN_OPTIONS = _SIZE_LIMIT | {
    # an allow-list: playlists, image sequences and scripts lead to other files
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,ogg,asf,flv,gif",
    "protocol_whitelist": "file",
}
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free")
_PLAYLISTS = (b"#EXTM3U", b"ffconcat version")
_WEB_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)
_NO_VIDEO = (
    "not a video file in a format fer-video reads "
    "(mp4, mov, mkv, webm, avi, ts, ogg, wmv, flv, gif)"
)


@contextmanager
def open_container(path: Path) -> Iterator[InputContainer]:
    """Open a local media file in such a way that it leads to no other file and no network.

    Raises:
        VideoError: It is no regular file, or in no container that fer-video reads.
    """
    head = _head(path)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(_PLAYLISTS):
        raise VideoError(path, "it is a playlist, not a recording: name the recordings in it")
    try:
        # FFmpeg sees no protocol in a path that starts with a slash
        container = av.open(str(path.absolute()), metadata_errors="ignore", options=_OPEN_OPTIONS)
    except av.error.FFmpegError as error:
        unfinished = head[4:8] in _MP4_BOXES
        reason = f"its index cannot be read; {DAMAGED}" if unfinished else _NO_VIDEO
        raise VideoError(path, reason) from error
    with container:
        yield container


def picture_stream(path: Path, container: InputContainer) -> VideoStream:
    """Return the first stream of moving pictures, ready to decode."""
    for stream in container.streams.video:
        if stream.disposition & Disposition.attached_pic:  # the cover of a piece of music
            continue
        if stream.codec_context is None:
            raise VideoError(path, "its codec is unknown; convert it to mp4 with H.264")
        # several threads lose whole frames beside a damaged one and flag others by chance
        stream.thread_type = "NONE"
        stream.codec_context.options = _SIZE_LIMIT
        return stream
    if container.streams.audio:
        raise VideoError(path, "it has sound but no picture")
    raise VideoError(path, f"there is no picture in it; {DAMAGED}")


def _head(path: Path) -> bytes:
    """Return the first bytes of a regular file."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):  # opening a pipe would wait for ever
            kind = "a folder" if stat.S_ISDIR(mode) else "no regular file"
            raise VideoError(path, f"it is {kind}")
        with path.open("rb") as file:
            head = file.read(64)
    except FileNotFoundError as error:
        if _WEB_ADDRESS.match(str(path)):
            reason = "it is a web address: download the recording first"
            raise VideoError(without_secrets(str(path)), reason) from error
        raise VideoError(path, "no such file") from error
    except OSError as error:
        raise VideoError(path, (error.strerror or str(error)).lower()) from error
    if not head:
        raise VideoError(path, "the file is empty: copy it again from the camera")
    return head
