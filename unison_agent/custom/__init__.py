"""Tools of the user: a function and its parameters, as a pydantic model or JSON Schema; nothing is planned or run here."""
