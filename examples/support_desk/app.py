"""A support desk: a triage agent hands questions about money to a billing agent; an entity keeps each account.

Without a key for a model provider the agents follow the scripts at the end of this file.
"""

import json
import os
from pathlib import Path
from typing import Any

from towpath import Agent, Context, WorkflowContext, entity, script, tool, workflow
from towpath.models.port import ModelRequest
from towpath.models.scripted import tool_call
from towpath.tools.calls import ToolCall

EFFECTS = Path(os.environ.get("DESK_EFFECTS", "/tmp/towpath-desk-effects.jsonl"))  # noqa: S108, TID251
REAL_MODEL = "openai/gpt-4o-mini" if os.environ.get("OPENAI_API_KEY") else None  # noqa: TID251
THINKING_S = float(os.environ.get("DESK_THINKING_S", "0.15"))  # noqa: TID251


# --- What the agents can do ---------------------------------------------------------------------------


@tool
async def find_invoice(customer: str) -> dict[str, Any]:
    """Find the newest invoice of a customer.

    Args:
        customer: The customer's name.
    """
    return {"invoice": f"INV-{customer}", "amount": 42.0, "paid_twice": True}


@tool(idempotent=False)
def refund(ctx: Context, invoice: str, amount: float) -> str:
    """Pay money back. There is no way to take it back, so it must happen once.

    Args:
        invoice: The invoice's number.
        amount: How much to pay back, in euros.
    """
    effect = {"key": ctx.idempotency_key, "run": ctx.run_id, "invoice": invoice, "amount": amount}
    with EFFECTS.open("a") as ledger:
        ledger.write(json.dumps(effect) + "\n")
    return f"{amount:.2f} EUR paid back for {invoice}"


# --- Who does it --------------------------------------------------------------------------------------

billing = Agent(
    name="billing",
    model=REAL_MODEL or "test/billing",
    instructions="You settle questions about invoices. Find the invoice, refund what was paid twice, then answer.",
    tools=[find_invoice, refund],
)
triage = Agent(
    name="triage",
    model=REAL_MODEL or "test/triage",
    instructions="Hand questions about money to billing. Answer everything else in one sentence.",
    handoffs=[billing],
)

# --- What is remembered -------------------------------------------------------------------------------

account = entity("Account")


@account.write
async def open_ticket(ctx: Context, question: str) -> int:
    """Note a question; returns the number of the ticket."""
    tickets = await ctx.get("tickets", [])
    ctx.set("tickets", [*tickets, {"question": question, "answer": None}])
    return len(tickets)


@account.write
async def close_ticket(ctx: Context, number: int, answer: str) -> int:
    """Note the answer to a ticket; returns how many are closed."""
    tickets = await ctx.get("tickets", [])
    tickets[number]["answer"] = answer
    ctx.set("tickets", tickets)
    return sum(ticket["answer"] is not None for ticket in tickets)


@account.shared
async def history(ctx: Context) -> list[dict[str, Any]]:
    """List all tickets of the customer."""
    return await ctx.get("tickets", [])


# --- How it goes together -----------------------------------------------------------------------------


@workflow
async def support_desk(ctx: WorkflowContext, customer: str, question: str) -> dict[str, Any]:
    """Answer one question of a customer."""
    ticket = await ctx.entity("Account", customer).open_ticket(question)
    answer = await triage.run(f"{customer} asks: {question}")
    closed = await ctx.entity("Account", customer).close_ticket(ticket, answer.output)
    return {"ticket": ticket, "answer": answer.output, "closed": closed}


# --- What the agents say without a provider -------------------------------------------------------------


def _customer(request: ModelRequest) -> str:
    return next(message.content for message in request.messages if message.role == "user").split(" ", 1)[0]


def _triage(request: ModelRequest) -> ToolCall:
    return tool_call("transfer_to_billing")


def _billing(request: ModelRequest) -> ToolCall | str:
    results = [message.content for message in request.messages if message.role == "tool"]
    found = next((json.loads(one) for one in results if '"invoice"' in one), None)
    if found is None:
        return tool_call("find_invoice", customer=_customer(request))
    paid = next((one for one in results if "paid back" in one), None)
    if paid is None:
        return tool_call("refund", invoice=found["invoice"], amount=found["amount"])
    return f"You paid twice, sorry: {paid}."


script("triage", _triage, delay_s=THINKING_S)
script("billing", _billing, delay_s=THINKING_S)
