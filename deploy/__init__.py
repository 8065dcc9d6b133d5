"""How congvan is put together and started."""
