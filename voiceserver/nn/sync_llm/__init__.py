"""SyncLLM (arXiv 2409.15594): its tokens, its backbone, its units and their sound."""
