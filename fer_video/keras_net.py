"""Trained nets on any Keras backend: on a GPU, in training, and where LiteRT has no file."""

import importlib
import warnings
from pathlib import Path

import h5py
import numpy as np

from fer_video import nets
from fer_video.backend import keras
from fer_video.errors import ModelError
from fer_video.quiet import quiet_startup
from fer_video.types import Floats
from fer_video.weights import MAX_FILE_BYTES, ModelSpec


class KerasNet:
    """A net of one model, ready to compute; see ``classify.ReadyNet``."""

    def __init__(self, spec: ModelSpec, batch_size: int, device: str) -> None:
        """Build the net and load its weights.

        Args:
            spec: The model.
            batch_size: Crops per call; one fixed shape, so that nothing retraces.
            device: ``cpu:0`` or ``gpu:0``.

        Raises:
            ModelError: The net is unknown, or the weights do not fit it.
        """
        self.batch_size = batch_size
        self.device = device
        backend = keras.backend.backend()
        below = importlib.import_module(backend)
        self.runtime = {"keras": str(keras.__version__), backend: str(below.__version__)}
        with quiet_startup(), keras.device(device):
            self._net = load_net(spec, spec.net)
            # the first call compiles; what it prints belongs to the start-up
            self(np.zeros((batch_size, spec.crop.size_px, spec.crop.size_px, 1), np.float32))

    def __call__(self, crops: Floats) -> Floats:
        """Compute; see ``classify.ReadyNet``."""
        with keras.device(self.device):
            answers: Floats = self._net.predict_on_batch(crops)
        return answers


def load_net(spec: ModelSpec, net_name: str) -> keras.Model:
    """Build a net and put the weights of a trained model into it.

    Raises:
        ModelError: The model is of another net, or its weights do not fit.
    """
    if spec.net != net_name:
        raise ModelError(f"{spec.folder} is a {spec.net}, not a {net_name}: use --net {spec.net}")
    net = nets.build(net_name, len(spec.labels))
    if net.input_shape[1:3] != (spec.crop.size_px, spec.crop.size_px):
        raise ModelError(f"{spec.folder} has crops of {spec.crop.size_px} px, no {net_name}")
    try:
        _check_inside(spec.weights)
        with warnings.catch_warnings():
            # Keras leaves what it cannot find in the file at random, and only warns
            warnings.simplefilter("error", UserWarning)
            net.load_weights(spec.weights)
    except (ValueError, OSError, UserWarning) as error:
        raise ModelError(f"{spec.weights} does not fit the net {spec.net}") from error
    return net


def _check_inside(path: Path) -> None:
    """Refuse weights that lie elsewhere, or that unpack to more than a file may have.

    Keras refuses some of it, depending on its version.

    Raises:
        ModelError: The file leads to other files, or is a bomb.
        OSError: It is not in HDF5.
    """
    arrays: list[h5py.Dataset] = []

    def collect(_: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            arrays.append(item)

    with h5py.File(path, "r") as file:
        # h5py stops at the first name, and bears no error there
        link = file.visititems_links(lambda name, to: None if _is_inside(to) else name)
        file.visititems(collect)
        if link or any(array.external or array.is_virtual for array in arrays):
            raise ModelError(f"{path} leads elsewhere, as no model of ours")
        if sum(array.nbytes for array in arrays) > MAX_FILE_BYTES:
            raise ModelError(f"{path} unpacks to more than {MAX_FILE_BYTES >> 20} MiB")


def _is_inside(link: object) -> bool:
    return isinstance(link, h5py.HardLink)
