import Basics

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Where engines' libraries are looked for. Nothing is run to find them: Python packages are found by the folders
/// in which Python keeps them.
public struct EngineSearch: Sendable {
  /// A library, or a folder that holds it, given on the command line. Nothing else is looked at then.
  public var explicitPath: String?
  /// The variables `MICROTOME_OPENVINO`, `MICROTOME_ONNXRUNTIME`, `MICROTOME_TORCH`, `MICROTOME_HOME`, `XDG_DATA_HOME`,
  /// `HOME`, `PATH`, `VIRTUAL_ENV`, `CONDA_PREFIX` and `PYENV_ROOT` count.
  public var environment: [String: String]
  /// Folders in which the system keeps libraries.
  public var systemFolders: [String]

  /// - Parameters:
  ///   - environment: nil for this process's own.
  ///   - systemFolders: nil for the usual ones.
  public init(explicitPath: String? = nil, environment: [String: String]? = nil, systemFolders: [String]? = nil) {
    self.explicitPath = explicitPath
    self.environment = environment ?? Self.processEnvironment
    self.systemFolders = systemFolders ?? Self.usualSystemFolders
  }

  /// Microtome's own data folder: `MICROTOME_HOME`, or `microtome` in the user's data folder (XDG base directories).
  public var dataFolder: String? {
    if let home = set("MICROTOME_HOME") { return home }
    if let data = set("XDG_DATA_HOME") { return Path.join(data, "microtome") }
    return set("HOME").map { Path.join($0, ".local/share/microtome") }
  }

  /// Where `microtome engines install` puts an engine: one folder a version.
  public func installationFolder(of engine: String) -> String? {
    dataFolder.map { Path.join(Path.join($0, "engines"), engine) }
  }

  /// OpenVINO libraries in the order in which they are to be tried, each once.
  ///
  /// A path that the user has given stands alone; it throws `engine` when nothing is there.
  func openVINOLibraries() throws -> [String] { try libraries(of: .openVINO) }

  /// PyTorch libraries, likewise.
  func torchLibraries() throws -> [String] { try libraries(of: .torch) }

  /// ONNX Runtime libraries, likewise.
  func onnxRuntimeLibraries() throws -> [String] { try libraries(of: .onnxRuntime) }

  private func libraries(of engine: EngineLibrary) throws -> [String] {
    for (path, origin) in [(explicitPath, "the path given"), (set(engine.variable), engine.variable)] {
      guard let path else { continue }
      if Path.isFile(path) { return [path] }
      guard let library = engine.folders.lazy.compactMap({ engine.library(in: Path.join(path, $0)) }).first else {
        throw Failure(
          .engine, "\(origin) holds no \(engine.name) library (\(engine.file))", file: path,
          hint: "give the library itself or the folder that holds it")
      }
      return [library]
    }
    var folders: [String] = []
    if let own = installationFolder(of: engine.package) {
      let versions = ((try? Path.list(own)) ?? []).filter { !$0.hasPrefix(".") }
      folders += versions.sorted { Self.isOlder($1, than: $0) }
        .map { Path.join(Path.join(own, $0), engine.installedFolder) }
    }
    folders += pythonPackageFolders.map { Path.join($0, engine.packageFolder) }
    folders += systemFolders
    var seen = Set<String>()
    return folders.compactMap { engine.library(in: $0) }.filter { seen.insert(Self.resolved($0) ?? $0).inserted }
  }

  /// Folders in which installed Python packages lie, those of the active environment first.
  var pythonPackageFolders: [String] {
    var prefixes: [String] = []
    for variable in ["VIRTUAL_ENV", "CONDA_PREFIX"] { if let prefix = set(variable) { prefixes.append(prefix) } }
    for folder in (set("PATH") ?? "").split(separator: ":") {
      let python = Path.join(String(folder), "python3")
      guard access(python, X_OK) == 0 else { continue }
      // In a virtual environment the program is a link, and the packages lie beside the link.
      for path in [python, Self.resolved(python)].compactMap({ $0 }) {
        prefixes.append(Path.split(Path.split(path).folder).folder)
      }
    }
    if let home = set("HOME") { prefixes.append(Path.join(home, ".local")) }
    if let pyenv = set("PYENV_ROOT") ?? set("HOME").map({ Path.join($0, ".pyenv") }) {
      let versions = Path.join(pyenv, "versions")
      prefixes += ((try? Path.list(versions)) ?? []).reversed().map { Path.join(versions, $0) }
    }
    var seen = Set<String>()
    return prefixes.filter { seen.insert($0).inserted }.flatMap { prefix -> [String] in
      let libraries = Path.join(prefix, "lib")
      let pythons = ((try? Path.list(libraries)) ?? []).filter { $0.hasPrefix("python3") }
      return pythons.reversed().flatMap { python in
        ["site-packages", "dist-packages"].map { Path.join(Path.join(libraries, python), $0) }
      }
    }
  }

