"""`/v1/live/sessions`: GPT-Live, continuous sound both ways. No turns on the wire."""
