import Basics
import Checkpoints

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Fetches engines into Microtome's own folder.
///
/// The library comes from the package registry through the user's own pip, with the user's settings for mirrors and
/// proxies; which file it must be is fixed here by its SHA-256. pip only downloads: nothing from the package is run,
/// and nothing is installed into any Python.
public struct EngineInstaller: Sendable {
  public var search: EngineSearch
  /// The variables pip is started with.
  var environment: [String: String]
  /// The packages that can be installed.
  var packages: [Package]
  /// Whether the folder of an engine holds a library that can be loaded.
  var isUsable: @Sendable (_ engine: String, _ folder: String) -> Bool

  /// What an engine consists of; examined before it was entered here.
  struct Package: Sendable {
    var engine: String
    var version: String
    /// The engine's own wheel first, then those of libraries that it needs.
    var wheels: [Wheel]
  }

  struct Wheel: Sendable {
    var name: String
    var version: String
    /// As pip calls it: "manylinux_2_28_x86_64".
    var platform: String
    /// Of the file, in hexadecimal.
    var sha256: String
  }

  public init(search: EngineSearch = EngineSearch()) {
    self.search = search
    environment = Subprocess.environment
    packages = Self.knownPackages
    isUsable = { engine, folder in
      let registry = EngineRegistry(search: EngineSearch(explicitPath: folder, environment: [:]))
      return (try? registry.engine(named: engine)) != nil
    }
  }

  /// Downloads, checks and unpacks the engine called `name`, and returns the folder that holds it now.
  ///
  /// It appears there whole or not at all. What is already there is kept, unless it is damaged.
  ///
  /// - Parameter isQuiet: Whether pip's own output is kept from the standard error.
  ///
  /// Throws `usage` for an unknown name; `engine` when there is no package for this machine, no pip, or no connection,
  /// and when the file is not the one expected; `cannotWrite`.
  @discardableResult
  public func install(_ name: String, isQuiet: Bool = false) throws -> String {
    guard Self.knownPackages.contains(where: { $0.engine == name }) else {
      throw Failure(
        .usage, "there is no engine called \(name) to install", hint: "engines are: openvino, onnxruntime, torch")
    }
    guard
      let package = packages.first(where: { package in
        package.engine == name && package.wheels.allSatisfy { $0.platform.hasSuffix(Self.platformSuffix) }
      })
    else {
      throw Failure(
        .engine, "there is no package of \(name) for this kind of machine",
        hint: "install it in another way and set MICROTOME_\(name.uppercased()) to its folder")
    }
    guard let home = search.installationFolder(of: name) else {
      throw Failure(.engine, "there is no folder to install into", hint: "set MICROTOME_HOME to one")
    }
    let destination = Path.join(home, package.version)
    if isUsable(name, destination) { return destination }
    try Path.makeFolder(home)
    let scratch = try ScratchFolder(in: home)
    let unpacked = Path.join(scratch.path, "unpacked")
    for wheel in package.wheels {
      let folder = Path.join(scratch.path, wheel.name)
      try Path.makeFolder(folder)
      let file = try download(wheel, of: name, to: folder, isQuiet: isQuiet)
      try check(file, wheel)
      try unpack(file, of: wheel, to: unpacked)
      unlink(file)
    }
    // Something damaged may be in the way; it goes together with the scratch folder.
    rename(destination, Path.join(scratch.path, "previous"))
    guard rename(unpacked, destination) == 0 else {
      throw Failure(.cannotWrite, "cannot be put into place: \(systemMessage())", file: destination)
    }
    // Only now, because a library that has been loaded looks for its parts where it was loaded from.
    guard isUsable(name, destination) else {
      rename(destination, unpacked)
      throw Failure(
        .engine, "\(name) \(package.version) cannot be used on this machine",
        hint: "install it in another way and set MICROTOME_\(name.uppercased()) to its folder")
    }
    return destination
  }

  private func download(_ wheel: Wheel, of engine: String, to folder: String, isQuiet: Bool) throws -> String {
    let arguments = [
      "download", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--dest", folder,
      // A fixed Python, so that everybody gets the same file; the libraries inside are those of every Python.
      "--python-version", "3.11", "--implementation", "cp", "--abi", "cp311", "--platform", wheel.platform,
      "\(wheel.name)==\(wheel.version)",
    ]
    var failed: Int32?
    for pip in [["python3", "-m", "pip"], ["pip3"], ["pip"]] {
      guard let status = try Subprocess.run(pip + arguments, environment: environment, isQuiet: isQuiet) else {
        continue
      }
      if status == 0 {
        guard let name = try Path.list(folder).first(where: { $0.hasSuffix(".whl") }) else {
          throw Failure(.engine, "pip did not download \(wheel.name) \(wheel.version)")
        }
        return Path.join(folder, name)
      }
      failed = status
    }
    let manual = "or pip install \(engine) in any Python, which is found as well"
    guard let failed else {
      throw Failure(
        .engine, "pip, which is needed to download \(wheel.name), is not installed",
        hint: "install Python's pip (Debian, Ubuntu: apt install python3-pip), \(manual)")
    }
    throw Failure(
      .engine, "pip could not download \(wheel.name) \(wheel.version) (exit status \(failed))",
      hint: "check the connection and pip's settings, \(manual)")
  }

  private func check(_ path: String, _ wheel: Wheel) throws {
    let file = try MappedFile(path: path)
    let digest = SHA256.hexadecimal(file.bytes)
    guard digest == wheel.sha256 else {
      throw Failure(
        .engine,
        "the file downloaded is not \(wheel.name) \(wheel.version) as it was published (SHA-256 "
          + "\(digest), expected \(wheel.sha256)); it was deleted", file: Path.split(path).name,
        hint: "try again, or check the package index that pip is set to use")
    }
  }

