"""What a citizen may read of their own, and of those they act for: ours, no national API (ruling S16)."""
