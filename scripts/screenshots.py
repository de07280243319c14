"""Make the README's pictures in docs/images from the state that the demo left.

Look at each picture after making it: nothing here can tell whether it is worth showing.
"""

import sys
from io import BytesIO
from pathlib import Path

import click
from PIL import Image
from playwright.sync_api import Page

from kasauti.home import PROJECT_ROOT, Home

IMAGES = PROJECT_ROOT / "docs" / "images"
LARGEST = 300_000  # bytes; a README must load quickly
SHARPNESS = 1.5  # device pixels a point: text stays crisp where a README is shown narrower
FLOW = (  # health stands beside all else
    *("market", "features", "regimes", "evolution", "validation"),
    *("signals", "execution", "operations"),
)
REPORT_SIZE = (1280, 1490)


@click.command()
@click.option("--home", type=click.Path(path_type=Path), help="State folder; KASAUTI_HOME else.")
def main(home: Path | None) -> None:
    """Make all pictures."""
    # The views stand with the test that looks at them, and tests are not an installed package.
    sys.path.insert(0, str(PROJECT_ROOT))
    from tests.pipelines import browser as view

    state = Home(home.resolve()) if home else Home.from_environment()
    report = state.reports / "report.html"
    if not report.exists():
        raise click.ClickException(f"no report in {state.root}: run `make demo` first")
    with (
        view.webserver(state) as address,
        view.browser() as running,
        view.new_page(running, sharpness=SHARPNESS) as page,
    ):
        view.open_flow(page, address, FLOW, without="health")
        keep(page, "asset-graph")
        view.expect_uncovered(view.open_plot(page, address, "market/bars", "closes"))
        keep(page, "materialisation")
        view.open_file(page, report, REPORT_SIZE)
        keep(page, "report")


def keep(page: Page, name: str) -> None:
    """Write what the page shows as docs/images/`name`.png, in 256 colours."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    picture = Image.open(BytesIO(page.screenshot(animations="disabled"))).convert("RGB")
    # Maximum coverage keeps a check's small amber mark, which median cut turns grey; the k-means
    # step keeps pale backgrounds, which maximum coverage alone tints. Together: off by 18 at most.
    few = picture.quantize(method=Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
    path = IMAGES / f"{name}.png"
    few.save(path, optimize=True)
    size = path.stat().st_size
    if size > LARGEST:
        raise click.ClickException(
            f"{path} has {size:,} bytes: make its view smaller, {LARGEST:,} are allowed"
        )
    click.echo(
        f"{path.relative_to(PROJECT_ROOT)}: {picture.width} x {picture.height}, {size:,} bytes"
    )


if __name__ == "__main__":
    main()
