"""The gateway's own certificate, which it has of the router: asked for, kept, renewed before it ends."""
