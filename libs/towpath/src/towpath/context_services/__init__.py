"""What a context offers beside its acts: models and tools, telemetry, configuration, secrets, request headers.

Each is built on the context's own acts and values alone, so it is the same in a script and on the platform.
"""
