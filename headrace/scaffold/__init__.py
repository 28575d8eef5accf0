"""Skeletons of views, agents, processes and projects, each with its test: ``headrace new``."""
