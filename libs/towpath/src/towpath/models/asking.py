"""A model call as an act of a run: asked once, with what it costs in the reply."""

from towpath.models.port import LanguageModel, ModelReply, ModelRequest


async def asked_once(model: LanguageModel, request: ModelRequest) -> ModelReply:
    """Ask a model once; the reply says what that costs, where somebody has said what the model does.

    The price is read here, in the act, so that what is journaled has it, and a replay repeats it.

    Raises:
        ModelError: If the provider refused or failed.
    """
    from towpath.models.prices import priced  # noqa: PLC0415 - most programs start without asking a model

    return priced(model.name, await model.generate(request))