  /// Unpacks the libraries and licences of a wheel.
  private func unpack(_ file: String, of wheel: Wheel, to folder: String) throws {
    let archive = try ZipArchive(path: file)
    for member in archive.members where !member.isFolder {
      guard let target = Self.target(of: member.name, from: wheel.name) else { continue }
      let path = Path.join(folder, target)
      try Path.makeFolder(Path.split(path).folder)
      try archive.extract(member, to: path)
    }
  }

  /// Where a file of a wheel goes; nil for what is not needed: Python's part, and in PyTorch's wheels that of graphics
  /// processors, which needs many more packages.
  private static func target(of member: String, from wheel: String) -> String? {
    let parts = member.split(separator: "/").map(String.init)
    guard let name = parts.last else { return nil }
    if let licenses = parts.firstIndex(of: "licenses"), licenses + 1 < parts.count {
      let own = parts[licenses...].joined(separator: "/")
      return wheel.hasPrefix("nvidia") ? "licenses/\(wheel)/\(parts[(licenses + 1)...].joined(separator: "/"))" : own
    }
    if wheel.hasPrefix("nvidia") {
      return ["libcudart.so", "libcupti.so"].contains(where: name.hasPrefix) ? member : nil
    }
    if parts[0] == "torch" || parts[0] == "torch.libs" {
      let isLibrary = parts.count == (parts[0] == "torch" ? 3 : 2) && (parts[1] == "lib" || parts[0] == "torch.libs")
      let isForeign = ["cuda", "nvshmem", "nvrtc", "python", "libshm"].contains { name.contains($0) }
      return isLibrary && !isForeign && (name.contains(".so") || name.hasSuffix(".dylib")) ? member : nil
    }
    if parts[0] == "onnxruntime" {
      if parts.count == 2, ["LICENSE", "ThirdPartyNotices.txt"].contains(name) { return "licenses/\(name)" }
      return parts.count == 3 && parts[1] == "capi" && name.hasPrefix("libonnxruntime") ? "capi/\(name)" : nil
    }
    return parts.count == 3 && parts[1] == "libs" ? "libs/\(name)" : nil
  }

  private static let knownPackages =
    [
      ("manylinux_2_28_x86_64", "2d22b1da03f7caf74df30e9f6417d0ab2f637e4a38e08e1dcd294d2c37407aaf"),
      ("manylinux_2_35_aarch64", "bea1eb3733c34ef331adc945da0ccda5937865031139073663be84c517ffda22"),
      ("macosx_11_0_arm64", "d3740853691ae4a9003bc3417a4625d848e2cc3251af4b815c59199b38be252a"),
    ].map { platform, sha256 in
      Package(
        engine: "openvino", version: "2026.4.1",
        wheels: [Wheel(name: "openvino", version: "2026.4.1", platform: platform, sha256: sha256)])
    }
    + [
      ("manylinux_2_28_x86_64", "5752bd508126ae7c49894d3b9d2e83f0c3d487319246d04c444b393308d7ad7f"),
      ("manylinux_2_28_aarch64", "da05378364c44d4407e463982d2bf8d5e4cfea873283757e48beeb41df97b7f3"),
      ("macosx_14_0_arm64", "60b6b69bfe580eab576cacc5d132a0e9cf2a37fcfd18d46dd191042b1d1ed0d7"),
    ].map { platform, sha256 in
      Package(
        engine: "onnxruntime", version: "1.31.1",
        wheels: [Wheel(name: "onnxruntime", version: "1.31.1", platform: platform, sha256: sha256)])
    } + [
      torch([
        ("torch", "manylinux_2_28_x86_64", "48c2d861134c0b5697c7602cb5ffa68f62a2989fdcd1717e593356f67996ca1e"),
        (
          "nvidia-cuda-runtime", "manylinux_2_17_x86_64",
          "3498247680dfddce31bad102af7e3e26fc795342a3cac64722bb0fa95e7f60f0"
        ),
        (
          "nvidia-cuda-cupti", "manylinux_2_25_x86_64",
          "8fa29f15dd8336181f961764d9d95236fc6b931dd0c8fcf8cd70aab0c310b586"
        ),
      ]),
      torch([
        ("torch", "manylinux_2_28_aarch64", "58ce2ebfb3430941353109a85be63ee8e941da22f13daa2c43344eeb51c81e06"),
        (
          "nvidia-cuda-runtime", "manylinux_2_17_aarch64",
          "37844957894bfdecf90243568d21a2cb251b66106915b71459a23c8e6ef2da69"
        ),
        (
          "nvidia-cuda-cupti", "manylinux_2_25_aarch64",
          "d9a5c133f73fcb9013f3ada0da6fb54d4117618d81f3f5a0419417ea6ee829d4"
        ),
      ]),
      torch([
        ("torch", "macosx_14_0_arm64", "e808b63d616a43b326e1a5677d45a2e5babe7a8ce27edb03ddb48e7dd9b6d663")
      ]),
    ]

  /// PyTorch with what its library needs even when it computes on the processor.
  private static func torch(_ wheels: [(name: String, platform: String, sha256: String)]) -> Package {
    Package(
      engine: "torch", version: "2.15.0",
      wheels: wheels.map {
        Wheel(
          name: $0.name, version: $0.name == "torch" ? "2.15.0" : "13.2.86", platform: $0.platform, sha256: $0.sha256)
      })
  }

  /// How the names of platforms end that this program can run on.
  private static let platformSuffix: String = {
    #if os(Linux) && arch(x86_64)
      "_x86_64"
    #elseif os(Linux) && arch(arm64)
      "_aarch64"
    #elseif os(macOS) && arch(arm64)
      "_arm64"
    #else
      "none"
    #endif
  }()
}
