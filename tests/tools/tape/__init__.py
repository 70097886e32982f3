"""Recorded cloud answers, made from the services' own models: see make_tapes.py."""
