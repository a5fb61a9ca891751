"""Trained nets on a CPU through LiteRT, which loads in a tenth of a second."""

from threading import Lock

import ai_edge_litert
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from fer_video.errors import ModelError
from fer_video.quiet import quiet_startup
from fer_video.types import Floats
from fer_video.weights import ModelSpec, read_lite


class LiteNet:
    """A net of one model, ready to compute; see ``classify.ReadyNet``."""

    device = "cpu:0"
    # more at once are no faster, and of a short recording most would be padding
    batch_size = 8

    def __init__(self, spec: ModelSpec) -> None:
        """Load the file that the spec describes.

        Raises:
            ModelError: The file is missing or not the one described, LiteRT cannot run it, or it
                is of another net.
        """
        self._turn = Lock()
        self.runtime = {"ai-edge-litert": ai_edge_litert.__version__}
        try:
            with quiet_startup():
                # one thread: decoding and detecting have theirs, and so have other recordings
                self._interpreter = Interpreter(model_content=read_lite(spec), num_threads=1)
                self._input, self._output = self._prepared(spec.crop.size_px)
        except (ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())  # it speaks in several lines
            raise ModelError(f"LiteRT cannot run {spec.lite} ({reason})") from error
        shape = self._interpreter.get_tensor(self._output).shape
        if shape != (self.batch_size, len(spec.labels)):
            raise ModelError(f"{spec.lite} does not fit the net {spec.net}")

    def __call__(self, crops: Floats) -> Floats:
        """Compute; see ``classify.ReadyNet``."""
        with self._turn:  # its memory holds one batch, and other threads run while it computes
            self._interpreter.set_tensor(self._input, crops)
            self._interpreter.invoke()
            return np.asarray(self._interpreter.get_tensor(self._output), np.float32)

    def _prepared(self, size_px: int) -> tuple[int, int]:
        """Lay memory out for whole batches; the indices of input and output."""
        (entry,) = self._interpreter.get_input_details()
        (end,) = self._interpreter.get_output_details()
        shape = (self.batch_size, size_px, size_px, 1)
        # strict: a net may be made for crops of one size, and must not be run on others
        self._interpreter.resize_tensor_input(entry["index"], shape, strict=True)
        self._interpreter.allocate_tensors()
        self._interpreter.invoke()
        return entry["index"], end["index"]
