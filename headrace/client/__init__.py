"""Sending events to topics and looking at them, from the command line."""
