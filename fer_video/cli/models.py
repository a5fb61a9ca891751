"""The commands that list and judge trained models."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fer_video.cli.app import app
from fer_video.cli.arguments import (
    Data,
    Detector,
    DetectSide,
    Device,
    Ferplus,
    Force,
    MinFace,
    MinScore,
    ValShare,
)
from fer_video.errors import OptionError, OutputError
from fer_video.options import (
    ClassifyOptions,
    DetectOptions,
    FaceSource,
    JudgedSplit,
    TrainOptions,
)

if TYPE_CHECKING:  # NumPy takes longer to load than help to print
    from fer_video.weights import ModelSpec

_SHIPPED = [ClassifyOptions.model]

_OF_VALIDATION = (
    "validation calibrated the models that learned from this data, and may have chosen their "
    "epochs: what you report is the test split's"
)


@app.command()
def models() -> None:
    """List the models that are here, with their size, SHA-256 and test results.

    Those of fer-video, and the model folders in the folder that the environment variable
    FER_VIDEO_MODELS names. A model is called by its folder.

    Tests are of the test split of what each was trained on, PrivateTest for those of fer-video:
    label is the data set's own label, ferplus what the majority of ten voters saw; without copies
    leaves out images that stand in the training data, too.
    """
    from fer_video import listing, weights

    typer.echo(listing.models_table(weights.available()))


@app.command()
def evaluate(
    data: Data,
    ferplus: Ferplus = None,
    val_share: ValShare = TrainOptions.val_share,
    split: Annotated[
        JudgedSplit,
        typer.Option(
            "--split", help="What to judge on: validation to choose a model, test to report it."
        ),
    ] = "test",
    models: Annotated[
        list[str],
        typer.Option(
            "--model", help="Name or folder of a model; give it again for each one to compare."
        ),
    ] = _SHIPPED,
    device: Device = ClassifyOptions.device,
    faces: Annotated[
        FaceSource,
        typer.Option(
            "--faces",
            help="given: --data holds faces; detect: it holds whole photographs, in folders "
            "<split>/<emotion>, in which the detector looks for the largest face.",
        ),
    ] = "given",
    detector: Detector = DetectOptions.detector,
    detect_side_px: DetectSide = DetectOptions.detect_side_px,
    min_score: MinScore = DetectOptions.min_score,
    min_face_px: MinFace = DetectOptions.min_face_px,
    mirrored: Annotated[
        bool,
        typer.Option("--mirrored", help="Judge the mean over crop and mirror image, too."),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Write every measure, .json; or a row per model, .md or .csv."),
    ] = None,
    answers: Annotated[
        Path | None,
        typer.Option(help="Write what each model answered to each image, .csv."),
    ] = None,
    plots: Annotated[
        Path | None,
        typer.Option(help="Folder for pictures: confusion, ROC, reliability of each model."),
    ] = None,
    force: Force = False,
) -> None:
    """Measure models on the test split of a data set.

    label is the data set's own label, ferplus what the majority of ten voters saw; without
    copies leaves out images that stand in the training split, too. The interval is that of the
    bootstrap, the calibration error has 15 bins. One model gets all its measures, several get a
    row each, with the difference to the first in the accuracy that has an interval: of the same
    images, so it is surer than two intervals side by side.

    With --faces detect, the whole way from photograph to emotion is measured: detector, crop and
    network, as in analyze; of each photograph the largest face that could start a track. Measures
    are of the photographs in which a face was found; those without one are counted, and a second
    accuracy takes them as wrong.

    --answers has a row per model and image: its line or path, whether it stands in the training
    split, too, what is right, what the model answered, and the probabilities.
    """
    detection = DetectOptions(
        detector=detector,
        detect_side_px=detect_side_px,
        min_score=min_score,
        min_face_px=min_face_px,
    )
    TrainOptions(val_share=val_share)  # checks it
    _check_source(faces, ferplus, detection)

    from fer_video import weights
    from fer_video.files import check_output
    from fer_video.learn.sources import require_photographs, require_unseen, sources

    # what cannot work is told at once, not after all that has to be loaded
    specs = [weights.find(name) for name in models]
    _require_different_names(specs)
    emotions = _shared_labels(specs)
    inputs = [data] if ferplus is None else [data, ferplus]
    if out is not None:
        check_output(out, "report", force, inputs)
    if answers is not None:
        check_output(answers, "table", force, inputs)
        if out is not None and answers.resolve() == out.resolve():
            raise OutputError(answers, "the report of --out goes there; name another --answers")
    if plots is not None:
        from fer_video.learn.charts import PICTURES

        for spec in specs:
            for picture in PICTURES:
                check_output(plots / spec.name / picture, "plot", force, [])
    source = sources(data, ferplus)
    if faces == "detect":
        require_photographs(data)

    from fer_video import listing
    from fer_video.classify import classifier_of
    from fer_video.detect import load_detector
    from fer_video.learn import comparison
    from fer_video.learn.answers import write_answers
    from fer_video.learn.dataset import read_faces
    from fer_video.learn.evaluate import evaluation_set_of, judge
    from fer_video.learn.photographs import read_photographs
    from fer_video.learn.report import remarks_on_split
    from fer_video.quiet import quiet_retracing

    classifiers = [classifier_of(spec, ClassifyOptions.batch_size, device) for spec in specs]
    framings = {spec.crop for spec in specs}
    if faces == "detect":
        finder = load_detector(detection)
        images = read_photographs(data, emotions, framings, finder, detection, split)
    else:
        given = read_faces(data, ferplus, val_share, emotions)
        for spec in specs:
            require_unseen(spec, given, source["data_sha256"], val_share, split)
        for remark in remarks_on_split(given, split):
            typer.echo(remark, err=True)
        images = dict.fromkeys(framings, evaluation_set_of(given, split))
    if split == "validation":
        typer.echo(_OF_VALIDATION, err=True)
    with quiet_retracing():
        judged = [judge(one, images[one.spec.crop], source, mirrored) for one in classifiers]
    reports = comparison.reports_of(judged)
    if len(reports) == 1:
        typer.echo(listing.report_text(reports[0]))
    else:
        typer.echo(listing.aligned(comparison.as_cells(reports)))
    if out is not None:
        comparison.write_reports(reports, out)
        typer.echo(f"wrote {out}")
    if answers is not None:
        write_answers(judged, answers)
        typer.echo(f"wrote {answers}")
    if plots is not None:
        comparison.plot_reports(reports, plots)
        typer.echo(f"wrote {plots}")


def _check_source(faces: FaceSource, ferplus: Path | None, detection: DetectOptions) -> None:
    """Refuse options that do not fit faces, or whole photographs."""
    if faces == "given" and detection != DetectOptions():
        raise OptionError("options of the detector need --faces detect")
    if faces == "detect" and ferplus is not None:
        raise OptionError("--ferplus belongs to fer2013.csv, not to photographs: leave it out")


def _require_different_names(specs: "Sequence[ModelSpec]") -> None:
    """Refuse models that no table or folder of pictures could tell apart."""
    names = [spec.name for spec in specs]
    for name in names:
        if names.count(name) > 1:
            raise OptionError(f"two models are called {name}: rename the folder of one")


def _shared_labels(specs: "Sequence[ModelSpec]") -> tuple[str, ...]:
    """Give the emotions of models that are compared."""
    for spec in specs:
        if spec.labels != specs[0].labels:
            raise OptionError(
                f"{specs[0].name} tells {', '.join(specs[0].labels)} apart and {spec.name} "
                f"{', '.join(spec.labels)}: evaluate them one at a time"
            )
    return specs[0].labels
