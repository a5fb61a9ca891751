import shlex
from dataclasses import asdict, replace

import pytest
from typer.testing import CliRunner

from fer_video.cli import app
from fer_video.labels import EMOTIONS
from fer_video.learn.card import model_card, saw_fer2013
from fer_video.options import TrainOptions
from fer_video.types import CropSpec
from fer_video.weights import ModelSpec


def measured(n: int, accuracy: float, right: int) -> dict[str, object]:
    confusion = [[right if row == column else 1 for column in range(7)] for row in range(7)]
    row = {"n": 1234, "sensitivity": 0.875, "specificity": 0.95, "precision": None, "f1": 0.5}
    return {
        "n": n,
        "accuracy": accuracy,
        "accuracy_interval": [accuracy - 0.015, accuracy + 0.014],
        "macro_f1": accuracy - 0.05,
        "calibration_error": accuracy / 100,
        "per_emotion": {emotion: row | {"auc": right / 100} for emotion in EMOTIONS},
        "confusion": confusion,
    }


def report(ferplus: bool = True) -> dict[str, object]:
    tests = {
        "label": measured(3589, 0.6612, 41),
        "label_without_copies": measured(3301, 0.6523, 42),
    }
    if ferplus:
        tests |= {
            "ferplus": measured(3136, 0.8434, 43),
            "ferplus_without_copies": measured(2900, 0.8347, 44),
        }
    return {
        "tests": tests,
        "main_test": "ferplus" if ferplus else "label",
        "seconds_per_crop": 0.00123,
    }


def spec(ferplus: str | None = "fer2013new.csv", data: str = "my faces.csv") -> ModelSpec:
    return ModelSpec(
        name="mine",
        net="compact_se_resnet",
        sha256="ab" * 32,
        lite_sha256="cd" * 32,
        labels=EMOTIONS,
        crop=CropSpec(),
        temperature=1.234,
        parameters=912_345,
        multiply_adds=60_100_000,
        licence="MIT",
        training={
            "options": asdict(TrainOptions(epochs=7, learning_rate=0.001, ferplus_share=0.25)),
            "data": data,
            "data_sha256": "cd" * 32,
            "ferplus": ferplus,
            "ferplus_sha256": "ef" * 32 if ferplus else None,
            "start": None,
            "fer_video": "0.1.0",
            "keras": "3.15.1",
        },
    )


def card_of(of: ModelSpec, found: dict[str, object] | None = None) -> str:
    return model_card(of, found or report(ferplus=of.training["ferplus"] is not None))


def test_the_card_shows_every_measure_of_every_test() -> None:
    lines = card_of(spec()).splitlines()
    for found in (
        "| 3,589 | 66.1% (64.6% to 67.5%) | 0.611 | 0.007 |",
        "| 3,301 | 65.2% (63.7% to 66.6%) | 0.602 | 0.007 |",
        "| 3,136 | 84.3% (82.8% to 85.7%) | 0.793 | 0.008 |",
        "| 2,900 | 83.5% (82.0% to 84.9%) | 0.785 | 0.008 |",
    ):
        assert sum(line.endswith(found) for line in lines) == 1


def test_the_card_describes_the_network() -> None:
    card = card_of(spec())
    for fact in (
        "912,345 parameters",
        "60.1 M multiply-adds",
        "1.23 ms per crop on the CPU of the machine that trained it, through LiteRT on one thread",
        "48x48",
        "1.234",
        "ab" * 32,
        "MIT",
        "angry, disgust, fear, happy, sad, surprise, neutral",
    ):
        assert fact in card


def test_the_confusion_is_of_what_people_saw_where_they_were_asked() -> None:
    card = card_of(spec())
    assert "By emotion, against the FER+ majority of the voters:" in card
    assert "| **angry** | 43 | 1 | 1 | 1 | 1 | 1 | 1 |" in card
    assert "| **neutral** | 1 | 1 | 1 | 1 | 1 | 1 | 43 |" in card
    assert "agrees with its label for only 67 %" in card


def test_each_emotion_has_its_measures_and_a_gap_where_there_is_none() -> None:
    lines = card_of(spec()).splitlines()
    assert "| **sad** | 1,234 | 0.875 | 0.950 |  | 0.500 | 0.430 |" in lines


def test_a_card_without_votes_does_not_speak_of_them_as_measured() -> None:
    card = card_of(spec(ferplus=None))
    assert "By emotion, against the label of the data set:" in card
    assert "| **angry** | 41 |" in card
    assert "Target: the label of the data set." in card
    assert "67 %" not in card
    assert "--ferplus " not in card


