"""Addresses of stores, as text: what is one, and what may not stand in it."""

import re
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from fer_video.errors import OptionError, VideoError

Place = Path | str
"""A path on this machine, or the address of something on a store."""

# a single letter before the colon is a drive of Windows
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_WEB = frozenset(["http", "https", "rtsp", "rtsps", "rtmp", "rtp", "udp", "tcp"])
_LOCAL = frozenset(["file", "local"])
_USER_OR_CONTAINER = frozenset(["abfs", "abfss", "ftp", "hdfs", "sftp", "smb", "ssh", "webhdfs"])
"""Schemes in whose addresses a name before an ``@`` is no secret."""
_PORT = re.compile(r"\d*")


def scheme_of(text: str) -> str | None:
    """Return what stands before ``://``, in lower case; None where ``text`` is no address."""
    match = _SCHEME.match(text)
    return match and match[1].lower()


def place_of(text: str) -> Place:
    """Tell a path from an address; ``file://`` is a path.

    Raises:
        OptionError: The address carries a password, a token or a query.
        VideoError: It is one of the web, from which no recording is read.

    >>> place_of("s3://lab/visits/")
    's3://lab/visits'
    >>> place_of("file:///data/my%20talk.mp4").as_posix()
    '/data/my talk.mp4'
    """
    scheme = scheme_of(text)
    if scheme is None:
        return Path(text)
    if scheme in _LOCAL:
        return _local_path(text)
    if scheme in _WEB:
        raise VideoError(without_secrets(text), "it is a web address: download the recording first")
    _refuse_secrets(text, scheme)
    if not text.partition("://")[2].strip("/"):
        raise OptionError(f"{text} names no place on a store: a bucket or host has to follow")
    return text.rstrip("/")


def without_secrets(text: str) -> str:
    """Leave out of an address all that may be a password, a token or a query.

    >>> without_secrets("https://me:secret@example.org/a.mp4?token=1")
    'https://example.org/a.mp4'
    """
    # greedy: a secret key may hold slashes
    return re.sub(r"^([a-z][a-z0-9+.-]+:/+).*@", r"\1", text.partition("?")[0], flags=re.I | re.S)


def _local_path(text: str) -> Path:
    parts = urlsplit(text.replace("?", "%3F").replace("#", "%23"))
    if parts.netloc not in ("", "localhost"):
        raise OptionError(
            f"{text} names the machine {parts.netloc}: a local path has three slashes"
        )
    return Path(url2pathname(parts.path))


def _refuse_secrets(text: str, scheme: str) -> None:
    host = text.partition("://")[2].partition("/")[0]
    user, at, host = host.rpartition("@")
    port = host.partition(":")[2]
    # "KEY:SEC/RET@bucket" ends at the slash and looks like a port that is no number
    secret = ":" in user or not _PORT.fullmatch(port) or (at and scheme not in _USER_OR_CONTAINER)
    if secret or re.search(r"\?.*=", text, re.DOTALL):
        raise OptionError(
            f"{without_secrets(text)}: leave password, token and query out of the address; "
            "credentials are taken from the environment or the store's own configuration"
        )
