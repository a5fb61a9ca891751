"""The nets of MTCNN as LiteRT runs them: written from the package mtcnn, and compared with it.

    python benchmarks/mtcnn_nets.py fer_video/assets

They take RGB from 0 to 255: bringing it to -1 to 1, which the package does, is part of the first
layer. What a net answers comes out as one: edges, points where there are some, no face, face.
"""

import argparse
import hashlib
from functools import partial
from pathlib import Path
from time import process_time

import numpy as np
from machine import milliseconds, table

from fer_video.backend import keras
from fer_video.litert import Graph
from fer_video.quiet import quiet_startup

layers = keras.layers
Pool = tuple[int, str] | None
"""What follows a convolution: side of the windows of which the maximum is taken, and padding."""
NETS: dict[str, tuple[tuple[int, ...], tuple[Pool, ...]]] = {
    "PNet": ((1, 108, 192, 3), ((2, "same"), None, None)),
    "RNet": ((4, 24, 24, 3), ((3, "same"), (3, "valid"), None)),
    "ONet": ((4, 48, 48, 3), ((3, "same"), (3, "valid"), (2, "same"), None)),
}
"""An input to compare with, and what follows each convolution."""


def main() -> None:
    """Convert, then print how far the answers are apart, how long each takes, and SHA-256."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    head = ["net", "TensorFlow, ms", "LiteRT, ms", "largest difference", "SHA-256"]
    print(table(head, [_converted(name, folder) for name in NETS]))


def _converted(name: str, folder: Path) -> list[str]:
    with quiet_startup():
        import mtcnn

        # by a bare name it would take a file of the current folder
        weights = Path(mtcnn.__file__).parent / "assets" / "weights" / f"{name.lower()}.lz4"
        model = getattr(mtcnn.stages, f"Stage{name}")(weights=str(weights)).model
        path = folder / f"mtcnn_{name.lower()}.tflite"
        rebuilt(name, model.get_weights()).export(path, format="litert", verbose=False)
    shape, _ = NETS[name]
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)
    with_package = partial(model, (pixels - 127.5) / 128)
    with_lite = partial(Graph(path.read_bytes(), path.name), pixels)
    apart = np.abs(with_lite()[0] - np.concatenate(with_package(), axis=-1)).max()
    times = [f"{milliseconds(compute, process_time):.2f}" for compute in (with_package, with_lite)]
    return [name, *times, f"{apart:.1g}", hashlib.sha256(path.read_bytes()).hexdigest()]


def rebuilt(name: str, weights: list[np.ndarray]) -> keras.Model:
    """A net with its weights, which come layer by layer.

    Source:
        Zhang, Zhang, Li and Qiao, "Joint Face Detection and Alignment Using Multitask Cascaded
        Convolutional Networks", IEEE Signal Processing Letters 23(10), 2016, figure 2.
    """
    kernel, bias, *others = weights
    left = iter([kernel / 128, bias - kernel.sum(axis=(0, 1, 2)) * 127.5 / 128, *others])
    shape, pools = NETS[name]
    is_map = name == "PNet"  # it looks at pictures of any size, and answers for each place
    entry = x = layers.Input((None, None, 3) if is_map else shape[1:])
    for pool in pools:
        x = _mixed(x, next(left), next(left))
        x = _set(layers.PReLU(shared_axes=[1, 2]), x, next(left))
        if pool:
            x = layers.MaxPooling2D(pool[0], strides=2, padding=pool[1])(x)
    if not is_map:
        # the package goes through the columns first
        x = layers.Flatten()(layers.Permute((2, 1, 3))(x))
        x = _set(layers.PReLU(), _mixed(x, next(left), next(left)), next(left))
    # the last one tells faces from the rest
    *places, likely = [_mixed(x, *pair) for pair in zip(left, left, strict=True)]
    return keras.Model(entry, layers.Concatenate()([*places, layers.Softmax()(likely)]))


def _mixed(x: keras.KerasTensor, kernel: np.ndarray, bias: np.ndarray) -> keras.KerasTensor:
    """Put a convolution, or a dense layer, on top of what is there."""
    if kernel.ndim == 2:
        return _set(layers.Dense(len(bias)), x, kernel, bias)
    return _set(layers.Conv2D(len(bias), kernel.shape[:2]), x, kernel, bias)


def _set(layer: keras.Layer, x: keras.KerasTensor, *weights: np.ndarray) -> keras.KerasTensor:
    y = layer(x)
    layer.set_weights(list(weights))
    return y


if __name__ == "__main__":
    main()
