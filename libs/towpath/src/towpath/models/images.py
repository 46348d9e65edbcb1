"""Images that a model is shown."""

import base64
from typing import Self

from pydantic import field_validator

from towpath_schemas.shape import Shape

_DATA = "data:"
_BASE64 = ";base64"
_ADDRESSES = ("http://", "https://")


class Image(Shape):
    """An image, by where it is or with all that is in it.

    Attributes:
        url: Where the provider finds it; or `data:image/png;base64,...`, which is the image itself.
    """

    url: str

    @field_validator("url")
    @classmethod
    def _is_readable(cls, url: str) -> str:
        if url.startswith(_ADDRESSES):
            return url
        head, comma, _ = url.partition(",")
        if not (comma and head.startswith(f"{_DATA}image/") and head.endswith(_BASE64)):
            raise ValueError(
                "url is neither http(s)://... nor data:image/...;base64,...; Image.of(data) makes one"
            )
        return url

    @classmethod
    def of(cls, data: bytes, media_type: str | None = None) -> Self:
        """Show the image whose file has the given bytes.

        Args:
            data: The file, as PNG, JPEG, GIF or WebP.
            media_type: Such as `image/png`; read from the file's first bytes if not given.

        Raises:
            ValueError: If the file is none of these, and no media type is given.
        """
        kind = media_type or _media_type(data)
        return cls(url=f"{_DATA}{kind}{_BASE64},{base64.b64encode(data).decode()}")

    @property
    def media_type(self) -> str | None:
        """Such as `image/png`; None where only the place is known."""
        return self.url[len(_DATA) :].partition(_BASE64)[0] if self.url.startswith(_DATA) else None

    @property
    def data(self) -> bytes | None:
        """The image's file; None where only the place is known."""
        return base64.b64decode(self.url.partition(",")[2]) if self.url.startswith(_DATA) else None


def _media_type(data: bytes) -> str:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    raise ValueError("the image is neither PNG, JPEG, GIF nor WebP; say its media_type=")
