"""Checks of the machine: space on the disk, and whether its clock is right; nothing is set here."""

import shutil
from pathlib import Path

from kasauti.health import clock
from kasauti.health.model import Check, Figure, Health
from kasauti.health.surroundings import Surroundings

GIGABYTE = 10**9
FULL = 500 * 10**6  # bytes; a ledger that cannot append stops trading
LOW = 2 * GIGABYTE
LOW_SHARE = 0.05
MOST_SKEW = 1.0  # seconds; the desk dates every order, and a quote is old after a few seconds
SET = "start systemd-timesyncd or chrony, and let it set the clock before you trade"
SYNCHRONISE = (
    "start systemd-timesyncd or chrony, or name a time server in KASAUTI_NTP_SERVER "
    "(time.nplindia.org)"
)


def disk(around: Surroundings) -> list[Check]:
    """Say how much space is left where the state folder is."""
    root = around.home.root
    usage = shutil.disk_usage(_existing(root))
    return [judge_disk(usage.free, usage.total)]


def judge_disk(free: int, total: int) -> Check:
    """Return the check of a disk with `free` of `total` bytes left."""
    said = f"{free / GIGABYTE:.1f} of {total / GIGABYTE:.1f} GB are free"
    figures = {"free bytes": free, "total bytes": total}
    if free < FULL:
        health, said = Health.RED, f"{said}: make room now, the ledger cannot grow on a full disk"
    elif free < LOW or free < LOW_SHARE * total:
        health, said = Health.WARNING, f"{said}: make room, old backups and searches are largest"
    else:
        health = Health.OK
    return Check("disk", health, said, figures)


def _existing(path: Path) -> Path:
    return next(one for one in (path, *path.parents) if one.exists())


def skew(around: Surroundings) -> list[Check]:
    """Say by how much the clock is off, or whether the kernel says that it is synchronised."""
    server = around.environ.get("KASAUTI_NTP_SERVER", "")
    if server:
        off = clock.ask(server)
        figures: dict[str, Figure] = {"seconds off": round(off, 3), "server": server}
        said = f"{off:+.3f} s off {server}"
        if abs(off) > MOST_SKEW:
            return [Check("clock", Health.RED, f"{said}: {SET}", figures)]
        return [Check("clock", Health.OK, said, figures)]
    kernel = clock.kernel()
    if kernel.is_synchronised:
        said = "the kernel says that the clock is synchronised"
        return [Check("clock", Health.OK, said, {"at most seconds off": kernel.at_most})]
    health = Health.RED if around.trades else Health.ABSENT
    return [Check("clock", health, f"not evaluated, {kernel.why}: {SYNCHRONISE}")]
