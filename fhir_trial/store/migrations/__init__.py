"""How the schema came to be, one revision after another. Run by ``store.engine.migrate`` alone."""
