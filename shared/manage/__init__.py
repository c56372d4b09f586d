"""Operators' intents: carried out once each, however often they are delivered."""
