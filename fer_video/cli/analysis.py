"""The commands that turn recordings into timelines, and timelines into pictures."""

import shlex
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fer_video.cli.app import app
from fer_video.cli.arguments import (
    BatchSize,
    CheckpointEvery,
    DetectEvery,
    Detector,
    DetectSide,
    Device,
    End,
    Engine,
    Force,
    Fps,
    Jobs,
    Lang,
    MaxCpu,
    MaxFrames,
    MaxGap,
    MaxHours,
    MaxMemory,
    MaxSide,
    MaxStall,
    MaxStreams,
    MinFace,
    MinIou,
    MinScore,
    MinWeakScore,
    Model,
    Quiet,
    RayAddress,
    Recording,
    Recordings,
    Smooth,
    Spool,
    SpoolGb,
    Start,
    Style,
    Timeline,
)
from fer_video.errors import OptionError, Partial, SomeFailed, one_line
from fer_video.options import (
    AnalysisOptions,
    ClassifyOptions,
    DetectOptions,
    LimitOptions,
    OutputOptions,
    SampleOptions,
    SpoolOptions,
    TableFormat,
    TrackOptions,
    ViewOptions,
    WorkOptions,
)

if TYPE_CHECKING:
    from fer_video import engine as running
    from fer_video.addresses import Place
    from fer_video.events import Event, Job
    from fer_video.weights import ModelSpec


