"""From what a user names to recordings, each once and by a name of its own."""

import os
from pathlib import Path

import pytest

from fer_video.errors import FerVideoError, OptionError, OutputError, VideoError
from fer_video.inputs import find_recordings, single_file


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def found(*words: str, out: str = "results") -> dict[str, str]:
    return {source.name: str(source) for source in find_recordings(words, Path(out))}


def refusal(*words: str, out: str = "results") -> str:
    with pytest.raises(FerVideoError) as refused:
        find_recordings(words, Path(out))
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_what_lies_below_a_folder_is_named_by_its_path_there() -> None:
    make("rec/b.MP4", "rec/a/talk.mov", "rec/a/talk.mp4", "rec/a/deep/x.webm", "rec/notes.txt")
    assert found("rec") == {
        "b.MP4": "rec/b.MP4",
        "a/talk.mov": "rec/a/talk.mov",
        "a/talk.mp4": "rec/a/talk.mp4",
        "a/deep/x.webm": "rec/a/deep/x.webm",
    }
    assert found("rec/") == found("rec")
    assert found(str(Path("rec").absolute())).keys() == found("rec").keys()


def test_hidden_files_and_earlier_results_are_no_recordings() -> None:
    make("a.mp4", "._a.mp4", ".hidden.mp4", ".trash/b.mp4", "results/videos/a.mp4.mp4")
    assert list(found(".")) == ["a.mp4"]
    assert list(found("**/*")) == list(found("**")) == ["a.mp4"]
    assert list(found("results/videos")) == ["a.mp4.mp4"]


def test_results_of_another_run_are_no_recordings() -> None:
    make("rec/a.mp4", "rec/b/first/manifest.jsonl", "rec/b/first/videos/a.mp4.mp4", "rec/b/c.mp4")
    assert list(found("rec")) == list(found("rec/**")) == ["a.mp4", "b/c.mp4"]
    assert list(found("rec/b/first")) == list(found("rec/b/first/**")) == ["videos/a.mp4.mp4"]
    assert "no recording matches" in refusal("rec/b/f*/**")


def test_results_that_would_mix_with_the_inputs_are_refused() -> None:
    make("rec/a.mp4")
    assert "it is an input, too: name another folder, as rec/results" in refusal("rec", out="rec")
    with pytest.raises(OutputError):
        find_recordings(["rec/"], Path("rec/../rec"))


def test_a_folder_without_recordings_is_refused() -> None:
    make("rec/notes.txt")
    assert refusal("rec") == "cannot read rec: no recording lies in or below this folder"


def test_a_folder_that_cannot_be_read_is_not_passed_over(here: Path, monkeypatch) -> None:
    make("rec/a.mp4")
    with monkeypatch.context() as inside:
        inside.chdir("rec")
        for _ in range(17):  # its path is longer than 4096 bytes, which hinders even root
            Path("x" * 250).mkdir()
            os.chdir("x" * 250)
    text = refusal("rec")
    assert text.startswith("cannot read rec/xxx")
    assert text.endswith(": file name too long")


def test_a_pattern_does_not_pass_over_a_folder_that_cannot_be_read(monkeypatch) -> None:
    make("rec/a/1.mp4", "rec/locked/2.mp4", "rec/.hidden/3.mp4")
    scandir = os.scandir

    def refuse(path):
        if Path(path).name in ("locked", ".hidden"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    for pattern in ("rec/*/*.mp4", "rec/**/*.mp4"):
        assert refusal(pattern) == "cannot read rec/locked: permission denied"


def test_a_file_is_named_by_its_own_name_whatever_its_suffix() -> None:
    make("p1/a.mp4", "b.dat")
    assert found("p1/a.mp4", "b.dat") == {"a.mp4": "p1/a.mp4", "b.dat": "b.dat"}


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("visits/*.mp4", ["c.mp4"]),
        ("visits/*/*.mp4", ["p1/a.mp4", "p2/a.mp4"]),
        ("visits/**/*.mp4", ["c.mp4", "p1/a.mp4", "p2/a.mp4"]),
        ("visits/**", ["c.mp4", "p1/a.mp4", "p2/a.mp4", "p2/b.mov"]),
        ("visits/p[2-9]/*", ["p2/a.mp4", "p2/b.mov"]),
        ("visits/p2/?.mov", ["b.mov"]),
    ],
)
def test_a_pattern_names_what_it_matches_by_its_path_below_the_plain_part(pattern, names) -> None:
    make("visits/c.mp4", "visits/p1/a.mp4", "visits/p2/a.mp4", "visits/p2/b.mov", "visits/x.txt")
    assert sorted(found(pattern)) == names
    below = Path.cwd() / pattern
    assert sorted(found(str(below))) == names


