"""The samples about functions in the documentation of agnt5, as they are written there: only imports are others.

The workers that two of them end with are left out: `towpath dev` and the services run what is registered (docs/names.md).
"""
# pyright: reportUnknownParameterType=false, reportMissingParameterType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportMissingTypeArgument=false
# pyright: reportUnnecessaryIsInstance=false, reportDeprecated=false
# ruff: noqa: BLE001, DTZ003, G004, PLC0415, TID251, TRY004, TRY300, TRY301, TRY400, UP006, UP007, UP035, UP045

import json
import logging
import time
from datetime import datetime
from typing import Any, Dict, List, Optional, Union

import pytest
from pydantic import BaseModel, Field

from towpath import ExecutionContext, function
from towpath.decorators import (
    execute_component,
    get_registered_functions,
)
from towpath.errors import InvalidInputError


def executed(name: str, payload: Any) -> Any:
    return json.loads(execute_component(name, json.dumps(payload).encode()))


# --- Getting started --------------------------------------------------------------------------------


def test_first_worker() -> None:
    @function()
    def greet(name: str) -> str:
        """Greet a user by name."""
        return f"Hello, {name}!"

    @function("math_add")
    def add_numbers(a: int, b: int) -> int:
        """Add two numbers together."""
        return a + b

    assert execute_component("greet", b'{"name": "Alice"}') == b'"Hello, Alice!"'
    assert executed("greet", "Alice") == greet("Alice")
    assert executed("math_add", {"a": 5, "b": 3}) == add_numbers(5, 3) == 8


def test_asgi_integration_handler() -> None:
    @function()
    def api_handler(request: dict) -> dict:
        return {
            "message": "Hello from AGNT5!",
            "received": request,
        }

    assert executed("api_handler", {"test": "data"}) == api_handler({"test": "data"})


