"""The only import of LiteRT, which loads in a tenth of a second and computes on one thread."""

import hashlib
from pathlib import Path
from threading import Lock

import ai_edge_litert
from ai_edge_litert.interpreter import Interpreter

from fer_video.errors import ModelError
from fer_video.quiet import quiet_startup
from fer_video.types import Floats, Image

RUNTIME: dict[str, str] = {"ai-edge-litert": ai_edge_litert.__version__}
"""The package that computes, and its version."""

ASSETS = Path(__file__).parent / "assets"


def shipped(name: str, sha256: str) -> bytes:
    """Read a net that comes with the package.

    Raises:
        ModelError: It is missing, or not the expected one.
    """
    path = ASSETS / name
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ModelError(f"{path} is missing or damaged: install fer-video anew")
    return content


class Graph:
    """A net with one input, ready to compute; threads may share it."""

    def __init__(self, content: bytes, name: str) -> None:
        """Load the content of a ``.tflite`` file.

        Args:
            content: Of the file.
            name: Of the file, for errors.

        Raises:
            ModelError: LiteRT cannot run it.
        """
        self._name = name
        self._turn = Lock()
        self._shape: tuple[int, ...] = ()
        try:
            with quiet_startup():
                # one thread: decoding and detecting have theirs, and so have other recordings
                self._interpreter = Interpreter(model_content=content, num_threads=1)
                (entry,) = self._interpreter.get_input_details()
        except (ValueError, RuntimeError) as error:
            raise self._refusal(error) from error
        self._entry = entry["index"]

    def __call__(self, entry: Floats | Image) -> list[Floats]:
        """Compute every output; memory is laid out anew when the shape of ``entry`` changes.

        Args:
            entry: Becomes float32 in the memory of the net.

        Raises:
            ModelError: The net takes no input of that shape.
        """
        with self._turn:  # its memory holds one input, and other threads run while it computes
            if entry.shape != self._shape:
                self._lay_out(entry.shape)
            self._interpreter.tensor(self._entry)()[...] = entry
            self._interpreter.invoke()
            ends = self._interpreter.get_output_details()
            return [self._interpreter.get_tensor(end["index"]) for end in ends]

    def _lay_out(self, shape: tuple[int, ...]) -> None:
        self._shape = ()
        try:
            with quiet_startup():
                # strict: a net may be made for one size, and must not be run on others
                self._interpreter.resize_tensor_input(self._entry, shape, strict=True)
                self._interpreter.allocate_tensors()
                self._interpreter.invoke()  # only now does it notice some of what it lacks
        except (ValueError, RuntimeError) as error:
            raise self._refusal(error) from error
        self._shape = shape

    def _refusal(self, error: Exception) -> ModelError:
        reason = " ".join(str(error).split())  # it speaks in several lines
        return ModelError(f"LiteRT cannot run {self._name} ({reason})")
