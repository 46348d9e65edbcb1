"""Holds the model of JetStream against the real server: the same random operations on both, at the same moments.

An `operations.Operation` is data; a `player.Player` performs them over any connection and writes down what is seen.
The model goes first, and says by its timers when nothing is about to happen of itself: only then is something done.
The real server is asked to do the same at the same moments.
"""
