"""`Memory`: what is known about users and apps, beyond any conversation."""

from collections.abc import Mapping, Sequence
from typing import Any

from towpath.argument_types import check_arguments
from towpath.context import Context
from towpath.current import context_or_none
from towpath.local.running import here
from towpath.memory.ingestion import Strategy, ingested
from towpath.memory.services import MemoryService, VectorMemoryService
from towpath.models.port import LanguageModel
from towpath.remembering.items import FoundItems, MemoryItem
from towpath.remembering.shelf import Shelf
from towpath.remembering.whose import Owner, Reach, check_scope, check_user_in, reach
from towpath.sessions.session import Session
from towpath_schemas.attribution import Attribution
from towpath_schemas.memory import ErasureDone, Namespace

RECALL_LIMIT = 5
"""How many memories an agent is reminded of, unless its memory says otherwise."""
RECALL_MIN_SCORE = 0.01
"""How much they are like what it is asked, at the least: what has nothing to do with it is left out, and no more, since
one that is missing does more harm than one too many. (How far scores lie apart depends on the embedding model.)"""


class Memory:
    """Memories under keys, searched by what they mean.

    Each belongs to a user: the one that is named, or else that of the run, or else that of the session of the agent
    whose code or tool is running. A run reads what is its user's, and what its app knows (`scope="app"`); never what
    is another user's. What is remembered without a user is nobody's, and is read by all runs that have no user. Such a
    run, and a client, name the user in each call. Outside of any run a program reads what is of the users that it has
    named to this memory.

    In a run each act is journaled; in a plain script the same code works in this process.

    Args:
        service: Where memories are kept and by what they are found; lasting ones, by their meaning, if not given.
        scope: `user`, or `app` for what all users of the app share; a user cannot be named there.
        app_name: The app, where a session does not say it.
        user_id: Whose they are, where a call or a session does not say it.
        model: The language model that `ingest_from_session` asks; the default model if not given.
        recall_limit: How many of them an agent is reminded of in a run.
        recall_min_score: How much they are like what the agent is asked, at the least; -1 to 1. What is found by
            its words has no such score, and is not left out; see `search`.

    Raises:
        ConfigurationError: If the scope is not known.
        InvalidInputError: If a user is named, and the scope has none.
    """

    @check_arguments
    def __init__(
        self,
        service: MemoryService | None = None,
        scope: str = "user",
        *,
        app_name: str | None = None,
        user_id: str | None = None,
        model: str | LanguageModel | None = None,
        recall_limit: int = RECALL_LIMIT,
        recall_min_score: float = RECALL_MIN_SCORE,
    ) -> None:
        self.service = service or VectorMemoryService()
        self.scope = check_scope(scope)
        check_user_in(scope, user_id)
        self.app_name, self.user_id = app_name, user_id
        self.model = model
        self.recall_limit, self.recall_min_score = recall_limit, recall_min_score
        self._named: dict[Namespace, None] = {}

    # --- Writing ------------------------------------------------------------------------------------

    async def store(self, key: str, content: Any, **metadata: Any) -> None:
        """Remember something, in place of what was under the key.

        Args:
            key: What it is called, among what belongs to the same user.
            content: Text, or anything that JSON can carry.
            **metadata: What else is to be said about it; `user_id` says also whose it is.

        Raises:
            InvalidInputError: If there is nothing in it, or too much, or it is for a user in a scope that has none;
                the message names the field.
            NotSerialisableError: If JSON cannot carry it.
            ContextError: If it is for another user than the run's.
        """
        await self._shelf(_said_user(metadata)).store(key, content, metadata)

    async def update(self, key: str, content: Any = None, **metadata: Any) -> None:
        """Change what is said about something, and its content if one is given; the rest stays.

        Raises:
            UnknownMemoryError: If there is no such memory.
        """
        await self._shelf(_said_user(metadata)).update(key, content, metadata)

    async def forget(self, keys: str | Sequence[str], *, user_id: str | None = None) -> int:
        """Retire memories: they are found by `search(..., as_of=...)` of earlier only; return how many there were."""
        return await self._shelf(user_id).forget([keys] if isinstance(keys, str) else keys)

    async def erase(self, user_id: str | None = None, *, reason: str | None = None) -> ErasureDone:
        """Erase all that is remembered of a user, in all apps, with all it ever was.

        No memory finds any of it again, as of no earlier moment either, and nothing of it is left in the log of
        entities and in the index. Two things are not memories, and stay: journals hold what their runs stored and found
        for as long as runs are kept (`runs_kept_s` of the entity-store), or until `towpath runs purge <run_id>`; and
        sessions hold what was said in them until `session.delete()`, or their retention.

        Args:
            user_id: Whose; if not given, that of the run or of the session of the agent that is speaking. With none
                of them, what is nobody's. By `scope="app"` no user can be named, and what the app knows is erased,
                and nothing of any user.
            reason: A sentence for the audit.

        Returns:
            How much was erased; it was looked that nothing is left.

        Raises:
            ComponentError: If something may be left: ask again.
            ContextError: If it is another user than the run's.
            InvalidInputError: If a user is named, and the scope has none: nothing is erased.
        """
        return await self._shelf(user_id).erase(reason)

    async def reindex(self, *, user_id: str | None = None) -> int:
        """Make all vectors anew, after another embedding model was chosen; return how many memories there are."""
        return await self._shelf(user_id).embed()

    async def ingest_from_session(
        self,
        session: Session,
        strategy: Strategy = "smart",
        *,
        model: str | LanguageModel | None = None,
    ) -> list[str]:
        """Remember what was said in a session, for its user; ingested again, the same is remembered once.

        With `scope="app"` it is for all users of the session's app. Where one thing is too large to be remembered,
        nothing is.

        Args:
            session: The conversation.
            strategy: `smart` for the facts that a model finds worth knowing later, `key_points` for its points,
                `summary` for one summary, `all` for every message.
            model: Which model; that of this memory if not given.

        Returns:
            The keys of what is remembered.

        Raises:
            ConfigurationError: If the strategy is not known.
            InvalidInputError: If something, such as a message, is too large; the error names it.
            ModelError: If the model failed for good.
        """
        context = here()
        shelf = self._shelf_of(context_or_none(), Owner.of(session))
        notes = await ingested(context, session, strategy, model or self.model)
        for note in notes:
            await shelf.store(note.key, note.content, note.metadata)
        return [note.key for note in notes]

    # --- Reading ------------------------------------------------------------------------------------

    async def recall(
        self, keys: str | Sequence[str], *, user_id: str | None = None, as_of: int | None = None
    ) -> list[MemoryItem]:
        """Return memories by their keys: those there are, in the order of the keys; whose, as in `search`."""
        wanted = [keys] if isinstance(keys, str) else keys
        return await self._shelf(user_id).recall(wanted, as_of=as_of)

    async def search(
        self,
        query: str,
        limit: int = RECALL_LIMIT,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - the seed's name
        min_score: float | None = None,
        as_of: int | None = None,
        *,
        user_id: str | None = None,
    ) -> FoundItems:
        """Find what is most like a question, the best first.

        Args:
            query: What to look for, in words.
            limit: How many at the most.
            filter: What the metadata must be: by field (a dot leads into what is nested) a value, a list of which one
                will do, or a range such as `{"gte": 0.5}`.
            min_score: Leave out what is less like it in its meaning, from -1 to 1. Words have no such measure: what
                is found by its words (by a `DatabaseMemoryService`, or besides by `hybrid=True`) is not left out.
            as_of: As one would have found right after this log sequence: a result's `as_of`, or an item's `written`.
            user_id: Whose, beside what the app knows; if not given, that of the run or of the session of the agent
                that is speaking.

        Raises:
            InvalidInputError: If it cannot be asked so; the message names the field.
        """
        return await self._shelf(user_id).search(
            query, limit=limit, filter=filter, min_score=min_score, as_of=as_of
        )

    async def list_keys(self, user_id: str | None = None) -> list[str]:
        """List the keys of what is remembered, the earliest written first; whose, as in `search`."""
        return await self._shelf(user_id).keys()

    async def remind(self, context: Context, query: str) -> FoundItems:
        """Find what an agent should know before it answers `query`, in the session it speaks in."""
        return await self._shelf_of(context, Owner()).search(
            query, limit=self.recall_limit, min_score=self.recall_min_score
        )

    # --- Whose --------------------------------------------------------------------------------------

    def _shelf(self, user_id: str | None) -> Shelf:
        check_user_in(self.scope, user_id)
        return self._shelf_of(context_or_none(), Owner(user_id))

    def _shelf_of(self, running: Context | None, said: Owner) -> Shelf:
        """Reach the memories of whom a call names; outside of a run, those named before are within reach."""
        context = running or here()
        within = self._within(context.attribution, said)
        if running is None and self._meant(said).user_id is not None:
            self._named[within.own] = None
        elif running is None and self.scope == "user":
            within = within._replace(named=tuple(self._named))
        return Shelf(self.service.reached_from(context), within, self.service.meaning(context))

    def _within(self, by: Attribution, said: Owner) -> Reach:
        return reach(by, self._meant(said), app=self.app_name, scope=self.scope)

    def _meant(self, said: Owner) -> Owner:
        return said.otherwise(Owner.speaking()).otherwise(Owner(self.user_id, self.app_name))


def _said_user(metadata: Mapping[str, Any]) -> str | None:
    return metadata.get("user_id")
