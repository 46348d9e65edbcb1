"""The process of the audit-sink."""

from towpath_audit_sink.app import ROLE, app
from towpath_audit_sink.settings import Settings
from towpath_chassis.service import serve

if __name__ == "__main__":
    serve(ROLE, Settings.from_environment(), app)
