"""Takes apps, settings and broadcasts over from an Ant Media Server that runs."""
