"""Broken, hostile and odd recordings, made by code: tiny pictures, few frames.

A maker writes a recording under the path that it is given, and perhaps what it leads to.
"""

import struct
import zipfile
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import cv2
import numpy as np
from av.stream import Disposition
from PIL import Image

from tests.scenes import SIZE_PX, cut_before, steady, truncate, walk, write_tone, write_video

Maker = Callable[[Path], object]

MILLISECOND_S = Fraction(1, 1000)
STEADY_MS = range(0, 400, 40)
OPEN_GOP = {"preset": "medium", "bf": "3", "g": "12", "x264-params": "open-gop=1:scenecut=0"}
JPEG = {"codec": "mjpeg", "pix_fmt": "yuvj420p", "tick_s": Fraction(1, 25)}
FRAGMENTS = "frag_keyframe+empty_moov"
FIELDS = {"preset": "ultrafast", "x264-params": "tff=1"}
SDP = (
    "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\na=control:{place}\n"
    "m=video {port} RTP/AVP 26\na=control:{place}\n"
)
"""Tells a reader to receive at a port; it has no way to be shown a file."""
DASH = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
    "<AdaptationSet><Representation><BaseURL>{place}</BaseURL></Representation></AdaptationSet>"
    "</Period></MPD>"
)
_START_OF_FRAME = b"\xff\xc0\x00\x11\x08"
"""In a JPEG file; its height and width follow, of 16 bits each."""


def video(times_s: Iterable[float] = tuple(steady(5)), size_px=None, **options) -> Maker:
    """Make a recording as ``scenes.write_video`` does; ``size_px`` draws a plain picture."""
    if size_px is not None:
        options["draw"] = lambda _: np.full((*reversed(size_px), 3), 40, np.uint8)
    return lambda path: write_video(path, list(times_s), **options)


def called(suffix: str, make: Maker) -> Maker:
    """Make a recording in the container of another suffix than that of its name."""

    def named(path: Path) -> None:
        true = path.with_name(f".true{suffix}")
        make(true)
        true.rename(path)

    return named


def noise(index: int) -> np.ndarray:
    """Draw what does not compress, so that a share of a file is that share of its frames."""
    return np.random.default_rng(index).integers(0, 255, (48, 64, 3), np.uint8)


def cut_at(share: float, **options) -> Maker:
    """Make a recording of 50 frames that was cut off."""
    return lambda path: truncate(write_video(path, steady(50), noise, **options), share)


def cut_between(packet_index: int, n_frames: int = 50, **options) -> Maker:
    """Make a recording that was cut off where a packet begins, so that none is damaged."""
    return lambda path: cut_before(
        write_video(path, steady(n_frames), noise, **options), packet_index
    )


def shortened(make: Maker, share: float) -> Maker:
    """Make a recording and cut it off."""

    def cut(path: Path) -> None:
        make(path)
        truncate(path, share)

    return cut


def jpeg(index: int, claimed_px: tuple[int, int] | None = None) -> bytes:
    """Draw a frame as a JPEG file, whose header may lie about its size."""
    file = cv2.imencode(".jpg", walk(index))[1].tobytes()
    if claimed_px is None:
        return file
    at = file.index(_START_OF_FRAME) + len(_START_OF_FRAME)
    return file[:at] + struct.pack(">HH", *reversed(claimed_px)) + file[at + 4 :]


def packets(
    times_ms: Iterable[int] = STEADY_MS,
    frames: Callable[[int], bytes] = jpeg,
    *,
    codec: str = "mjpeg",
    size_px: tuple[int, int] = SIZE_PX,
) -> Maker:
    """Make a recording of packets as they are, with the time stamps that are given."""

    def make(path: Path) -> None:
        kept = {"avoid_negative_ts": "disabled"}
        with av.open(str(path), "w", container_options=kept) as container:
            width_px, height_px = size_px
            stream = container.add_mux_stream(
                codec, rate=25, width=width_px, height=height_px, time_base=MILLISECOND_S
            )
            for index, time_ms in enumerate(times_ms):
                packet = av.Packet(frames(index))
                packet.stream, packet.time_base = stream, MILLISECOND_S
                # muxers want these to rise, readers believe the others
                packet.pts, packet.dts, packet.duration = time_ms, index - 10_000, 40
                packet.is_keyframe = True
                container.mux(packet)

    return make


