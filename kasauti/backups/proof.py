"""Proves a backup: restores it into a scratch folder and verifies everything that is in it."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import SecretStr

from kasauti.backups import archive
from kasauti.backups.archive import Hashing, Told
from kasauti.backups.contents import DATABASES
from kasauti.backups.encryption import CUT_OFF
from kasauti.backups.figures import damage, figures_of
from kasauti.backups.manifest import Manifest
from kasauti.backups.names import BackupName
from kasauti.backups.place import BackupPlace
from kasauti.errors import BackupError, KasautiError
from kasauti.evolution.register import TrialRegister
from kasauti.execution.audit import audit
from kasauti.execution.place import Place
from kasauti.home import Home
from kasauti.market.lake import Lake
from kasauti.validation.seal import Vault


def fetch(
    place: BackupPlace,
    file: str,
    name: BackupName,
    folder: Path,
    *,
    secret: SecretStr | None,
    told: Told,
) -> Manifest:
    """Restore the backup `name`, which lies in `file`, into the empty `folder`.

    Raises
    ------
    BackupError
        If any byte of it is not as it was written, or the key is not its own.
    OSError
        If the folder cannot be written.
    """
    with place.reading(file) as stream:
        source = Hashing(stream)
        manifest = archive.extract(
            source,  # type: ignore[arg-type]
            folder,
            secret=secret,
            encrypted=name.encrypted,
            told=told,
        )
        while source.read(archive.BLOCK):
            pass
    if not name.fits(source.digest):
        raise BackupError(CUT_OFF)
    return manifest


def problems_of(folder: Path, manifest: Manifest) -> list[str]:
    """Return all that is wrong with the state folder that was restored; empty: it is proved.

    Counts first: they read the files as they came, verification may write beside them.
    """
    return [*_counts(folder, manifest), *_contents(Home(folder), manifest)]


def _counts(folder: Path, manifest: Manifest) -> Iterator[str]:
    for member in manifest.members:
        path = folder / member.name
        try:
            if figures_of(path) != member.figures:
                yield f"{member.name} holds other rows than when it was copied"
            found = damage(path) if member.name.endswith(DATABASES) else ""
        except BackupError as error:
            found = str(error)
        if found:
            yield f"{member.name}: {found}"


def _contents(home: Home, manifest: Manifest) -> Iterator[str]:
    for name, head in manifest.heads().items():
        # A ledger always lies in a file here, wherever it was copied from.
        audited = audit(name, Place(home.root / name))
        if audited is None or audited.found.head != head:
            yield f"{name}: its last event is another one than when it was copied"
        if audited is not None:
            yield from (f"{name}: {problem}" for problem in audited.found.problems)
    try:
        if home.register.exists():
            TrialRegister(home.register).verify()
        if home.vault.exists():
            Vault(home.vault).verify()
        for lake in (Lake(home.lake), Lake(home.ingested)):
            lake.verify()
    except KasautiError as error:
        yield str(error)
