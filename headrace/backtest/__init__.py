"""Views evaluated offline, over all of history: tables, comparisons, training sets."""
