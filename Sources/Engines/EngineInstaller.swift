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
  /// Whether a folder holds a library that can be loaded.
  var isUsable: @Sendable (_ folder: String) -> Bool

  /// A wheel that has been examined.
  struct Package: Sendable {
    var engine: String
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
    isUsable = { folder in
      let search = EngineSearch(explicitPath: folder, environment: [:])
      guard let library = try? search.openVINOLibraries().first else { return false }
      return (try? OpenVINOLibrary(path: library)) != nil
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
      throw Failure(.usage, "there is no engine called \(name) to install", hint: "engines are: openvino")
    }
    guard let package = packages.first(where: { $0.engine == name && $0.platform.hasSuffix(Self.platformSuffix) })
    else {
      throw Failure(
        .engine, "there is no package of \(name) for this kind of machine",
        hint: "install it in another way and set MICROTOME_\(name.uppercased()) to its folder")
    }
    guard let home = search.installationFolder(of: name) else {
      throw Failure(.engine, "there is no folder to install into", hint: "set MICROTOME_HOME to one")
    }
    let destination = Path.join(home, package.version)
    if isUsable(destination) { return destination }
    try Path.makeFolder(home)
    let scratch = try ScratchFolder(in: home)
    let wheel = try download(package, to: scratch.path, isQuiet: isQuiet)
    try check(wheel, package)
    let unpacked = Path.join(scratch.path, "unpacked")
    try unpack(wheel, to: unpacked)
    // Something damaged may be in the way; it goes together with the scratch folder.
    rename(destination, Path.join(scratch.path, "previous"))
    guard rename(unpacked, destination) == 0 else {
      throw Failure(.cannotWrite, "cannot be put into place: \(systemMessage())", file: destination)
    }
    // Only now, because a library that has been loaded looks for its parts where it was loaded from.
    guard isUsable(destination) else {
      rename(destination, unpacked)
      throw Failure(
        .engine, "\(name) \(package.version) cannot be used on this machine",
        hint: "install it in another way and set MICROTOME_\(name.uppercased()) to its folder")
    }
    return destination
  }

  private func download(_ package: Package, to folder: String, isQuiet: Bool) throws -> String {
    let arguments = [
      "download", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--dest", folder,
      // A fixed Python, so that everybody gets the same file; the libraries inside are those of every Python.
      "--python-version", "3.11", "--implementation", "cp", "--abi", "cp311", "--platform", package.platform,
      "\(package.engine)==\(package.version)",
    ]
    var failed: Int32?
    for pip in [["python3", "-m", "pip"], ["pip3"], ["pip"]] {
      guard let status = try Subprocess.run(pip + arguments, environment: environment, isQuiet: isQuiet) else {
        continue
      }
      if status == 0 {
        guard let name = try Path.list(folder).first(where: { $0.hasSuffix(".whl") }) else {
          throw Failure(.engine, "pip did not download \(package.engine) \(package.version)")
        }
        return Path.join(folder, name)
      }
      failed = status
    }
    let manual = "or pip install \(package.engine) in any Python, which is found as well"
    guard let failed else {
      throw Failure(
        .engine, "pip, which is needed to download \(package.engine), is not installed",
        hint: "install Python's pip (Debian, Ubuntu: apt install python3-pip), \(manual)")
    }
    throw Failure(
      .engine, "pip could not download \(package.engine) \(package.version) (exit status \(failed))",
      hint: "check the connection and pip's settings, \(manual)")
  }

  private func check(_ wheel: String, _ package: Package) throws {
    let file = try MappedFile(path: wheel)
    let digest = SHA256.hexadecimal(file.bytes)
    guard digest == package.sha256 else {
      throw Failure(
        .engine,
        "the file downloaded is not \(package.engine) \(package.version) as it was published (SHA-256 "
          + "\(digest), expected \(package.sha256)); it was deleted", file: Path.split(wheel).name,
        hint: "try again, or check the package index that pip is set to use")
    }
  }

  /// Unpacks the libraries and licences of a wheel.
  private func unpack(_ wheel: String, to folder: String) throws {
    let archive = try ZipArchive(path: wheel)
    for member in archive.members where !member.isFolder {
      let parts = member.name.split(separator: "/").map(String.init)
      let target: String
      if parts.count == 3, parts[1] == "libs" {
        target = Path.join("libs", parts[2])
      } else if let licenses = parts.firstIndex(of: "licenses"), licenses + 1 < parts.count {
        target = parts[licenses...].joined(separator: "/")
      } else {
        continue
      }
      let path = Path.join(folder, target)
      try Path.makeFolder(Path.split(path).folder)
      try archive.extract(member, to: path)
    }
  }

  private static let knownPackages = [
    Package(
      engine: "openvino", version: "2026.4.1", platform: "manylinux_2_28_x86_64",
      sha256: "2d22b1da03f7caf74df30e9f6417d0ab2f637e4a38e08e1dcd294d2c37407aaf"),
    Package(
      engine: "openvino", version: "2026.4.1", platform: "manylinux_2_35_aarch64",
      sha256: "bea1eb3733c34ef331adc945da0ccda5937865031139073663be84c517ffda22"),
    Package(
      engine: "openvino", version: "2026.4.1", platform: "macosx_11_0_arm64",
      sha256: "d3740853691ae4a9003bc3417a4625d848e2cc3251af4b815c59199b38be252a"),
  ]

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
