"""Towpath over HTTP: requests in, results and server-sent events out."""
