"""Sessions and joins: pure functions of a block and what is kept by key (docs/sessions.md)."""
