"""The router's sub-commands of ``congvan``: a module each, holding a ``typer.Typer`` named ``app``.

An error leaves a command as it is; ``deploy.exits`` turns it into a line, a hint and the documented exit code.
"""
