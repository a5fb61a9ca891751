"""Batches whose faces and targets are mixed with one another, so that a net answers in between."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fer_video.types import Floats

Mask = np.ndarray[Any, np.dtype[np.bool_]]


def mixup(arrays: Sequence[Floats], alpha: float, rng: np.random.Generator) -> tuple[Floats, ...]:
    """Mix each face of a batch with another one of it, and their targets alike.

    Args:
        arrays: Crops, targets, perhaps weights; float32, the first axis of each is the face.
        alpha: Of the Beta distribution from which each face's share is drawn, above 0.
        rng: The only source of chance.

    Source:
        Zhang, Cisse, Dauphin and Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", ICLR
        2018; with a share for each face rather than one for the batch.
    """
    n = len(arrays[0])
    shares, partners = rng.beta(alpha, alpha, n).astype(np.float32), rng.permutation(n)
    return tuple(_blend(array, array[partners], shares) for array in arrays)


def cutmix(arrays: Sequence[Floats], alpha: float, rng: np.random.Generator) -> tuple[Floats, ...]:
    """Paste a rectangle of another face of a batch into each, and mix the targets by its area.

    The rectangle may reach over the border, and then it is smaller.

    Args:
        arrays: Crops ``(n, height, width, channels)``, targets, perhaps weights; float32.
        alpha: Of the Beta distribution from which each face's share is drawn, above 0.
        rng: The only source of chance.

    Source:
        Yun, Han, Oh, Chun, Choe and Yoo, "CutMix: Regularization Strategy to Train Strong
        Classifiers with Localizable Features", ICCV 2019; with a rectangle for each face rather
        than one for the batch.
    """
    crops, *others = arrays
    n, height, width = crops.shape[:3]
    partners = rng.permutation(n)
    half_sides = np.sqrt(1 - rng.beta(alpha, alpha, n)) / 2
    rows = _covered(height, half_sides, rng)
    columns = _covered(width, half_sides, rng)
    pasted = rows[:, :, np.newaxis] & columns[:, np.newaxis, :]
    shares = 1 - pasted.mean(axis=(1, 2), dtype=np.float32)
    mixed = np.where(pasted[..., np.newaxis], crops[partners], crops)
    return mixed, *(_blend(other, other[partners], shares) for other in others)


def _blend(one: Floats, other: Floats, shares: Floats) -> Floats:
    """Weigh each face of one array against another, by the share of the first."""
    share = shares.reshape(-1, *(1,) * (one.ndim - 1))
    return np.asarray(share * one + (1 - share) * other, np.float32)


def _covered(size: int, half_sides: Floats, rng: np.random.Generator) -> Mask:
    """Tell which pixels of a side lie within intervals around random centres, ``(n, size)``.

    Args:
        size: In pixels.
        half_sides: Of the intervals, as shares of the size, ``(n,)``.
        rng: The only source of chance.
    """
    places = (np.arange(size) + 0.5) / size
    centres = rng.random(len(half_sides))
    return np.asarray(np.abs(places - centres[:, np.newaxis]) < half_sides[:, np.newaxis])
