"""The read side: what the sinks hold, for people and programs. Never in a worker's process."""
