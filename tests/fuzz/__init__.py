"""Hostile bytes for whatever takes bytes from outside.

Each target is a function of bytes that returns for anything, in time and within a bound of memory,
and lets through nothing but the errors its interface names. ``corpus/<target>/`` keeps inputs that
once broke one; they are tried in every run. Under ``HYPOTHESIS_PROFILE=nightly`` the targets are
fuzzed for ten minutes together.
"""