def streamed(n_frames: int = 50, movflags: str = "") -> Maker:
    """Make a recording in which nobody could go back, as in a pipe: no header has its last word."""

    def make(path: Path) -> None:
        with path.open("wb") as file:
            pipe = SimpleNamespace(write=file.write)
            kind, options = path.suffix[1:], {"movflags": movflags} if movflags else {}
            with av.open(pipe, "w", format=kind, container_options=options) as container:
                stream = container.add_stream("mjpeg", rate=25)
                stream.width, stream.height, stream.pix_fmt = *SIZE_PX, "yuvj420p"
                stream.codec_context.thread_count = 1  # see scenes.write_video
                for index in range(n_frames):
                    frame = av.VideoFrame.from_ndarray(noise(index), "rgb24")
                    container.mux(stream.encode(frame.reformat(format="yuvj420p")))
                container.mux(stream.encode(None))

    return make


def some_pictures_claim(claimed_px: tuple[int, int], indices: Iterable[int]) -> Maker:
    """Make a recording in which the headers of some pictures say another size."""
    return packets(frames=lambda index: jpeg(index, claimed_px if index in indices else None))


def avi_that_claims(width_px: int, height_px: int) -> Maker:
    """Make a recording of raw pictures whose headers say another size."""

    def make(path: Path) -> None:
        write_video(path, steady(5), codec="rawvideo")
        content = path.read_bytes()
        true, false = struct.pack("<ii", *SIZE_PX), struct.pack("<ii", width_px, height_px)
        path.write_bytes(content.replace(true, false))

    return make


def streams(*kinds: str) -> Maker:
    """Make a recording of these streams, in this order; see ``_add_stream``."""

    def make(path: Path) -> None:
        with av.open(str(path), "w") as container:
            opened = [_add_stream(container, kind) for kind in kinds]
            for kind, stream in zip(kinds, opened, strict=True):
                if kind == "sound":
                    write_tone(container, stream, 0.4)
                    continue
                if kind in ("subtitles", "data"):
                    container.mux(_words(stream))
                    continue
                for index in range(1 if kind == "cover" else 10):
                    rgb = cv2.resize(walk(index), (stream.width, stream.height))
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, "rgb24")))
                container.mux(stream.encode(None))

    return make


def _words(stream: av.stream.Stream) -> av.Packet:
    packet = av.Packet(b"\0\5hello")  # as in MP4: how long it is, and the text
    packet.stream, packet.time_base = stream, MILLISECOND_S
    packet.pts, packet.dts, packet.duration = 0, 0, 5000
    return packet


def _add_stream(container: av.container.OutputContainer, kind: str):
    if kind == "sound":
        return container.add_stream("aac", rate=16000)
    if kind == "subtitles":
        codec = "mov_text" if container.format.name == "mp4" else "subrip"
        return container.add_mux_stream(codec)
    if kind == "data":
        return container.add_mux_stream("bin_data")
    stream = container.add_stream("png" if kind == "cover" else "mpeg4", rate=25)
    stream.width, stream.height = (32, 32) if kind == "small" else SIZE_PX
    if kind == "cover":
        stream.pix_fmt, stream.disposition = "rgb24", Disposition.attached_pic
    return stream


def without_frames(path: Path) -> None:
    """Write a header that announces pictures, and none."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height = SIZE_PX
        container.start_encoding()


def without_index(path: Path) -> None:
    """Write an mp4 file whose index was never written, as of a camera that lost its power."""
    write_video(path, steady(50))
    path.write_bytes(path.read_bytes().replace(b"moov", b"none"))


def joined(*parts: Maker) -> Maker:
    """Make recordings and put them behind each other, as recorders do that start a new part."""

    def make(path: Path) -> None:
        content = b""
        for part in parts:
            part(path)
            content += path.read_bytes()
        path.write_bytes(content)

    return make


def palette_gif(path: Path) -> None:
    """Write a GIF of a palette and of parts that change, as programs do that draw them."""
    first, *others = [Image.fromarray(walk(index)).quantize(8) for index in range(9)]
    first.save(path, save_all=True, append_images=others, duration=100)


def text(content: str) -> Maker:
    """Make a file of text; ``{neighbour}`` becomes the path of a recording beside it."""
    return lambda path: path.write_text(content.replace("{neighbour}", f"{path.parent}/whole.mp4"))


def zip_bomb(path: Path) -> None:
    """Write a zip that unpacks to a thousand times its size."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(20_000_000))


def link_to(target: str) -> Maker:
    """Make a link; ``""`` leads to itself."""
    return lambda path: path.symlink_to(target or path)
