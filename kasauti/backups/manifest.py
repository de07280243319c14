"""What one backup says of itself: its files with their hashes, and what they amount to.

It is the last member of the archive, so an archive that lacks it is not whole.
"""

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from kasauti.backups.figures import Counts, Figures
from kasauti.errors import BackupError

FORMAT = 1
REGISTER = "register.sqlite"


class Member(BaseModel):
    """One file of the state folder as it stands in the archive.

    Attributes
    ----------
    name : str
        Path in the state folder, with slashes.
    size : int
        Bytes.
    sha256 : str
    mode, mtime_ns : int
        Permissions and time of the last change; the lake orders its versions by the latter.
    figures : Figures
    """

    model_config = ConfigDict(frozen=True)

    name: str
    size: int
    sha256: str
    mode: int
    mtime_ns: int
    figures: Figures


class Manifest(BaseModel):
    """Everything about one backup.

    Attributes
    ----------
    format : int
        Of the archive.
    kasauti : str
        Version that made it.
    at : datetime
        Exchange time at which it was begun.
    settings : tuple of str
        Names, never values, of the settings that were in the environment.
    members : tuple of Member
    """

    model_config = ConfigDict(frozen=True)

    format: int
    kasauti: str
    at: AwareDatetime
    settings: tuple[str, ...]
    members: tuple[Member, ...]

    @classmethod
    def parse(cls, content: bytes) -> "Manifest":
        """Return the manifest in `content`.

        Raises
        ------
        BackupError
            If it is none, or one of another version.
        """
        try:
            found = cls.model_validate_json(content)
        except ValidationError as error:
            raise BackupError("the backup's manifest is damaged: use another backup") from error
        if found.format != FORMAT:
            raise BackupError(
                f"the backup has format {found.format}, this version reads {FORMAT}: "
                f"use Kasauti {found.kasauti}"
            )
        return found

    @property
    def size(self) -> int:
        """Bytes of all files before compression."""
        return sum(member.size for member in self.members)

    @property
    def counts(self) -> Counts:
        """What it holds, in a person's words."""
        figures = [member.figures for member in self.members]
        register = [m.figures for m in self.members if m.name == REGISTER]
        return {
            "files": len(self.members),
            "events": sum(one.events for one in figures),
            "register rows": sum(sum(one.tables.values()) for one in register),
            "sealed openings": sum(one.openings for one in figures),
            "rows of bars and tables": sum(one.rows for one in figures),
        }

    def heads(self) -> dict[str, str]:
        """Return the hash of each ledger's last event by the name of its file."""
        return {member.name: member.figures.head for member in self.members if member.figures.head}
