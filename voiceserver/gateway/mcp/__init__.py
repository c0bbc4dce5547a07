"""MCP: servers of tools that a client names by URL, asked for their tools and called by us."""
