"""The commands that turn recordings into timelines, and timelines into pictures."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fer_video.cli.app import app
from fer_video.cli.arguments import (
    BatchSize,
    DetectEvery,
    Detector,
    DetectSide,
    Device,
    End,
    Force,
    Fps,
    Lang,
    MaxGap,
    MinFace,
    MinIou,
    MinScore,
    MinWeakScore,
    Model,
    Quiet,
    Recording,
    Smooth,
    Start,
    Style,
    Timeline,
)
from fer_video.errors import OptionError, Partial, SomeFailed
from fer_video.options import (
    AnalysisOptions,
    ClassifyOptions,
    DetectOptions,
    OutputOptions,
    SampleOptions,
    TableFormat,
    TrackOptions,
    ViewOptions,
)


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
    """Write one emotion timeline per recording.

    A folder is resumed: results of an earlier run are kept where they are still true, and made
    again where the recording, the options or the model is another one, or where a file is damaged.
    """
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
    is_folder = recording.is_dir()
    output = OutputOptions(force=force, resume=is_folder and not force, view=view)
    _check_shape(is_folder, out, alone=(video, plot), below=(videos, plots))

    from fer_video import jobs as planning
    from fer_video import weights
    from fer_video.video import open_recording

    # what cannot work is told at once, not after all that has to be loaded
    spec = weights.find(model)
    if is_folder and out is not None:
        wanted = planning.FolderOutputs(table=table, videos=videos, plots=plots)
        jobs = planning.jobs_below(recording, out, wanted, options, output)
    else:
        jobs = [planning.job_for(recording, out, video, plot, options, output)]
        with open_recording(recording):
            planning.check_outputs(jobs[0])

    from fer_video import batch, console, journal, manifest
    from fer_video.engine import SerialEngine

    batch.tools_for(options)
    if is_folder and out is not None:
        kept_in = out / manifest.MANIFEST_FILE
        jobs = journal.begin(kept_in, jobs, str(recording.resolve()), spec)
        events = journal.noted(SerialEngine().run(batch.analyze_job, jobs), kept_in)
    else:
        events = SerialEngine().run(batch.analyze_job, jobs)
    report = console.show(events, jobs, quiet)
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
        raise SomeFailed(names, report.n_recordings)
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
