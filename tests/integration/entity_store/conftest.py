from collections.abc import AsyncGenerator

import pytest

from towpath_testkit.entity_stage import EntityStage, entity_stage


@pytest.fixture
async def stage() -> AsyncGenerator[EntityStage]:
    async with entity_stage() as made:
        yield made
