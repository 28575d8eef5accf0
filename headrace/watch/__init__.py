"""The watching process: reads the views by minute, judges, tells. Never in a worker's process."""
