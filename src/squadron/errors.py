"""The one exception that means "what you gave can't be used": shown as a sentence, exit code 2."""


class InputError(ValueError):
    """Something outside the program (a file, a setting, a server) can't be used as it is.

    The message is one sentence or two that name the thing, its value, what is allowed and the
    remedy. Command lines print it without a traceback and exit with code 2.
    """


EXIT_CODE_INPUT_ERROR = 2
