"""What REST answers look like. No I/O."""
