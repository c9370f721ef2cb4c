"""What operators set for apps and broadcasts, as far as several services read it. No I/O."""
