"""The door from a command or an asset to data: load a source, seal it, hand out what may be read.

No computing here; whoever needs bars asks a `Workspace` for them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from kasauti.errors import UsageError
from kasauti.evolution.register import TrialRegister
from kasauti.home import Home
from kasauti.market.bars import Bars, Times
from kasauti.market.findings import Finding
from kasauti.market.ingest import Merged, merge
from kasauti.market.lake import Lake
from kasauti.market.sources import Loaded, load_folder, load_sample
from kasauti.validation.seal import Admitted, Vault

# The sample's last sessions are never sealed: they arrive one by one on the replay clock.
REPLAY_SESSIONS = 7
SAMPLE = "sample"
STORED = "market/bars"


@dataclass(frozen=True)
class Source:
    """Where bars come from: the embedded sample, or one or more folders.

    Attributes
    ----------
    folders : tuple of Path
        Empty for the sample.
    market : str
        Name of the market that the folders' bars were traded on.
    index : str or None
        Symbol of the market index among the folders' files.
    """

    folders: tuple[Path, ...] = ()
    market: str = "nse"
    index: str | None = None

    @classmethod
    def of(cls, bars: Sequence[str], market: str = "nse", index: str | None = None) -> "Source":
        """Return the source that ``--bars`` names: ``sample`` or folders.

        Raises
        ------
        UsageError
            If the sample is mixed with folders, or a folder does not exist.
        """
        if not bars or list(bars) == [SAMPLE]:
            if index is not None:
                raise UsageError("the sample names its own index: leave --index away")
            return cls()
        if SAMPLE in bars:
            raise UsageError("--bars sample cannot be joined with folders: use one or the other")
        folders = tuple(Path(text) for text in bars)
        for folder in folders:
            if not folder.is_dir():
                raise UsageError(f"--bars {folder} is not a folder: name one with CSV or Parquet")
        return cls(folders, market, index)

    @property
    def is_sample(self) -> bool:
        """Whether this is the embedded sample."""
        return not self.folders

    @property
    def name(self) -> str:
        """What the user called it."""
        return SAMPLE if self.is_sample else ", ".join(str(folder) for folder in self.folders)

    def load(self) -> Loaded:
        """Read the bars with everything that the loader found wrong in them."""
        if self.is_sample:
            return load_sample()
        return load_folder(self.folders, market=self.market, index=self.index)


@dataclass(frozen=True, eq=False)
class Gathered:
    """A source's bars, ready to be sealed.

    Attributes
    ----------
    bars : Bars
    findings : tuple of Finding
        What the loader found wrong, and what differs from the stored history.
    notes : tuple of str
        What a reader must know wherever a result rests on these bars.
    appended : ndarray of datetime64
        Times that were not stored before.
    """

    bars: Bars
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    appended: Times


@dataclass(frozen=True)
class Workspace:
    """State folder and source together."""

    home: Home = field(default_factory=Home.from_environment)
    source: Source = field(default_factory=Source)

    @property
    def lake(self) -> Lake:
        """The Parquet store."""
        return Lake(self.home.lake)

    @property
    def vault(self) -> Vault:
        """The sealed data and the record of its openings."""
        return Vault(self.home.vault)

    @property
    def register(self) -> TrialRegister:
        """The register of every strategy that was ever tried."""
        return TrialRegister(self.home.register)

    def gather(self) -> Gathered:
        """Return the bars to work on: the sample as it is, a folder merged into what is stored.

        The stored panel only grows: a file that lost or changed its history changes nothing here.
        """
        loaded = self.source.load()
        nothing = loaded.bars.times[:0]
        if self.source.is_sample:
            return Gathered(loaded.bars, loaded.findings, loaded.notes, nothing)
        # Not the lake that `kasauti sql` opens: the sealed fifth is among these bars.
        store = Lake(self.home.ingested)
        if store.current(STORED) is None:
            merged = Merged(loaded.bars, (), loaded.bars.times)
        else:
            merged = merge(store.read_bars(STORED), loaded.bars)
        store.write_bars(STORED, merged.bars)
        findings = (*loaded.findings, *merged.findings)
        return Gathered(merged.bars, findings, loaded.notes, merged.appended)

    def admit(self, bars: Bars, now: datetime) -> Admitted:
        """Seal the last fifth of the bars if that is not done yet, and return what may be read.

        Parameters
        ----------
        bars : Bars
            The source's bars.
        now : datetime
            Exchange time of the sealing, recorded with it.
        """
        if self.source.is_sample:
            self.vault.admit(bars.between(0, -REPLAY_SESSIONS), now=now)
        return self.vault.admit(bars, now=now)
