"""From options back to the words of the command that takes them."""

from dataclasses import asdict, fields, replace
from typing import Any

from fer_video.options import TrainOptions

_FLAGS = {
    "start_from": "--from",
    "teachers": "--teacher",
    "mixup_alpha": "--mixup",
    "cutmix_alpha": "--cutmix",
    "n_emotions": "--emotions",
}
"""Those that are not the field's name."""


def flag_of(field: str) -> str:
    """Name the option of ``fer-video train`` that sets a field of ``TrainOptions``.

    >>> flag_of("batch_size"), flag_of("start_from")
    ('--batch-size', '--from')
    """
    return _FLAGS.get(field, f"--{field.replace('_', '-')}")


def record_of(options: TrainOptions) -> dict[str, Any]:
    """Put options into a form that is the same after a way through JSON.

    >>> record_of(TrainOptions(teachers=("models/a",)))["teachers"]
    ['models/a']
    """
    return asdict(options) | {"teachers": list(options.teachers)}


def words_of(options: TrainOptions) -> list[str]:
    """List what ``fer-video train`` must be told, beside the files, to train with these options.

    What is the default, or follows from the optimizer, is left out.

    >>> words_of(TrainOptions(optimizer="adam", mixup_alpha=0.2))
    ['--optimizer', 'adam', '--mixup', '0.2']
    >>> words_of(TrainOptions(teachers=("models/a", "models/b")))
    ['--teacher', 'models/a', '--teacher', 'models/b']
    """
    suited = TrainOptions(optimizer=options.optimizer)
    unsaid = replace(
        TrainOptions(), learning_rate=suited.learning_rate, weight_decay=suited.weight_decay
    )
    words = []
    for field in fields(TrainOptions):
        value = getattr(options, field.name)
        if value != getattr(unsaid, field.name):
            for one in value if isinstance(value, tuple) else (value,):
                words += [flag_of(field.name), str(one)]
    return words
