"""Where other programs meet the library, one module each; nothing here is imported before it is used."""
