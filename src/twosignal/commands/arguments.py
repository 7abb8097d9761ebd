"""What an option may say: takes its text, gives a number, or a complaint for argparse to print."""

import argparse


def count(text: str) -> int:
    """Read a whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        message = f"found {text!r}, expected a whole number from 1 on"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def port(text: str) -> int:
    """Read a port: a whole number below 65536; 0 takes any that is free."""
    if not text.isdecimal() or int(text) > 65535:
        message = f"found {text!r}, expected a whole number from 0 to 65535"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def seed(text: str) -> int:
    """Read a seed: a whole number below 2**31."""
    if not text.isdecimal() or int(text) >= 2**31:
        message = f"found {text!r}, expected a whole number below {2**31}"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def seconds(text: str) -> float:
    """Read a finite number above 0."""
    number = temperature(text)
    if number == 0:
        message = "found 0, expected a number above 0"
        raise argparse.ArgumentTypeError(message)
    return number


def hours(text: str) -> float:
    """Read a number of hours above 0, a year of them at most."""
    number = seconds(text)
    if number > 8760:
        message = f"found {text!r}, expected at most 8760, a year"
        raise argparse.ArgumentTypeError(message)
    return number


def temperature(text: str) -> float:
    """Read a finite number from 0 on."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        message = f"found {text!r}, expected a number from 0 on"
        raise argparse.ArgumentTypeError(message)
    return number
