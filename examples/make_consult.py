"""Make examples/consult.mp4: a two-person scene from public-domain portraits.

Eileen Collins (NASA; inside scikit-image) sits on the left and leaves for a few seconds; Grace
Hopper (US Navy; inside matplotlib) sits on the right. Both sway as people do.

    python examples/make_consult.py examples/consult.mp4
"""

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
AWAY_FROM_S, AWAY_UNTIL_S = 8.0, 13.0
SOUND_RATE = 48_000


def main(out: Path) -> None:
    """Draw, encode and add a quiet tone, so that the example has sound."""
    collins = data.astronaut()[0:300, 90:390]
    with Image.open(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)) as image:
        hopper = np.asarray(image.convert("RGB").resize((512, 606)))[0:420, 46:466]
    with av.open(str(out), "w") as container:
        picture = container.add_stream("libx264", rate=FPS, options={"crf": "20"})
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
    """Paint a portrait, swaying, with its centre at ``x``; its oval edge fades out."""
    size = portrait.shape[0]
    angle_deg = 4 * np.sin(0.9 * time_s + phase)
    scale = 420 / size * (1 + 0.05 * np.sin(0.5 * time_s + phase))
    matrix = cv2.getRotationMatrix2D((size / 2, size / 2), angle_deg, scale)
    matrix[:, 2] += (
        x + 25 * np.sin(0.7 * time_s + phase) - size / 2,
        HEIGHT / 2 + 12 * np.sin(1.3 * time_s) - size / 2,
    )
    radius = np.hypot(*np.meshgrid(np.linspace(-1, 1, size), np.linspace(-1, 1, size)))
    fade = np.clip((1 - radius) / 0.15, 0, 1).astype(np.float32)
    face = cv2.warpAffine(portrait, matrix, (WIDTH, HEIGHT))
    visible = cv2.warpAffine(fade, matrix, (WIDTH, HEIGHT))[..., np.newaxis]
    scene[:] = (scene * (1 - visible) + face * visible).astype(np.uint8)


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
