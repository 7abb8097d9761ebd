"""Why a request gets nothing: takes a status and a sentence, gives the JSON answer that says so."""

from starlette.responses import Response

from twosignal.dashboard.encoding import to_json
from twosignal.errors import RunError, TwosignalError


def refusal(
    status: int, message: str, *, where: str = "", found: str = "", expected: str = "", remedy: str = ""
) -> Response:
    """Return an answer without content but the reason."""
    facts = {"where": where, "found": found, "expected": expected, "remedy": remedy}
    body = to_json({"error": message, **facts})
    return Response(body, status_code=status, media_type="application/json")


def refusal_of(error: TwosignalError, *, home: str) -> Response:
    """Return the answer for an error: 404 for what a run does not have, 400 for what was asked wrongly.

    `home` is the path of the runs folder; it is of no use to the reader and is left out.
    """
    message, where, found, remedy = (
        text.replace(f"{home}/", "").replace(home, "")
        for text in (error.message, error.where, error.found, error.remedy)
    )
    status = 404 if isinstance(error, RunError) else 400
    return refusal(status, message, where=where, found=found, expected=error.expected, remedy=remedy)
