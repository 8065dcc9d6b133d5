"""Commands of the whole product: what is neither the router's nor a gateway's alone."""
