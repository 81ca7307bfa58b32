import Basics

/// One case to segment: its files, one per channel or one for all.
public struct CaseFiles: Sendable, Equatable {
  public let identifier: String
  /// Channel files in channel order.
  public let images: [String]

  public init(identifier: String, images: [String]) {
    self.identifier = identifier
    self.images = images
  }
}

/// The cases of an input folder, and files that look like cases but are not.
public struct CaseList: Sendable, Equatable {
  public var cases: [CaseFiles]
  /// Files with the right ending whose name lacks a `_0000` channel suffix.
  public var unusable: [String]

  /// Lists a folder by nnU-Net's rule: `<case>_<four digits><ending>`, sorted by name.
  ///
  /// A single file is one case: with a channel suffix its sibling channels are taken along, without one it is channel 0.
  public static func find(at path: String, ending: String) throws -> CaseList {
    if Path.isFolder(path) { return try list(folder: path, ending: ending) }
    guard Path.exists(path) else {
      throw Failure(.missingInput, "does not exist", file: path, hint: "-i takes a folder of images or one image file")
    }
    let (folder, name) = Path.split(path)
    guard name.hasSuffix(ending), name.count > ending.count else {
      throw Failure(
        .badInput, "this model reads files ending in \(ending)", file: path,
        hint: "convert the image, or choose a model trained on this format")
    }
    guard let identifier = identifier(of: name, ending: ending) else {
      return CaseList(
        cases: [CaseFiles(identifier: String(name.dropLast(ending.count)), images: [path])], unusable: [])
    }
    let siblings = try list(folder: folder, ending: ending).cases.filter { $0.identifier == identifier }
    return CaseList(cases: siblings, unusable: [])
  }

  /// Lists a folder with every image a case of its own, sorted by name; a single file is one case.
  ///
  /// `_0000` at the end of a name is left out of the case's, unless that would make it another file's.
  public static func findSingleFiles(at path: String, ending: String) throws -> CaseList {
    guard Path.isFolder(path) else {
      var list = try find(at: path, ending: ending)
      // Without the other channels.
      list.cases = list.cases.map { CaseFiles(identifier: $0.identifier, images: [path]) }
      return list
    }
    let names = try Path.list(path)
      .filter { $0.hasSuffix(ending) && $0.count > ending.count && !$0.hasPrefix(".") }
      .filter { Path.isFile(Path.join(path, $0)) }
    let cases = names.map { name in
      let stem = String(name.dropLast(ending.count))
      let short = stem.hasSuffix("_0000") ? String(stem.dropLast(5)) : stem
      let isFree = !short.isEmpty && (short == stem || !names.contains(short + ending))
      return CaseFiles(identifier: isFree ? short : stem, images: [Path.join(path, name)])
    }
    return CaseList(cases: cases, unusable: [])
  }

  private static func list(folder: String, ending: String) throws -> CaseList {
    var channels: [String: [String]] = [:]
    var order: [String] = []
    var unusable: [String] = []
    for name in try Path.list(folder) where name.hasSuffix(ending) && !name.hasPrefix(".") {
      let path = Path.join(folder, name)
      guard Path.isFile(path) else { continue }
      guard let identifier = identifier(of: name, ending: ending) else {
        unusable.append(path)
        continue
      }
      if channels[identifier] == nil { order.append(identifier) }
      channels[identifier, default: []].append(path)
    }
    order.sort { $0.unicodeScalars.lexicographicallyPrecedes($1.unicodeScalars) }
    return CaseList(
      cases: order.map { CaseFiles(identifier: $0, images: channels[$0] ?? []) }, unusable: unusable)
  }

  /// `<id>` of `<id>_<four digits><ending>`, or nil when the name is not of that form.
  static func identifier(of name: String, ending: String) -> String? {
    let stem = name.dropLast(ending.count)
    let suffix = stem.suffix(5)
    guard suffix.count == 5, suffix.first == "_", suffix.dropFirst().allSatisfy({ $0.isASCII && $0.isNumber }),
      stem.count > 5
    else { return nil }
    return String(stem.dropLast(5))
  }
}
