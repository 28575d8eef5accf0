"""Cold history: topics in Parquet files, and one way to read archive and log together."""
