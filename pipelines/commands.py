"""The commands that need Dagster: demo and up. What they do stands in `demo` and `serve`."""

import click

from kasauti.cli import emit, json_option
from kasauti.home import Home


@click.command()
@json_option
def demo(as_json: bool) -> None:
    """Go the whole way once, on the sample.

    Real bars become evolved strategies, a verdict, signals and guarded paper orders, as Dagster
    assets. A second run repeats nothing.
    """
    from kasauti.operations.progress import Progress
    from pipelines.demo import run_demo, show
    from resources.project import Project

    with Progress() as progress:
        outcome = run_demo(Project(bars="sample"), progress)
    emit({**outcome, "seconds": dict(progress.seconds)}, as_json, lambda: show(outcome))


@click.command()
@click.option(
    "--port", type=click.IntRange(1, 65_535), default=3000, show_default=True, help="Of the page."
)
def up(port: int) -> None:
    """Start Dagster's web page and daemon, and the desk.

    What ends is started again. Ctrl-C stops them all.
    """
    from pipelines.serve import serve

    serve(Home.from_environment(), port)
