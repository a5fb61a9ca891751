"""Trained nets on a CPU."""

import numpy as np

from fer_video import litert
from fer_video.errors import ModelError
from fer_video.types import Floats
from fer_video.weights import ModelSpec, read_lite


class LiteNet:
    """A net of one model, ready to compute; see ``classify.ReadyNet``."""

    device = "cpu:0"
    runtime = litert.RUNTIME
    # more at once are no faster, and of a short recording most would be padding
    batch_size = 8

    def __init__(self, spec: ModelSpec) -> None:
        """Load the file that the spec describes.

        Raises:
            ModelError: The file is missing or not the one described, LiteRT cannot run it, or it
                is of another net.
        """
        self._graph = litert.Graph(read_lite(spec), str(spec.lite))
        size_px = spec.crop.size_px
        ends = self._graph(np.zeros((self.batch_size, size_px, size_px, 1), np.float32))
        if [end.shape for end in ends] != [(self.batch_size, len(spec.labels))]:
            raise ModelError(f"{spec.lite} does not fit the net {spec.net}")

    def __call__(self, crops: Floats) -> Floats:
        """Compute; see ``classify.ReadyNet``."""
        (probabilities,) = self._graph(crops)
        return probabilities
