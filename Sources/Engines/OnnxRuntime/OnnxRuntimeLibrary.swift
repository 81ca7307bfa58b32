import Basics
import COnnxRuntime

/// An opened ONNX Runtime library. Libraries are never closed: threads they have started may outlive every object of ours.
struct OnnxRuntimeLibrary: @unchecked Sendable {
  /// The file that was opened.
  let path: String
  /// "1.31.1"
  let version: String
  /// The function table, valid for the life of the process and never changed.
  let functions: OpaquePointer
  /// The library's process-wide state, made once and never freed.
  let environment: OpaquePointer
  /// The providers that the library was built with: "CPUExecutionProvider", ...
  let providers: [String]

  /// The first release with the version of the function table that is used.
  static let oldestVersion = "1.12"

  /// Opens the library at `path`.
  ///
  /// Throws `engine` when it cannot be loaded, is not ONNX Runtime, or is too old.
  init(path: String) throws {
    let hint = "choose another one with MICROTOME_ONNXRUNTIME, or run: microtome engines install onnxruntime"
    let library = try openEngineLibrary(path, hint: hint)
    var found: UnsafePointer<CChar>?
    guard let functions = mt_ort_bind(library, &found) else {
      guard let found else { throw Failure(.engine, "is not an ONNX Runtime library", file: path, hint: hint) }
      throw Failure(
        .engine, "is ONNX Runtime \(String(cString: found)); \(Self.oldestVersion) or later is needed", file: path,
        hint: hint)
    }
    self.path = path
    self.functions = functions
    version = String(cString: mt_ort_version(functions))
    var environment: OpaquePointer?
    try Self.check(mt_ort_environment_create(functions, &environment), functions, version, "start")
    guard let environment else { throw Failure(.engine, "ONNX Runtime could not start", file: path) }
    self.environment = environment
    var names: [String] = []
    let status = withUnsafeMutablePointer(to: &names) { names in
      mt_ort_providers(
        functions,
        { name, names in
          guard let name, let names else { return }
          names.assumingMemoryBound(to: [String].self).pointee.append(String(cString: name))
        }, names)
    }
    try Self.check(status, functions, version, "list its providers")
    providers = names
  }

  /// Throws `engine` with the library's own message when `status` says that a call has failed.
  ///
  /// - Parameter action: What could not be done: "compile the network".
  func check(_ status: OpaquePointer?, _ action: @autoclosure () -> String, hint: String? = nil) throws {
    try Self.check(status, functions, version, action(), hint: hint)
  }

  private static func check(
    _ status: OpaquePointer?, _ functions: OpaquePointer, _ version: String, _ action: @autoclosure () -> String,
    hint: String? = nil
  ) throws {
    guard let status else { return }
    let message = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 2048) { buffer -> String in
      guard let base = buffer.baseAddress else { return "" }
      base.pointee = 0
      mt_ort_message(functions, status, base, buffer.count)
      return String(cString: base)
    }
    throw Failure(.engine, "ONNX Runtime \(version) could not \(action()): \(condensed(message))", hint: hint)
  }

  /// What the message says, on one line, of bearable length. In front of it there may be the place in the library's
  /// source and "[ONNXRuntimeError] : NUMBER : NAME : ".
  static func condensed(_ message: String) -> String {
    let line = message.split(whereSeparator: \.isNewline).joined(separator: " ")
    let parts = line.split(separator: "[ONNXRuntimeError] : ", maxSplits: 1).last?.split(separator: " : ", maxSplits: 2)
    let text = parts.flatMap { $0.count == 3 ? String($0[2]) : nil } ?? line
    return text.count > 400 ? text.prefix(400) + "..." : text
  }
}
