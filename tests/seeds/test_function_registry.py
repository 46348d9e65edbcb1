"""What is known of functions, how they are tested, what their context tells: the samples of seed A."""
# pyright: reportUnknownParameterType=false, reportMissingParameterType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportMissingTypeArgument=false
# pyright: reportUnnecessaryIsInstance=false, reportDeprecated=false
# ruff: noqa: PLC0415, TID251

import json
import logging
from typing import Any
from unittest.mock import Mock

import pytest

from towpath import ComponentType, ExecutionContext, LocalContext, function
from towpath.decorators import (
    clear_registry,
    execute_component,
    get_function_metadata,
    get_registered_functions,
    register_function,
)


def executed(name: str, payload: Any) -> Any:
    return json.loads(execute_component(name, json.dumps(payload).encode()))


# --- Function metadata --------------------------------------------------------------------------------


def test_inspecting_functions(capsys: pytest.CaptureFixture[str]) -> None:
    # Get all registered functions
    functions = get_registered_functions()
    print(f"Registered functions: {list(functions.keys())}")  # noqa: T201

    # Get metadata for a specific function
    @function()
    def sample_function(name: str, age: int = 25) -> dict:
        return {"name": name, "age": age}

    metadata = get_function_metadata(sample_function)

    assert metadata == {
        "name": "sample_function",
        "type": "function",
        "parameters": [
            {"name": "name", "type": "str", "required": True},
            {"name": "age", "type": "int", "required": False, "default": 25},
        ],
        "return_type": "dict",
    }
    assert capsys.readouterr().out == "Registered functions: []\n"


def test_runtime_annotations() -> None:
    @function()
    def annotated_function(data: str) -> str:
        return data.upper()

    # Check annotations
    assert annotated_function._agnt5_handler_name == "annotated_function"  # type: ignore[attr-defined]
    assert annotated_function._agnt5_is_function is True  # type: ignore[attr-defined]


# --- Testing functions --------------------------------------------------------------------------------


def test_direct_testing() -> None:
    """`ExecutionContext` names the port (seed-decisions 11), so the context made by hand is a `LocalContext`.

    Its id is given as `run_id`, and read by both of its names.
    """

    @function()
    def greet_user(name: str) -> str:
        return f"Hello, {name}!"

    @function()
    def context_aware(ctx: ExecutionContext, data: dict) -> dict:
        return {
            "invocation_id": ctx.invocation_id,
            "service_name": ctx.metadata.get("service_name"),
            "processed_data": data,
            "component_type": ctx.component_type.value,
        }

    def test_greet_function() -> None:
        # Test with execute_component
        result = execute_component(
            "greet_user",
            b'{"name": "Alice"}',
            context=None,
        )

        # Result is JSON bytes
        import json

        parsed = json.loads(result.decode())
        assert parsed == "Hello, Alice!"

    def test_context_function() -> None:
        # Create mock context
        ctx = LocalContext(
            run_id="test-123",
            component_type=ComponentType.FUNCTION,
        )

        # Test directly
        result = context_aware(ctx, {"test": "data"})
        assert result["invocation_id"] == "test-123"
        assert (result["service_name"], result["component_type"]) == ("local", "function")

    test_greet_function()
    test_context_function()
    _ = greet_user


def test_mock_context_testing() -> None:
    @function()
    def context_aware(ctx: ExecutionContext, data: dict) -> dict:
        return {
            "invocation_id": ctx.invocation_id,
            "service_name": ctx.metadata.get("service_name"),
            "processed_data": data,
            "component_type": ctx.component_type.value,
        }

    # Create mock context
    mock_ctx = Mock(spec=ExecutionContext)
    mock_ctx.invocation_id = "mock-123"
    mock_ctx.component_type = ComponentType.FUNCTION
    mock_ctx.metadata = {"service_name": "test-service"}

    # Test function
    result = context_aware(mock_ctx, {"test": "data"})
    assert result["invocation_id"] == "mock-123"
    assert result["service_name"] == "test-service"


# --- The registry -------------------------------------------------------------------------------------


def test_registry_management() -> None:
    @function()
    def old_function() -> None: ...

    # Get all registered functions
    functions = get_registered_functions()

    # Clear registry (useful for testing)
    clear_registry()

    # Re-register functions
    @function()
    def new_function(data: str) -> str:
        return data.upper()

    # Inspect metadata
    metadata = get_function_metadata(new_function)

    assert list(functions) == ["old_function"]
    assert (metadata["name"], list(get_registered_functions())) == ("new_function", ["new_function"])
    _ = old_function


def test_custom_registration() -> None:
    def my_handler(data: str) -> str:
        return data.lower()

    # Manual registration
    register_function("custom_handler", my_handler)

    assert executed("custom_handler", "LOUD") == "loud"


def test_worker_registration() -> None:
    """A worker registers nothing itself: the decorator has done it already (seed-decisions 77)."""

    @function()
    def test_function(data: str) -> str:
        return data.upper()

    # Verify functions are registered
    functions = get_registered_functions()
    assert "test_function" in functions
    _ = test_function


# --- What a context tells -----------------------------------------------------------------------------


def test_context_properties() -> None:
    @function
    async def introspective(ctx, data: dict):
        return {
            "run_id": ctx.run_id,  # Workflow/run identifier
            "step_id": ctx.step_id,  # Current step identifier
            "attempt": ctx.attempt,  # Retry attempt number
            "component_type": ctx.component_type,  # "function", "entity", "workflow"
            "object_id": ctx.object_id,  # Entity key (for entities)
            "method_name": ctx.method_name,  # Entity method name (for entities)
            "processed": data,
        }

    told = executed("introspective", {"a": 1})

    assert told.pop("run_id")
    assert told == {
        "step_id": None,
        "attempt": 1,
        "component_type": "function",
        "object_id": None,
        "method_name": None,
        "processed": {"a": 1},
    }
    _ = introspective


def test_structured_logging(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger(__name__)

    @function()
    def logged_function(ctx, data: dict) -> dict:
        # Structured logging with context
        logger.info(
            "Processing function",
            extra={
                "invocation_id": ctx.invocation_id,
                "service_name": ctx.metadata.get("service_name"),
                "data_size": len(str(data)),
            },
        )

        result = {"processed": True}

        logger.info(
            "Function completed",
            extra={
                "invocation_id": ctx.invocation_id,
                "success": True,
            },
        )

        return result

    caplog.set_level(logging.INFO)

    assert executed("logged_function", {"a": 1}) == {"processed": True}
    assert caplog.messages == ["Processing function", "Function completed"]
    _ = logged_function
