"""A trained net to the file that LiteRT runs, if it computes the same."""

import textwrap
from dataclasses import replace

import numpy as np

from fer_video.backend import keras
from fer_video.classify import NetClassifier
from fer_video.errors import ModelError
from fer_video.files import sha256_of
from fer_video.learn.batches import to_input
from fer_video.learn.faces import Images
from fer_video.lite import LiteNet
from fer_video.quiet import quiet_startup
from fer_video.weights import ModelSpec

MAX_DIFFERENCE = 1e-4
"""Of one probability; the same sums in another order gave 1e-6."""
_MAX_REASON = 200
"""Characters."""


def convert(spec: ModelSpec, net: keras.Model, crops: Images) -> ModelSpec:
    """Write a net beside its weights as LiteRT runs it, in float32, and describe it in the spec.

    Args:
        spec: Of the net; its folder is written to.
        net: Trained.
        crops: To compare on, uint8 ``(n, height, width)``, at least one.

    Raises:
        ModelError: Keras cannot convert the net, LiteRT cannot run it, or it answers
            differently. The folder then has no such file.
    """
    try:
        with quiet_startup():
            net.export(spec.lite, format="litert", verbose=False)
    except Exception as error:  # converters raise whatever their layers do
        spec.lite.unlink(missing_ok=True)
        # a failed conversion is told with pages of the graph
        reason = textwrap.shorten(str(error), _MAX_REASON, placeholder="...")
        raise ModelError(f"Keras cannot convert {spec.net} for LiteRT ({reason})") from error
    converted = replace(spec, lite_sha256=sha256_of(spec.lite))
    try:
        _require_same_answers(converted, net, crops)
    except ModelError:
        spec.lite.unlink()
        raise
    return converted


def _require_same_answers(spec: ModelSpec, net: keras.Model, crops: Images) -> None:
    lite = NetClassifier(replace(spec, temperature=1.0), LiteNet(spec))(crops)
    with_keras = keras.ops.convert_to_numpy(net(to_input(crops), training=False))
    difference = float(np.abs(lite - with_keras).max())
    # so that what is not a number fails, too
    if not difference < MAX_DIFFERENCE:
        raise ModelError(f"{spec.net} answers differently with LiteRT, by up to {difference:.2g}")
