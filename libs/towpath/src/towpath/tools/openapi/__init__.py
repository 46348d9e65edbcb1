"""Tools made of the description of an HTTP service; `httpx` and `yaml` are imported where they are needed."""
