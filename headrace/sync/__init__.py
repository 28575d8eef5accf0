"""Moving from a system on PostgreSQL step by step: outbox, change capture, comparison."""
