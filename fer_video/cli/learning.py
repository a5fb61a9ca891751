"""The commands that prepare data and train networks."""

from pathlib import Path
from typing import Annotated

import typer

from fer_video.cli.app import app
from fer_video.cli.arguments import (
    Data,
    Detector,
    DetectSide,
    Emotions,
    Ferplus,
    Force,
    MinFace,
    MinScore,
    ValShare,
)
from fer_video.labels import emotions_of_count
from fer_video.options import (
    ClassWeights,
    DetectOptions,
    Keep,
    Optimizer,
    Precision,
    Schedule,
    Score,
    TrainOptions,
    TuneOptions,
)


@app.command()
def nets() -> None:
    """List the networks that can be trained, with their size.

    Multiply-adds are those of one gray 48x48 crop; the last layer tells seven emotions apart.
    """
    from fer_video import listing
    from fer_video import nets as networks

    typer.echo(listing.nets_table(networks.summaries()))


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
def faces(
    photographs: Annotated[
        Path,
        typer.Argument(
            help="Folder or .zip of photographs, in folders <split>/<emotion> or <emotion>.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of faces to write; a new one.")],
    detector: Detector = DetectOptions.detector,
    detect_side_px: DetectSide = DetectOptions.detect_side_px,
    min_score: MinScore = DetectOptions.min_score,
    min_face_px: MinFace = DetectOptions.min_face_px,
) -> None:
    """Cut the faces out of photographs, to train on them.

    Of each photograph the largest face that could start a track becomes a gray PNG file of 48x48
    pixels, cut as in analyze, in the same folders. Those without one are named.
    """
    options = DetectOptions(
        detector=detector,
        detect_side_px=detect_side_px,
        min_score=min_score,
        min_face_px=min_face_px,
    )

    from fer_video.bars import PhotographBar
    from fer_video.detect import load_detector
    from fer_video.learn.photographs import cut_photographs
    from fer_video.types import CropSpec
    from fer_video.wording import counted

    n_cut = n_photographs = 0
    with PhotographBar() as bar:
        for done in cut_photographs(photographs, out, CropSpec(), load_detector(options), options):
            bar.update(done)
            n_cut += not done.problem
            n_photographs = done.n_photographs
    typer.echo(f"wrote {out}: {counted(n_cut, 'face')} of {counted(n_photographs, 'photograph')}")


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
    teachers: Annotated[
        list[str] | None,
        typer.Option(
            "--teacher",
            help="Name or folder of a model whose answers to each crop are learned, too; several "
            "are averaged.",
            show_default="none",
        ),
    ] = None,
    teacher_share: Annotated[
        float, typer.Option(help="Weight of the teachers beside votes and label, up to 1.")
    ] = TrainOptions.teacher_share,
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
    cutmix_alpha: Annotated[
        float,
        typer.Option(
            "--cutmix",
            help="Paste in a part of another face, of the area 1 - Beta(alpha, alpha); 0 never.",
        ),
    ] = TrainOptions.cutmix_alpha,
    ema_share: Annotated[
        float, typer.Option(help="Share of the training that the exported weights average over.")
    ] = TrainOptions.ema_share,
    patience: Annotated[
        int,
        typer.Option(help="Stop after so many epochs without a lower validation loss; 0 never."),
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
        teachers=tuple(teachers or ()),
        teacher_share=teacher_share,
        class_weights=class_weights,
        label_smoothing=label_smoothing,
        augmented_share=augmented_share,
        erased_share=erased_share,
        mixup_alpha=mixup_alpha,
        cutmix_alpha=cutmix_alpha,
        ema_share=ema_share,
        patience=patience,
        keep=keep,
        precision=precision,
        n_emotions=n_emotions,
        val_share=val_share,
        seed=seed,
    )
    from fer_video import listing
    from fer_video.bars import EpochBar
    from fer_video.learn import train as training

    with EpochBar(epochs) as bar:
        try:
            spec = training.train(
                data, ferplus, out, options, bar.report, tensorboard,
                force=force, remark=bar.remark,
            )  # fmt: skip
        except KeyboardInterrupt:
            typer.echo("the epochs so far are kept: the same command goes on there", err=True)
            raise
    typer.echo(f"wrote {out}\n{listing.metrics_table(spec.metrics)}")
    if reason := spec.training["not_converted"]:
        typer.echo(f"Keras will run this model, which is slower to start: {reason}")


@app.command()
def tune(
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder of the search: new, or one to go on with.")],
    ferplus: Ferplus = None,
    net: Annotated[str, typer.Option(help="Architecture; see `fer-video nets`.")] = TuneOptions.net,
    epochs: Annotated[int, typer.Option(help="Of each trial.")] = TuneOptions.epochs,
    trials: Annotated[
        int, typer.Option(help="How many to run, in this call.")
    ] = TuneOptions.trials,
    timeout_s: Annotated[
        float | None,
        typer.Option(
            "--timeout", help="Seconds after which no trial starts.", show_default="no end"
        ),
    ] = TuneOptions.timeout_s,
    score: Annotated[
        Score | None,
        typer.Option(
            help="Truth of the validation accuracy that counts: ferplus or label.",
            show_default="ferplus where there are votes",
        ),
    ] = TuneOptions.score,
    batch_size: Annotated[int, typer.Option(help="Faces per step.")] = TuneOptions.batch_size,
    precision: Annotated[
        Precision,
        typer.Option(help="float32; bfloat16, faster on recent CPUs; auto: bfloat16 on a GPU."),
    ] = TuneOptions.precision,
    n_emotions: Emotions = TuneOptions.n_emotions,
    val_share: ValShare = TuneOptions.val_share,
    seed: Annotated[int, typer.Option(help="Of every trial.")] = TuneOptions.seed,
) -> None:
    """Search for the options of `train` that suit a net and a data set best.

    The same command again goes on with the search, and several at once share it. Trials, plots and
    the `train` command of the best trial are in the folder after every trial.
    """
    options = TuneOptions(
        net=net,
        epochs=epochs,
        batch_size=batch_size,
        precision=precision,
        n_emotions=n_emotions,
        val_share=val_share,
        seed=seed,
        score=score,
        trials=trials,
        timeout_s=timeout_s,
    )
    from fer_video.bars import TrialBar
    from fer_video.learn import tune as tuning

    command = None
    try:
        with TrialBar(trials, epochs, timeout_s) as bar:
            for trial in tuning.tune(data, ferplus, out, options, bar.report):
                bar.ended(trial)
                command = trial.best and trial.best.command
    finally:  # a search is often ended with Ctrl-C
        if command:
            typer.echo(f"trials, plots and this command are in {out}:\n{command}")
