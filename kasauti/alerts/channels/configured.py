"""Every channel, made from the environment."""

from collections.abc import Callable, Mapping

from kasauti.alerts.channels.base import Channel
from kasauti.alerts.channels.desktop import Desktop, DesktopSettings
from kasauti.alerts.channels.email import Email, EmailSettings
from kasauti.alerts.channels.slack import Slack, SlackSettings
from kasauti.alerts.channels.whatsapp import WhatsApp, WhatsAppSettings

Maker = Callable[[Mapping[str, str]], Channel]

MAKERS: Mapping[str, Maker] = {
    "slack": lambda environ: Slack(SlackSettings.from_environment(environ)),
    "email": lambda environ: Email(EmailSettings.from_environment(environ)),
    "whatsapp": lambda environ: WhatsApp(WhatsAppSettings.from_environment(environ)),
    "desktop": lambda environ: Desktop(DesktopSettings.from_environment(environ)),
}
"""By name; each raises UsageError for a setting that cannot be read or is unsafe."""