def test_a_file_that_is_named_like_a_pattern_is_a_file() -> None:
    make("a[1].mp4", "a1.mp4")
    assert found("a[1].mp4") == {"a[1].mp4": "a[1].mp4"}
    assert single_file(["a[1].mp4"]) == Path("a[1].mp4")


def test_a_pattern_that_matches_nothing_is_refused() -> None:
    make("notes.txt")
    for pattern in ("*.mp4", "*", "nowhere/**/*.mp4"):
        assert refusal(pattern) == f"cannot read {pattern}: no recording matches this pattern"
    assert "**x" in refusal("a/**x")


def test_links_that_lead_in_a_circle_neither_hang_nor_hide_anything() -> None:
    make("rec/a.mp4", "rec/sub/b.mp4")
    for loop in ("rec/loop", "rec/sub/one", "rec/sub/two"):
        Path(loop).symlink_to(Path("rec").absolute())
    Path("rec/self.mp4").symlink_to("self.mp4")
    for words in (["rec"], ["rec/**/*"], ["rec/**"], ["rec/loop"]):
        assert {"a.mp4", "sub/b.mp4"} <= set(found(*words)) <= {"a.mp4", "sub/b.mp4", "self.mp4"}
    assert "self.mp4" in found("rec")
    assert "symbolic links" in refusal("rec/self.mp4", "rec")
    Path("rec/gone.mp4").symlink_to("nowhere.mp4")
    assert "it is a link to a file that is gone" in refusal("rec/gone.mp4", "rec")


def test_a_recording_that_is_reached_twice_is_done_once_and_named_alike_in_any_order() -> None:
    make("rec/p1/a.mp4", "rec/p1/b.mp4")
    Path("link.mp4").symlink_to("rec/p1/a.mp4")
    Path("list.txt").write_text("rec/p1/a.mp4\n")
    words = ["rec", "rec/p1/*.mp4", "rec/p1/a.mp4", "link.mp4", "rec/../rec/p1/b.mp4"]
    assert found(*words).keys() == found(*words[::-1]).keys() == {"p1/a.mp4", "p1/b.mp4"}
    assert list(found(*words, "@list.txt")) == ["rec/p1/a.mp4", "p1/b.mp4"]


def test_two_recordings_of_one_name_are_refused_with_both_and_the_remedy() -> None:
    make("p1/a.mp4", "p2/a.mp4")
    for words in (["p1/a.mp4", "p2/a.mp4"], ["p1", "p2"]):
        assert refusal(*words) == (
            "p1/a.mp4 and p2/a.mp4 would both be a.mp4 in the results: name a folder that holds "
            "both, or analyze them with an --out each"
        )


def test_a_missing_input_is_named() -> None:
    make("a.mp4")
    assert refusal("a.mp4", "b.mp4") == "cannot read b.mp4: no such file"
    assert refusal("a.mp4", "x" * 300) == f"cannot read {'x' * 300}: file name too long"
    assert "null byte" in refusal("a.mp4", "a\0b")


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_list_names_recordings_from_where_it_lies(start: bytes, end: bytes) -> None:
    make("study/p1/a.mp4", "study/p2/a.mp4", "study/deep/x/b.mkv", "other/c.mp4", "study/#d.mp4")
    lines = ["# first visit", "p1/a.mp4", "", "   ", "./p2/*.mp4", "deep", "../other/c.mp4",
             str(Path("other/c.mp4").absolute()), "./#d.mp4"]  # fmt: skip
    Path("study/list.txt").write_bytes(start + end.join(line.encode() for line in lines))
    assert list(found("@study/list.txt")) == [
        "p1/a.mp4", "p2/a.mp4", "deep/x/b.mkv", "c.mp4", "#d.mp4",
    ]  # fmt: skip


