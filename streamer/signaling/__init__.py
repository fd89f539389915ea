"""How a peer connection comes about: the page's sessions, WHIP and WHEP."""
