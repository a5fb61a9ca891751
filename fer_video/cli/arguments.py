"""Options and arguments that several commands take; each default is read from ``options``."""

from pathlib import Path
from typing import Annotated

import typer

from fer_video.labels import Language
from fer_video.options import DetectorName, DeviceChoice, EngineName, PlotStyle

Recording = Annotated[Path, typer.Argument(help="A recording.", show_default=False)]
Recordings = Annotated[
    list[str],
    typer.Argument(
        help='Recordings, folders, patterns such as "visits/**/*.mp4", @LIST for a text file of '
        "paths, addresses such as s3://bucket/visits.",
        metavar="RECORDINGS",
        show_default=False,
    ),
]
Timeline = Annotated[Path, typer.Argument(help="Its timeline.", show_default=False)]
Force = Annotated[bool, typer.Option("--force", help="Replace existing results.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Spool = Annotated[
    Path | None,
    typer.Option(
        "--spool",
        help="Folder for local copies of what is at an address.",
        show_default="the system's for temporary files",
    ),
]
SpoolGb = Annotated[
    float, typer.Option("--spool-gb", help="Room for all local copies together, in GB.")
]
Lang = Annotated[Language, typer.Option("--lang", help="Language of labels: en or fr.")]
Smooth = Annotated[
    float,
    typer.Option(
        "--smooth", help="Seconds that plots and annotated video average over; never stored."
    ),
]
Style = Annotated[PlotStyle, typer.Option("--style", help="Style of plots: area or lines.")]
Fps = Annotated[
    float | None,
    typer.Option(
        "--fps",
        help="Samples per second; fewer are faster, and miss what lies between them.",
        show_default="every frame",
    ),
]
Start = Annotated[float, typer.Option("--start", help="First second of the recording to analyze.")]
End = Annotated[
    float | None,
    typer.Option("--end", help="Second at which to stop.", show_default="end of the recording"),
]
Detector = Annotated[
    DetectorName,
    typer.Option(
        "--detector",
        help="Face detector; haar, and mtcnn on small pictures, are slower: they are there to "
        "compare with other studies.",
    ),
]
DetectEvery = Annotated[
    float,
    typer.Option(
        "--detect-every",
        help="Seconds between detections, by which a face may begin late or end early; 0 detects "
        "on every frame, which is slower.",
    ),
]
DetectSide = Annotated[
    int,
    typer.Option(
        "--detect-side",
        help="Longest side in pixels of the picture that the detector sees; smaller is faster, "
        "and misses small faces.",
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
MinFace = Annotated[
    int,
    typer.Option(
        "--min-face", help="Smaller faces are dropped, in pixels; a higher limit is faster."
    ),
]
MinIou = Annotated[
    float, typer.Option("--min-iou", help="Overlap that makes two boxes the same face.")
]
MaxGap = Annotated[
    float, typer.Option("--max-gap", help="Seconds a face may be lost and keep its track.")
]
Model = Annotated[
    str,
    typer.Option(
        "--model",
        help="Name or folder of a model; accurate is slower than default, and more often names "
        "what most people see. `fer-video models` lists those that are shipped.",
    ),
]
BatchSize = Annotated[
    int,
    typer.Option("--batch-size", help="Crops that Keras classifies together; changes no number."),
]
Jobs = Annotated[
    int,
    typer.Option(
        "--jobs",
        help="Recordings at a time, each in another process.",
        show_default="what cores and memory allow",
    ),
]
Engine = Annotated[
    EngineName, typer.Option("--engine", help="local: this machine; ray: a Ray cluster.")
]
RayAddress = Annotated[
    str,
    typer.Option(
        "--ray-address",
        help="HOST:PORT of the cluster, or auto.",
        show_default="the one of this machine, or a new one on it",
    ),
]
MaxMemory = Annotated[
    float, typer.Option("--max-memory", help="GB that the process of a recording may take.")
]
MaxCpu = Annotated[
    float, typer.Option("--max-cpu", help="Hours of CPU time that a recording may take.")
]
MaxStall = Annotated[
    float, typer.Option("--max-stall", help="Seconds that may pass without progress in it.")
]
MaxSide = Annotated[
    int, typer.Option("--max-side", help="Longest side in pixels that pictures may have.")
]
MaxStreams = Annotated[
    int, typer.Option("--max-streams", help="Streams that a recording may have.")
]
MaxHours = Annotated[float, typer.Option("--max-hours", help="Hours that a recording may last.")]
MaxFrames = Annotated[int, typer.Option("--max-frames", help="Frames that a recording may have.")]
CheckpointEvery = Annotated[
    float,
    typer.Option(
        "--checkpoint-every",
        help="Seconds of recording that a kill may cost; 0 keeps no checkpoints.",
    ),
]
Device = Annotated[DeviceChoice, typer.Option("--device", help="auto, cpu or gpu.")]
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
Emotions = Annotated[
    int,
    typer.Option(
        "--emotions",
        help="6 without disgust, 7, or 8 with contempt, which FER2013 has in its FER+ votes only.",
    ),
]
ValShare = Annotated[
    float,
    typer.Option(
        "--val-share",
        help="Share of the images held out for validation, where folders have no such split; "
        "in one folder of emotions, as many again for test.",
    ),
]
