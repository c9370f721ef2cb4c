"""The bus, the store, files and HTTP, as the core uses them."""
