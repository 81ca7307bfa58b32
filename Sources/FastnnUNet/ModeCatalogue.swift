import Basics
import ImageFormats

/// The modes that a user has registered: a folder with one JSON file for each.
public struct ModeCatalogue: Sendable {
  public let folder: String

  public init(folder: String) { self.folder = folder }

  /// The user's own: `MICROTOME_MODES`, else `$XDG_CONFIG_HOME/microtome/modes`, by default `~/.config/microtome/modes`.
  ///
  /// - Parameter environment: looks up these variables and `HOME`. Throws `usage` when none is set.
  public init(environment: (String) -> String?) throws {
    func variable(_ name: String) -> String? { environment(name).flatMap { $0.isEmpty ? nil : $0 } }
    let configuration = variable("XDG_CONFIG_HOME") ?? variable("HOME").map { Path.join($0, ".config") }
    guard let folder = variable("MICROTOME_MODES") ?? configuration.map({ Path.join($0, "microtome/modes") }) else {
      throw Failure(.usage, "there is no place for modes", hint: "set MICROTOME_MODES to a folder, or HOME")
    }
    self.init(folder: folder)
  }

  /// FastnnUNet's modes, and what each is of. It has published no weights for any of them.
  public static let published: [(name: String, summary: String)] = [
    ("bone", "Bones in CT, one by one; the subsegmentation is of cortical bone."),
    ("chest", "Organs and vessels of the chest."),
    ("abdomen", "Organs of the abdomen."),
    ("headneck", "Organs and bones of head and neck."),
    ("pelvic", "Organs and bones of the pelvis."),
    ("spine", "Vertebrae, one by one."),
    ("total", "Everything at once, from head to foot."),
    ("limb", "Bones of arms and legs."),
  ]

  /// Where a mode's file is.
  public func path(of name: String) -> String { Path.join(folder, name + ".json") }

  /// The names of the modes that are registered, sorted. Throws `missingInput` for a folder that cannot be read.
  public func names() throws -> [String] {
    guard Path.isFolder(folder) else { return [] }
    return try Path.list(folder).filter { $0.hasSuffix(".json") && !$0.hasPrefix(".") }
      .map { String($0.dropLast(".json".count)) }
  }

  /// A registered mode.
  ///
  /// Throws `missingInput` for one of FastnnUNet's that has not been registered, `usage` for other unknown names, and
  /// `badInput` for a file that is no mode.
  public func mode(named name: String) throws -> Mode {
    if Self.isName(name), Path.isFile(path(of: name)) { return try Mode.read(path(of: name)) }
    if Self.published.contains(where: { $0.name == name }) {
      throw Failure(
        .missingInput, "there is no model for the mode \(name): FastnnUNet has published no weights",
        hint: "register one of your own: microtome tasks add \(name) --model MODEL_FOLDER")
    }
    let known = try names() + Self.published.map(\.name)
    throw Failure(
      .usage, "there is no mode called \(name)",
      hint: Spelling.suggestion(for: name, in: known)
        ?? "microtome tasks list shows them; microtome tasks add \(name) --model MODEL_FOLDER makes one")
  }

  /// Registers a mode whose models have been looked at. Returns where it is written down.
  ///
  /// Throws `usage` for a name that cannot be a file's, and when the mode exists and is not to be replaced; `cannotWrite`.
  public func add(_ mode: Mode, replaces: Bool) throws -> String {
    guard Self.isName(mode.name) else {
      throw Failure(
        .usage, "\"\(mode.name)\" cannot be a mode's name", hint: "use letters, digits, '-', '_' and '.'")
    }
    let path = path(of: mode.name)
    guard replaces || !Path.exists(path) else {
      throw Failure(.usage, "the mode \(mode.name) is registered already", file: path, hint: "--force replaces it")
    }
    try Path.makeFolder(folder)
    try AtomicFile.write(Array((mode.json.text(indent: 2) + "\n").utf8), to: path)
    return path
  }

  /// Forgets a mode; its models stay where they are. Throws `missingInput` when it is not registered.
  public func remove(_ name: String) throws {
    guard Self.isName(name), Path.isFile(path(of: name)) else {
      let known = try names()
      throw Failure(
        .missingInput, "the mode \(name) is not registered",
        hint: known.isEmpty ? "no mode is" : "registered are \(known.joined(separator: ", "))")
    }
    Path.removeTree(path(of: name))
  }

  private static func isName(_ name: String) -> Bool {
    !name.isEmpty && !name.hasPrefix(".") && !name.hasPrefix("-")
      && name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_.".contains($0)) }
  }
}

extension Mode {
  /// Whether a text is an orientation: three letters for three axes.
  public static func isOrientation(_ code: String) -> Bool {
    (try? Orientation(from: standardOrientation, to: code)) != nil
  }
}
