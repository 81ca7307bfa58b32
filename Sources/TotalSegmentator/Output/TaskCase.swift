import Basics

/// One image and where its results go.
public struct TaskCase: Sendable, Equatable {
  /// Where the segmentation goes.
  public enum Destination: Sendable, Equatable {
    /// One file with all classes.
    case file(String)
    /// A folder with one binary mask a class.
    case folder(String)
    /// Nowhere.
    case none
  }

  public var identifier: String
  public var image: String
  public var segmentation: Destination
  /// The file for statistics; nil for none.
  public var statistics: String?

  /// The cases of an input: one file, or every .nii.gz and .nii of a folder in the order of names.
  ///
  /// One file's results go where `output` says; those of a folder go into `output`, named after the image.
  ///
  /// - Parameters:
  ///   - output: nil when no segmentation is to be written, and no statistics or only into a file that has a name.
  ///   - isMultilabel: one file with all classes instead of a folder of masks.
  ///   - statistics: nil for none; "" for `statistics.json` beside the segmentation, or where that would be.
  ///   - savesSegmentation: false where `output` only says where statistics go.
  /// - Throws: `missingInput`, `badInput` for what is no NIfTI file, `usage`.
  public static func find(
    at input: String, output: String?, isMultilabel: Bool, statistics: String?, savesSegmentation: Bool = true
  ) throws -> [TaskCase] {
    guard statistics?.isEmpty != true || output != nil else {
      throw Failure(.usage, "there is no folder for the statistics", hint: "name the file: --statistics FILE")
    }
    if Path.isFolder(input) {
      var found = try list(input, output: output, isMultilabel: isMultilabel, statistics: statistics)
      if !savesSegmentation { for index in found.indices { found[index].segmentation = .none } }
      return found
    }
    guard Path.exists(input) else { throw Failure(.missingInput, "does not exist", file: input) }
    guard let identifier = identifier(of: Path.split(input).name) else { throw notNIfTI(input) }
    var found = TaskCase(identifier: identifier, image: input, segmentation: .none)
    if let output, savesSegmentation {
      found.segmentation = isMultilabel ? .file(try labelFile(output)) : .folder(output)
    }
    if let statistics {
      let folder = isMultilabel ? Path.split(output ?? "").folder : output ?? ""
      found.statistics = statistics.isEmpty ? Path.join(folder, "statistics.json") : statistics
    }
    return [found]
  }

  private static func list(
    _ folder: String, output: String?, isMultilabel: Bool, statistics: String?
  ) throws -> [TaskCase] {
    let images = try Path.list(folder).filter { !$0.hasPrefix(".") && identifier(of: $0) != nil }
      .filter { Path.isFile(Path.join(folder, $0)) }
    guard !images.isEmpty else { throw notNIfTI(folder) }
    guard statistics.map(\.isEmpty) ?? true else {
      throw Failure(.usage, "one file cannot take the statistics of a folder of images", hint: "leave its name out")
    }
    return images.map { name in
      let identifier = identifier(of: name) ?? name
      var found = TaskCase(
        identifier: identifier, image: Path.join(folder, name), segmentation: .none)
      guard let output else { return found }
      let own = Path.join(output, identifier)
      found.segmentation = isMultilabel ? .file(own + ".nii.gz") : .folder(own)
      if statistics != nil {
        found.statistics = isMultilabel ? own + "_statistics.json" : Path.join(own, "statistics.json")
      }
      return found
    }
  }

  /// A name without an ending is taken for a folder's, which is the likelier mistake to make once only.
  private static func labelFile(_ output: String) throws -> String {
    guard identifier(of: Path.split(output).name) == nil else { return output }
    throw Failure(
      .usage, "with --ml the output is one file, and its name ends in .nii.gz or .nii", file: output)
  }

  private static func identifier(of name: String) -> String? {
    for ending in [".nii.gz", ".nii"] where name.hasSuffix(ending) && name.count > ending.count {
      return String(name.dropLast(ending.count))
    }
    return nil
  }

  private static func notNIfTI(_ path: String) -> Failure {
    Failure(
      .badInput, Path.isFolder(path) ? "holds no .nii.gz or .nii file" : "is no NIfTI file by its name", file: path,
      hint: "DICOM cannot be read yet; convert the series to NIfTI, with dcm2niix for example")
  }
}
