"""State by key and emitted events, exactly once: see docs/keyed-state.md."""
