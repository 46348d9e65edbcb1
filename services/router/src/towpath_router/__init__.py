"""Towpath's front door on the wire: admits requests and brings late events to their run."""
