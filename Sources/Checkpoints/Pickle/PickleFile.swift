import Basics

/// Reads stand-alone pickle files, such as nnU-Net's `postprocessing.pkl`, `<case>.pkl` and v1 `plans.pkl`.
public enum PickleFile {
  /// Pickles beyond this size are refused: what Microtome reads has a few megabytes at most.
  static let maximumSize = 1 << 28

  /// The value a file describes. Throws `missingInput`, and `badInput` for malformed and for dangerous files.
  ///
  /// - Parameter mapsArrays: leaves the numbers of larger NumPy arrays in the file, which stays mapped as long as one of
  ///   the tensors lives. They may lie at any address.
  public static func read(_ path: String, mapsArrays: Bool = false) throws -> PickleValue {
    try locating(path) {
      let file = try MappedFile(path: path)
      return try withExtendedLifetime(file) {
        let value = try value(of: file.bytes, leavingIn: mapsArrays ? file : nil)
        // Reading has touched pages all over the file, of which few may be needed again.
        if mapsArrays { file.releasePages() }
        return value
      }
    }
  }

  /// The value a file describes as JSON; see `PickleValue.json()`. Integer keys become strings.
  public static func json(_ path: String) throws -> JSON {
    try locating(path) { try read(path).json() }
  }

  /// The value that pickled bytes describe. Throws `badInput`.
  public static func value(of bytes: UnsafeRawBufferPointer) throws -> PickleValue {
    try value(of: bytes, leavingIn: nil)
  }

  private static func value(of bytes: UnsafeRawBufferPointer, leavingIn file: MappedFile?) throws -> PickleValue {
    guard bytes.count <= maximumSize else { throw PickleMachine.unreasonable }
    let machine = PickleMachine(bytes, leavingIn: file)
    return try machine.value(of: machine.run())
  }

  /// The value that pickled bytes describe. Throws `badInput`.
  public static func value(of bytes: [UInt8]) throws -> PickleValue {
    try bytes.withUnsafeBytes { try value(of: $0) }
  }
}
