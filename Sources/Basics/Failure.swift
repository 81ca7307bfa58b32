/// An error meant for the person at the keyboard: what is wrong, in which file, and what to do about it.
///
/// Every module throws this one type, so that a folder run can report one case and go on with the next, and so that
/// the exit code follows from the kind alone.
public struct Failure: Error, Sendable, Equatable, CustomStringConvertible {
  /// Who has to act. The raw value is the process exit code (BSD `sysexits` where one fits).
  public enum Kind: Int32, Sendable, CaseIterable {
    /// The command line or a combination of options makes no sense (EX_USAGE).
    case usage = 64
    /// A file is damaged, malformed, or disagrees with another one (EX_DATAERR).
    case badInput = 65
    /// A file or folder that was asked for does not exist or cannot be read (EX_NOINPUT).
    case missingInput = 66
    /// An inference engine is not installed or refused the network (EX_UNAVAILABLE).
    case engine = 69
    /// A defect of Microtome (EX_SOFTWARE).
    case internalError = 70
    /// An output could not be written (EX_CANTCREAT).
    case cannotWrite = 73
    /// The user asked the program to stop (128 + SIGINT).
    case interrupted = 130
  }

  public var kind: Kind
  /// The file or folder at fault, when there is one.
  public var file: String?
  /// What is wrong, as a sentence without the file name.
  public var message: String
  /// What the user can do, as a sentence.
  public var hint: String?

  public init(_ kind: Kind, _ message: String, file: String? = nil, hint: String? = nil) {
    self.kind = kind
    self.file = file
    self.message = message
    self.hint = hint
  }

  /// `FILE: MESSAGE (HINT)`
  public var description: String {
    var text = file.map { "\($0): " } ?? ""
    text += message
    if let hint { text += " (\(hint))" }
    return text
  }

  /// The same failure with the file filled in, unless an inner call already named one.
  public func located(in path: String) -> Failure {
    guard file == nil else { return self }
    var copy = self
    copy.file = path
    return copy
  }
}

/// Runs `body`, and names `path` in any `Failure` that does not name a file yet.
@inlinable
public func locating<Result>(_ path: String, _ body: () throws -> Result) throws -> Result {
  do {
    return try body()
  } catch let failure as Failure {
    throw failure.located(in: path)
  }
}
