"""Asks the entity-store's index of runs, which may be a moment behind the journal."""

from collections.abc import AsyncGenerator
from typing import TypeVar

from pydantic import ValidationError

from towpath.errors import UnavailableError
from towpath_chassis.core import ANSWER_WITHIN_S
from towpath_chassis.errors import BrokerError
from towpath_chassis.jetstream import JetStream
from towpath_schemas import subjects
from towpath_schemas.paging import PageAsked, PageTold

PageT = TypeVar("PageT", bound=PageTold)


async def page(
    js: JetStream, question: str, asked: PageAsked, told: type[PageT], *, within_s: float = ANSWER_WITHIN_S
) -> PageT:
    """Ask for a page of a list.

    Raises:
        UnavailableError: If no entity-store answers.
    """
    try:
        answer = await js.request(subjects.runs_index(question), asked.to_body(), within_s=within_s)
        return told.from_body(answer.data)
    except (BrokerError, ValidationError) as error:
        raise UnavailableError(
            "no entity-store answered, which keeps the list of runs; see that one runs"
        ) from error


async def pages(js: JetStream, question: str, asked: PageAsked, told: type[PageT]) -> AsyncGenerator[PageT]:
    """Yield the pages of a list, from the one that is asked for.

    Raises:
        UnavailableError: If no entity-store answers.
    """
    while True:
        this = await page(js, question, asked, told)
        yield this
        if this.cursor is None:
            return
        asked = asked.model_copy(update={"cursor": this.cursor})
