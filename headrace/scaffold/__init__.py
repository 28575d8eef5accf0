"""Skeletons of views, agents and projects, each with its test: ``headrace new``."""
