"""Metrics over time, rankings, funnels and cohorts, from the views of ClickHouse."""
