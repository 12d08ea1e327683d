"""The page of live sessions: files that the server hands out at /live, without a framework and without other hosts."""
