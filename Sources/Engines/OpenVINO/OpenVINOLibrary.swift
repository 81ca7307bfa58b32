import Basics
import COpenVINO

/// An opened OpenVINO library. Libraries are never closed: threads they have started may outlive every object of ours.
struct OpenVINOLibrary: @unchecked Sendable {
  /// The file that was opened.
  let path: String
  /// "2026.4.1"
  let version: String
  /// The version with everything the library says about its build.
  let build: String
  /// The function table, valid for the life of the process and never changed.
  let functions: OpaquePointer

  /// The first release whose C interface has every function that is used.
  static let oldestVersion = "2024.0"

  /// Opens the library at `path`, which finds the libraries it needs beside itself.
  ///
  /// Throws `engine` when it cannot be loaded, is not OpenVINO, or is too old.
  init(path: String) throws {
    let hint = "choose another one with MICROTOME_OPENVINO, or run: microtome engines install openvino"
    let library = try openEngineLibrary(path, hint: hint)
    var missing: UnsafePointer<CChar>?
    guard let functions = mt_openvino_bind(library, &missing) else {
      let name = missing.map { String(cString: $0) } ?? "a function"
      throw Failure(
        .engine, "is not an OpenVINO of version \(Self.oldestVersion) or later (it lacks \(name))", file: path,
        hint: hint)
    }
    self.path = path
    self.functions = functions
    build = Self.text { mt_openvino_version(functions, $0, $1) } ?? ""
    version = String(build.prefix { $0 != "-" })
    guard !EngineSearch.isOlder(version, than: Self.oldestVersion) else {
      throw Failure(
        .engine, "is OpenVINO \(version); \(Self.oldestVersion) or later is needed", file: path, hint: hint)
    }
  }

  /// Throws `engine` with the library's own message when `status` says that a call has failed.
  ///
  /// - Parameter action: What could not be done: "compile the network".
  func check(_ status: Int32, _ action: @autoclosure () -> String, hint: String? = nil) throws {
    guard status != 0 else { return }
    let message = String(cString: mt_openvino_error(functions, status))
    throw Failure(
      .engine, "OpenVINO \(version) could not \(action()): \(Self.condensed(message))", hint: hint)
  }

  /// What `read` writes into the buffer it is given; nil when it fails.
  static func text(_ read: (UnsafeMutablePointer<CChar>, Int) -> Int32) -> String? {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 4096) { buffer in
      guard let base = buffer.baseAddress else { return nil }
      base.pointee = 0
      return read(base, buffer.count) == 0 ? String(cString: base) : nil
    }
  }

  /// OpenVINO's messages name the lines of its own source first; what happened stands in the rest.
  static func condensed(_ message: String) -> String {
    let lines = message.split(whereSeparator: \.isNewline)
      .map { $0.drop(while: \.isWhitespace) }
      .filter { !$0.isEmpty && !$0.hasPrefix("Exception from ") }
    let text = lines.joined(separator: " ")
    return text.count > 400 ? text.prefix(400) + "..." : text
  }
}

/// OpenVINO's central object, which loads devices and holds their settings; freed with the last reference.
final class OpenVINOCore: @unchecked Sendable {
  let library: OpenVINOLibrary
  let handle: OpaquePointer

  init(_ library: OpenVINOLibrary) throws {
    self.library = library
    var handle: OpaquePointer?
    try library.check(mt_openvino_core_create(library.functions, &handle), "start")
    guard let handle else { throw Failure(.engine, "OpenVINO could not start") }
    self.handle = handle
  }

  deinit { mt_openvino_core_free(library.functions, handle) }

  /// The names of the devices it can use. Slow: it tries them all.
  func devices() throws -> [String] {
    var names: [String] = []
    let status = withUnsafeMutablePointer(to: &names) { names in
      mt_openvino_devices(
        library.functions, handle,
        { name, names in
          guard let name, let names else { return }
          names.assumingMemoryBound(to: [String].self).pointee.append(String(cString: name))
        }, names)
    }
    try library.check(status, "list its devices")
    return names
  }

  /// What `device` says under `key`; nil when it does not know the key, or does not exist.
  func property(_ key: String, of device: String) -> String? {
    OpenVINOLibrary.text { mt_openvino_core_property(library.functions, handle, device, key, $0, $1) }
  }

  func setProperty(_ key: String, of device: String, to value: String) throws {
    try library.check(
      mt_openvino_core_set_property(library.functions, handle, device, key, value), "set \(key) to \(value)")
  }
}
