"""Drawing on YUV planes gives what drawing on RGB would give."""

from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange

from fer_video.canvas import Canvas, Coding, Patch, plane
from fer_video.video import open_recording
from tests.scenes import picture, steady, write_video

BT709, UNSPECIFIED, SMPTE170M, BT2020 = 1, 2, 6, 9


def gray_frame(width: int = 64, height: int = 48, matrix: int = BT709, full: bool = False):
    frame = av.VideoFrame(width, height, "yuv420p")
    for index in range(3):
        plane(frame, index)[:] = 128
    frame.colorspace = matrix
    frame.color_range = ColorRange.JPEG if full else ColorRange.MPEG
    frame.pts, frame.time_base = 7, Fraction(1, 25)
    return frame


def rgb_at(frame: av.VideoFrame, x: int, y: int) -> list[int]:
    return frame.to_ndarray(format="rgb24")[y, x].tolist()


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", [BT709, SMPTE170M, BT2020])
@pytest.mark.parametrize("color", ["#D55E00", "#0072B2", "#BBBBBB"])
def test_a_filled_rectangle_has_its_colour_in_every_coding(color, matrix, full) -> None:
    canvas = Canvas(gray_frame(matrix=matrix, full=full))
    canvas.fill((16, 16, 32, 32), color)
    expected = list(bytes.fromhex(color[1:]))
    assert rgb_at(canvas.frame, 24, 24) == pytest.approx(expected, abs=4)
    assert rgb_at(canvas.frame, 24, 12) == rgb_at(gray_frame(matrix=matrix, full=full), 24, 12)


def test_a_patch_is_blended_as_its_alpha_says() -> None:
    frame = gray_frame()
    before = np.array(rgb_at(frame, 20, 20))
    canvas = Canvas(frame)
    rgba = np.zeros((8, 8, 4), np.uint8)
    rgba[:] = (230, 159, 0, 128)
    canvas.paste(Patch.of(rgba, canvas.coding), 16, 16)
    expected = before + (np.array([230, 159, 0]) - before) * 128 / 255
    assert rgb_at(canvas.frame, 20, 20) == pytest.approx(expected.tolist(), abs=4)


def test_what_sticks_out_of_the_picture_is_cut_off() -> None:
    canvas = Canvas(gray_frame(63, 47))
    white = np.full((16, 16, 4), 255, np.uint8)
    canvas.paste(Patch.of(white, canvas.coding), 56, 40)
    canvas.fill((-10, -10, 4, 4), "#FFFFFF")
    canvas.fill((60, 0, 100, 4), "#FFFFFF")
    assert plane(canvas.frame, 0)[46, 62] == plane(canvas.frame, 0)[0, 62] == 235
    assert plane(canvas.frame, 0)[4, 4] == 128


def test_drawing_on_a_picture_does_not_reach_the_pictures_predicted_from_it(tmp_path) -> None:
    source = write_video(tmp_path / "still.mp4", steady(6), lambda _: picture())
    with open_recording(source) as recording:
        for one in recording.pictures():
            brightest = plane(one.frame, 0).max()
            Canvas(one.frame).fill((0, 0, 64, 48), "#FFFFFF")
    assert brightest < 80


@pytest.mark.parametrize(
    ("rotation_deg", "corner"), [(90, (40, 4)), (180, (60, 40)), (270, (4, 60))]
)
def test_a_rotated_picture_is_drawn_on_upright(rotation_deg, corner) -> None:
    frame = gray_frame()
    plane(frame, 0)[:8, :8] = 235  # the stored top left
    turned = Canvas(frame, rotation_deg).frame
    x, y = corner
    assert (turned.width, turned.height) == ((48, 64) if rotation_deg != 180 else (64, 48))
    assert plane(turned, 0)[y, x] == 235
    assert (turned.pts, turned.time_base) == (7, Fraction(1, 25))


@pytest.mark.parametrize("pix_fmt", ["rgb24", "yuv444p", "yuv420p10le", "yuvj420p", "gray"])
def test_pictures_of_any_format_can_be_drawn_on(pix_fmt) -> None:
    rgb = np.full((48, 64, 3), (200, 120, 40), np.uint8)
    frame = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(format=pix_fmt)
    expected = frame.to_ndarray(format="rgb24")[40, 40].tolist()
    canvas = Canvas(frame)
    canvas.fill((0, 0, 16, 16), "#009E73")
    assert rgb_at(canvas.frame, 40, 40) == pytest.approx(expected, abs=4)
    assert rgb_at(canvas.frame, 8, 8) == pytest.approx([0, 158, 115], abs=4)


@pytest.mark.parametrize(("height", "red"), [(480, 0.299), (1080, 0.2126)])
def test_a_picture_that_does_not_say_its_matrix_is_read_as_players_read_it(height, red) -> None:
    frame = gray_frame(64, height, matrix=UNSPECIFIED)
    assert Coding.of(frame).red == red


@pytest.mark.parametrize(("height", "matrix"), [(480, SMPTE170M), (1080, BT709)])
def test_an_rgb_picture_is_coded_as_players_expect_at_its_size(height, matrix) -> None:
    frame = av.VideoFrame.from_ndarray(np.zeros((height, 64, 3), np.uint8), "rgb24")
    assert Canvas(frame).frame.colorspace == matrix
