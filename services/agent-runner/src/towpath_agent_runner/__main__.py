"""The process of the agent-runner."""

from towpath_agent_runner.app import app
from towpath_agent_runner.settings import Settings
from towpath_chassis.service import serve

if __name__ == "__main__":
    settings = Settings.from_environment()
    serve("agent-runner", settings, app, serves=settings.service)
