"""The dependent apps over HTTP, one file each; what they decide is in `harness.models.apps`."""
