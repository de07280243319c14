"""A report as a mail, ready to be sent; nothing is sent here."""

from dataclasses import dataclass
from pathlib import Path

from kasauti.operations.daily import DailyReport
from kasauti.operations.daily_page import letter_of
from kasauti.operations.letter import Letter, to_html, to_text


@dataclass(frozen=True)
class Mail:
    """One mail.

    Attributes
    ----------
    subject, text, html : str
        Both parts say the same.
    attachments : tuple of Path
        The page as a file: many mail programs leave out the picture inside the HTML part.
    """

    subject: str
    text: str
    html: str
    attachments: tuple[Path, ...] = ()


def mail_of(letter: Letter, path: Path) -> Mail:
    """Return the mail of a letter whose page stands at `path`."""
    subject = " ".join(f"{letter.title}: {letter.headline}".split())
    return Mail(subject, to_text(letter), to_html(letter), (path,))


def daily_mail(report: DailyReport, path: Path) -> Mail:
    """Return the mail of a daily report whose page stands at `path`."""
    return mail_of(letter_of(report), path)
