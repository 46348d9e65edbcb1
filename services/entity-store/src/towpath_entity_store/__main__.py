"""The process of the entity store."""

from towpath_chassis.service import serve
from towpath_entity_store.app import app
from towpath_entity_store.settings import Settings

if __name__ == "__main__":
    serve("entity-store", Settings.from_environment(), app)
