"""The commands that train networks and judge them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from fer_video.cli.app import app
from fer_video.cli.arguments import (
    Data,
    Detector,
    DetectSide,
    Device,
    Emotions,
    Ferplus,
    Force,
    MinFace,
    MinScore,
    ValShare,
)
from fer_video.errors import OptionError
from fer_video.labels import emotions_of_count
from fer_video.options import (
    ClassifyOptions,
    ClassWeights,
    DetectOptions,
    FaceSource,
    Keep,
    Optimizer,
    Precision,
    Schedule,
    TrainOptions,
)
from fer_video.weights import ModelSpec

_SHIPPED = [ClassifyOptions.model]


@app.command()
def models() -> None:
    """List the models that are here, with their size, SHA-256 and test results.

    Tests on PrivateTest images: label is FER2013's own label, ferplus what the majority of ten
    voters saw; without copies leaves out images that stand in the training data, too.
    """
    from fer_video import console, weights

    typer.echo(console.models_table(weights.available()))


@app.command()
def nets() -> None:
    """List the networks that can be trained, with their size.

    Multiply-adds are those of one gray 48x48 crop; the last layer tells seven emotions apart.
    """
    from fer_video import console
    from fer_video import nets as networks

    typer.echo(console.nets_table(networks.summaries()))


@app.command()
def dataset(
    path: Annotated[
        Path,
        typer.Argument(help="What --data of the other commands takes.", show_default=False),
    ],
    ferplus: Ferplus = None,
    emotions: Emotions = TrainOptions.n_emotions,
    samples: Annotated[
        Path | None, typer.Option(help="Picture to write, .png, .svg or .pdf: faces by emotion.")
    ] = None,
    val_share: ValShare = TrainOptions.val_share,
    force: Force = False,
) -> None:
    """Report what a data set holds, and whether one can train on it.

    Counts by emotion and split, blank images, exact copies, what was left out and what is bad.
    Emotions may be named in English or French.
    """
    options = TrainOptions(val_share=val_share)
    to_tell_apart = emotions_of_count(emotions)

    from fer_video.files import check_output
    from fer_video.learn import report
    from fer_video.learn.dataset import SPLITS, read_faces

    if samples is not None:
        inputs = [path] if ferplus is None else [path, ferplus]
        check_output(samples, "plot", force, inputs)
    faces = read_faces(path, ferplus, options.val_share, to_tell_apart)
    typer.echo(report.as_text(faces))
    if samples is not None:
        from fer_video.learn.pictures import plot_samples

        plot_samples(report.samples_of(faces), report.totals_of(faces), samples)
        typer.echo(f"wrote {samples}")
    faces.require(*SPLITS)


@app.command()
def train(
    data: Data,
    out: Annotated[Path, typer.Option(help="Model folder to write.")],
    ferplus: Ferplus = None,
    net: Annotated[
        str, typer.Option(help="Architecture; see `fer-video nets`.")
    ] = TrainOptions.net,
    start_from: Annotated[
        str,
        typer.Option("--from", help="Name or folder of a model of the same net to go on from."),
    ] = TrainOptions.start_from,
    train_last: Annotated[
        int, typer.Option(help="With --from: only this many last layers learn; 0 is all.")
    ] = TrainOptions.train_last,
    epochs: Annotated[int, typer.Option(help="Passes over the data.")] = TrainOptions.epochs,
    batch_size: Annotated[int, typer.Option(help="Faces per step.")] = TrainOptions.batch_size,
    optimizer: Annotated[
        Optimizer, typer.Option(help="adamw, adam, sgd-nesterov or rmsprop.")
    ] = TrainOptions.optimizer,
    learning_rate: Annotated[
        float,
        typer.Option(help="At its highest.", show_default="what suits the optimizer"),
    ] = TrainOptions.learning_rate,
    weight_decay: Annotated[
        float | None,
        typer.Option(help="Decoupled.", show_default="what suits the optimizer"),
    ] = TrainOptions.weight_decay,
    schedule: Annotated[
        Schedule,
        typer.Option(help="Of the learning rate: cosine (with warm-up), plateau or constant."),
    ] = TrainOptions.schedule,
    warmup_share: Annotated[
        float, typer.Option(help="Share of the training in which the cosine rises.")
    ] = TrainOptions.warmup_share,
    ferplus_share: Annotated[
        float, typer.Option(help="Weight of the FER+ votes beside the label, 0 to 1.")
    ] = TrainOptions.ferplus_share,
    class_weights: Annotated[
        ClassWeights, typer.Option(help="none, or balanced: rare emotions count more.")
    ] = TrainOptions.class_weights,
    label_smoothing: Annotated[
        float, typer.Option(help="Share of the target spread over all emotions.")
    ] = TrainOptions.label_smoothing,
    augmented_share: Annotated[
        float, typer.Option(help="Share of the crops disturbed as recordings do.")
    ] = TrainOptions.augmented_share,
    erased_share: Annotated[
        float, typer.Option(help="Share of those that lose a rectangle.")
    ] = TrainOptions.erased_share,
    mixup_alpha: Annotated[
        float, typer.Option("--mixup", help="Mix faces by Beta(alpha, alpha); 0 mixes none.")
    ] = TrainOptions.mixup_alpha,
    ema_share: Annotated[
        float, typer.Option(help="Share of the training that the exported weights average over.")
    ] = TrainOptions.ema_share,
    patience: Annotated[
        int, typer.Option(help="Stop after so many epochs without a lower validation loss.")
    ] = TrainOptions.patience,
    keep: Annotated[
        Keep, typer.Option(help="last, or best: the epoch with the lowest validation loss.")
    ] = TrainOptions.keep,
    precision: Annotated[
        Precision,
        typer.Option(help="float32; bfloat16, faster on recent CPUs; auto: bfloat16 on a GPU."),
    ] = TrainOptions.precision,
    n_emotions: Emotions = TrainOptions.n_emotions,
    val_share: ValShare = TrainOptions.val_share,
    seed: Annotated[int, typer.Option(help="Repeats a run on a CPU.")] = TrainOptions.seed,
    tensorboard: Annotated[
        Path | None, typer.Option(help="Folder for TensorBoard's event files.")
    ] = None,
    force: Force = False,
) -> None:
    """Train a network and write its model folder.

    Progress is kept after every epoch: after an interruption, the same command goes on there.
    """
    options = TrainOptions(
        net=net,
        start_from=start_from,
        train_last=train_last,
        epochs=epochs,
        batch_size=batch_size,
        optimizer=optimizer,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        schedule=schedule,
        warmup_share=warmup_share,
        ferplus_share=ferplus_share,
        class_weights=class_weights,
        label_smoothing=label_smoothing,
        augmented_share=augmented_share,
        erased_share=erased_share,
        mixup_alpha=mixup_alpha,
        ema_share=ema_share,
        patience=patience,
        keep=keep,
        precision=precision,
        n_emotions=n_emotions,
        val_share=val_share,
        seed=seed,
    )
    from fer_video import console
    from fer_video.learn import train as training

    with console.EpochBar(epochs) as bar:
        spec = training.train(data, ferplus, out, options, bar.report, tensorboard, force=force)
    typer.echo(f"wrote {out}\n{console.metrics_table(spec.metrics)}")


@app.command()
def evaluate(
    data: Data,
    ferplus: Ferplus = None,
    val_share: ValShare = TrainOptions.val_share,
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
            "test/<emotion>, in which the detector looks for the largest face.",
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
    row each.

    With --faces detect, the whole way from photograph to emotion is measured: detector, crop and
    network, as in analyze; of each photograph the largest face that could start a track. Measures
    are of the photographs in which a face was found; those without one are counted, and a second
    accuracy takes them as wrong.
    """
    detection = DetectOptions(
        detector=detector,
        detect_side_px=detect_side_px,
        min_score=min_score,
        min_face_px=min_face_px,
    )
    split = TrainOptions(val_share=val_share)
    if faces == "given" and detection != DetectOptions():
        raise OptionError("options of the detector need --faces detect")
    if faces == "detect" and ferplus is not None:
        raise OptionError("--ferplus belongs to fer2013.csv, not to photographs: leave it out")

    from fer_video import weights
    from fer_video.files import check_output
    from fer_video.learn.sources import require_photographs, sources

    # what cannot work is told at once, not after the seconds that TensorFlow takes to load
    if out is not None:
        check_output(out, "report", force, [data] if ferplus is None else [data, ferplus])
    specs = [weights.find(name) for name in models]
    for spec in specs if plots is not None else ():
        check_output(plots / spec.name / "roc.png", "plot", force, [])
    emotions = _shared_labels(specs)
    judged = sources(data, ferplus)
    if faces == "detect":
        require_photographs(data)

    from fer_video import console
    from fer_video.classify import KerasClassifier
    from fer_video.detect import load_detector
    from fer_video.learn import comparison
    from fer_video.learn.dataset import read_faces
    from fer_video.learn.evaluate import evaluation_set_of, report_on
    from fer_video.learn.photographs import read_photographs

    classifiers = [KerasClassifier(spec, ClassifyOptions.batch_size, device) for spec in specs]
    framings = {spec.crop for spec in specs}
    if faces == "detect":
        images = read_photographs(data, emotions, framings, load_detector(detection), detection)
    else:
        given = evaluation_set_of(read_faces(data, ferplus, split.val_share, emotions))
        images = dict.fromkeys(framings, given)
    reports = [report_on(one, images[one.spec.crop], judged, mirrored) for one in classifiers]
    if len(reports) == 1:
        typer.echo(console.report_text(reports[0]))
    else:
        typer.echo(console.aligned(comparison.as_cells(reports)))
    if out is not None:
        comparison.write_reports(reports, out)
        typer.echo(f"wrote {out}")
    if plots is not None:
        comparison.plot_reports(reports, plots)
        typer.echo(f"wrote {plots}")


def _shared_labels(specs: Sequence[ModelSpec]) -> tuple[str, ...]:
    """Give the emotions of models that are compared."""
    for spec in specs:
        if spec.labels != specs[0].labels:
            raise OptionError(
                f"{specs[0].name} tells {', '.join(specs[0].labels)} apart and {spec.name} "
                f"{', '.join(spec.labels)}: evaluate them one at a time"
            )
    return specs[0].labels
