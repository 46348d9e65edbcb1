"""The process of the router."""

from towpath_chassis.service import serve
from towpath_router.app import app
from towpath_router.settings import Settings

if __name__ == "__main__":
    serve("router", Settings.from_environment(), app)
