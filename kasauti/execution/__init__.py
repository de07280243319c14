"""Intents, the ledger, the gate and the desk; see section 8 of the design. No wiring lives here."""
