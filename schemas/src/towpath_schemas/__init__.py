"""The shapes that travel between Towpath's services: events, subjects, streams, failures, attribution."""
