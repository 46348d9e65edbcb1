"""A small HTTP service with an OpenAPI document of each version; it tells what it was asked."""

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

SPEC_YAML = """
openapi: 3.1.0
info: {title: Pets, version: 2025-01-01}
servers:
  - url: "{scheme}://unused.invalid/{version}"
    variables:
      scheme: {default: http, enum: [http, https]}
      version: {default: v1}
components:
  securitySchemes:
    Key: {type: apiKey, in: header, name: X-Key}
    QueryKey: {type: apiKey, in: query, name: key}
    Token: {type: http, scheme: bearer}
    Password: {type: http, scheme: basic}
  parameters:
    Limit: {name: limit, in: query, schema: {type: integer, minimum: 1}}
  schemas:
    Name: {type: string, minLength: 1}
    Pet:
      type: object
      required: [id, name]
      properties:
        id: {type: integer, readOnly: true}
        name: {$ref: "#/components/schemas/Name"}
        owner: {$ref: "#/components/schemas/Owner"}
    Owner:
      type: object
      properties: {name: {$ref: "#/components/schemas/Name"}}
    Tree:
      type: object
      properties: {children: {type: array, items: {$ref: "#/components/schemas/Tree"}}}
paths:
  /pets:
    get:
      operationId: pets/list
      summary: List pets.
      description: Newest first.
      parameters:
        - $ref: "#/components/parameters/Limit"
        - {name: tags, in: query, description: Any of them., schema: {type: array, items: {type: string}}}
        - {name: ids, in: query, explode: false, schema: {type: array, items: {type: integer}}}
        - {name: sizes, in: query, style: pipeDelimited, explode: false, schema: {type: array}}
        - {name: filter, in: query, style: deepObject, explode: true, schema: {type: object}}
        - {name: where, in: query, content: {application/json: {schema: {type: object}}}}
        - {name: X-Trace, in: header, schema: {type: string}}
        - {name: session, in: cookie, schema: {type: string}}
    post:
      operationId: addPet
      security: [{Key: []}]
      requestBody:
        required: true
        content:
          application/json: {schema: {$ref: "#/components/schemas/Pet"}}
  /pets/{petId}:
    parameters:
      - {name: petId, in: path, required: true, schema: {type: string}}
    get:
      security: [{Token: []}, {Password: []}]
    put:
      operationId: rename
      security: [{QueryKey: [], Key: []}]
      requestBody:
        content:
          application/x-www-form-urlencoded: {schema: {type: object}}
  /matrix{ids}/{label}:
    get:
      operationId: styled
      parameters:
        - {name: ids, in: path, style: matrix, explode: true, schema: {type: array}}
        - {name: label, in: path, style: label, schema: {type: array}}
        - {name: label, in: query, schema: {type: string}}
  /trees:
    post:
      operationId: plant
      requestBody: {content: {application/json: {schema: {$ref: "#/components/schemas/Tree"}}}}
  /answers/{kind}:
    get:
      operationId: answer
      parameters:
        - {name: kind, in: path, required: true, schema: {type: string}}
"""

SPEC_3_0: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Old", "version": "1"},
    "servers": [{"url": "/v1"}],
    "paths": {
        "/pets": {
            "post": {
                "operationId": "addPet",
                "requestBody": {
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "properties": {
                                    "name": {"type": "string", "nullable": True, "example": "Rex"},
                                    "age": {"type": "number", "minimum": 0, "exclusiveMinimum": True},
                                },
                            }
                        }
                    }
                },
            }
        }
    },
}


async def _tell(request: Request) -> Response:
    """Tell what was asked."""
    wanted = ("x-key", "x-trace", "x-always", "authorization", "content-type")
    return JSONResponse(
        {
            "method": request.method,
            "path": request.scope["raw_path"].decode(),
            "query": request.url.query,
            "headers": {name: request.headers[name] for name in wanted if name in request.headers},
            "cookies": request.cookies,
            "body": (await request.body()).decode(),
        }
    )


async def _answer(request: Request) -> Response:
    """Answer in the way that is asked for."""
    match request.path_params["kind"]:
        case "text":
            return PlainTextResponse("größer")
        case "bytes":
            return Response(b"\x00\xff", media_type="application/pdf")
        case "nothing":
            return Response(status_code=204)
        case "busy":
            return PlainTextResponse("later", 503, headers={"retry-after": "7"})
        case "moved":
            return Response(status_code=302, headers={"location": "http://elsewhere.invalid/"})
        case kind:
            return JSONResponse({"error": f"no {kind}"}, 404)


async def _document(_request: Request) -> Response:
    return JSONResponse(SPEC_3_0)


def http_service() -> Starlette:
    """Make the service; its document of version 3.0 is at `/openapi.json`."""
    return Starlette(
        routes=[
            Route("/openapi.json", _document),
            Route("/v1/answers/{kind}", _answer),
            Route("/{path:path}", _tell, methods=["GET", "POST", "PUT"]),
        ]
    )
