import zipfile
from pathlib import Path

import numpy as np
import pytest

from fer_video.errors import DataError
from fer_video.learn import archive
from fer_video.learn.dataset import read_faces
from tests.learn.faces import assert_same, csv_rows, draw, save, some_faces, votes_rows, write_csv
from tests.learn.faces import votes as votes_of


def zip_of(folder: Path, path: Path, below: str = "") -> Path:
    """Pack the files of a folder, the last one first."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in sorted(folder.rglob("*.*"), reverse=True):
            packed.write(file, below + file.relative_to(folder).as_posix())
    return path


def zip_with(path: Path, **content_by_name: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in content_by_name.items():
            packed.writestr(name, content)
    return path


def png(tmp_path: Path, label: int = 3) -> bytes:
    return save(tmp_path / "one.png", draw(label, 0)).read_bytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    for number in range(40):
        emotion = ("peur", "tristesse")[number % 2]
        save(folder / "train" / emotion / f"{number:03d}.png", draw(2, number))
    colored = np.dstack([draw(4, 1), draw(4, 2), draw(4, 3)])
    save(folder / "test" / "Colère" / "large.jpg", np.kron(colored, np.ones((3, 2, 1), np.uint8)))
    return folder


@pytest.mark.parametrize("below", ["", "fer2013/", "./"])
def test_a_zip_gives_the_faces_of_its_folder_and_writes_nothing(folder, tmp_path, below) -> None:
    path = zip_of(folder, tmp_path / "Faces.ZIP", below)
    before = sorted(tmp_path.rglob("*"))
    assert_same(read_faces(path), read_faces(folder))
    assert sorted(tmp_path.rglob("*")) == before


def test_a_zip_of_one_folder_of_emotions_is_split_like_that_folder(folder, tmp_path) -> None:
    path = zip_of(folder / "train", tmp_path / "faces.zip")
    found = read_faces(path, val_share=0.25)
    assert [len(found.part(split)) for split in ("train", "validation", "test")] == [20, 10, 10]
    assert_same(found, read_faces(folder / "train", val_share=0.25))


def test_a_zip_of_fer2013_csv_is_read_with_its_votes(tmp_path) -> None:
    faces = some_faces(train=5, validation=2, test=3)
    data = write_csv(tmp_path / "fer2013.csv", csv_rows(faces))
    votes = votes_rows(faces, [votes_of(happiness=10)] * 10)
    ferplus = write_csv(tmp_path / "fer2013new.csv", votes)
    with zipfile.ZipFile(tmp_path / "archive.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.write(data, "challenge/fer2013.csv")
    found = read_faces(tmp_path / "archive.zip", ferplus)
    assert_same(found, faces)
    assert found.votes.shape == (10, 10)


def test_what_macos_adds_is_left_out_and_its_names_are_understood(tmp_path) -> None:
    path = zip_with(
        tmp_path / "faces.zip",
        **{
            "train/XXXXXXXX/a.png": png(tmp_path, 0),
            "__MACOSX/train/XXXXXXXX/._a.png": b"attributes",
        },
    )
    # macOS writes UTF-8 with decomposed accents, and does not say that it is UTF-8
    path.write_bytes(path.read_bytes().replace(b"XXXXXXXX", "cole\u0300re".encode()))
    found = read_faces(path)
    assert found.labels.tolist() == [0]
    assert [one.fault for one in found.left_out] == ["is hidden"]


@pytest.mark.parametrize(
    "name",
    [
        "../train/happy/a.png",
        "train/happy/../../../a.png",
        "/train/happy/a.png",
        "..\\train\\happy\\a.png",
        "C:\\train\\happy\\a.png",
        "C:train/happy/a.png",
        "\\\\server\\train\\happy\\a.png",
    ],
)
def test_a_zip_with_a_name_that_leads_out_of_it_is_refused(tmp_path, name) -> None:
    image = png(tmp_path)
    path = zip_with(tmp_path / "faces.zip", **{"train/happy/b.png": image, name: image})
    with pytest.raises(DataError, match="leads out of the archive") as caught:
        read_faces(path)
    assert repr(name) in caught.value.reason


def test_a_zip_with_backslashes_in_its_names_is_read(tmp_path) -> None:
    path = zip_with(tmp_path / "faces.zip", **{"train\\happy\\a.png": png(tmp_path)})
    assert read_faces(path).labels.tolist() == [3]


def test_a_zip_that_declares_far_more_than_its_size_is_refused(tmp_path) -> None:
    path = zip_with(tmp_path / "faces.zip", **{"train/happy/a.bmp": bytes(2**20)})
    assert archive.MAX_RATIO * path.stat().st_size < 2**20
    with pytest.raises(DataError, match="it would unpack to more than 100 times its size"):
        read_faces(path)


def test_a_zip_that_declares_more_than_any_data_set_has_is_refused(
    folder, tmp_path, monkeypatch
) -> None:
    path = zip_of(folder, tmp_path / "faces.zip")
    with zipfile.ZipFile(path) as packed:
        declared = sum(info.file_size for info in packed.infolist())
    monkeypatch.setattr(archive, "MAX_UNPACKED_BYTES", declared)
    assert len(read_faces(path)) == 41
    monkeypatch.setattr(archive, "MAX_UNPACKED_BYTES", declared - 1)
    with pytest.raises(DataError, match="it would unpack to more than"):
        read_faces(path)


def test_a_zip_that_declares_less_than_it_holds_gives_no_more_than_that(tmp_path) -> None:
    image = png(tmp_path)
    path = zip_with(tmp_path / "faces.zip", **{"train/happy/a.png": image + bytes(2**20)})
    honest, false = ((len(image) + more).to_bytes(4, "little") for more in (2**20, 0))
    path.write_bytes(path.read_bytes().replace(honest, false))
    with pytest.raises(DataError, match=r"a\.png is a damaged image \(Bad CRC-32"):
        read_faces(path)


def test_an_encrypted_zip_is_refused(tmp_path) -> None:
    path = zip_with(tmp_path / "faces.zip", **{"train/happy/a.png": png(tmp_path)})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1  # the flags in the central directory
    path.write_bytes(content)
    with pytest.raises(DataError, match="it is encrypted; unpack it and name the folder"):
        read_faces(path)


@pytest.mark.parametrize("kept", [0, 0.5, 0.99])
def test_a_truncated_zip_is_refused(folder, tmp_path, kept) -> None:
    path = zip_of(folder, tmp_path / "faces.zip")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(DataError, match=r"faces\.zip: not a zip archive, or a damaged one"):
        read_faces(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [("train/happy/a.png", "is a damaged image"), ("fer2013.csv", "not a CSV file")],
)
def test_damage_inside_a_zip_is_found(tmp_path, name, message) -> None:
    table = write_csv(tmp_path / "fer2013.csv", csv_rows(some_faces(train=14)))
    content = png(tmp_path) if name.endswith("png") else table.read_bytes()
    path = zip_with(tmp_path / "faces.zip", **{name: content})
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    path.write_bytes(damaged)
    with pytest.raises(DataError, match=message):
        read_faces(path)


def test_a_zip_without_faces_is_refused(tmp_path) -> None:
    with pytest.raises(DataError, match="no images in folders like"):
        read_faces(zip_with(tmp_path / "empty.zip"))
    path = zip_with(tmp_path / "text.zip", **{"notes.txt": b"dear diary"})
    with pytest.raises(DataError, match="no images in folders like"):
        read_faces(path)
    with pytest.raises(DataError, match="not to images"):
        read_faces(path, tmp_path / "fer2013new.csv")