def test_error_handling_of_the_first_worker(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger(__name__)

    @function()
    def safe_divide(a: float, b: float) -> dict:
        try:
            if b == 0:
                return {"error": "Division by zero", "result": None}

            result = a / b
            logger.info(f"Division successful: {a} / {b} = {result}")

            return {"result": result, "error": None}

        except Exception as e:
            logger.error(f"Unexpected error: {e}")
            return {"error": str(e), "result": None}

    with caplog.at_level(logging.INFO):
        assert executed("safe_divide", {"a": 6, "b": 3}) == {"result": 2.0, "error": None}
    assert caplog.messages == ["Division successful: 6.0 / 3.0 = 2.0"]
    assert executed("safe_divide", [1, 0]) == {"error": "Division by zero", "result": None}
    _ = safe_divide


# --- Basic usage --------------------------------------------------------------------------------------


def test_simple_function() -> None:
    @function()
    def greet_user(name: str) -> str:
        """Greet a user by name."""
        return f"Hello, {name}!"

    assert executed("greet_user", {"name": "Alice"}) == greet_user("Alice") == "Hello, Alice!"


def test_named_function() -> None:
    @function("math.add")
    def add_numbers(a: int, b: int) -> int:
        """Add two numbers together."""
        return a + b

    assert executed("math.add", {"a": 1, "b": 2}) == add_numbers(1, 2) == 3


def test_function_with_context() -> None:
    @function()
    def context_aware(ctx: ExecutionContext, data: dict) -> dict:
        """Process data with execution context."""
        return {
            "invocation_id": ctx.invocation_id,
            "service_name": ctx.metadata.get("service_name"),
            "processed_data": data,
            "component_type": ctx.component_type.value,
        }

    result = executed("context_aware", {"test": "data"})

    assert result["invocation_id"]
    assert (result["service_name"], result["component_type"]) == ("local", "function")
    assert result["processed_data"] == {"test": "data"}
    _ = context_aware


def test_decorator_parameters() -> None:
    @function()
    def process_data(data: dict) -> dict:  # pyright: ignore[reportRedeclaration]
        return data

    @function("data_processor")
    def process_data(data: dict) -> dict:  # noqa: F811 - as it is written there
        return data

    assert list(get_registered_functions()) == ["process_data", "data_processor"]
    assert executed("data_processor", {"a": 1}) == executed("process_data", {"a": 1}) == {"a": 1}
    _ = process_data


# --- Handler signatures -------------------------------------------------------------------------------


def test_handlers_without_context() -> None:
    @function()
    def calculate_tax(amount: float, rate: float) -> float:
        return amount * rate

    @function()
    def format_message(template: str, **kwargs) -> str:
        return template.format(**kwargs)

    assert executed("calculate_tax", [100, 0.5]) == calculate_tax(100, 0.5) == 50
    assert executed("format_message", {"template": "{a}-{b}", "a": 1, "b": 2}) == "1-2"
    _ = format_message


def test_handler_with_context(caplog: pytest.LogCaptureFixture) -> None:
    @function()
    def audit_handler(ctx: ExecutionContext, action: str, data: dict) -> dict:
        """Handler that logs audit information."""
        import logging

        logger = logging.getLogger(__name__)
        logger.info(f"Audit: {action} from {ctx.invocation_id}")

        return {
            "action": action,
            "invocation_id": ctx.invocation_id,
            "data": data,
            "timestamp": time.time(),
        }

    caplog.set_level(logging.INFO)

    result = executed("audit_handler", {"action": "login", "data": {"user": "ada"}})

    assert (result["action"], result["data"]) == ("login", {"user": "ada"})
    assert f"Audit: login from {result['invocation_id']}" in caplog.messages
    _ = audit_handler


# --- Error handling -----------------------------------------------------------------------------------


def test_basic_error_handling() -> None:
    @function()
    def safe_divider(a: float, b: float) -> dict:
        """Safely divide two numbers."""
        try:
            if b == 0:
                return {"error": "Division by zero", "result": None}

            result = a / b
            return {"result": result, "error": None}

        except Exception as e:
            return {"error": str(e), "result": None}

    assert executed("safe_divider", {"a": 1, "b": 2}) == {"result": 0.5, "error": None}
    assert executed("safe_divider", {"a": 1, "b": 0}) == {"error": "Division by zero", "result": None}


def test_context_aware_error_handling() -> None:
    @function()
    def robust_handler(ctx: ExecutionContext, data: dict) -> dict:
        """Handler with comprehensive error handling."""
        logger = logging.getLogger(__name__)

        try:
            # Log the invocation
            logger.info(f"Processing invocation {ctx.invocation_id}")

            # Validate input
            if not isinstance(data, dict):
                raise ValueError("Input must be a dictionary")

            required_fields = ["id", "name"]
            missing_fields = [field for field in required_fields if field not in data]
            if missing_fields:
                raise ValueError(f"Missing required fields: {missing_fields}")

            # Process data
            result = {
                "processed": True,
                "id": data["id"],
                "name": data["name"].upper(),
                "invocation_id": ctx.invocation_id,
            }

            logger.info(f"Successfully processed {data['id']}")
            return result

        except ValueError as e:
            logger.warning(f"Validation error in {ctx.invocation_id}: {e}")
            return {"error": f"Validation error: {e}", "result": None}

        except Exception as e:
            logger.error(f"Unexpected error in {ctx.invocation_id}: {e}")
            return {"error": "Internal error", "result": None}

    assert executed("robust_handler", {"id": 1, "name": "ada"})["name"] == "ADA"
    assert executed("robust_handler", {"id": 1})["error"].endswith("Missing required fields: ['name']")
    assert executed("robust_handler", {"id": 1, "name": 2})["error"] == "Internal error"
    _ = robust_handler


# --- Type annotations ---------------------------------------------------------------------------------


def test_basic_types() -> None:
    @function()
    def typed_handler(
        name: str,
        age: int,
        tags: List[str],
        metadata: Optional[Dict[str, any]] = None,  # type: ignore[valid-type]
    ) -> Dict[str, Union[str, int, List[str]]]:
        """Handler with comprehensive type annotations."""
        return {
            "name": name,
            "age": age,
            "tags": tags,
            "has_metadata": metadata is not None,
        }

    given = {"name": "Ada", "age": 36, "tags": ["math"]}

    assert executed("typed_handler", given) == {**given, "has_metadata": False}
    with pytest.raises(InvalidInputError, match=r"tags\.1: Input should be a valid string"):
        executed("typed_handler", {**given, "tags": ["math", 7]})
    _ = typed_handler


def test_pydantic_models() -> None:
    def generate_user_id() -> str:
        return "u-1"

    class UserRequest(BaseModel):
        name: str = Field(..., min_length=1, max_length=100)
        email: str = Field(..., pattern=r"^[\w\.-]+@[\w\.-]+\.\w+$")
        age: Optional[int] = Field(None, ge=0, le=150)

    class UserResponse(BaseModel):
        id: str
        name: str
        email: str
        age: Optional[int]
        created_at: str

    @function()
    def create_user(request: UserRequest) -> UserResponse:
        """Create a user with validation."""
        user_id = generate_user_id()

        return UserResponse(
            id=user_id,
            name=request.name,
            email=request.email,
            age=request.age,
            created_at=datetime.utcnow().isoformat(),
        )

    created = executed("create_user", {"name": "Ada", "email": "ada@example.org"})

    assert (created["id"], created["name"], created["age"]) == ("u-1", "Ada", None)
    with pytest.raises(InvalidInputError, match=r"email: String should match pattern"):
        executed("create_user", {"request": {"name": "Ada", "email": "nowhere"}})
    _ = create_user
