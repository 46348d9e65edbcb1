"""Entities as clients see them: called at the public door and by the command, from functions and from each other."""

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from typer.testing import CliRunner, Result

from towpath import Client
from towpath.errors import ComponentError, EntityReentrancyError, InvalidInputError, RequestRefusedError
from towpath_cli.app import app
from towpath_cli.embedded import free_port
from towpath_cli.one_loop import in_one_loop
from towpath_cli.plan import Plan
from towpath_testkit.servers import servers
from towpath_testkit.settled import until

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plan(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Plan]:
    directory = tmp_path_factory.mktemp("platform")
    async with servers(directory) as started:
        described = Plan(
            app=str(Path(__file__).parent / "entity_app.py"),
            nats_url=started.nats.url,
            redis_url=started.redis.url,
            directory=directory,
            http_port=free_port(),
        )
        async with in_one_loop(described):
            yield described


@pytest.fixture
def key() -> str:
    return uuid4().hex


async def towpath(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, list(arguments))


async def test_a_client_calls_writes_and_reads_of_an_entity(client: Client, key: str) -> None:
    account = client.entity("Account", key)

    assert [await account.deposit(5), await account.deposit(amount=2)] == [5, 7]
    assert await account.total() == 7
    assert await client.entity_state("Account", key) == {"balance": 7}
    assert await client.entity_state("Account", "nobody") == {}


async def test_the_same_idempotency_key_is_the_same_call(client: Client, key: str) -> None:
    once = client.entity("Account", key, idempotency_key="order-1")

    assert [await once.deposit(5), await once.deposit(5)] == [5, 5]
    assert await client.entity("Account", key).total() == 5


async def test_calls_of_many_clients_are_applied_one_after_the_other(client: Client, key: str) -> None:
    totals = await asyncio.gather(*(client.entity("Account", key).deposit(1) for _ in range(50)))

    assert sorted(totals) == list(range(1, 51))


async def test_clients_of_two_tenants_share_nothing(client: Client, key: str) -> None:
    await client.entity("Account", key, tenant="acme").deposit(5)
    await client.entity("Account", key, tenant="other").deposit(7)

    assert await client.entity("Account", key, tenant="acme").total() == 5
    assert await client.entity_state("Account", key, tenant="other") == {"balance": 7}
    assert await client.entity_state("Account", key) == {}


async def test_a_failing_method_is_told_and_changes_nothing(client: Client, key: str) -> None:
    with pytest.raises(ComponentError, match="the balance is only 0") as raised:
        await client.entity("Account", key).withdraw(5)

    assert raised.value.failure.error_type == "ValueError"
    assert await client.entity_state("Account", key) == {}


async def test_what_is_not_there_is_refused_with_what_is(client: Client, key: str) -> None:
    with pytest.raises(RequestRefusedError, match="no service has an entity 'Ledger'; there are: Account"):
        await client.entity("Ledger", key).deposit(5)
    with pytest.raises(RequestRefusedError, match=r"has no method 'explode'; there are: .*deposit"):
        await client.entity("Account", key).explode()
    with pytest.raises(ComponentError, match=r"Account\.deposit does not take this input: amount: "):
        await client.entity("Account", key).deposit("much")
    with pytest.raises(InvalidInputError, match="at most 1,024 characters"):
        client.entity("Account", "x" * 2_000)
    with pytest.raises(InvalidInputError, match="idempotency_key"):
        await client.entity("Account", key, idempotency_key="").deposit(1)


async def test_a_function_in_a_tool_runner_and_another_entity_call_an_entity(
    client: Client, key: str
) -> None:
    assert await client.run("payday", {"who": key, "amount": 9}, timeout_s=20) == 9
    assert await client.entity("Account", key).give(f"{key}-b", 4) == 5
    assert await client.entity("Account", key).total_of(f"{key}-b") == 4


async def test_a_circle_is_refused_before_anybody_waits(client: Client, key: str) -> None:
    with pytest.raises(EntityReentrancyError, match=rf"Account/{key} -> Account/{key}-via -> Account/{key}"):
        await client.entity("Account", key, timeout_s=20).circle()

    assert await client.entity_state("Account", f"{key}-via") == {}


async def test_a_method_is_stopped_at_max_turn_ms_and_changes_nothing(client: Client, key: str) -> None:
    with pytest.raises(ComponentError, match=r"Impatient\.wait did not end within max_turn_ms=50") as raised:
        await client.entity("Impatient", key, timeout_s=20).wait(30)

    assert raised.value.failure.code == "timeout"
    assert await client.entity_state("Impatient", key) == {}


async def test_the_command_calls_an_entity_and_shows_its_state(plan: Plan, key: str) -> None:
    called = await towpath(
        "entity", "call", "Account", key, "deposit", "--input", "5", "--url", plan.nats_url
    )
    shown = await towpath("entity", "show", "Account", key, "--url", plan.nats_url)
    failed = await towpath(
        "entity", "call", "Account", key, "withdraw", "--input", "6", "--url", plan.nats_url
    )

    assert (json.loads(called.stdout), json.loads(shown.stdout)) == (5, {"balance": 5})
    assert failed.exit_code == 1
    assert failed.stderr == f"towpath: Account/{key}.withdraw failed: the balance is only 5\n"


async def test_a_workflow_transfers_all_or_nothing(client: Client, key: str) -> None:
    source, target = client.entity("Account", key), client.entity("Account", f"{key}-b")
    await source.deposit(10)
    asked = {"source": key, "target": f"{key}-b", "amount": 7}

    assert await client.run("transfer", asked, timeout_s=20) == [3, 7]
    with pytest.raises(
        ComponentError, match="withdraw, failed, so nothing was changed: the balance is only 3"
    ):
        await client.run("transfer", asked, timeout_s=20)
    assert [await source.total(), await target.total()] == [3, 7]


async def test_a_state_that_expires_is_gone_in_time(client: Client, key: str) -> None:
    account = client.entity("Account", key)
    await account.deposit_for(1, amount=5)

    async def is_gone() -> bool:
        return await client.entity_state("Account", key) == {}

    assert await account.total() == 5
    await until(is_gone, bool)
