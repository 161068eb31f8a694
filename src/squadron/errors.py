"""The exception for bad input, which is shown as a sentence and ends a program with exit code 2."""


class InputError(ValueError):
    """A file, a setting or a server can't be used as it is.

    The message has one or two sentences with the thing, its value, what is allowed and the fix.
    Command lines print it without a traceback and exit with code 2.
    """


EXIT_CODE_INPUT_ERROR = 2
