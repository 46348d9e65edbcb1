"""The engine: journal, replay, and the hosts that run components on the platform."""
