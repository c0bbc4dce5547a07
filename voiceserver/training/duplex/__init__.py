"""How the duplex policy is made: speech, dialogues, features and labels, training, measures."""
