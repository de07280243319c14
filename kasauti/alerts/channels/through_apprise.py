"""One send through an apprise service: its answer, and what it said, without any secret.

apprise answers yes or no and writes the reason to its log. The log is read here for the length of
one send, in this thread only, and goes nowhere else: at debug level it names addresses and keys.
"""

import logging
import re
import threading
from collections.abc import Callable, Sequence
from typing import Any

from kasauti.alerts.redact import redacted, secrets_of
from kasauti.alerts.state import Answer, Verdict

_CAUSE = "Socket Exception: "
# The words of a connection that broke after it was there: the provider may have taken it.
_UNCLEAR = re.compile(r"timed out|reset|aborted|unexpectedly closed|Broken pipe|without response")


class _Listener(logging.Handler):
    """Keeps what this thread's send says of its failure."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._thread = threading.get_ident()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep warnings, and the cause of a broken connection, which apprise only logs so."""
        text = record.getMessage()
        if record.thread != self._thread:
            return
        if record.levelno >= logging.WARNING:
            self.said.append(text)
        elif text.startswith(_CAUSE):
            self.said.append(text.removeprefix(_CAUSE))


def answer_of(make: Callable[[], Any], **message: Any) -> Answer:
    """Make an apprise service and send one message through it.

    Parameters
    ----------
    make : callable
        Returns the service, a fresh one a call: apprise makes a service that has just sent wait.
    **message
        Of its ``notify``.
    """
    from apprise.exception import AppriseException

    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    listener = _Listener()
    logging.getLogger("urllib3").setLevel(logging.INFO)  # at debug level it names each address
    logger.addHandler(listener)
    try:
        sent = bool(make().notify(**message))
    except (AppriseException, OSError, TypeError, ValueError) as error:
        # apprise raises where a setting is malformed; one that is mended is tried again.
        listener.said.append(f"{type(error).__name__}: {error}")
        sent = False
    finally:
        logger.removeHandler(listener)
    if sent:
        return Answer(Verdict.SENT, "accepted")
    said = " ".join(" ".join(listener.said).split()) or "it was not taken, no reason given"
    doubtful = _UNCLEAR.search(said) is not None
    return Answer(Verdict.RETRY, redacted(said, secrets_of())[:500], doubtful=doubtful)


def of_several(answers: Sequence[Answer]) -> Answer:
    """Return the answer for several receivers: sent, if one of them has it.

    To try again for the others would send it twice to those who have it.
    """
    refused = [answer for answer in answers if answer.verdict is not Verdict.SENT]
    if not refused or len(refused) == len(answers):
        return answers[0]
    said = f"{len(refused)} of {len(answers)} receivers did not get it: {refused[0].detail}"
    return Answer(Verdict.SENT, said)
