"""The process of the tool-runner."""

from towpath_chassis.service import serve
from towpath_tool_runner.app import app
from towpath_tool_runner.settings import Settings

if __name__ == "__main__":
    settings = Settings.from_environment()
    serve("tool-runner", settings, app, serves=settings.service)