@app.command()
def analyze(
    recordings: Recordings,
    out: Annotated[
        str | None,
        typer.Option(
            help="Timeline to write, .parquet or .csv; for many recordings, the folder of results "
            "or its address.",
            show_default="<recording>.parquet or .csv beside it",
        ),
    ] = None,
    video: Annotated[Path | None, typer.Option(help="Write an annotated video too, .mp4.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write a plot too: .png, .svg or .pdf.")] = None,
    videos: Annotated[bool, typer.Option("--videos", help="Many: annotated videos too.")] = False,
    plots: Annotated[bool, typer.Option("--plots", help="Many: plots too.")] = False,
    table: Annotated[
        TableFormat, typer.Option("--format", help="Many, or one without --out: parquet or csv.")
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
    engine: Engine = WorkOptions.engine,
    ray_address: RayAddress = WorkOptions.ray_address,
    n_jobs: Jobs = WorkOptions.jobs,
    max_memory_gb: MaxMemory = WorkOptions.max_memory_gb,
    max_cpu_hours: MaxCpu = WorkOptions.max_cpu_hours,
    max_stall_s: MaxStall = WorkOptions.max_stall_s,
    max_side_px: MaxSide = LimitOptions.max_side_px,
    max_streams: MaxStreams = LimitOptions.max_streams,
    max_hours: MaxHours = LimitOptions.max_hours,
    max_frames: MaxFrames = LimitOptions.max_frames,
    checkpoint_every_s: CheckpointEvery = OutputOptions.checkpoint_every_s,
    spool: Spool = SpoolOptions.folder,
    spool_gb: SpoolGb = SpoolOptions.size_gb,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Tell what happens as lines of JSON, for programs.")
    ] = False,
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
    work = WorkOptions(
        engine=engine,
        ray_address=ray_address,
        jobs=n_jobs,
        max_memory_gb=max_memory_gb,
        max_cpu_hours=max_cpu_hours,
        max_stall_s=max_stall_s,
    )
    limits = LimitOptions(
        max_side_px=max_side_px,
        max_streams=max_streams,
        max_hours=max_hours,
        max_frames=max_frames,
    )
    view = ViewOptions(language=language, smooth_s=smooth_s, plot_style=style)
    spooling = SpoolOptions(folder=spool, size_gb=spool_gb)

    from fer_video import inputs, weights
    from fer_video import jobs as planning
    from fer_video.addresses import place_of

    alone = inputs.single_file(recordings)
    results = None if out is None else place_of(out)
    if isinstance(results, str):
        alone = None  # at an address there are folders of results only
    _check_shape(alone is not None, of_one=(video, plot), of_many=(videos, plots))
    # what cannot work is told at once, not after all that has to be loaded
    spec = weights.find(model)
    output = OutputOptions(
        force=force,
        resume=alone is None and not force,
        checkpoint_every_s=checkpoint_every_s,
        view=view,
    )
    is_single = alone is not None
    if alone is not None:
        timeline = results if isinstance(results, Path) else None
        if timeline is not None and table == "csv" and timeline.suffix.lower() != ".csv":
            raise OptionError("--format csv and --out name two formats: use --out FILE.csv")
        jobs = [planning.job_for(alone, timeline, video, plot, options, output, limits, table)]
        planning.check_outputs(jobs[0])
    elif results is None:
        raise OptionError("a run over many recordings needs --out FOLDER for its results")
    else:
        wanted = planning.FolderOutputs(table=table, videos=videos, plots=plots)
        plan = planning.Plan(
            out=results,
            wanted=wanted,
            options=options,
            output=output,
            limits=limits,
            spool=spooling,
        )
        sources = inputs.find_recordings(recordings, results)
        is_single = inputs.is_by_itself(recordings, sources)
        jobs = planning.jobs_for(sources, plan)
        planning.check_results_folder(results)

    from fer_video import console, jsonlines

    def show(hands: "running.Engine", events: "Iterator[Event]") -> console.Report:
        if as_json:
            return jsonlines.write(events)
        return console.show(events, jobs, quiet, is_single, hands.shared_out)

    with _engine_for(work, jobs, spec) as hands:
        if alone is not None or results is None:
            with closing(hands.run(_work, jobs)) as events:
                report = show(hands, events)
        else:
            from fer_video import journal

            places = map(place_of, recordings)
            named = (str(one.absolute() if isinstance(one, Path) else one) for one in places)
            with journal.open_ledger(results) as ledger:
                jobs = journal.begin(ledger, jobs, "\n".join(named), spec)
                _tell_left_behind(journal.left_behind(ledger), results)
                with closing(hands.run(_work, jobs)) as events:
                    report = show(hands, journal.noted(events, ledger))
    _raise_failures(report, not is_single)


def _tell_left_behind(names: list[str], results: "Place") -> None:
    """Say that timelines of recordings that were renamed or removed would still be counted."""
    if names:
        count = f"{len(names):,} timelines are" if len(names) > 1 else "1 timeline is"
        typer.echo(
            f"{count} of recordings that were renamed or removed, and would be read with the "
            f"others: fer-video status {shlex.quote(str(results))} names them",
            err=True,
        )


@contextmanager
def _engine_for(
    options: WorkOptions, jobs: "list[Job]", model: "ModelSpec"
) -> "Iterator[running.Engine]":
    if options.engine == "ray":
        from fer_video.cluster import join_cluster

        with join_cluster(options, jobs, model) as engine:
            yield engine
    else:
        from fer_video.processes import ProcessEngine, processes_for

        yield ProcessEngine(processes_for(options, len(jobs)), options)


def _work(job: "Job") -> "Iterator[Event]":
    from fer_video.batch import analyze_job  # the parent of the processes needs nothing of it

    return analyze_job(job)


def _check_shape(
    is_alone: bool,
    of_one: tuple[Path | None, ...],
    of_many: tuple[bool, ...],
) -> None:
    """Refuse options that do not fit many recordings, or a single one."""
    if not is_alone and any(path is not None for path in of_one):
        raise OptionError("--video and --plot name one file; for many use --videos, --plots")
    if is_alone and any(of_many):
        raise OptionError("--videos and --plots are for many; use --video FILE, --plot FILE")


def _raise_failures(report: Any, are_many: bool) -> None:
    """End with the exit code that the report asks for."""
    if report.failed and not are_many:
        raise report.failed[0].error
    if report.failed:
        names = tuple(event.job.name for event in report.failed)
        raise SomeFailed(names, report.n_recordings)
    for event in (*report.finished, *report.skipped):
        if event.summary.partial and not are_many:
            raise Partial(event.job.source, event.summary.loss)


@app.command()
def plot(
    timeline: Annotated[Path, typer.Argument(help="A timeline.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Picture to write: .png, .svg or .pdf.")],
    language: Lang = ViewOptions.language,
    smooth_s: Smooth = ViewOptions.smooth_s,
    style: Style = ViewOptions.plot_style,
    tracks: Annotated[
        list[int] | None,
        typer.Option(
            "--track",
            help="Number of a track to show; give it again for more.",
            show_default="those seen longest",
        ),
    ] = None,
    force: Force = False,
) -> None:
    """Draw a timeline: one panel per track over time."""
    view = ViewOptions(language=language, smooth_s=smooth_s, plot_style=style)

    from fer_video.files import check_output
    from fer_video.plot import plot_timeline
    from fer_video.timeline import read_timeline

    check_output(out, "plot", force, inputs=[timeline])
    table = read_timeline(timeline)
    plot_timeline(table, out, view, next(iter(table["recording"]), None), tracks or ())
    typer.echo(f"wrote {one_line(out)}")


@app.command()
def annotate(
    recording: Recording,
    timeline: Timeline,
    out: Annotated[Path, typer.Option(help="Video to write, .mp4.")],
    language: Lang = ViewOptions.language,
    smooth_s: Smooth = ViewOptions.smooth_s,
    max_side_px: MaxSide = LimitOptions.max_side_px,
    max_streams: MaxStreams = LimitOptions.max_streams,
    max_hours: MaxHours = LimitOptions.max_hours,
    max_frames: MaxFrames = LimitOptions.max_frames,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Draw a timeline into its recording, sound included."""
    view = ViewOptions(language=language, smooth_s=smooth_s)
    limits = LimitOptions(
        max_side_px=max_side_px,
        max_streams=max_streams,
        max_hours=max_hours,
        max_frames=max_frames,
    )

    from fer_video.annotate import annotate as draw
    from fer_video.annotate import check_source
    from fer_video.bars import follow
    from fer_video.files import check_output
    from fer_video.timeline import read_timeline

    check_output(out, "video", force, inputs=[recording, timeline])
    table = read_timeline(timeline)
    check_source(table, timeline, recording)
    total_s = float(table["time_s"].max() - table["time_s"].min())
    follow(draw(recording, table, out, view, limits), total_s, quiet)
    if not quiet:
        typer.echo(f"wrote {one_line(out)}")
