"""The model providers, and all that differs between them; each speaks as OpenAI does."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from towpath.errors import ConfigurationError
from towpath.settings import provider_variable

_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
_REGION = re.compile(r"[a-z0-9-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """What is peculiar to one provider.

    Attributes:
        key: The variable with its API key.
        needs_key: Whether it answers nobody without one.
        base_url: Where it is, with `{region}` where that differs; None if only the user knows.
        url: The variable that says where it is instead.
        version: The variable with the version of its interface, where one must be named.
        max_tokens: What it calls the limit of an answer in chat completions.
        enforces_schemas: Whether it can be asked to keep to a JSON Schema.
        reasoning_details: Whether it tells details of its models' reasoning in chat completions, and wants to see them again.
        responses: Whether it also speaks the responses style.
        names: What the names of its models look like.
        example: One of them.
    """

    key: str
    needs_key: bool = True
    base_url: str | None = None
    url: str
    version: str | None = None
    max_tokens: str = "max_completion_tokens"
    enforces_schemas: bool = True
    reasoning_details: bool = False
    responses: bool = True
    names: str = r"\S+"
    example: str


PROVIDERS: Mapping[str, Provider] = MappingProxyType(
    {
        "openai": Provider(
            key="OPENAI_API_KEY",
            base_url="https://api.openai.com/v1",
            url="OPENAI_BASE_URL",
            example="gpt-4o-mini",
        ),
        "azure": Provider(  # a model's name is that of its deployment
            key="AZURE_OPENAI_API_KEY",
            url="AZURE_OPENAI_ENDPOINT",
            version="OPENAI_API_VERSION",
            names=r"[\w.-]+",
            example="our-deployment",
        ),
        "anthropic": Provider(
            key="ANTHROPIC_API_KEY",
            base_url="https://api.anthropic.com/v1",
            url="TOWPATH_ANTHROPIC_BASE_URL",
            enforces_schemas=False,
            responses=False,
            example="claude-opus-4-6",
        ),
        "groq": Provider(
            key="GROQ_API_KEY",
            base_url="https://api.groq.com/openai/v1",
            url="TOWPATH_GROQ_BASE_URL",
            example="openai/gpt-oss-20b",
        ),
        "openrouter": Provider(
            key="OPENROUTER_API_KEY",
            base_url="https://openrouter.ai/api/v1",
            url="TOWPATH_OPENROUTER_BASE_URL",
            max_tokens="max_tokens",
            reasoning_details=True,
            names=r"[^\s/]+/\S+",
            example="anthropic/claude-sonnet-4.5",
        ),
        "bedrock": Provider(
            key="AWS_BEARER_TOKEN_BEDROCK",
            base_url="https://bedrock-mantle.{region}.api.aws/v1",
            url="AWS_BEDROCK_BASE_URL",
            example="openai.gpt-oss-120b",
        ),
        "ollama": Provider(
            key="OLLAMA_API_KEY",
            needs_key=False,
            base_url="http://localhost:11434/v1",
            url="TOWPATH_OLLAMA_BASE_URL",
            max_tokens="max_tokens",
            example="llama3.2:3b",
        ),
    }
)
"""The providers by name."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where models are asked, and how whoever asks proves who they are.

    Attributes:
        provider: Which provider's it is.
        version: The version of its interface, where one must be named.
        headers: What else is sent with each request.
    """

    provider: str
    base_url: str
    api_key: str = field(repr=False)
    version: str | None = None
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Access:
    """How a provider is reached; what is not given is in the environment when it is first needed."""

    provider: str = "openai"
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    version: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    def server(self) -> Server:
        """Read what is not given from the environment.

        Raises:
            ConfigurationError: If something is missing, or cannot be right; the message names the variable.
        """
        key, url, version = self._key(), self._url(), self._version()
        return Server(self.provider, url, key, version, tuple(sorted(self.headers.items())))

    @property
    def about(self) -> Provider:
        """What is peculiar to the provider."""
        return PROVIDERS[self.provider]

    def _key(self) -> str:
        key = self.api_key or provider_variable(self.about.key)
        if key is None and self.about.needs_key:
            raise ConfigurationError(
                f"{self.about.key} is not set; set it, give api_key=, or name another model"
            )
        if key is not None and not (key.isascii() and key.isprintable() and " " not in key):
            raise ConfigurationError(
                f"{self.about.key} holds spaces or line breaks, so it is no key; set it anew"
            )
        return key or "none"

    def _url(self) -> str:
        url = self.base_url or provider_variable(self.about.url) or self._own_url()
        if not re.match(r"https?://[^\s/]", url):
            raise ConfigurationError(
                f"{self.about.url} (or base_url=) is {url!r}, which is no http(s) address"
            )
        return url.rstrip("/")

    def _own_url(self) -> str:
        if self.about.base_url is None:
            raise ConfigurationError(f"{self.about.url} is not set; set it, or give base_url=")
        if "{region}" not in self.about.base_url:
            return self.about.base_url
        region = next(filter(None, map(provider_variable, _REGIONS)), None)
        if region is None or not _REGION.fullmatch(region):
            raise ConfigurationError(
                f"{_REGIONS[0]} is {'not set' if region is None else repr(region)}; set it to a region such as eu-west-1"
            )
        return self.about.base_url.format(region=region)

    def _version(self) -> str | None:
        if self.about.version is None:
            return None
        version = self.version or provider_variable(self.about.version)
        if version is None:
            raise ConfigurationError(f"{self.about.version} is not set; set it, or give api_version=")
        return version
