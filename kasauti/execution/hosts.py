"""Who hosts a desk, as its EpochRaised says; the trial counts only those of the desk process."""

DESK_PROCESS = "desk process"
TRADE_JOB = "trade job"
SESSION_JOB = "session job"
RECONCILE_COMMAND = "reconcile command"
RESTORE_COMMAND = "restore command"
REPLAY = "replay"
