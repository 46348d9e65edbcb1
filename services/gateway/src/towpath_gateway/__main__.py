"""The process of the gateway."""

from towpath_chassis.service import serve
from towpath_gateway.app import app
from towpath_gateway.settings import Settings

if __name__ == "__main__":
    serve("gateway", Settings.from_environment(), app)
