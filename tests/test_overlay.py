"""What is drawn for a face: where it stands, what it says, and what it leaves alone."""

from collections.abc import Sequence

import av
import numpy as np
import pytest

from fer_video.canvas import Canvas, plane
from fer_video.colors import color_of
from fer_video.labels import EMOTIONS, Language
from fer_video.overlay import Face, Overlay, font
from fer_video.types import Box

HAPPY = (0.0, 0.0, 0.05, 0.8, 0.1, 0.0, 0.05)


def face(box: Box, track: int = 0, emotion: str = "happy") -> Face:
    return Face(box, track, emotion, 0.8, HAPPY)


def drawn(
    *faces: Face, size_px: tuple[int, int] = (640, 360), language: Language = "en", note: str = ""
) -> np.ndarray:
    """Draw faces on a gray picture; return it as RGB."""
    return drawn_on(Overlay(size_px, EMOTIONS, language, note), faces, size_px)


def drawn_on(
    overlay: Overlay, faces: Sequence[Face], size_px: tuple[int, int] = (640, 360)
) -> np.ndarray:
    """Draw the faces of the next picture, a gray one."""
    frame = av.VideoFrame(*size_px, "yuv420p")
    for index in range(3):
        plane(frame, index)[:] = 128
    canvas = Canvas(frame)
    overlay.draw(canvas, faces)
    return canvas.frame.to_ndarray(format="rgb24").astype(int)


def changed(rgb: np.ndarray) -> np.ndarray:
    """Where the gray of the picture is no more; a little around, for the chroma is coarse."""
    return np.abs(rgb - rgb[-1, -1]).max(axis=-1) > 6


@pytest.mark.parametrize("emotion", ["happy", "sad", "neutral"])
def test_the_box_is_a_line_in_the_colour_of_the_emotion(emotion) -> None:
    rgb = drawn(face(Box(200, 100, 300, 220), emotion=emotion))
    expected = list(bytes.fromhex(color_of(emotion)[1:]))
    for x, y in [(201, 160), (299, 160), (250, 219)]:
        assert rgb[y, x].tolist() == pytest.approx(expected, abs=12)
    assert not changed(rgb)[110:210, 210:290].any()


def test_the_label_stands_above_the_box() -> None:
    rgb = drawn(face(Box(200, 100, 300, 220)))
    assert changed(rgb)[86:98, 202:260].all()


def test_the_label_of_a_face_at_the_top_stands_inside_the_picture() -> None:
    rgb = drawn(face(Box(200, -20, 300, 120)))
    assert changed(rgb)[2:12, 202:260].all()


def test_a_bar_is_as_long_as_the_probability() -> None:
    rgb = drawn(face(Box(200, 100, 300, 220)))
    orange = np.array(list(bytes.fromhex(color_of("happy")[1:])))
    beside = (np.abs(rgb[120:210, 306:] - orange).max(axis=-1) < 40).sum(axis=1)
    full_px = 50  # five times the size of the letters
    assert beside.max() == pytest.approx(0.8 * full_px, abs=3)


@pytest.mark.parametrize(
    ("box", "panel_is_at"),
    [
        (Box(200, 100, 300, 220), (310, 110)),
        (Box(500, 100, 600, 220), (490, 110)),
    ],
    ids=["right", "left"],
)
def test_the_panel_stands_beside_the_face_where_there_is_room(box, panel_is_at) -> None:
    x, y = panel_is_at
    assert changed(drawn(face(box)))[y, x]


def test_the_panel_hides_no_other_face() -> None:
    other = Box(310, 100, 410, 220)
    rgb = drawn(face(Box(200, 100, 300, 220)), face(other, track=1))
    assert not changed(rgb)[110:210, 320:400].any()


def test_the_panel_makes_room_for_the_label_of_another_face() -> None:
    other = Box(310, 228, 410, 340)  # its label would hide the last bar
    rgb = drawn(face(Box(200, 100, 300, 220)), face(other, track=1))
    assert not changed(rgb)[110:200, 320:400].any()


