"""The family `sync_llm`: SyncLLM's latency-tolerant loop (arXiv 2409.15594) for many slots."""
