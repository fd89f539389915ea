"""`python -m seekcam` is the command `seekcam`."""

from seekcam.cli import main

if __name__ == "__main__":
    main()