def test_the_panel_begins_with_the_number_of_its_track_in_the_colour_of_its_label() -> None:
    rgb = drawn(face(Box(200, 100, 300, 220), track=7))
    expected = list(bytes.fromhex(color_of("happy")[1:]))
    assert rgb[101, 308].tolist() == pytest.approx(expected, abs=12)
    other = drawn(face(Box(200, 100, 300, 220), track=1))
    assert changed(other[100:114, 306:330] - rgb[100:114, 306:330]).any()


def test_a_panel_does_not_tremble_with_its_face() -> None:
    overlay = Overlay((640, 360), EMOTIONS, "en")

    def has_panel(height: int) -> bool:
        rgb = drawn_on(overlay, [face(Box(200, 100, 300, 100 + height))])
        return bool(changed(rgb)[110, 310])

    assert [has_panel(height) for height in (70, 100, 70, 60, 70)] == [
        False, True, True, False, False,
    ]  # fmt: skip


def test_a_panel_stays_on_its_side_until_it_would_hide_much() -> None:
    overlay = Overlay((640, 360), EMOTIONS, "en")

    def is_right(other_left: int) -> bool:
        other = Box(other_left, 100, other_left + 100, 220)
        rgb = drawn_on(overlay, [face(Box(250, 100, 350, 220)), face(other, track=1)])
        return bool(changed(rgb)[190, 356])

    # the panel ends at 464: the other face hides nothing, 3 % and most of it
    assert [is_right(left) for left in (500, 460, 400, 465)] == [True, True, False, False]


def test_in_a_crowd_a_panel_that_would_hide_faces_is_left_out() -> None:
    crowd = [
        face(Box(x, y, x + 100, y + 110), track=10 * y + x)
        for y in (20, 135, 248)
        for x in range(20, 600, 120)
    ]
    rgb = drawn(*crowd)
    for box in (one.box for one in crowd):
        left, top, right, bottom = (int(edge) for edge in box)
        assert not changed(rgb)[top + 8 : bottom - 20, left + 8 : right - 8].any()


def test_a_face_that_fills_the_picture_keeps_its_panel() -> None:
    rgb = drawn(face(Box(4, 4, 636, 356)))
    assert changed(rgb)[20:120, 540:630].mean() > 0.9


def test_a_note_stands_in_the_lower_left_corner() -> None:
    rgb = drawn(note="moyenne mobile centrée sur 0,5 s")
    assert changed(rgb)[-12:-2, 4:100].all(axis=0).any()
    assert not changed(rgb)[:330].any()


def test_a_face_much_smaller_than_a_panel_has_a_label_only() -> None:
    rgb = drawn(face(Box(200, 100, 230, 130)))
    assert not changed(rgb)[140:].any()


def test_label_and_panel_are_in_the_language_asked_for() -> None:
    sad = face(Box(200, 100, 300, 220), emotion="sad")
    english, french = drawn(sad), drawn(sad, language="fr")
    longer_px = changed(french)[90].sum() - changed(english)[90].sum()
    assert longer_px > 20  # "tristesse" for "sad"
    assert changed(french)[104:200].sum() > changed(english)[104:200].sum()


def test_the_font_has_accents() -> None:
    missing = font(20).getmask("\uffff").getbbox(), bytes(font(20).getmask("\uffff"))
    for letter in "éèàôûçÉ":
        assert (font(20).getmask(letter).getbbox(), bytes(font(20).getmask(letter))) != missing


@pytest.mark.parametrize("size_px", [(640, 360), (1920, 1080), (1080, 1920)])
def test_letters_grow_with_the_picture(size_px) -> None:
    scale = min(size_px) / 360
    box = Box(*(scale * side for side in (150, 100, 250, 200)))
    label = changed(drawn(face(box), size_px=size_px))[: round(100 * scale), round(160 * scale)]
    assert label.sum() == pytest.approx(max(16, 0.03 * min(size_px)), abs=4)


def test_no_face_leaves_the_picture_as_it_is() -> None:
    assert not changed(drawn()).any()
