from pathlib import Path

import pytest

from fer_video.addresses import place_of, scheme_of, without_secrets
from fer_video.errors import FerVideoError, OptionError, VideoError

SECRET = "wJalr/XUtnFEMI"


def test_a_path_is_no_address() -> None:
    for path in ("talk.mp4", "C:/talk.mp4", "C://talk.mp4", "a b/c:d.mp4", "/s3:/x", "concat:a"):
        assert scheme_of(path) is None
        assert place_of(path) == Path(path)


def test_an_address_stays_as_it_is_but_for_a_closing_slash() -> None:
    for address in ("s3://lab/visits", "s3://lab/me@home, 12:30?.mp4", "sftp://me@host:22/a.mp4",
                    "abfs://container@account.dfs.core.windows.net/a.mp4"):  # fmt: skip
        assert place_of(address) == address
    assert place_of("S3://lab/") == "S3://lab"


def test_a_file_address_is_a_local_path() -> None:
    assert place_of("file:///data/50%25%20of%3F.mp4") == Path("/data/50% of?.mp4")
    assert place_of("file://localhost/data/a?b#c.mp4") == Path("/data/a?b#c.mp4")
    with pytest.raises(OptionError, match="has three slashes"):
        place_of("file://data/a.mp4")


@pytest.mark.parametrize(
    "address",
    [
        f"s3://AKIA:{SECRET}@lab/a.mp4",
        f"s3://{SECRET.replace('/', '')}@lab/a.mp4",
        f"sftp://me:{SECRET}@host/a.mp4",
        f"s3://lab/a.mp4?X-Amz-Signature={SECRET}",
        f"az://lab/a.mp4?sv=1&sig={SECRET}",
        f"https://me:{SECRET}@example.org/a.mp4?token={SECRET}",
        f"rtsp://me:{SECRET}@camera/stream",
    ],
)
def test_an_address_with_a_secret_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(FerVideoError) as refused:
        place_of(address)
    shown = str(refused.value) + repr(refused.value)
    assert not any(part in shown for part in (SECRET, "wJalr", "XUtnFEMI", "AKIA"))


def test_the_web_is_not_read() -> None:
    with pytest.raises(VideoError, match="download the recording first"):
        place_of("https://example.org/a.mp4")


def test_what_is_left_of_an_address_still_tells_what_it_was() -> None:
    assert without_secrets(f"s3://AKIA:{SECRET}@lab/a.mp4?x={SECRET}") == "s3://lab/a.mp4"
    assert without_secrets("https:/me:secret@example.org/a.mp4") == "https:/example.org/a.mp4"
    assert without_secrets("s3://lab/a.mp4") == "s3://lab/a.mp4"
