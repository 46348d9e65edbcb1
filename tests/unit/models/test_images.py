"""Images: by where they are, or with all that is in them; and the spellings in which prompts show them."""

from typing import Any

import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from towpath import Image, Message
from towpath.models.port import ModelRequest, digest
from towpath.models.prompts import messages_of

PNG = b"\x89PNG\r\n\x1a\n..."
SHOWN = Image.of(PNG)


@given(st.binary())
def test_the_bytes_of_an_image_are_kept(data: bytes) -> None:
    image = Image.from_body(Image.of(data, "image/png").to_body())

    assert (image.data, image.media_type) == (data, "image/png")


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF1234WEBP", "image/webp"),
    ],
)
def test_the_kind_of_an_image_is_seen_in_its_first_bytes(data: bytes, media_type: str) -> None:
    assert Image.of(data).media_type == media_type


def test_an_image_of_no_known_kind_needs_its_media_type() -> None:
    with pytest.raises(ValueError, match="say its media_type="):
        Image.of(b"BM")
    assert Image.of(b"BM", "image/bmp").url == "data:image/bmp;base64,Qk0="


def test_an_image_somewhere_else_is_only_its_address() -> None:
    image = Image(url="https://example.com/a.png")

    assert (image.data, image.media_type) == (None, None)


@pytest.mark.parametrize(
    "url", ["a.png", "file:///etc/passwd", "data:text/html;base64,AA==", "data:image/png,x"]
)
def test_what_is_no_image_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match=r"Image\.of\(data\) makes one"):
        Image(url=url)


BLOCK = {"image": {"format": "png", "source": {"bytes": PNG}}}


@pytest.mark.parametrize(
    "prompt",
    [
        ["What is it?", SHOWN],
        [SHOWN, {"text": "What is it?"}],
        [{"text": "What is it?"}, BLOCK],
        [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": SHOWN.url}}],
        [{"role": "user", "content": ["What is it?", {"image": {"source": {"url": SHOWN.url}}}]}],
        [Message(role="user", content="What is it?", images=(SHOWN,))],
    ],
)
def test_text_and_images_are_one_message_in_every_spelling(prompt: Any) -> None:
    assert messages_of(prompt) == [Message(role="user", content="What is it?", images=(SHOWN,))]


def test_an_image_alone_is_a_prompt() -> None:
    assert messages_of(SHOWN) == [Message(role="user", images=(SHOWN,))]


@pytest.mark.parametrize("prompt", [[5], [{"role": "user", "content": 5}], [{"role": "user"}, "hello"]])
def test_what_no_model_can_be_told_is_refused(prompt: Any) -> None:
    with pytest.raises(TypeError):
        messages_of(prompt)


def test_an_image_is_a_part_of_what_is_asked() -> None:
    def asked(*images: Image) -> str:
        return digest(ModelRequest(messages=(Message(role="user", content="?", images=images),)))

    assert len({asked(), asked(SHOWN), asked(Image(url="https://example.com/a.png"))}) == 3
