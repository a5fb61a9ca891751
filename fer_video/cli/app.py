"""The command group: its help, its version, and how errors end it."""

import sys
from io import TextIOWrapper
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from fer_video import __version__
from fer_video.errors import FerVideoError


class _Group(TyperGroup):
    """Turns our errors into one line on stderr and their exit code; the only place that does."""

    def invoke(self, ctx: Any) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):  # names may hold what a terminal cannot show
                stream.reconfigure(errors="backslashreplace")
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
