"""Make examples/consult.mp4: a two-person scene from public-domain portraits.

Eileen Collins (NASA; inside scikit-image) sits on the left and leaves for a few seconds; Grace
Hopper (US Navy; inside matplotlib) sits on the right. Both sway as people do.

    python examples/make_consult.py examples/consult.mp4
"""

import functools
import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from matplotlib import cbook
from PIL import Image
from skimage import data

WIDTH, HEIGHT = 1280, 720
FPS = 25
SECONDS = 20
PATCH = 520
"""Side in pixels of the square in which a person is painted."""
AWAY_FROM_S, AWAY_UNTIL_S = 8.0, 13.0
SOUND_RATE = 48_000


def main(out: Path) -> None:
    """Draw, encode and add a quiet tone, so that the example has sound."""
    collins = data.astronaut()[0:300, 90:390]
    with Image.open(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)) as image:
        hopper = np.asarray(image.convert("RGB").resize((512, 606)))[0:420, 46:466]
    with av.open(str(out), "w") as container:
        picture = container.add_stream(
            "libx264", rate=FPS, options={"crf": "20", "preset": "veryfast"}
        )
        picture.width, picture.height, picture.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sound = container.add_stream("aac", rate=SOUND_RATE)
        for index in range(SECONDS * FPS):
            scene = draw(collins, hopper, index / FPS)
            container.mux(picture.encode(av.VideoFrame.from_ndarray(scene, "rgb24")))
            container.mux(sound.encode(tone(index)))
        container.mux(picture.encode(None))
        container.mux(sound.encode(None))


def draw(collins: np.ndarray, hopper: np.ndarray, time_s: float) -> np.ndarray:
    """One RGB picture of the scene."""
    shade = np.linspace(70, 110, WIDTH, dtype=np.uint8)
    scene = np.repeat(np.tile(shade, (HEIGHT, 1))[..., np.newaxis], 3, axis=2)
    sit_down(scene, collins, 330 - 700 * absence(time_s), time_s, phase=0.0)
    sit_down(scene, hopper, 950, time_s, phase=2.0)
    return scene


def absence(time_s: float) -> float:
    """How far the left person is out of the picture: 0 is seated, 1 is gone."""
    ramp_s = 1.5
    leaving = np.clip((time_s - AWAY_FROM_S) / ramp_s, 0, 1)
    returning = np.clip((time_s - AWAY_UNTIL_S) / ramp_s, 0, 1)
    share = leaving - returning
    return float(share * share * (3 - 2 * share))


def sit_down(
    scene: np.ndarray, portrait: np.ndarray, x: float, time_s: float, phase: float
) -> None:
    """Paint a portrait, swaying, with its centre near ``x``; its round edge fades out."""
    size = portrait.shape[0]
    centre_x = x + 25 * np.sin(0.7 * time_s + phase)
    centre_y = HEIGHT / 2 + 12 * np.sin(1.3 * time_s)
    left, top = round(centre_x - PATCH / 2), round(centre_y - PATCH / 2)
    angle_deg = 4 * np.sin(0.9 * time_s + phase)
    scale = 420 / size * (1 + 0.05 * np.sin(0.5 * time_s + phase))
    matrix = cv2.getRotationMatrix2D((size / 2, size / 2), angle_deg, scale)
    matrix[:, 2] += (centre_x - left - size / 2, centre_y - top - size / 2)
    face = cv2.warpAffine(portrait, matrix, (PATCH, PATCH))
    visible = cv2.warpAffine(round_fade(size), matrix, (PATCH, PATCH))[..., np.newaxis]
    # a person half out of the picture is painted as far as the picture goes
    across = slice(max(0, left), min(WIDTH, left + PATCH))
    inside = slice(across.start - left, across.stop - left)
    if across.start < across.stop:
        behind = scene[top : top + PATCH, across]
        behind[:] = behind + (face[:, inside].astype(np.float32) - behind) * visible[:, inside]


@functools.cache
def round_fade(size: int) -> np.ndarray:
    """How much of a portrait is seen: 1 in the middle, 0 from the inscribed circle on."""
    radius = np.hypot(*np.meshgrid(np.linspace(-1, 1, size), np.linspace(-1, 1, size)))
    return np.clip((1 - radius) / 0.15, 0, 1).astype(np.float32)


def tone(index: int) -> av.AudioFrame:
    """The sound of one picture's length: a quiet, slowly beating tone."""
    count = SOUND_RATE // FPS
    time_s = (index * count + np.arange(count)) / SOUND_RATE
    wave = 0.05 * np.sin(2 * np.pi * 220 * time_s) * np.sin(2 * np.pi * 0.5 * time_s)
    frame = av.AudioFrame.from_ndarray(wave.astype(np.float32)[np.newaxis], "fltp", "mono")
    frame.sample_rate, frame.pts, frame.time_base = (
        SOUND_RATE,
        index * count,
        Fraction(1, SOUND_RATE),
    )
    return frame


if __name__ == "__main__":
    main(Path(sys.argv[1]))
