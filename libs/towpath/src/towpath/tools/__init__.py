"""Tools: what a model may ask to be done, and how it is done."""