  /// Compares the numbers in two names one after the other: "2024.9" is older than "2024.10".
  static func isOlder(_ left: String, than right: String) -> Bool {
    func numbers(_ text: String) -> [Int] {
      text.split { !$0.isASCII || !$0.isNumber }.map { Int($0) ?? .max }
    }
    return numbers(left).lexicographicallyPrecedes(numbers(right))
  }

  /// The value of a variable that is set and not empty.
  private func set(_ variable: String) -> String? { environment[variable].flatMap { $0.isEmpty ? nil : $0 } }

  private static func resolved(_ path: String) -> String? {
    guard let real = realpath(path, nil) else { return nil }
    defer { free(real) }
    return String(cString: real)
  }

  private static let usualSystemFolders = [
    "/usr/local/lib", "/usr/local/lib/libtorch/lib", "/opt/libtorch/lib", "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib",
    "/opt/intel/openvino/runtime/lib/intel64", "/opt/intel/openvino/runtime/lib/aarch64", "/opt/homebrew/lib",
  ]

  private static var processEnvironment: [String: String] {
    let names = [
      "MICROTOME_OPENVINO", "MICROTOME_ONNXRUNTIME", "MICROTOME_TORCH", "MICROTOME_HOME", "XDG_DATA_HOME", "HOME",
      "PATH", "VIRTUAL_ENV", "CONDA_PREFIX", "PYENV_ROOT",
    ]
    return Dictionary(
      uniqueKeysWithValues: names.compactMap { name in getenv(name).map { (name, String(cString: $0)) } })
  }
}

/// How an engine's library is called and where it lies.
struct EngineLibrary {
  /// As people call it.
  var name: String
  /// The Python package, and the name of the engine's folder.
  var package: String
  /// The environment variable with the user's choice.
  var variable: String
  /// The file's name up to the first dot.
  var file: String
  /// Where it is looked for below a folder that the user has given.
  var folders: [String]
  /// Where it lies below the folder that holds Python packages.
  var packageFolder: String
  /// Where `microtome engines install` puts it.
  var installedFolder: String

  static let openVINO = EngineLibrary(
    name: "OpenVINO", package: "openvino", variable: "MICROTOME_OPENVINO", file: "libopenvino_c",
    folders: ["", "libs", "openvino/libs", "lib", "runtime/lib/intel64", "runtime/lib/aarch64"],
    packageFolder: "openvino/libs", installedFolder: "libs")

  static let onnxRuntime = EngineLibrary(
    name: "ONNX Runtime", package: "onnxruntime", variable: "MICROTOME_ONNXRUNTIME", file: "libonnxruntime",
    folders: ["", "lib", "capi", "onnxruntime/capi"], packageFolder: "onnxruntime/capi", installedFolder: "capi")

  static let torch = EngineLibrary(
    name: "PyTorch", package: "torch", variable: "MICROTOME_TORCH", file: "libtorch_cpu",
    folders: ["", "lib", "torch/lib", "libtorch/lib"], packageFolder: "torch/lib", installedFolder: "torch/lib")

  /// The newest library in `folder`, or nil.
  func library(in folder: String) -> String? {
    guard let names = try? Path.list(folder) else { return nil }
    let libraries = names.filter { $0.hasPrefix(file + ".") && ($0.contains(".so") || $0.hasSuffix(".dylib")) }
    return libraries.max { EngineSearch.isOlder($0, than: $1) }.map { Path.join(folder, $0) }
  }
}
