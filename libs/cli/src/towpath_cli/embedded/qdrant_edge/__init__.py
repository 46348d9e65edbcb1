"""Qdrant Edge in a process of its own, behind the part of Qdrant's REST interface that Towpath uses.

A process of its own, because the engine keeps Python's global lock while it works and would freeze an event
loop; behind REST, because then one client serves this, a Qdrant server and a cluster of them.
"""
