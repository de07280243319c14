"""How long an approval is worth something; what it says stands in `approvals`."""

from datetime import timedelta

VALID_FOR = timedelta(days=90)
