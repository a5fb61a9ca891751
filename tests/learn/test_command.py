import pytest
import typer

from fer_video.cli import app
from fer_video.learn.command import words_of
from fer_video.options import TrainOptions


def parsed(words: list[str]) -> TrainOptions:
    """Read words as ``fer-video train`` does."""
    train = typer.main.get_command(app).commands["train"]
    given = train.make_context("train", ["--data", "d", "--out", "o", *words]).params
    given["teachers"] = tuple(given["teachers"] or ())
    return TrainOptions(**{name: given[name] for name in TrainOptions.__dataclass_fields__})


@pytest.mark.parametrize(
    "options",
    [
        TrainOptions(),
        TrainOptions(optimizer="rmsprop"),
        TrainOptions(optimizer="sgd-nesterov", learning_rate=0.0123, weight_decay=0.0),
        TrainOptions(
            net="cnn4", start_from="models/my first", train_last=2, epochs=7, batch_size=64,
            schedule="plateau", warmup_share=0.1, ferplus_share=0.687, class_weights="balanced",
            teachers=("models/a", "models/b c"), teacher_share=0.4,
            label_smoothing=0.05, augmented_share=0.5, erased_share=0.1, mixup_alpha=0.2,
            cutmix_alpha=1.0, ema_share=0.2, patience=5, keep="best", precision="bfloat16",
            val_share=0.2, seed=3,
        ),
    ],
)  # fmt: skip
def test_the_command_of_options_gives_these_options(options) -> None:
    assert parsed(words_of(options)) == options


def test_what_is_the_default_is_not_said() -> None:
    assert words_of(TrainOptions()) == []
    assert words_of(TrainOptions(optimizer="adam")) == ["--optimizer", "adam"]
