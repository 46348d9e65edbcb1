"""Tools of MCP servers; the `mcp` library is imported when the first of them is used."""