def test_the_card_names_failures_and_uses_to_refuse() -> None:
    card = card_of(spec(data="fer2013.csv"))
    for sentence in (
        "It does not know what a person\nfeels",
        "| licence | MIT (the weights; FER2013 itself is for research use) |",
        "Profile views, dark skin and children are under-represented in FER2013",
        "The faces are posed",
        "Deciding about a person: hiring, grading, policing, diagnosis, credit",
        "Inferring emotions of people at work or in education",
        "Claiming what someone feels",
    ):
        assert sentence in card


def test_the_card_says_of_fer2013_only_what_was_learned_from_it() -> None:
    own = replace(spec(ferplus=None), licence="")
    card = card_of(own)
    assert "| licence | none yet; the data has a licence of its own |" in card
    for word in ("under-represented in FER2013", "posed"):
        assert word not in card
    start = {"name": "first", "sha256": "ab", "training": spec(data="FER2013.zip").training}
    teacher = {"name": "first", "sha256": "ab", "saw_fer2013": True}
    for learned in ({"start": start}, {"teachers": [teacher]}, {"ferplus": "fer2013new.csv"}):
        taught = replace(own, training=own.training | learned)
        assert "under-represented in FER2013" in card_of(taught)


def test_of_a_model_that_tells_nothing_of_its_training_nothing_is_claimed() -> None:
    assert not saw_fer2013({})


def test_the_card_names_the_emotions_that_few_test_images_show() -> None:
    few = report()
    rows = few["tests"]["ferplus"]["per_emotion"]
    for emotion, told in (("fear", "Fear is"), ("disgust", "Disgust and fear are")):
        rows[emotion] = rows[emotion] | {"n": 50}
        assert f"* {told} rare in the data, and so in the test" in card_of(spec(), few)
    assert "rare in the data" not in card_of(spec())


@pytest.mark.parametrize("keep", ["last", "best"])
def test_the_card_says_which_weights_these_are_and_why_training_ended(keep) -> None:
    options = spec().training["options"]
    ended = {"epochs_kept": 2, "ended": "the loss was not a number in epoch 3"}
    training = spec().training | ended | {"options": options | {"keep": keep}}
    card = card_of(replace(spec(), training=training))
    assert ("the moving average after epoch 2" in card) == (keep == "best")
    assert "Training ended early: the loss was not a number in epoch 3." in card
    last = spec().training | {"options": options | {"ema_share": 0.0}}
    assert "The weights are those at the end of training" in card_of(replace(spec(), training=last))


@pytest.mark.parametrize("ferplus", ["fer2013new.csv", None])
def test_the_command_of_the_card_repeats_the_training(ferplus) -> None:
    card = card_of(spec(ferplus))
    (command,) = (line for line in card.splitlines() if line.startswith("fer-video train"))
    words = shlex.split(command)[2:]
    chosen = dict(zip(words[::2], words[1::2], strict=True))
    given = {"--data": "my faces.csv", "--out": "models/mine"}
    assert chosen == given | ({"--ferplus": ferplus} if ferplus else {}) | {
        "--epochs": "7",
        "--learning-rate": "0.001",
        "--ferplus-share": "0.25",
    }
    # the command line knows every option of it: it gets as far as the data
    result = CliRunner().invoke(app, ["train", *words])
    assert "No such option" not in result.output
    assert result.exit_code == 8


def test_the_card_says_what_the_training_ran_on() -> None:
    on_gpu = spec().training | {"computed_on": "a GPU"}
    assert "computed in auto on a GPU, seed 0" in card_of(replace(spec(), training=on_gpu))
    assert "computed in auto, seed 0" in card_of(spec())


def test_a_model_that_was_taught_by_others_names_them() -> None:
    taught = spec().training | {"teachers": [{"name": "a"}, {"name": "b"}]}
    card = card_of(replace(spec(), training=taught))
    assert "70% the mean answer of trained models (a, b)" in card
    assert "--teacher models/a --teacher models/b" in card


def test_a_training_that_was_stopped_says_how_far_it_came() -> None:
    stopped = spec().training | {"epochs_kept": 3}
    assert "3 of 7 epochs in batches" in card_of(replace(spec(), training=stopped))


def test_a_model_that_went_on_from_another_tells_both_trainings() -> None:
    first = replace(spec(), name="first")
    start = {"name": "first", "sha256": first.sha256, "training": first.training}
    card = card_of(replace(spec(), training=first.training | {"start": start}))
    commands = [line for line in card.splitlines() if line.startswith("fer-video train")]
    assert ["models/first" in line for line in commands] == [True, True]
    assert "--from models/first" in commands[1]
    assert "--from" not in commands[0]
    assert "Then, from those weights: 7 epochs" in card
