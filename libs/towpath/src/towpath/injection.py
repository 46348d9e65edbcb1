"""What a component is given by whoever runs it, beside its input."""


class Injected:
    """The root of all contexts: a leading parameter of this type is given, and is no part of the input."""


class InjectedCall:
    """The root of what tools are told of the call they serve: a parameter of this type is no part of the input."""
