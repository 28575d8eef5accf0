"""Rules on a topic's events, beside the schema: declared in the topology, checked by column."""
