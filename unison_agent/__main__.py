"""``python -m unison_agent``, where the command is not on the path."""

from unison_agent.cli import main

if __name__ == "__main__":
    main()
