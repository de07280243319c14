"""A written report as an alert that carries the page along; it is committed, nothing is sent."""

from pathlib import Path

from kasauti.alerts.model import Alert
from kasauti.alerts.triggers import Trigger, alert_of
from kasauti.operations.letter import Letter


def announcement(letter: Letter, path: Path, needs: tuple[str, ...] = ()) -> Alert:
    """Return the alert that tells of a letter.

    Parameters
    ----------
    letter : Letter
    path : Path
        Where its page stands, in the folder of reports: a mail has it as an attachment, since many
        mail programs leave out a picture inside the HTML part.
    needs : tuple of str
        What a person has to look at or do, a sentence each.
    """
    return alert_of(
        Trigger.REPORT,
        path.stem,
        letter.headline,
        title=letter.title,
        detail="\n".join(f"· {need}" for need in needs),
        figures={tile.name: f"{tile.value} ({tile.note})" for tile in letter.tiles},
        attachment=path.name,
    )
