"""The five testers: each examines the whole genome by itself; the gate over them is elsewhere."""
