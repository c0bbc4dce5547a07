"""`python -m voiceserver` is the same command line as `voiceserver`."""

from voiceserver.cli.main import main

main()
