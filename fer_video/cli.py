"""The commands; nothing else. Libraries are imported in the bodies, so that --help is instant."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from fer_video import __version__
from fer_video.errors import FerVideoError, OptionError, Partial, SomeFailed
from fer_video.labels import Language
from fer_video.options import (
    AnalysisOptions,
    ClassifyOptions,
    DetectOptions,
    DetectorName,
    DeviceChoice,
    OutputOptions,
    PlotStyle,
    Precision,
    SampleOptions,
    TableFormat,
    TrackOptions,
    TrainOptions,
    ViewOptions,
)


class _Group(TyperGroup):
    """Turns our errors into one line on stderr and their exit code; the only place that does."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except FerVideoError as error:
            typer.echo(f"fer-video: {error}", err=True)
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as error:
            typer.echo("fer-video: interrupted; nothing is left half-written", err=True)
            raise typer.Exit(130) from error


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="Turn recordings of people into emotion timelines: one row per face and moment.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fer-video {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Turn recordings of people into emotion timelines: one row per face and moment."""


Recording = Annotated[Path, typer.Argument(help="A recording.", show_default=False)]
Timeline = Annotated[Path, typer.Argument(help="Its timeline.", show_default=False)]
Force = Annotated[bool, typer.Option("--force", help="Replace existing results.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Lang = Annotated[Language, typer.Option("--lang", help="Language of labels: en or fr.")]
Smooth = Annotated[
    float,
    typer.Option(
        "--smooth", help="Seconds that plots and annotated video average over; never stored."
    ),
]
Style = Annotated[PlotStyle, typer.Option("--style", help="Style of plots: area or lines.")]
Fps = Annotated[
    float | None, typer.Option("--fps", help="Samples per second.", show_default="every frame")
]
Start = Annotated[float, typer.Option("--start", help="First second of the recording to analyze.")]
End = Annotated[
    float | None,
    typer.Option("--end", help="Second at which to stop.", show_default="end of the recording"),
]
Detector = Annotated[
    DetectorName, typer.Option("--detector", help="Face detector: yunet, mtcnn or haar.")
]
DetectEvery = Annotated[
    float,
    typer.Option("--detect-every", help="Seconds between detections; 0 detects on every frame."),
]
DetectSide = Annotated[
    int,
    typer.Option(
        "--detect-side",
        help="Longest side in pixels of the picture that the detector sees.",
        show_default="what suits the detector",
    ),
]
MinScore = Annotated[
    float,
    typer.Option(
        "--min-score",
        help="Confidence that starts a track.",
        show_default="what suits the detector",
    ),
]
MinWeakScore = Annotated[
    float,
    typer.Option(
        "--min-weak-score",
        help="Confidence that continues a track.",
        show_default="what suits the detector",
    ),
]
MinFace = Annotated[int, typer.Option("--min-face", help="Smaller faces are dropped, in pixels.")]
MinIou = Annotated[
    float, typer.Option("--min-iou", help="Overlap that makes two boxes the same face.")
]
MaxGap = Annotated[
    float, typer.Option("--max-gap", help="Seconds a face may be lost and keep its identity.")
]
Model = Annotated[str, typer.Option("--model", help="Name or folder of a model.")]
BatchSize = Annotated[
    int, typer.Option("--batch-size", help="Crops per call of the network; changes no number.")
]
Device = Annotated[DeviceChoice, typer.Option("--device", help="auto, cpu or gpu.")]


@app.command()
def analyze(
    recording: Annotated[
        Path, typer.Argument(help="A recording, or a folder of them.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Timeline to write, .parquet or .csv; for a folder, the folder of results.",
            show_default="<recording>.parquet beside it",
        ),
    ] = None,
    video: Annotated[Path | None, typer.Option(help="Write an annotated video too, .mp4.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write a plot too: .png, .svg or .pdf.")] = None,
    videos: Annotated[bool, typer.Option("--videos", help="Folder: annotated videos too.")] = False,
    plots: Annotated[bool, typer.Option("--plots", help="Folder: plots too.")] = False,
    table: Annotated[
        TableFormat, typer.Option("--format", help="Folder: parquet or csv.")
    ] = "parquet",
    fps: Fps = SampleOptions.fps,
    start_s: Start = SampleOptions.start_s,
    end_s: End = SampleOptions.end_s,
    detector: Detector = DetectOptions.detector,
    detect_every_s: DetectEvery = DetectOptions.detect_every_s,
    detect_side_px: DetectSide = DetectOptions.detect_side_px,
    min_score: MinScore = DetectOptions.min_score,
    min_weak_score: MinWeakScore = DetectOptions.min_weak_score,
    min_face_px: MinFace = DetectOptions.min_face_px,
    min_iou: MinIou = TrackOptions.min_iou,
    max_gap_s: MaxGap = TrackOptions.max_gap_s,
    model: Model = ClassifyOptions.model,
    batch_size: BatchSize = ClassifyOptions.batch_size,
    device: Device = ClassifyOptions.device,
    language: Lang = ViewOptions.language,
    smooth_s: Smooth = ViewOptions.smooth_s,
    style: Style = ViewOptions.plot_style,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Write one emotion timeline per recording."""
    options = AnalysisOptions(
        sample=SampleOptions(fps=fps, start_s=start_s, end_s=end_s),
        detect=DetectOptions(
            detector=detector,
            detect_every_s=detect_every_s,
            detect_side_px=detect_side_px,
            min_score=min_score,
            min_weak_score=min_weak_score,
            min_face_px=min_face_px,
        ),
        track=TrackOptions(min_iou=min_iou, max_gap_s=max_gap_s),
        classify=ClassifyOptions(model=model, batch_size=batch_size, device=device),
    )
    view = ViewOptions(language=language, smooth_s=smooth_s, plot_style=style)
    output = OutputOptions(force=force, view=view)
    is_folder = recording.is_dir()
    _check_shape(is_folder, out, alone=(video, plot), below=(videos, plots))

    from fer_video import jobs as planning
    from fer_video import weights
    from fer_video.video import open_recording

    # what cannot work is told at once, not after the seconds that TensorFlow takes to load
    weights.find(model)
    if is_folder and out is not None:
        wanted = planning.FolderOutputs(table=table, videos=videos, plots=plots)
        jobs = planning.jobs_below(recording, out, wanted, options, output)
    else:
        jobs = [planning.job_for(recording, out, video, plot, options, output)]
        with open_recording(recording):
            planning.check_outputs(jobs[0])

    from fer_video import batch, console
    from fer_video.engine import SerialEngine

    batch.tools_for(options)
    report = console.show(SerialEngine().run(batch.analyze_job, jobs), jobs, quiet)
    _raise_failures(report, is_folder)


def _check_shape(
    is_folder: bool,
    out: Path | None,
    alone: tuple[Path | None, ...],
    below: tuple[bool, ...],
) -> None:
    """Refuse options that do not fit a folder, or a single recording."""
    if is_folder and out is None:
        raise OptionError("a folder of recordings needs --out FOLDER for its results")
    if is_folder and any(path is not None for path in alone):
        raise OptionError("--video and --plot name one file; for a folder use --videos, --plots")
    if not is_folder and any(below):
        raise OptionError("--videos and --plots are for a folder; use --video FILE, --plot FILE")


def _raise_failures(report: Any, is_folder: bool) -> None:
    """End with the exit code that the report asks for."""
    if report.failed and not is_folder:
        raise report.failed[0].error
    if report.failed:
        names = tuple(event.job.name for event in report.failed)
        raise SomeFailed(names, len(report.failed) + len(report.finished))
    for event in report.finished:
        if event.summary.ended_early_s is not None and not is_folder:
            raise Partial(event.job.recording, event.summary.ended_early_s)


@app.command()
def plot(
    timeline: Annotated[Path, typer.Argument(help="A timeline.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Picture to write: .png, .svg or .pdf.")],
    language: Lang = ViewOptions.language,
    smooth_s: Smooth = ViewOptions.smooth_s,
    style: Style = ViewOptions.plot_style,
    force: Force = False,
) -> None:
    """Draw a timeline: one panel per track over time."""
    view = ViewOptions(language=language, smooth_s=smooth_s, plot_style=style)

    from fer_video.files import check_output
    from fer_video.plot import plot_timeline
    from fer_video.timeline import read_timeline

    check_output(out, "plot", force, inputs=[timeline])
    table = read_timeline(timeline)
    plot_timeline(table, out, view, title=next(iter(table["recording"]), None))
    typer.echo(f"wrote {out}")


@app.command()
def annotate(
    recording: Recording,
    timeline: Timeline,
    out: Annotated[Path, typer.Option(help="Video to write, .mp4.")],
    language: Lang = ViewOptions.language,
    smooth_s: Smooth = ViewOptions.smooth_s,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Draw a timeline into its recording, sound included."""
    view = ViewOptions(language=language, smooth_s=smooth_s)

    from fer_video import console
    from fer_video.annotate import annotate as draw
    from fer_video.files import check_output
    from fer_video.timeline import check_source, read_timeline

    check_output(out, "video", force, inputs=[recording, timeline])
    table = read_timeline(timeline)
    check_source(table, timeline, recording)
    total_s = float(table["time_s"].max() - table["time_s"].min())
    console.follow(draw(recording, table, out, view), total_s, quiet)
    if not quiet:
        typer.echo(f"wrote {out}")


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


Data = Annotated[
    Path,
    typer.Option(
        help="fer2013.csv, or images in folders train/<emotion>, test/<emotion>; or a "
        ".zip of either."
    ),
]
Ferplus = Annotated[
    Path | None, typer.Option(help="fer2013new.csv: what ten people saw in each row.")
]
ValShare = Annotated[
    float,
    typer.Option(
        "--val-share",
        help="Share of the images held out for validation, where folders have no such split; "
        "in one folder of emotions, as many again for test.",
    ),
]


@app.command()
def dataset(
    path: Annotated[
        Path,
        typer.Argument(help="What --data of the other commands takes.", show_default=False),
    ],
    ferplus: Ferplus = None,
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

    from fer_video.files import check_output
    from fer_video.learn import report
    from fer_video.learn.dataset import SPLITS, read_faces

    if samples is not None:
        inputs = [path] if ferplus is None else [path, ferplus]
        check_output(samples, "plot", force, inputs)
    faces = read_faces(path, ferplus, options.val_share)
    typer.echo(report.as_text(faces))
    if samples is not None:
        from fer_video.plot import plot_samples

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
    epochs: Annotated[int, typer.Option(help="Passes over the data.")] = TrainOptions.epochs,
    batch_size: Annotated[int, typer.Option(help="Faces per step.")] = TrainOptions.batch_size,
    learning_rate: Annotated[
        float, typer.Option(help="Peak learning rate.")
    ] = TrainOptions.learning_rate,
    ferplus_share: Annotated[
        float, typer.Option(help="Weight of the FER+ votes beside the label, 0 to 1.")
    ] = TrainOptions.ferplus_share,
    precision: Annotated[
        Precision, typer.Option(help="float32, or bfloat16: faster on recent CPUs and GPUs.")
    ] = TrainOptions.precision,
    val_share: ValShare = TrainOptions.val_share,
    seed: Annotated[int, typer.Option(help="Repeats a run.")] = TrainOptions.seed,
) -> None:
    """Train a network and write its model folder.

    Progress is kept after every epoch: after an interruption, the same command goes on there.
    """
    options = TrainOptions(
        net=net,
        start_from=start_from,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        ferplus_share=ferplus_share,
        precision=precision,
        val_share=val_share,
        seed=seed,
    )
    from fer_video import console
    from fer_video.learn import train as training

    with console.EpochBar(epochs) as bar:
        spec = training.train(data, ferplus, out, options, bar.report)
    typer.echo(f"wrote {out}\n{console.metrics_table(spec.metrics)}")


@app.command()
def evaluate(
    data: Data,
    ferplus: Ferplus = None,
    val_share: ValShare = TrainOptions.val_share,
    model: Model = ClassifyOptions.model,
    device: Device = ClassifyOptions.device,
) -> None:
    """Measure a model on the test split of a data set.

    label is the data set's own label, ferplus what the majority of ten voters saw; without
    copies leaves out images that stand in the training split, too.
    """
    from fer_video import console
    from fer_video.classify import load_classifier
    from fer_video.learn.dataset import read_faces
    from fer_video.learn.evaluate import evaluate as measure_all

    classifier = load_classifier(ClassifyOptions(model=model, device=device))
    faces = read_faces(data, ferplus, val_share)
    typer.echo(console.metrics_table(measure_all(classifier, faces, classifier.spec.labels)))
