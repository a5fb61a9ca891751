"""The command that tells how far the runs of a folder have come."""

from typing import Annotated

import typer

from fer_video.cli.app import app


@app.command()
def status(
    results: Annotated[
        str,
        typer.Argument(
            help="The folder of results of analyze, or its address.", show_default=False
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")] = False,
) -> None:
    """Show what is done, what failed and why, what is left to do and how long that may take.

    The exit code says whether that could be read, not whether a recording failed. Results are
    looked at by the next run of analyze, not here.
    """
    import json
    from datetime import UTC, datetime

    from fer_video import journal
    from fer_video import status as standing
    from fer_video.addresses import place_of

    with journal.open_ledger(place_of(results)) as ledger:
        found = standing.status_of(ledger.entries())
    if as_json:
        typer.echo(json.dumps(standing.as_json(found), indent=2))
        return
    typer.echo(standing.as_text(found, datetime.now(UTC)))
