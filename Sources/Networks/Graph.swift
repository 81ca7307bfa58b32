/// A network as a list of operations on named parameters.
public struct Graph: Sendable {}
