"""A SIP user agent for labs: it answers calls over UDP, G.711 both ways (RFC 3261, 3264, 3550)."""
