import Basics

/// Reads stand-alone pickle files, such as nnU-Net's `postprocessing.pkl`, `<case>.pkl` and v1 `plans.pkl`.
public enum PickleFile {
  /// Pickles beyond this size are refused: what Microtome reads has a few megabytes at most.
  static let maximumSize = 1 << 28

  /// The value a file describes. Throws `missingInput`, and `badInput` for malformed and for dangerous files.
  public static func read(_ path: String) throws -> PickleValue {
    try locating(path) {
      let file = try MappedFile(path: path)
      return try withExtendedLifetime(file) { try value(of: file.bytes) }
    }
  }

  /// The value a file describes as JSON; see `PickleValue.json()`. Integer keys become strings.
  public static func json(_ path: String) throws -> JSON {
    try locating(path) { try read(path).json() }
  }

  /// The value that pickled bytes describe. Throws `badInput`.
  public static func value(of bytes: UnsafeRawBufferPointer) throws -> PickleValue {
    guard bytes.count <= maximumSize else { throw PickleMachine.unreasonable }
    let machine = PickleMachine(bytes)
    return try machine.value(of: machine.run())
  }

  /// The value that pickled bytes describe. Throws `badInput`.
  public static func value(of bytes: [UInt8]) throws -> PickleValue {
    try bytes.withUnsafeBytes { try value(of: $0) }
  }
}
