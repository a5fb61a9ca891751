"""What the tests of training share: a net that trains in a moment, and a run that is killed."""

from collections.abc import Callable

from fer_video.learn.dataset import Faces
from fer_video.options import TrainOptions
from tests.learn.faces import some_faces

OPTIONS = TrainOptions(net="tiny", epochs=3, batch_size=16, seed=5, precision="float32")


class Killed(BaseException):
    """Ends a training as a power cut does."""


def faces() -> Faces:
    """Draw enough faces for three steps in an epoch."""
    return some_faces(train=60, validation=14, test=14)


def ignore(epoch: int, figures: dict[str, float]) -> None:
    """Take a report of an epoch, and do nothing."""


def killed_after(last: int) -> Callable[[int, dict[str, float]], None]:
    """Make a report that ends the training after an epoch."""

    def report(epoch: int, figures: dict[str, float]) -> None:
        if epoch == last:
            raise Killed

    return report
