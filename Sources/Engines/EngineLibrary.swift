import Basics
import CSystem

/// Opens an engine's shared library, for good: threads it has started may outlive every object of ours.
///
/// Throws `engine` with what the system has to say when it cannot be loaded.
func openEngineLibrary(_ path: String, hint: String? = nil) throws -> UnsafeMutableRawPointer {
  guard let library = mt_library_open(path) else {
    throw Failure(.engine, "cannot be loaded: \(String(cString: mt_library_error()))", file: path, hint: hint)
  }
  return library
}