def test_a_line_of_a_list_that_cannot_be_used_is_named() -> None:
    make("a.mp4", "other.txt")
    cases = {
        "gone.mp4": "cannot read gone.mp4: no such file (line 3 of list.txt)",
        "*.mov": "cannot read *.mov: no recording matches this pattern (line 3 of list.txt)",
        "@other.txt": "cannot read @other.txt: a list may not name another list",
        "https://example.org/a.mp4": "download the recording first (line 3 of list.txt)",
        "s3://me:secret@lab/a.mp4": "own configuration (line 3 of list.txt)",
    }
    for line, text in cases.items():
        Path("list.txt").write_text(f"# two\na.mp4\n{line}\n")
        assert text in refusal("@list.txt")
        assert "secret" not in refusal("@list.txt")


def test_a_list_is_small_text(here: Path) -> None:
    Path("list.txt").write_text("# none\n\n")
    assert refusal("@list.txt") == "cannot read list.txt: this list names no recording"
    assert refusal("@gone.txt") == "cannot read gone.txt: no such file"
    assert "a list is a local file: download it first" in refusal("@s3://lab/list.txt")
    assert "secret" not in refusal("@s3://me:secret@lab/list.txt")
    Path("list.txt").write_bytes("a.mp4\n".encode("utf-16"))
    assert "it is not UTF-8 text (byte 0)" in refusal("@list.txt")
    with Path("list.txt").open("wb") as file:
        file.truncate(10**11)
    assert "a list has 16 MB at most" in refusal("@list.txt")
    os.mkfifo("pipe")
    for other in ("@pipe", f"@{here}", "@/dev/zero"):
        assert "a list is a text file with a path on each line" in refusal(other)


def test_a_file_may_be_called_like_a_list() -> None:
    make("@a.mp4", "b.mp4")
    assert single_file(["@a.mp4"]) == Path("@a.mp4")
    Path("list.txt").write_text("@a.mp4")
    assert list(found("@a.mp4", "b.mp4")) == ["@a.mp4", "b.mp4"]
    assert list(found("@list.txt")) == ["@a.mp4"]


@pytest.mark.parametrize(
    "name",
    ["two words.mp4", "\"quotes' `.mp4", "two\nlines.mp4", "\N{GRINNING FACE}é.mp4", "-a.mp4",
     "--force.mp4", "\x1b[31mred.mp4", "x" * 251 + ".mp4", "~.mp4", "$HOME.mp4", "%s.mp4"],
)  # fmt: skip
def test_any_name_can_be_found(name: str) -> None:
    make(f"rec/{name}")
    for words in (["rec"], ["rec/*"], [f"rec/{name}"]):
        assert list(found(*words)) == [name]


def test_a_name_that_is_no_text_is_written_as_text() -> None:
    Path("rec").mkdir()
    os.close(os.open(b"rec/\xff.mp4", os.O_CREAT))
    assert list(found("rec")) == [r"\xff.mp4"]


def test_one_local_file_is_told_from_what_may_be_many() -> None:
    make("a.mp4", "rec/b.mp4")
    assert single_file(["a.mp4"]) == Path("a.mp4")
    assert single_file([f"file://{Path.cwd()}/a.mp4"]) == Path.cwd() / "a.mp4"
    assert single_file(["gone.mp4"]) == Path("gone.mp4")
    for words in (["rec"], ["*.mp4"], ["@list.txt"], ["s3://lab/a.mp4"], ["a.mp4", "a.mp4"]):
        assert single_file(words) is None
    with pytest.raises(VideoError, match="download"):
        single_file(["https://example.org/a.mp4"])
    with pytest.raises(OptionError):
        single_file(["s3://me:secret@lab/a.mp4"])
