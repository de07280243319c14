"""What happened and why, told to a person: alerts on Slack."""
